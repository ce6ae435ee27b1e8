//! The person who decides conflicts, by a rule: each way of deciding that the program has, in turn.

use crate::edits::{Act, Edit, list_of};
use pocketchart_core::access::{Conflict, Resolution};
use pocketchart_core::fhir::merge::Side;
use pocketchart_tests::*;

/// What became of a conflict.
pub(crate) struct Decided {
    /// `Type/id`.
    pub(crate) record: String,
    /// Both sides, as they were kept.
    pub(crate) texts: Vec<String>,
    /// Where they differ.
    pub(crate) paths: Vec<String>,
    /// What the person wrote, where that was another text.
    pub(crate) written: Option<Edit>,
}

/// Decides one record of a device; the `nth` decision.
pub(crate) fn decide(device: &Device, record: &str, nth: usize) -> Decided {
    let conflict = device.guard.conflict(&name(record)).unwrap().unwrap();
    let (resolution, written) = resolution(&conflict, record, nth);
    device
        .guard
        .resolve_seen(
            &name(record),
            &resolution,
            conflict.theirs_version.as_deref(),
        )
        .unwrap();
    let paths = conflict
        .differences
        .iter()
        .map(|it| it.clash.path.to_string())
        .collect();
    let texts = [conflict.mine, conflict.theirs]
        .into_iter()
        .flatten()
        .collect();
    Decided {
        record: record.to_owned(),
        texts,
        paths,
        written,
    }
}

fn resolution(conflict: &Conflict, record: &str, nth: usize) -> (Resolution, Option<Edit>) {
    let differences = &conflict.differences;
    match nth % 4 {
        0 => (Resolution::Side(Side::Mine), None),
        1 => (Resolution::Side(Side::Theirs), None),
        // No paths: one side deleted it.
        2 if !differences.is_empty() => {
            let sides = [Side::Theirs, Side::Mine].into_iter().cycle();
            let paths = differences
                .iter()
                .map(|difference| difference.clash.path.clone());
            (Resolution::ByPath(paths.zip(sides).collect()), None)
        }
        _ => {
            let text = conflict.theirs.as_deref().or(conflict.mine.as_deref());
            let written = Edit {
                record: record.to_owned(),
                act: Act::Append(list_of(record)),
                mark: format!("mark-{nth:05}-of-a-decision"),
            };
            (
                Resolution::Edited(written.applied(text).unwrap()),
                Some(written),
            )
        }
    }
}
