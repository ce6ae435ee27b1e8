//! Marks that edits leave in texts: `E000017` is what edit 17 wrote, wherever it turns up.

use std::collections::BTreeSet;

/// Number of an edit.
pub(super) type Edit = usize;

/// What edit `number` writes.
pub(super) fn mark(number: Edit) -> String {
    format!("E{number:06}")
}

/// The edits whose marks are in `text`.
pub(super) fn marks(text: &str) -> BTreeSet<Edit> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('E') {
        let digits = text.get(at + 1..at + 7);
        if let Some(number) = digits.filter(|it| it.bytes().all(|b| b.is_ascii_digit())) {
            found.extend(number.parse::<Edit>());
        }
    }
    found
}

/// The same, to be read.
pub(super) fn tokens(text: &str) -> String {
    let all: Vec<String> = marks(text).iter().map(|edit| format!("E{edit}")).collect();
    all.join(" ")
}
