//! What syncs learned about the servers that a person should know.

use crate::output::grouped;
use pocketchart_core::access::{PeerState, Status, Stopped};
use serde_json::{Value, json};

/// Names are listed up to this number.
const LISTED: usize = 20;

/// Lines for `status`.
pub(super) fn lines(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for (url, state) in status.servers.iter().zip(&status.learned) {
        if let Some(stopped) = &state.stopped {
            lines.push(format!("WARNING: {url}: {}", self::stopped(stopped)));
        }
        let skipped = state.skipped.iter();
        let skipped = skipped.map(|(name, why)| format!("{name}: {why}"));
        list(
            &mut lines,
            &format!("{url} has what could not be taken"),
            skipped,
        );
        let lost = state.only_here.iter().cloned();
        list(
            &mut lines,
            &format!("{url} has lost what is kept here"),
            lost,
        );
    }
    lines
}

/// That nothing was deleted.
pub(super) fn stopped(stopped: &Stopped) -> String {
    format!(
        "{} of {} records are missing on the server; none was deleted here",
        grouped(stopped.missing),
        grouped(stopped.of)
    )
}

/// The same for programs, of one server.
pub(super) fn object(state: &PeerState) -> Value {
    json!({
        "skipped": state.skipped,
        "only_here": state.only_here,
        "missing_there": state.stopped.map(|stopped| stopped.missing),
    })
}

fn list(lines: &mut Vec<String>, title: &str, names: impl ExactSizeIterator<Item = String>) {
    let all = names.len();
    if all == 0 {
        return;
    }
    lines.push(format!("{title}:"));
    lines.extend(names.take(LISTED).map(|name| format!("  {name}")));
    if all > LISTED {
        lines.push(format!("  and {} more", all - LISTED));
    }
}
