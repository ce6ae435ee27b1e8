//! What people did, and what they had before them when they did it.
//!
//! An edit may be gone from a record only where somebody who saw it put something else in its place, took it out, or
//! deleted the record. That is followed edit by edit, so that one overwritten unseen shows even where both sides end equal.

use super::story::Edit;
use super::texts;
use serde_json::Value;
use std::collections::BTreeSet;

/// What one edit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Create,
    Set(&'static str),
    Add,
    Remove(Edit),
    Delete,
}

/// One edit.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Which device; `STRANGER`: at the server.
    pub(super) device: usize,
    /// Which record.
    pub(super) record: usize,
    pub(super) what: What,
    /// The edits in whose place it stands.
    pub(super) saw: BTreeSet<Edit>,
    /// Whoever wrote it gave it up when asked about a conflict.
    pub(super) given_up: bool,
}

/// A record.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) kind: &'static str,
    /// The id that its maker gave it.
    pub(super) id: String,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) records: Vec<Kept>,
    /// By number; an edit that was refused at once (nothing was acknowledged) stays `None`.
    pub(super) edits: Vec<Option<Entry>>,
}

impl Ledger {
    /// The number of the next edit, which counts once it is entered.
    pub(super) fn next(&mut self) -> Edit {
        self.edits.push(None);
        self.edits.len() - 1
    }

    pub(super) fn enter(&mut self, edit: Edit, entry: Entry) {
        self.edits[edit] = Some(entry);
    }

    pub(super) fn entry(&self, edit: Edit) -> Option<&Entry> {
        self.edits.get(edit)?.as_ref()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Edit, &Entry)> {
        let entries = self.edits.iter().enumerate();
        entries.filter_map(|(edit, entry)| Some((edit, entry.as_ref()?)))
    }

    pub(super) fn name(&self, record: usize) -> String {
        let kept = &self.records[record];
        format!("{}/{}", kept.kind, kept.id)
    }

    /// These edits, and all that they stand for: what their writers saw, what those saw, and so on.
    pub(super) fn behind(&self, edits: impl IntoIterator<Item = Edit>) -> BTreeSet<Edit> {
        let mut found = BTreeSet::new();
        let mut next: Vec<Edit> = edits.into_iter().collect();
        while let Some(edit) = next.pop() {
            if found.insert(edit)
                && let Some(entry) = self.entry(edit)
            {
                next.extend(&entry.saw);
            }
        }
        found
    }

    /// All that is in a text or stands behind it.
    pub(super) fn behind_text(&self, text: &str) -> BTreeSet<Edit> {
        self.behind(super::story::marks(text))
    }

    /// Whether somebody took out the item of `edit`.
    pub(super) fn is_removed(&self, edit: Edit) -> bool {
        self.all()
            .any(|(_, entry)| entry.what == What::Remove(edit))
    }

    /// What is wrong about `new` in the place of `old`.
    pub(super) fn lost_between(&self, old: &Value, new: &Value) -> Option<String> {
        let kind = texts::kind_of(old);
        for place in texts::places(kind) {
            let (before, after) = (texts::value_at(old, place), texts::value_at(new, place));
            let Some(before) = before else { continue };
            if Some(before) == after {
                continue;
            }
            if !self.behind(after).contains(&before) {
                let after = after.map_or("nothing".into(), |edit| format!("E{edit}"));
                return Some(format!(
                    "{after} stands at {place} in the place of E{before}, whose value its writer had not seen"
                ));
            }
        }
        let (before, after) = (texts::items(old), texts::items(new));
        let behind = self.behind_text(&new.to_string());
        for item in before.iter().filter(|item| !after.contains(item)) {
            let retold = behind.contains(item);
            if !self.is_removed(*item) && !retold {
                return Some(format!("the item E{item} is gone, and nobody took it out"));
            }
        }
        let mut twice = after.clone();
        twice.sort_unstable();
        twice
            .windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| format!("the item E{} stands twice", pair[0]))
    }
}
