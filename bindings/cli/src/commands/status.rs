//! `status`: what is in the vault and what waits.

use super::book::{self, Waits};
use super::servers::Servers;
use super::sync::{WAITS_FOR_A_PERSON, needs_a_person};
use super::with_session;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{count, grouped, result};
use pocketchart_core::access::{EditState, Person, Status, Waiting};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let (status, servers, visits) = with_session(global, |session| {
        let guard = session.guard()?;
        Ok((
            guard.status()?,
            Servers::of(&guard)?,
            book::waiting(&guard)?,
        ))
    })?;
    let mut told = object(&status);
    servers.add_to(&mut told);
    told["visits"] =
        json!({ "waiting": visits.by_themselves, "for_a_person": visits.for_a_person });
    result(global, &words(&status, &servers, &visits), &told);
    let for_a_person = status.waiting.iter().any(needs_a_person) || visits.for_a_person > 0;
    let lost = status.lost.is_some() || status.missed.is_some();
    Ok(match (for_a_person, lost) {
        (true, _) => ExitCode::from(WAITS_FOR_A_PERSON),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

fn words(status: &Status, servers: &Servers, visits: &Waits) -> String {
    let total: u64 = status.counts.iter().map(|(_, n)| n).sum();
    let mut lines = vec![format!(
        "{} (revision {})",
        count(total, "record"),
        status.revision
    )];
    for (kind, n) in &status.counts {
        lines.push(format!("  {:>9}  {kind}", grouped(*n)));
    }
    lines.extend(servers.lines());
    let no_records = status.waiting.is_empty() && status.waiting_unseen == 0;
    if no_records && visits.by_themselves + visits.for_a_person == 0 {
        lines.push("Nothing waits to be sent.".into());
    } else if !no_records {
        let n = u64::try_from(status.waiting.len()).unwrap_or(u64::MAX);
        let n = n.saturating_add(status.waiting_unseen);
        lines.push(format!(
            "{} not yet with the server:",
            count(n, "changed record")
        ));
    }
    for waiting in &status.waiting {
        lines.push(format!(
            "  {}  {}, since {}{}",
            waiting.name.reference,
            state(waiting),
            waiting.since,
            written_by(waiting)
        ));
    }
    if status.waiting_unseen > 0 {
        lines.push(format!(
            "  and {} that you may not see; they are kept, and listed for the owner",
            grouped(status.waiting_unseen)
        ));
    }
    lines.extend(super::learned::lines(status));
    for (n, what) in [
        (visits.by_themselves, "for the next sync"),
        (visits.for_a_person, "for you"),
    ] {
        if n > 0 {
            let verb = if n == 1 { "waits" } else { "wait" };
            lines.push(format!(
                "{} {verb} {what} (`pocketchart book --list`)",
                count(n, "visit")
            ));
        }
    }
    lines.extend(servers.accepted_lines());
    lines.extend(status.lost.map(|lost| format!("WARNING: {lost}")));
    lines.extend(status.missed.map(|missed| format!("WARNING: {missed}")));
    lines.join("\n")
}

fn written_by(waiting: &Waiting) -> String {
    match &waiting.authors[..] {
        [] => String::new(),
        authors => {
            let ids: Vec<&str> = authors.iter().map(Person::id).collect();
            format!(", written by {}", ids.join(" and "))
        }
    }
}

fn state(waiting: &Waiting) -> String {
    match waiting.state {
        EditState::Waiting if waiting.sent => "sent, answer not yet known".into(),
        EditState::Waiting if waiting.refusal.is_some() => {
            "waits until its author is approved at the hub".into()
        }
        EditState::Waiting if waiting.deleted => "deletion waits to be sent".into(),
        EditState::Waiting => "waits to be sent".into(),
        EditState::Conflict => {
            "changed on both sides; all versions are kept until someone decides".into()
        }
        EditState::Refused if is_of_removed(waiting) => {
            "refused: its author was shut out at the hub; kept here until \
             somebody who may write it saves it again"
                .into()
        }
        EditState::Refused => {
            format!(
                "refused by the server ({}); kept here",
                waiting.refusal.as_deref().unwrap_or_default().trim()
            )
        }
    }
}

fn is_of_removed(waiting: &Waiting) -> bool {
    let codes = waiting.refusal.as_deref().unwrap_or_default();
    codes
        .split_whitespace()
        .any(|code| code == "author-revoked")
}

fn object(status: &Status) -> Value {
    let counts: serde_json::Map<String, Value> = status
        .counts
        .iter()
        .map(|(kind, n)| (kind.name().to_owned(), json!(n)))
        .collect();
    let waiting: Vec<Value> = status
        .waiting
        .iter()
        .map(|p| {
            json!({
                "name": p.name.reference.to_string(),
                "state": match p.state {
                    EditState::Waiting => "waiting",
                    EditState::Conflict => "conflict",
                    EditState::Refused => "refused",
                },
                "changes": p.changes,
                "since": p.since.to_string(),
                "deleted": p.deleted,
                "refusal": p.refusal,
                "authors": p.authors,
            })
        })
        .collect();
    json!({
        "records": counts,
        "revision": status.revision,
        "servers": status.servers,
        "learned": status.learned.iter().map(super::learned::object).collect::<Vec<_>>(),
        "pending": waiting,
        "pending_unseen": status.waiting_unseen,
        "lost_changes": status.lost.map(|lost| lost.changes),
        "older_than_anchor": status.missed,
    })
}
