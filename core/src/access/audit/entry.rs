//! One entry of the audit trail: what it says, and how surely it must be on the disk.
//!
//! Its JSON is what the chain's MACs cover, so a field is only ever added, never renamed: what an older program wrote
//! must read and verify for ever. Ids and names of acts only, never what a record says.

use crate::fhir::Reference;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditKind {
    /// The vault was opened.
    Unlock,
    /// The vault was locked.
    Lock,
    /// Wrong secrets were tried while it was locked; the entry counts them.
    FailedTries,
    /// Another person took over the open vault.
    Switch,
    /// One record is about to be released.
    Read,
    /// A page of a search is about to be released.
    Search,
    /// Something is about to be written.
    Write,
    /// It was written; the entry names the store revision.
    Written,
    /// A page from a server is about to be stored.
    Pull,
    /// Changes are about to be sent to a server.
    Push,
    /// Records from a file are about to be stored: one entry per file, and per part of a large one.
    Import,
    /// Records, or this trail, are about to be written to a file.
    Export,
    /// Files and chain were checked.
    Check,
    /// Entries of this trail are about to be shown.
    Trail,
    /// Requests were turned away; the entry names the rule.
    Denied,
    /// A person opened what the policy closes, and gave a reason.
    BreakGlass,
    /// The policy is about to be replaced, or was.
    Policy,
    /// A person is about to be added, changed or removed, or was.
    People,
    /// A device is about to be enrolled or revoked, or was.
    Device,
    /// A way to open the vault is about to be added or removed, or was.
    Slots,
    /// Keys of the vault are about to be replaced, or were.
    Keys,
    /// The vault is about to be wiped.
    Wipe,
    /// The store was found older than this trail; the entry counts what is missing.
    Lost,
    /// The whole vault was found older than its anchor, or the anchor is gone.
    Rollback,
}

impl AuditKind {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Unlock,
        Self::Lock,
        Self::FailedTries,
        Self::Switch,
        Self::Read,
        Self::Search,
        Self::Write,
        Self::Written,
        Self::Pull,
        Self::Push,
        Self::Import,
        Self::Export,
        Self::Check,
        Self::Trail,
        Self::Denied,
        Self::BreakGlass,
        Self::Policy,
        Self::People,
        Self::Device,
        Self::Slots,
        Self::Keys,
        Self::Wipe,
        Self::Lost,
        Self::Rollback,
    ];

    /// As it stands in an entry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unlock => "unlock",
            Self::Lock => "lock",
            Self::FailedTries => "failed-tries",
            Self::Switch => "switch",
            Self::Read => "read",
            Self::Search => "search",
            Self::Write => "write",
            Self::Written => "written",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Import => "import",
            Self::Export => "export",
            Self::Check => "check",
            Self::Trail => "trail",
            Self::Denied => "denied",
            Self::BreakGlass => "break-glass",
            Self::Policy => "policy",
            Self::People => "people",
            Self::Device => "device",
            Self::Slots => "slots",
            Self::Keys => "keys",
            Self::Wipe => "wipe",
            Self::Lost => "lost",
            Self::Rollback => "rollback",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the entry must be on the disk before what it is about happens. What was only read, or can be pulled
    /// again, may be lost with the power.
    pub(super) fn must_survive_power_loss(self) -> bool {
        !matches!(
            self,
            Self::Read | Self::Search | Self::Pull | Self::Import | Self::Check | Self::Trail
        )
    }

    /// Whether the same act of the same person, repeated on the same screen, is one.
    pub(super) fn repeats_on_a_screen(self) -> bool {
        matches!(self, Self::Read | Self::Search)
    }
}

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a write does to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// There was none.
    Create,
    /// There was one.
    Update,
    /// There will be none.
    Delete,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Wall clock, ms since 1970.
    pub at_ms: i64,
    /// Id of the person who acts; of a change, who made it.
    pub person: String,
    /// In which role.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Through which device, where the request came from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Where the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// Who handed a change of `person` on, where that was somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What kind of act.
    pub kind: AuditKind,
    /// `Type/id`, a search string, a server: never content.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// What a write does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// How many records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// SHA-256 over the texts, for pages and bundles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The store revision that a write got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The act that an entry before this one announced is done. (A write says so by its kind.)
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// Ids of the patients whose records these are, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patients: Vec<String>,
    /// Why, in the person's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that turned it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl AuditEntry {
    /// An entry without anything that may be left out.
    pub fn new(at_ms: i64, person: impl Into<String>, kind: AuditKind) -> Self {
        Self {
            at_ms,
            person: person.into(),
            role: String::new(),
            device: None,
            facility: None,
            via: None,
            kind,
            what: String::new(),
            change: None,
            count: None,
            digest: None,
            revision: None,
            done: false,
            patients: Vec::new(),
            reason: None,
            rule: None,
        }
    }

    /// The record it is about, where it is about one.
    pub fn record(&self) -> Option<Reference> {
        let name = self.what.strip_prefix("delete ").unwrap_or(&self.what);
        Reference::parse(name).ok()
    }

    /// Ids of the patients it is about. Entries of older programs name the patient's own record only.
    pub fn about(&self) -> Vec<String> {
        if !self.patients.is_empty() {
            return self.patients.clone();
        }
        match self.record() {
            Some(record) if record.kind.name() == "Patient" => vec![record.id.to_string()],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_entries_say() {
        for kind in AuditKind::ALL {
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.name())
            );
            assert_eq!(AuditKind::named(kind.name()), Some(kind));
        }
        assert_eq!(AuditKind::named("Read"), None);
    }

    /// Frozen: what the first release wrote.
    #[test]
    fn entries_of_older_programs_read_as_before() {
        let text = r#"{"at_ms":1000,"person":"owner","kind":"written","what":"Patient/5","count":1,"digest":"ab","revision":7}"#;
        let entry: AuditEntry = serde_json::from_str(text).unwrap();
        let expected = AuditEntry {
            what: "Patient/5".into(),
            count: Some(1),
            digest: Some("ab".into()),
            revision: Some(7),
            ..AuditEntry::new(1_000, "owner", AuditKind::Written)
        };
        assert_eq!(entry, expected);
        assert_eq!(entry.about(), ["5"]);
        // What is left out is not written: an old entry would come out as it went in.
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
    }

    #[test]
    fn an_entry_names_its_record_and_its_patients() {
        let entry = |what: &str, patients: &[&str]| AuditEntry {
            what: what.into(),
            patients: patients.iter().map(|p| (*p).to_owned()).collect(),
            ..AuditEntry::new(0, "p", AuditKind::Read)
        };
        assert_eq!(entry("delete Patient/1", &[]).about(), ["1"]);
        assert_eq!(entry("Observation/1", &[]).about(), [""; 0]);
        assert_eq!(entry("Observation/1", &["7", "8"]).about(), ["7", "8"]);
        assert_eq!(entry("Patient?name=a", &[]).record(), None);
    }
}
