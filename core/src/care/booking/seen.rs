//! What was seen on the server, as the machine looks at it.

use super::texts::MARK;
use crate::fhir::Instant;
use serde_json::Value;

/// A record as it was read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) text: String,
    pub(super) version: Option<String>,
}

/// What stands on the server for an attempt. `None`: there is none, or it is gone.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) appointment: Option<Read>,
    /// The Slot that is to be taken.
    pub(super) take: Option<Read>,
    /// The Slot that is to be given up.
    pub(super) free: Option<Read>,
}

impl Read {
    fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub(super) fn has_status(&self, status: &str) -> bool {
        self.value()["status"] == status
    }

    /// Whether an Appointment does not take place (any more).
    pub(super) fn is_off(&self) -> bool {
        let value = self.value();
        matches!(
            value["status"].as_str(),
            Some("cancelled" | "entered-in-error" | "noshow")
        )
    }

    /// Whether an Appointment is for this Slot.
    pub(super) fn names(&self, slot: &str) -> bool {
        let value = self.value();
        let mut slots = value["slot"].as_array().into_iter().flatten();
        let ends = format!("Slot/{slot}");
        slots.any(|one| {
            let reference = one["reference"].as_str().unwrap_or_default();
            reference == ends || reference.ends_with(&format!("/{ends}"))
        })
    }

    /// Id of the Slot of an Appointment, and when it begins and ends, ms since 1970.
    pub(super) fn its_slot(&self) -> Option<(String, i64, i64)> {
        let value = self.value();
        let reference = value["slot"][0]["reference"].as_str()?;
        let id = reference.rsplit('/').next()?.to_owned();
        let at = |name: &str| Some(Instant::parse(value[name].as_str()?).ok()?.epoch_ms());
        Some((id, at("start")?, at("end")?))
    }

    /// Whether a Slot is taken by this Appointment, by the mark that we left.
    pub(super) fn is_taken_by(&self, appointment: &str) -> bool {
        let value = self.value();
        let mut extensions = value["extension"].as_array().into_iter().flatten();
        value["status"] == "busy"
            && extensions.any(|one| one["url"] == MARK && one["valueString"] == appointment)
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Read({:?}, {} bytes)", self.version, self.text.len())
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let there = |read: &Option<Read>| read.as_ref().map(|read| read.version.clone());
        write!(
            f,
            "Seen(appointment {:?}, take {:?}, free {:?})",
            there(&self.appointment),
            there(&self.take),
            there(&self.free)
        )
    }
}
