//! What to do with what arrives. Pure: everything known goes in, a decision comes out.

use crate::access::{EditState, EditView, Incoming, Known, Local, Pulled};
use crate::fhir::{ResourceType, merge};

/// What to do with a record that a search brings: from a list, which may be stale.
pub(super) fn on_pulled(local: &Local, incoming: &Incoming<'_>) -> Pulled {
    match (&local.edit, &local.known) {
        (None, Some(known)) if is_older(known, incoming) => Pulled::Older,
        (Some(edit), _) if is_behind(edit, incoming) => Pulled::Older,
        _ => on_first(local, incoming),
    }
}

/// Whether the version is older than one that a local change has seen: to merge with it would take back what came since.
fn is_behind(edit: &EditView, incoming: &Incoming<'_>) -> bool {
    let number = |version: Option<&str>| version.and_then(|version| version.parse::<u64>().ok());
    let seen = [&edit.base_version, &edit.theirs_version];
    let seen = seen
        .into_iter()
        .filter_map(|it| number(it.as_deref()))
        .max();
    seen.zip(number(incoming.version))
        .is_some_and(|(seen, now)| now < seen)
}

/// As [`on_pulled`], where the server itself says so: by a direct read, or since an older copy of it was put back.
pub(super) fn on_read(local: &Local, incoming: &Incoming<'_>) -> Pulled {
    match on_pulled(local, incoming) {
        Pulled::Older if local.edit.is_some() => Pulled::Conflict,
        Pulled::Older => Pulled::WentBack,
        other => other,
    }
}

/// Whether a server gives an older version than the one that it gave before.
fn is_older(known: &Known, incoming: &Incoming<'_>) -> bool {
    let (Some(before), Some(now)) = (known.version.as_deref(), incoming.version) else {
        return false;
    };
    let is_earlier = incoming
        .updated
        .is_some_and(|updated| updated < known.updated);
    match (before.parse::<u64>(), now.parse::<u64>()) {
        (Ok(before), Ok(now)) if before != now => now < before,
        _ => is_earlier,
    }
}

/// As [`on_pulled`], from a server that nothing came from before: what stands here says nothing about its versions.
pub(super) fn on_first(local: &Local, incoming: &Incoming<'_>) -> Pulled {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::EditView;
    use crate::fhir::Instant;

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
    fn a_version_that_goes_back_is_asked_about_and_never_overwrites() {
        let local = known("3", 5);
        let older = incoming(THEIRS, "2");
        assert_eq!(on_pulled(&local, &older), Pulled::Older);
        assert_eq!(on_read(&local, &older), Pulled::WentBack);
        assert_eq!(on_first(&local, &older), Pulled::Take);
        // Versions that are no numbers: the stamp tells.
        let (local, older) = (known("x", 6), incoming(THEIRS, "a"));
        assert_eq!(on_pulled(&local, &older), Pulled::Older);
        assert_eq!(on_pulled(&known("x", 4), &older), Pulled::Take);
        // A server's clock that was put right is no older version.
        assert_eq!(
            on_pulled(&known("1", 6), &incoming(THEIRS, "2")),
            Pulled::Take
        );
        // A local change is not merged with it, and is a conflict once the server says so itself.
        let edit = edited(Some("3"), None, None);
        assert_eq!(on_pulled(&edit, &incoming(THEIRS, "2")), Pulled::Older);
        assert_eq!(on_read(&edit, &incoming(THEIRS, "2")), Pulled::Conflict);
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
}
