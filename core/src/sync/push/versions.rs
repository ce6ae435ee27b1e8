//! What became of a write whose answer was lost, where the record as it stands does not tell: others wrote since. Had it
//! arrived, and had they taken a part of it back, a merge would bring that part back, unseen. The versions in between tell.

use super::fate::{self, Over, There};
use super::talk::{Now, over, server_copy};
use super::{Outcome, Push};
use crate::access::Pending;
use crate::fhir::Resource;
use crate::fhir::bundle::{Bundle, etag_version};
use crate::net::{NetError, Request};
use crate::sync::{SyncError, failed};

/// Versions asked for at once. Seldom more than a few were made since.
const VERSIONS: usize = 10;

/// Pages that are read at most.
const PAGES: usize = 20;

/// What the versions in between say of a write.
#[derive(Debug, PartialEq, Eq)]
enum Trace {
    /// It made this one.
    Made(String),
    NotArrived,
    /// The server does not show them, or not all.
    Unknown,
}

impl Push<'_, '_> {
    /// The server has something newer, and nobody knows whether our write came before. If it did, it is settled, and what
    /// is newer is a newer version like any other; if nobody can tell, a person has to look.
    pub(super) async fn meet_unsure(
        &mut self,
        pending: &Pending,
        sent: &str,
        now: &Now,
    ) -> Result<Outcome, SyncError> {
        let is_next = |now| fate::is_next(over(pending), now);
        if now.view().is_some_and(is_next) {
            return self.meet(pending, now);
        }
        match self.trace(pending, sent).await? {
            Trace::Made(text) => {
                let (made, theirs) = (
                    server_copy(pending, &text)?,
                    server_copy(pending, &now.text)?,
                );
                self.run.guard.settle_seen(&pending.name, &made, &theirs)?;
                Ok(Outcome::Sent)
            }
            Trace::NotArrived => self.meet(pending, now),
            Trace::Unknown => self.conflict(pending, now),
        }
    }

    async fn trace(&mut self, pending: &Pending, sent: &str) -> Result<Trace, SyncError> {
        let path = format!("{}/_history?_count={VERSIONS}", pending.name.reference);
        let mut request = Request::get(path);
        let mut made = None;
        for _ in 0..PAGES {
            let answer = match self.ask(request).await {
                // Nothing of them is shown here, this time or ever.
                Err(SyncError::Net(NetError::TooLarge | NetError::ForeignLink)) => {
                    return Ok(Trace::Unknown);
                }
                other => other?,
            };
            match answer.status {
                200 => {}
                // Who is not signed in, or a server that failed: another time.
                401 | 408 | 500 | 502..=599 => return Err(failed(&answer, "a history")),
                _ => return Ok(Trace::Unknown),
            }
            let page = Bundle::parse(&answer.text).filter(|page| page.kind == "history");
            let Some(page) = page else {
                return Ok(Trace::Unknown);
            };
            if look_through(&page, pending, sent, &mut made) {
                return Ok(made.map_or(Trace::NotArrived, Trace::Made));
            }
            let Some(next) = page.link("next") else {
                break;
            };
            request = Request::follow(next);
        }
        // What was to be replaced is not among them. An older one may have had by chance what was sent.
        Ok(Trace::Unknown)
    }
}

/// Looks through a page, newest versions first, for the first one that had what was sent. `true`: no more pages are needed.
fn look_through(
    page: &Bundle<'_>,
    pending: &Pending,
    sent: &str,
    made: &mut Option<String>,
) -> bool {
    let over = over(pending);
    for entry in &page.entry {
        let Some(raw) = entry.resource else {
            let request = entry.request.as_ref();
            // What was there before it was deleted was not made by what was to create it.
            if over.text.is_none() && request.is_some_and(|it| it.method == "DELETE") {
                return true;
            }
            continue;
        };
        let Ok(version) = server_copy(pending, raw.get()) else {
            continue;
        };
        let tag = entry.response.as_ref().and_then(|it| it.etag.as_deref());
        if is_over(over, &version, tag) {
            return true;
        }
        if fate::arrived(sent, over, version.text()) {
            *made = Some(version.text().to_owned());
        }
    }
    // Nothing was there before: then all of them are younger.
    over.text.is_none() && page.link("next").is_none()
}

/// Whether this is the version that was to be replaced.
fn is_over(over: Over<'_>, version: &Resource<'_>, tag: Option<&str>) -> bool {
    let there = There {
        version: version.version().or(tag.map(etag_version)),
        text: version.text(),
    };
    over.text.is_some() && fate::is_untouched(over, there)
}
