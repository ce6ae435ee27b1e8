//! What to do with what arrives. Pure: everything known goes in, a decision comes out.

use crate::access::{EditState, Incoming, Local, Pulled};
use crate::fhir::{Instant, ResourceType, merge};

/// What to do with a record that a pull brings.
pub(super) fn on_pulled(local: &Local, incoming: &Incoming<'_>) -> Pulled {
    let same_version =
        |version: &Option<String>| version.is_some() && version.as_deref() == incoming.version;
    let Some(edit) = &local.edit else {
        return match &local.known {
            Some(known)
                if same_version(&known.version) && Some(known.updated) == incoming.updated =>
            {
                Pulled::Same
            }
            // A server without versions: only its bytes can tell.
            Some(known) if incoming.version.is_none() && known.text == incoming.text => {
                Pulled::Same
            }
            _ => Pulled::Take,
        };
    };
    if same_version(&edit.base_version) || same_version(&edit.theirs_version) {
        return Pulled::Same;
    }
    let arrived = |sent: &str| merge::holds(edit.over.as_deref(), sent, incoming.text);
    match edit.state {
        EditState::Waiting if edit.sent.as_deref().is_some_and(arrived) => Pulled::Ours,
        // What is under way is asked about before the next push; until then nobody knows what it was merged into.
        EditState::Waiting if edit.is_under_way => Pulled::Same,
        EditState::Waiting => Pulled::Merged,
        EditState::Conflict | EditState::Refused => Pulled::Conflict,
    }
}

/// The types to pull, the clinically useful ones first, each with the parameter that narrows it to one patient.
pub(super) fn types(
    offered: &[ResourceType],
    patient: Option<&str>,
) -> Vec<(ResourceType, Option<String>)> {
    let first = [
        "Patient",
        "AllergyIntolerance",
        "Condition",
        "MedicationRequest",
        "Appointment",
        "Encounter",
        "Immunization",
        "Observation",
    ];
    // In no patient's compartment, and needed to read what is.
    let directory = [
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "HealthcareService",
        "Schedule",
        "Slot",
        "Medication",
        "Questionnaire",
    ];
    let rank = |kind: &ResourceType| {
        first
            .iter()
            .position(|name| *name == kind.name())
            .unwrap_or(first.len())
    };
    let wanted =
        |kind: &&ResourceType| kind.is_about_a_patient() || directory.contains(&kind.name());
    let mut kinds: Vec<ResourceType> = offered.iter().filter(wanted).copied().collect();
    kinds.sort_by_key(|kind| (rank(kind), *kind));
    let narrowed = |kind: ResourceType| match patient {
        Some(id) if kind.name() == "Patient" => Some(format!("_id={id}")),
        Some(id) if kind.is_about_a_patient() => Some(format!("patient={id}")),
        _ => None,
    };
    kinds
        .into_iter()
        .map(|kind| (kind, narrowed(kind)))
        .collect()
}

/// How far back behind the newest stamp a pull starts again. Servers that stamp a transaction when it begins show it
/// when it ends, so younger records can be seen first.
pub(super) fn pull_from(newest: Instant, stamps_at_commit: bool) -> Instant {
    const WINDOW_MS: i64 = 60_000;
    let window = if stamps_at_commit { 0 } else { WINDOW_MS };
    Instant::from_epoch_ms(newest.epoch_ms() - window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{EditView, Known};

    const BASE: &str = r#"{"resourceType":"Patient","id":"a","n":1}"#;
    const MINE: &str = r#"{"resourceType":"Patient","id":"a","n":2}"#;
    const THEIRS: &str = r#"{"resourceType":"Patient","id":"a","n":3}"#;

    fn incoming(text: &'static str, version: &'static str) -> Incoming<'static> {
        Incoming {
            text,
            version: Some(version),
            updated: Some(Instant::from_epoch_ms(5)),
        }
    }

    fn known(version: &str, ms: i64) -> Local {
        let known = Known {
            version: Some(version.into()),
            updated: Instant::from_epoch_ms(ms),
            text: "{}".into(),
        };
        Local {
            known: Some(known),
            edit: None,
        }
    }

    fn edited(base: Option<&str>, sent: Option<&str>, conflict: Option<&str>) -> Local {
        let edit = EditView {
            state: if conflict.is_some() {
                EditState::Conflict
            } else {
                EditState::Waiting
            },
            deleted: false,
            base_version: base.map(Into::into),
            over: base.map(|_| BASE.into()),
            is_under_way: sent.is_some(),
            sent: sent.map(Into::into),
            theirs_version: conflict.map(Into::into),
        };
        Local {
            edit: Some(edit),
            ..known("1", 1)
        }
    }

    #[test]
    fn records_nobody_changed_here_follow_the_server() {
        assert_eq!(
            on_pulled(&Local::default(), &incoming(THEIRS, "1")),
            Pulled::Take
        );
        assert_eq!(
            on_pulled(&known("1", 5), &incoming(THEIRS, "1")),
            Pulled::Same
        );
        assert_eq!(
            on_pulled(&known("1", 5), &incoming(THEIRS, "2")),
            Pulled::Take
        );
        // A restored server gives a version out twice: the stamp tells.
        assert_eq!(
            on_pulled(&known("1", 4), &incoming(THEIRS, "1")),
            Pulled::Take
        );
        let unversioned = Incoming {
            text: "{}",
            version: None,
            updated: None,
        };
        assert_eq!(on_pulled(&known("1", 5), &unversioned), Pulled::Same);
    }

    #[test]
    fn a_changed_record_is_never_overwritten() {
        let waits = edited(Some("1"), None, None);
        assert_eq!(on_pulled(&waits, &incoming(THEIRS, "1")), Pulled::Same);
        assert_eq!(on_pulled(&waits, &incoming(THEIRS, "2")), Pulled::Merged);
        // Equal content that was never sent is not taken for our own.
        let new = edited(None, None, None);
        assert_eq!(on_pulled(&new, &incoming(MINE, "1")), Pulled::Merged);
        let in_conflict = edited(Some("1"), None, Some("2"));
        assert_eq!(
            on_pulled(&in_conflict, &incoming(THEIRS, "2")),
            Pulled::Same
        );
        assert_eq!(
            on_pulled(&in_conflict, &incoming(THEIRS, "3")),
            Pulled::Conflict
        );
    }

    #[test]
    fn what_is_under_way_is_found_and_never_merged() {
        let under_way = edited(Some("1"), Some(MINE), None);
        assert_eq!(on_pulled(&under_way, &incoming(MINE, "2")), Pulled::Ours);
        let and_more = r#"{"resourceType":"Patient","id":"a","n":2,"m":1}"#;
        assert_eq!(
            on_pulled(&under_way, &incoming(and_more, "3")),
            Pulled::Ours
        );
        assert_eq!(on_pulled(&under_way, &incoming(THEIRS, "2")), Pulled::Same);
    }

    #[test]
    fn a_patients_phone_asks_for_one_patient_only() {
        let offered: Vec<ResourceType> = ResourceType::all().collect();
        let types = types(&offered, Some("7"));
        assert_eq!(types[0].0.name(), "Patient");
        assert_eq!(types[0].1.as_deref(), Some("_id=7"));
        for (kind, narrowed) in &types[1..] {
            let directory = kind.patient_paths().is_empty();
            assert_eq!(
                narrowed.as_deref(),
                (!directory).then_some("patient=7"),
                "{kind}"
            );
        }
        assert!(types.iter().any(|(kind, _)| kind.name() == "Organization"));
        assert!(
            !types
                .iter()
                .any(|(kind, _)| kind.name() == "StructureDefinition")
        );
    }

    #[test]
    fn the_window_is_only_for_servers_that_need_it() {
        let at = Instant::from_epoch_ms(100_000);
        assert_eq!(pull_from(at, true), at);
        assert_eq!(pull_from(at, false).epoch_ms(), 40_000);
    }
}
