//! Records that are read again, many in one request: one by one, 500 of them took a third of a push.
//!
//! Only a record that comes with its text is believed. Whatever else an entry says (absent, refused, not understood), and
//! where the server takes no such request, the record is read by itself.

use super::Push;
use super::bundle::Round;
use super::talk::{Now, server_copy};
use crate::access::Pending;
use crate::fhir::bundle::{Bundle, Entry, Response, Writer, etag_version};
use crate::net::{Answer, Request};
use crate::sync::{SyncError, failed};
use std::collections::HashMap;

impl Push<'_, '_> {
    /// Those of the records of `look` that the server shows, as they are now.
    pub(super) async fn read_together(
        &mut self,
        round: &Round<'_>,
        look: &[usize],
    ) -> Result<HashMap<usize, Now>, SyncError> {
        let look: Vec<usize> = look
            .iter()
            .copied()
            .filter(|at| !self.is_creation(&round.puts[*at]))
            .collect();
        if self.reads_alone || look.len() < 2 {
            return Ok(HashMap::new());
        }
        let mut writer = Writer::new("batch", &[]);
        for at in &look {
            writer.get(&round.puts[*at].name.reference.to_string());
        }
        let answer = self.ask(Request::transaction(writer.finish())).await?;
        if answer.status == 401 {
            return Err(failed(&answer, "a batch of reads"));
        }
        let pending = look.iter().map(|at| &round.puts[*at]);
        let read = shown(&answer, &pending.collect::<Vec<_>>());
        self.reads_alone = read.iter().all(Option::is_none);
        let pairs = look.into_iter().zip(read);
        Ok(pairs.filter_map(|(at, now)| Some((at, now?))).collect())
    }
}

/// What a batch of reads shows of each record.
fn shown(answer: &Answer, asked: &[&Pending]) -> Vec<Option<Now>> {
    let bundle = Bundle::parse(&answer.text).filter(|_| answer.status == 200);
    match bundle.filter(|bundle| bundle.entry.len() == asked.len()) {
        Some(bundle) => {
            let pairs = asked.iter().zip(&bundle.entry);
            pairs.map(|(pending, entry)| one(pending, entry)).collect()
        }
        None => asked.iter().map(|_| None).collect(),
    }
}

fn one(pending: &Pending, entry: &Entry<'_>) -> Option<Now> {
    let response = entry.response.as_ref();
    if response.and_then(Response::code) != Some(200) {
        return None;
    }
    let text = entry.resource?.get();
    let copy = server_copy(pending, text).ok()?;
    let etag = response.and_then(|response| response.etag.as_deref());
    let version = copy.version().or(etag.map(etag_version));
    Some(Now::there(text.to_owned(), version.map(str::to_owned)))
}
