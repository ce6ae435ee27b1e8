//! Records read one by one, stored as those that a pull brings.

use super::{SyncError, failed, plan};
use crate::access::{Guard, PeerId, PullCursor};
use crate::fhir::bundle::Bundle;
use crate::fhir::{Reference, Resource};
use crate::net::Server;

/// What stands on a server under a name, after it was stored here by the rules of a pull. `None`: nothing does.
///
/// # Errors
/// [`SyncError`].
pub(crate) async fn read(
    guard: &Guard,
    server: &Server,
    peer: PeerId,
    name: &Reference,
) -> Result<Option<(String, Option<String>)>, SyncError> {
    let answer = server.get(&name.to_string()).await?;
    match answer.status {
        200 => {}
        404 | 410 => return Ok(None),
        _ => return Err(failed(&answer, "a read")),
    }
    let resource = Resource::parse_text(&answer.text).map_err(|_| not_fhir("no resource"))?;
    if resource.name() != name {
        return Err(not_fhir("another record"));
    }
    let version = resource.version().map(str::to_owned);
    take(guard, peer, &[resource])?;
    Ok(Some((answer.text.clone(), version.or(answer.version))))
}

/// A page of a search, stored by the rules of a pull: its matches' texts, the texts of what they refer to, and the link
/// to the next page.
///
/// # Errors
/// [`SyncError`].
pub(crate) fn take_found(
    guard: &Guard,
    peer: PeerId,
    text: &str,
) -> Result<(Vec<String>, Option<String>), SyncError> {
    let bundle = Bundle::parse(text).ok_or_else(|| not_fhir("no Bundle"))?;
    let mut found = Vec::with_capacity(bundle.entry.len());
    for entry in &bundle.entry {
        let is_outcome = entry
            .search
            .as_ref()
            .is_some_and(|search| search.mode == "outcome");
        let Some(raw) = entry.resource.filter(|_| !is_outcome) else {
            continue;
        };
        // What cannot be taken in is no offer either.
        if let Ok(resource) = Resource::parse_text(raw.get()) {
            found.push(resource);
        }
    }
    found.sort_by_key(Resource::kind);
    for same in found.chunk_by(|a, b| a.kind() == b.kind()) {
        take(guard, peer, same)?;
    }
    let texts = found.iter().map(|one| one.text().to_owned()).collect();
    Ok((texts, bundle.link("next").map(str::to_owned)))
}

/// Records of one type.
fn take(guard: &Guard, peer: PeerId, records: &[Resource<'_>]) -> Result<(), SyncError> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    // How far the type was read stays as it is.
    let cursor = PullCursor::default();
    guard.take_page(peer, first.kind(), records, &cursor, plan::on_pulled)?;
    Ok(())
}

fn not_fhir(what: &'static str) -> SyncError {
    SyncError::NotFhir {
        doing: "a read",
        what,
    }
}
