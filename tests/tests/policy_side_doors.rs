//! What a person may not see is not there: every side door by name.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, Act, Actor, Asked, AuditKind, Done, Fetched, Guard, Policy, Precondition, Refused,
    Role, Unfit, Write,
};
use pocketchart_core::fhir::history::{HistoryQuery, Scope};
use pocketchart_core::fhir::patch::Patch;
use pocketchart_core::fhir::{ResourceId, ResourceType};
use pocketchart_tests::small_clinic::*;
use pocketchart_tests::*;
use std::borrow::Cow;

#[test]
fn include_brings_nothing_hidden() {
    let clinic = Clinic::filled();
    let text = seen_by("a", "shared", 5).replace("Practitioner/dr", "Patient/b");
    put(&clinic.owner, &text).unwrap();
    let found = ids(
        &clinic.a(),
        "Observation?_id=shared&_include=Observation:performer&_include=Observation:subject",
    );
    assert_eq!(found, ["Observation/shared", "Patient/a"]);
    let found = ids(
        &clinic.owner,
        "Observation?_id=shared&_include=Observation:performer",
    );
    assert_eq!(found, ["Observation/shared", "Patient/b"]);
}

#[test]
fn revinclude_brings_nothing_hidden() {
    let clinic = Clinic::filled();
    let text = "Practitioner?_id=dr&_revinclude=Observation:performer";
    assert_eq!(
        ids(&clinic.a(), text),
        ["Practitioner/dr", "Observation/oa1", "Observation/oa2"]
    );
    assert_eq!(ids(&clinic.owner, text).len(), 15);
    // The front desk may see the Practitioner, and no Observation at all.
    assert_eq!(ids(&clinic.of(Role::FRONT_DESK), text), ["Practitioner/dr"]);
}

#[test]
fn totals_count_what_may_be_seen() {
    let clinic = Clinic::filled();
    for (text, total) in [
        ("Observation?_total=accurate", 2),
        ("Observation?code=s|c&_total=accurate", 2),
        ("Observation?subject=Patient/b&_total=accurate", 0),
        ("Patient?_total=accurate", 1),
        ("Observation?code:not=x&_total=accurate&_count=1", 2),
    ] {
        let page = clinic.a().search(&query(text)).unwrap();
        assert_eq!(page.total, Some(total), "{text}");
    }
}

#[test]
fn orders_and_page_ends_give_no_hint() {
    let clinic = Clinic::filled();
    // oa1 stands before all of b's in time, oa2 among them.
    for (sort, order) in [
        ("date", ["oa1", "oa2"]),
        ("-date", ["oa2", "oa1"]),
        ("-_lastUpdated", ["oa2", "oa1"]),
        ("_id", ["oa1", "oa2"]),
    ] {
        for criteria in ["", "code=s|c&", "status=final&"] {
            let text = format!("Observation?{criteria}_sort={sort}&_count=1");
            let guard = clinic.a();
            let mut found = Vec::new();
            let mut next = Some(query(&text));
            let mut pages = 0;
            while let Some(query) = next {
                let page = guard.search(&query).unwrap();
                // No empty page, and none promised behind the last one.
                assert_eq!(page.records.len(), 1, "{text}");
                found.extend(page.records.iter().map(|r| r.name.reference.id.to_string()));
                next = page.next;
                pages += 1;
            }
            assert_eq!(
                (pages, found),
                (2, order.map(str::to_owned).to_vec()),
                "{text}"
            );
        }
    }
    let page = clinic.a().search(&query("Observation?_count=2")).unwrap();
    assert!(page.next.is_none());
}

#[test]
fn conditional_writes_find_what_may_be_seen() {
    let clinic = Clinic::filled();
    let text = appointment("x", "a", "s9").replace(r#""value":"a""#, r#""value":"b""#);
    let create = |guard: &Guard| {
        guard.commit_one(write(Act::Create {
            text: Cow::Borrowed(&text),
            unless: Some(query("Appointment?identifier=s|b")),
        }))
    };
    // The owner is told that b's Appointment is there; a gets a new one, as if it were not.
    assert!(matches!(create(&clinic.owner).unwrap(), Done::Present(_)));
    let Done::Written(made) = create(&clinic.a()).unwrap() else {
        panic!("it was found");
    };
    assert!(made.created);
    // Now a's own is the only match for a.
    assert!(
        matches!(create(&clinic.a()).unwrap(), Done::Present(record) if record.name.reference == made.name)
    );
    let update = clinic.a().commit_one(write(Act::PutFound {
        query: query("Appointment?identifier=s|nobody"),
        text: Cow::Borrowed(&text),
        id: Some(ResourceId::new("ab").unwrap()),
    }));
    assert!(refusal(update.unwrap_err()).contains("not under this id"));
    // A conditional reference to somebody else leads nowhere.
    let text = text.replace("Patient/a", "Patient?identifier=mrn|222");
    let wish = [write(Act::Create {
        text: Cow::Borrowed(&text),
        unless: None,
    })];
    let (_, error) = clinic.a().commit(&wish).unwrap_err();
    assert!(
        matches!(
            error,
            AccessError::Unfit(Unfit::Reference { several: false })
        ),
        "{error}"
    );
    // To oneself it does, and is judged by where it leads.
    let text = text.replace("mrn|222", "mrn|111");
    let wish = [write(Act::Create {
        text: Cow::Borrowed(&text),
        unless: None,
    })];
    assert!(clinic.a().commit(&wish).is_ok());
    let as_other = clinic.owner.acting_as(Actor {
        patient: Some(ResourceId::new("b").unwrap()),
        ..patient_actor("a")
    });
    assert!(as_other.commit(&wish).is_err());
}

#[test]
fn errors_say_the_rule_and_nothing_else() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    // Hidden and absent are refused in the same words, or answered the same.
    for (hidden, absent) in [("b", "nobody"), ("b", "c")] {
        let of = |id: &str| refusal(put(&a, &person(id, "1")).unwrap_err());
        assert_eq!(of(hidden), of(absent));
        assert!(of(hidden).contains("no rule allows it"), "{}", of(hidden));
        assert!(!of(hidden).contains("Patient/"), "{}", of(hidden));
    }
    let of = |text: &str| refusal(put(&a, text).unwrap_err());
    assert_eq!(of(&seen_by("b", "ob1", 1)), of(&seen_by("b", "new", 1)));
    // Preconditions on what is hidden answer as if nothing were there.
    let conditional = |id: &str| {
        let text = appointment(id, "a", "s1");
        a.commit_one(Write {
            condition: Precondition {
                version: Some("1".into()),
                ..Precondition::default()
            },
            ..write(Act::Put(resource(&text)))
        })
    };
    for id in ["ab", "absent"] {
        let error = conditional(id).unwrap_err();
        let stale = matches!(
            error,
            AccessError::Refused(Refused::Stale { current: None, .. })
        );
        assert!(stale, "{id}: {error}");
    }
    // What is left: an id that is taken cannot be given again.
    let taken = refusal(put(&a, &appointment("ab", "a", "s1")).unwrap_err());
    assert_eq!(
        taken,
        "the role patient may not create Appointment: not under this id (policy 1)"
    );
    // The trail says which rule, and nothing of the record.
    let trail = trail(&clinic.owner);
    let denied: Vec<_> = trail
        .iter()
        .filter(|e| e.kind == AuditKind::Denied)
        .collect();
    assert!(denied.len() >= 8);
    assert!(denied.iter().all(|e| {
        e.rule
            .as_ref()
            .is_some_and(|rule| rule.contains("policy 1"))
    }));
}

#[test]
fn a_page_link_of_another_session_is_refused() {
    let clinic = Clinic::filled();
    let next = clinic
        .a()
        .search(&query("Observation?_count=1"))
        .unwrap()
        .next
        .unwrap();
    assert!(clinic.a().search(&next).is_ok());
    let nurse = Actor {
        person: patient_actor("a").person,
        ..actor(Role::NURSE)
    };
    let other_patient = Actor {
        person: patient_actor("a").person,
        ..patient_actor("b")
    };
    for other in [patient_actor("b"), nurse, other_patient, Actor::owner()] {
        let result = clinic.owner.acting_as(other.clone()).search(&next);
        assert!(matches!(result, Err(AccessError::Cursor(_))), "{other:?}");
    }
    // Another policy may hide what the page ended at.
    let text = Policy::shipped_text().replace(r#""version": 1"#, r#""version": 2"#);
    clinic.owner.sign_and_install_policy(&text).unwrap();
    assert!(matches!(
        clinic.a().search(&next),
        Err(AccessError::Cursor(_))
    ));
}

#[test]
fn history_shows_versions_by_what_they_say() {
    let clinic = Clinic::filled();
    // A record that was b's, by mistake, and is a's now; and one that is deleted.
    put(&clinic.owner, &seen_by("b", "moved", 1)).unwrap();
    put(&clinic.owner, &seen_by("a", "moved", 1)).unwrap();
    put(&clinic.owner, &seen_by("b", "deleted", 1)).unwrap();
    let delete = write(Act::Delete(name("Observation/deleted")));
    clinic.owner.commit_one(delete).unwrap();
    let versions = |guard: &Guard, scope: Scope| -> Vec<String> {
        let mut all = Vec::new();
        let one = [("_count", "1")];
        let mut next = Some(HistoryQuery::from_parameters(scope, one).unwrap());
        while let Some(query) = next {
            let page = guard.history(&query).unwrap();
            assert!(!page.versions.is_empty() || all.is_empty(), "an empty page");
            all.extend(
                page.versions
                    .iter()
                    .map(|v| format!("{}/{}", v.name, v.number)),
            );
            next = page.next;
        }
        all
    };
    let record = |id: &str| Scope::Record(name(&format!("Observation/{id}")));
    let a = clinic.a();
    assert_eq!(versions(&a, record("moved")), ["Observation/moved/2"]);
    assert_eq!(versions(&a, record("ob1")), [""; 0]);
    assert_eq!(versions(&a, record("deleted")), [""; 0]);
    assert_eq!(
        versions(&a, Scope::Kind(ResourceType::named("Observation").unwrap())),
        [
            "Observation/moved/2",
            "Observation/oa2/1",
            "Observation/oa1/1"
        ]
    );
    let b = clinic.owner.acting_as(patient_actor("b"));
    assert_eq!(versions(&b, record("moved")), ["Observation/moved/1"]);
    assert_eq!(versions(&b, record("deleted")).len(), 2);
    assert!(a.version(&name("Observation/moved"), 1).unwrap().is_none());
    assert!(a.version(&name("Observation/moved"), 2).unwrap().is_some());
    // Deleted: gone for those who might see it, never known to others.
    let deleted = name("Observation/deleted");
    assert!(matches!(a.fetch(&deleted).unwrap(), Fetched::Unknown));
    assert!(matches!(b.fetch(&deleted).unwrap(), Fetched::Gone));
}

#[test]
fn references_and_tokens_are_no_oracle() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    for text in [
        "Appointment?actor=Patient/b",
        "Appointment?patient=b",
        "Patient?identifier=mrn|222",
        "Patient?identifier=222",
        "Patient?_id=b",
        "Patient?name=Name-b",
        "Patient?name:contains=me-b",
        "Patient?birthdate=1990&_id:not=a",
        "Observation?subject=Patient/b",
    ] {
        let page = a
            .search(&query(&format!("{text}&_total=accurate")))
            .unwrap();
        assert_eq!((page.records.len(), page.total), (0, Some(0)), "{text}");
        assert!(!ids(&clinic.owner, text).is_empty(), "{text}");
    }
    // A reference in what is seen is found, whether its target is hidden or not there.
    for (id, performer) in [("r1", "Patient/b"), ("r2", "Patient/not-here")] {
        put(
            &clinic.owner,
            &seen_by("a", id, 9).replace("Practitioner/dr", performer),
        )
        .unwrap();
        let text = format!("Observation?performer={performer}");
        assert_eq!(ids(&a, &text), [format!("Observation/{id}")]);
    }
    assert!(matches!(
        a.fetch(&name("Patient/b")).unwrap(),
        Fetched::Unknown
    ));
    assert!(a.get(&name("Patient/b")).unwrap().is_none());
    assert!(a.get(&name("Patient/a")).unwrap().is_some());
}

#[test]
fn reads_in_a_transaction_go_by_the_policy() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    let read = |asked| a.commit_one(write(Act::Read(asked)));
    let unknown = |result: Result<Done, AccessError>| {
        matches!(result, Err(AccessError::Unfit(Unfit::Unknown(_))))
    };
    assert!(unknown(read(Asked::Record(name("Patient/b")))));
    assert!(unknown(read(Asked::Record(name("Patient/none")))));
    assert!(unknown(read(Asked::Version(name("Observation/ob1"), 1))));
    let Done::Page(page) = read(Asked::Search(query("Observation?_total=accurate"))).unwrap()
    else {
        panic!("no page");
    };
    assert_eq!((page.records.len(), page.total), (2, Some(2)));
}

#[test]
fn the_status_counts_what_may_be_seen() {
    let clinic = Clinic::filled();
    let count = |guard: &Guard, kind: &str| {
        let counts = guard.status().unwrap().counts;
        let kind = ResourceType::named(kind).unwrap();
        counts
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or(0, |(_, n)| *n)
    };
    let guards = [
        clinic.a(),
        clinic.of(Role::FRONT_DESK),
        clinic.of(Role::AUDITOR),
        clinic.of(Role::NURSE),
    ];
    let counted = guards.each_ref().map(|guard| {
        (
            count(guard, "Patient"),
            count(guard, "Observation"),
            count(guard, "Practitioner"),
        )
    });
    assert_eq!(counted, [(1, 2, 1), (2, 0, 1), (0, 0, 0), (2, 14, 1)]);
    assert_eq!(clinic.a().fingerprints().unwrap().len(), 5);
    assert!(clinic.a().explain(&query("Observation")).is_err());
}

#[test]
fn what_waits_is_named_to_those_who_may_see_it_and_sent_whoever_is_there() {
    let home = tempfile::tempdir().unwrap();
    let (owner, _) = make_vault(home.path());
    let physician = owner.acting_as(actor(Role::PHYSICIAN));
    physician.put(&resource(&person("b", "2"))).unwrap();
    physician.put(&resource(&seen_by("b", "o", 1))).unwrap();
    let desk = owner.acting_as(actor(Role::FRONT_DESK));
    let status = desk.status().unwrap();
    let named: Vec<String> = status
        .waiting
        .iter()
        .map(|w| w.name.reference.to_string())
        .collect();
    assert_eq!(
        (named, status.waiting_unseen),
        (vec!["Patient/b".to_owned()], 1)
    );
    let auditor = owner.acting_as(actor(Role::AUDITOR));
    let status = auditor.status().unwrap();
    assert_eq!((status.waiting.len(), status.waiting_unseen), (0, 2));
    assert!(auditor.pending(None).unwrap().is_empty());
    assert_eq!(owner.pending(None).unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_takes_and_sends_what_the_person_may_not_see() {
    let hub = TestHub::start().await;
    put(&hub.guard, &seen_by("x", "there", 1)).unwrap();
    let mut device = hub.device();
    device.put(&seen_by("b", "here", 1));
    let owner = device.guard.clone();
    device.guard = owner.acting_as(actor(Role::AUDITOR));
    device.sync().await;
    assert_eq!(owner.status().unwrap().waiting.len(), 0);
    assert!(hub.guard.get(&name("Observation/here")).unwrap().is_some());
    assert!(owner.get(&name("Observation/there")).unwrap().is_some());
    assert!(device.guard.get(&name("Observation/there")).is_err());
    // But the person sends the vault to no other server.
    let elsewhere = device
        .guard
        .remember_peer("https://other.example/fhir", &Default::default());
    assert!(matches!(elsewhere, Err(AccessError::NotAllowed(_))));
}

/// The answer to a condition on a version is the same for what is hidden and for what is not there.
#[test]
fn conditions_on_versions_are_no_oracle() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    let answers = |id: &str, author: &str| {
        format!(
            r#"{{"resourceType":"QuestionnaireResponse","id":"{id}","status":"completed","subject":{{"reference":"Patient/a"}},"author":{{"reference":"{author}"}}}}"#
        )
    };
    let of_b = answers("hidden", "Patient/b").replace("Patient/a", "Patient/b");
    put(&clinic.owner, &of_b).unwrap();
    let patch = Patch::parse(r#"[{"op":"test","path":"/status","value":"completed"}]"#).unwrap();
    let conditions = [
        Precondition {
            version: Some("99".into()),
            ..Precondition::default()
        },
        Precondition {
            version: Some("1".into()),
            ..Precondition::default()
        },
        Precondition {
            present: true,
            ..Precondition::default()
        },
    ];
    let told = |result: Result<(), AccessError>, id: &str| match result {
        Ok(()) => "stored".to_owned(),
        Err(error) => error.to_string().replace(id, "ID"),
    };
    for condition in conditions {
        let patched = |id: &str| {
            let act = Act::Patch {
                name: name(&format!("QuestionnaireResponse/{id}")),
                patch: patch.clone(),
            };
            let one = Write {
                condition: condition.clone(),
                ..write(act)
            };
            told(a.commit_one(one).map(drop), id)
        };
        assert_eq!(patched("hidden"), patched("none"), "PATCH, {condition:?}");
        let referring = |id: &str| {
            let text = answers(id, "Patient?identifier=mrn%7C111");
            let one = Write {
                condition: condition.clone(),
                ..write(Act::Put(resource(&text)))
            };
            told(a.commit(&[one]).map(drop).map_err(|(_, e)| e), id)
        };
        assert_eq!(referring("hidden"), referring("none"), "PUT, {condition:?}");
    }
    // What is there and hers answers as ever.
    put(&clinic.owner, &answers("own", "Patient/a")).unwrap();
    let stale = Write {
        condition: Precondition {
            version: Some("99".into()),
            ..Precondition::default()
        },
        ..write(Act::Patch {
            name: name("QuestionnaireResponse/own"),
            patch: patch.clone(),
        })
    };
    assert!(matches!(
        a.commit_one(stale),
        Err(AccessError::Refused(Refused::Stale {
            current: Some(1),
            ..
        }))
    ));
    let absent = |id: &str| {
        let text = answers(id, "Patient?identifier=mrn%7C111");
        let one = Write {
            condition: Precondition {
                absent: true,
                ..Precondition::default()
            },
            ..write(Act::Put(resource(&text)))
        };
        a.commit(&[one])
    };
    // An id that is taken cannot be given twice: refused by the policy, not by what stands there.
    assert!(refusal(absent("hidden").unwrap_err().1).contains("not under this id"));
    absent("new").unwrap();
}
