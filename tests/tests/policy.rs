//! Who may write what, what each role may, and how a policy comes into force.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use pocketchart_core::access::{
    AccessError, Act, AuditKind, BadPolicy, Done, Guard, Policy, Role, TrailFilter, VaultAction,
    sign_policy,
};
use pocketchart_core::crypto::sign::SigningKey;
use pocketchart_tests::small_clinic::*;
use pocketchart_tests::*;

#[test]
fn a_patient_writes_own_contact_and_nothing_else_of_it() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    let mine = person("a", "111");
    let moved = mine.replace(
        r#""telecom":[{"value":"1"}]"#,
        r#""telecom":[{"value":"2"}],"address":[{"city":"X"}]"#,
    );
    assert!(matches!(put(&a, &moved).unwrap(), Done::Written(_)));
    for (wrong, rule) in [
        (
            moved.replace("1990", "1991"),
            "own-contact allows it for telecom, address only",
        ),
        (
            moved.replace("Name-a", "Other"),
            "own-contact allows it for telecom, address only",
        ),
        (
            moved.replace("111", "222"),
            "own-contact allows it for telecom, address only",
        ),
    ] {
        let text = refusal(put(&a, &wrong).unwrap_err());
        assert!(text.contains(rule), "{text}");
    }
    // Another's chart, by its subject: into it, out of it, or both.
    for text in [
        seen_by("b", "oa1", 1),
        seen_by("a", "oa1", 2),
        appointment("mine", "b", "s1"),
    ] {
        assert!(put(&a, &text).is_err(), "{text}");
    }
    let both = appointment("both", "a", "s1").replace(
        r#""participant":["#,
        r#""participant":[{"actor":{"reference":"Patient/b"}},"#,
    );
    assert!(refusal(put(&a, &both).unwrap_err()).contains("own-appointments"));
    put(&a, &appointment("mine", "a", "s9")).unwrap();
    assert!(put(&a, &appointment("mine", "b", "s9")).is_err());
    // Nobody deletes, but for what a rule says.
    let delete = |guard: &Guard, text: &str| guard.commit_one(write(Act::Delete(name(text))));
    for guard in [&a, &clinic.of(Role::NURSE), &clinic.of(Role::PHYSICIAN)] {
        assert!(refusal(delete(guard, "Observation/oa1").unwrap_err()).contains("no rule"));
    }
    assert!(matches!(
        delete(&clinic.of(Role::FRONT_DESK), "Slot/none").unwrap(),
        Done::Nothing
    ));
}

#[test]
fn a_slot_is_taken_with_an_appointment_and_in_no_other_way() {
    let clinic = Clinic::filled();
    let a = clinic.a();
    let (busy, mine) = (slot("busy"), appointment("mine", "a", "s1"));
    let alone = refusal(put(&a, &busy).unwrap_err());
    assert!(
        alone.contains("book-slot") && alone.contains("Appointment"),
        "{alone}"
    );
    for others in [
        appointment("mine", "a", "s2"),
        mine.replace("booked", "cancelled"),
        appointment("mine", "b", "s1"),
    ] {
        assert!(put_all(&a, &[&busy, &others]).is_err(), "{others}");
    }
    assert!(put_all(&a, &[&busy.replace("08:30", "09:30"), &mine]).is_err());
    assert!(put_all(&a, &[&slot("busy-unavailable"), &mine]).is_err());
    assert_eq!(put_all(&a, &[&busy, &mine]).unwrap().len(), 2);
    // Taken: not again.
    let again = put_all(&a, &[&busy, &appointment("again", "a", "s1")]);
    assert!(refusal(again.unwrap_err()).contains("status becomes"));
    assert!(put_all(&a, &[&slot("free"), &mine]).is_err());
    assert!(put(&clinic.of(Role::NURSE), &slot("free")).is_ok());
}

#[test]
fn a_slot_is_given_back_with_the_appointment_that_had_it_and_by_nobody_else() {
    let clinic = Clinic::filled();
    let (a, free) = (clinic.a(), slot("free"));
    let b = clinic.owner.acting_as(patient_actor("b"));
    let (of_a, of_b) = (
        appointment("of-a", "a", "s1"),
        appointment("of-b", "b", "s1"),
    );
    let off = |text: &str| text.replace("booked", "cancelled");
    put_all(&a, &[&slot("busy"), &of_a]).unwrap();
    // Not alone, not with an Appointment that keeps it, that never had it, or that is another's.
    let alone = refusal(put(&a, &free).unwrap_err());
    assert!(alone.contains("give-slot-back"), "{alone}");
    assert!(put_all(&a, &[&free, &of_a]).is_err());
    assert!(put_all(&b, &[&free, &off(&of_b)]).is_err());
    assert!(put_all(&b, &[&free, &off(&of_a)]).is_err());
    assert!(put_all(&a, &[&free, &off(&of_a), &appointment("more", "a", "s1")]).is_err());
    // Whoever only says that it is theirs does not give away what another has.
    put(&b, &of_b).unwrap();
    assert!(put_all(&b, &[&free, &off(&of_b)]).is_err());
    put(&b, &off(&of_b)).unwrap();
    // To another Slot, or off: in whichever order they stand.
    let elsewhere = appointment("of-a", "a", "s2");
    assert_eq!(put_all(&a, &[&elsewhere, &free]).unwrap().len(), 2);
    put_all(&a, &[&slot("busy"), &of_a]).unwrap();
    assert_eq!(put_all(&a, &[&free, &off(&of_a)]).unwrap().len(), 2);
    assert!(
        put_all(&a, &[&slot("busy"), &of_a]).is_ok(),
        "and is free to be taken"
    );
}

#[test]
fn on_a_device_they_are_booked_together_too() {
    let home = tempfile::tempdir().unwrap();
    let (owner, _) = make_vault(home.path());
    owner.put(&resource(&slot("free"))).unwrap();
    owner.put(&resource(&person("a", "1"))).unwrap();
    let a = owner.acting_as(patient_actor("a"));
    let (busy, mine) = (slot("busy"), appointment("mine", "a", "s1"));
    assert!(a.put(&resource(&busy)).is_err());
    let saved = a.put_together(&[resource(&busy), resource(&mine)]).unwrap();
    assert_eq!(saved.len(), 2);
    // And what a device is asked to delete, but may not show, is not there.
    owner
        .put(&resource(&appointment("other", "b", "s2")))
        .unwrap();
    assert!(a.delete(&name("Appointment/other")).is_err());
    let desk = owner.acting_as(actor(Role::FRONT_DESK));
    assert!(desk.delete(&name("Slot/none")).unwrap().is_none());
}

#[test]
fn roles_may_do_what_the_table_in_the_docs_says() {
    let clinic = Clinic::filled();
    let roles = [
        Role::PATIENT,
        Role::NURSE,
        Role::PHYSICIAN,
        Role::FRONT_DESK,
        Role::AUDITOR,
        Role::ADMIN,
        Role::TABLET,
    ];
    let all = |may: &dyn Fn(&Guard) -> bool| -> String {
        let of = |role: &Role| match role.name() {
            "patient" => clinic.a(),
            _ => clinic.of(role.clone()),
        };
        roles
            .iter()
            .map(|role| if may(&of(role)) { 'x' } else { '-' })
            .collect()
    };
    let sees = |text: &'static str| {
        move |guard: &Guard| guard.get(&name(text)).is_ok_and(|found| found.is_some())
    };
    let writes = |text: String| move |guard: &Guard| put(guard, &text).is_ok();
    let must = |action| move |guard: &Guard| guard.must(action).is_ok();
    let export = |guard: &Guard| guard.export("all", |_| Ok::<_, AccessError>(())).ok();
    assert_eq!(export(&clinic.a()), Some(5));
    assert_eq!(export(&clinic.of(Role::NURSE)), None);
    assert_eq!(all(&sees("Observation/oa1")), "xxx---x");
    assert_eq!(all(&sees("Patient/a")), "xxxx--x");
    assert_eq!(all(&sees("Patient/b")), "-xxx--x");
    assert_eq!(all(&sees("Practitioner/dr")), "xxxx-xx");
    assert_eq!(all(&writes(seen_by("a", "new", 1))), "-xx----");
    let condition = r#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/a"}}"#;
    assert_eq!(all(&writes(condition.into())), "--x----");
    let answers = r#"{"resourceType":"QuestionnaireResponse","id":"q","status":"completed","subject":{"reference":"Patient/a"}}"#;
    assert_eq!(all(&writes(answers.into())), "xxx----");
    assert_eq!(all(&writes(person("new", "9"))), "-xxx---");
    let doctor = r#"{"resourceType":"Practitioner","id":"new"}"#;
    assert_eq!(all(&writes(doctor.into())), "-----x-");
    assert_eq!(all(&must(VaultAction::Audit)), "----x--");
    assert_eq!(all(&must(VaultAction::People)), "-----x-");
    assert_eq!(all(&must(VaultAction::Policy)), "-----x-");
    assert_eq!(
        all(&|guard| guard.trail(&TrailFilter::default()).is_ok()),
        "----x--"
    );
    assert_eq!(
        all(&|guard| guard.secret("hub-identity").is_ok()),
        "-----x-"
    );
    assert_eq!(all(&|guard| guard.check().is_ok()), "-----x-");
    // A role that no policy knows, and a patient who is bound to none.
    let stranger = clinic.of(Role::named("janitor"));
    assert!(stranger.search(&query("Practitioner")).is_err());
    let unbound = clinic.of(Role::PATIENT);
    assert!(ids(&unbound, "Observation").is_empty());
    assert_eq!(ids(&unbound, "Practitioner?_id=dr"), ["Practitioner/dr"]);
}

#[test]
fn a_policy_is_signed_newer_and_survives() {
    let home = tempfile::tempdir().unwrap();
    let (owner, _) = make_vault(home.path());
    owner.put(&resource(&seen_by("a", "o", 1))).unwrap();
    let text = |version: u64, role: &str| {
        format!(
            r#"{{"format":1,"version":{version},"issued":"x","roles":{{"{role}":[{{"id":"r","types":["Observation"],"actions":["read"],"scope":"all"}}]}}}}"#
        )
    };
    let sees = |owner: &Guard, role: &str| {
        let found = owner
            .acting_as(actor(Role::named(role.to_owned())))
            .get(&name("Observation/o"));
        found.is_ok_and(|found| found.is_some())
    };
    assert!(sees(&owner, "nurse") && !sees(&owner, "helper"));
    assert_eq!(
        owner.sign_and_install_policy(&text(3, "helper")).unwrap(),
        3
    );
    assert!(!sees(&owner, "nurse") && sees(&owner, "helper"));
    for version in [1, 2, 3] {
        let older = owner.sign_and_install_policy(&text(version, "nurse"));
        assert!(matches!(
            older,
            Err(AccessError::Policy(BadPolicy::NotNewer { current: 3, .. }))
        ));
    }
    let stranger = SigningKey::make_random().unwrap();
    let forged = owner.install_policy(&sign_policy(&stranger, &text(4, "nurse")));
    assert!(matches!(
        forged,
        Err(AccessError::Policy(BadPolicy::Signature(_)))
    ));
    let broken = owner.sign_and_install_policy("{}").unwrap_err();
    assert!(matches!(broken, AccessError::Policy(BadPolicy::Invalid(_))));
    // Only who may.
    let helper = owner.acting_as(actor(Role::named("helper")));
    assert!(
        refusal(
            helper
                .sign_and_install_policy(&text(9, "helper"))
                .unwrap_err()
        )
        .contains("install a policy")
    );
    owner.lock().unwrap();
    let owner = unlock(home.path());
    assert!(!sees(&owner, "nurse") && sees(&owner, "helper"));
    // One that cannot be read closes the vault to all but its owner; it does not fall back to what is shipped.
    owner.keep_secret("policy", "x.y").unwrap();
    owner.lock().unwrap();
    let owner = unlock(home.path());
    assert!(owner.policy().is_none());
    assert!(!sees(&owner, "nurse") && !sees(&owner, "helper"));
    assert!(owner.get(&name("Observation/o")).unwrap().is_some());
    owner.sign_and_install_policy(&text(4, "nurse")).unwrap();
    assert!(sees(&owner, "nurse"));
}

#[test]
fn texts_that_are_no_policy_are_refused_with_their_place() {
    let rule =
        |rule: &str| format!(r#"{{"format":1,"version":1,"issued":"x","roles":{{"r":[{rule}]}}}}"#);
    let whole = r#"{"id":"i","types":["Slot"],"actions":["update"],"scope":"all"}"#;
    assert!(Policy::parse(&rule(whole)).is_ok());
    for (text, place) in [
        ("{".to_owned(), "policy: not JSON"),
        ("{}".into(), "format: a whole number"),
        (
            rule(whole).replace(r#""format":1"#, r#""format":2"#),
            "format: this program reads format 1",
        ),
        (
            rule(whole).replace(r#""issued""#, r#""isued""#),
            "isued: not known here",
        ),
        (
            rule(&whole.replace("Slot", "Sloth")),
            "roles.r[0].types[0]: no resource type",
        ),
        (
            rule(&whole.replace("update", "upsert")),
            "roles.r[0].actions[0]: no action of this name",
        ),
        (
            rule(&whole.replace(r#""all""#, r#""most""#)),
            "roles.r[0].scope: no scope",
        ),
        (
            rule(
                &whole
                    .replace("update", "read")
                    .replace('}', r#","fields":["status"]}"#),
            ),
            "roles.r[0].fields: only a rule with",
        ),
        (
            rule(&whole.replace('}', r#","fields":["id"]}"#)),
            "roles.r[0].fields[0]: not the name",
        ),
        (
            rule(&whole.replace('}', r#","within":"time"}"#)),
            "roles.r[0].within: `booking`",
        ),
        (
            rule(
                &whole
                    .replace("Slot", "Patient")
                    .replace('}', r#","within":"booking"}"#),
            ),
            "roles.r[0].within: only a rule about Slot",
        ),
        (
            rule(&format!("{whole},{whole}")),
            "roles.r[1].id: stands twice",
        ),
        (
            rule(r#"{"id":"i","actions":["audit"],"scope":"all"}"#),
            "roles.r[0].scope: not known here (a rule without",
        ),
        (
            rule(whole).replace(r#""r""#, r#""owner""#),
            "roles.owner: no policy limits",
        ),
        (rule(whole).replace('}', r#","x":1}"#), "not known here"),
        (
            rule(whole).replace(
                r#""roles""#,
                r#""people":{"p":{"panels":["none"]}},"roles""#,
            ),
            "people.p.panels[0]: no panel",
        ),
        (
            rule(whole).replace(
                r#""roles""#,
                r#""panels":{"p":{"patients":["a/b"]}},"roles""#,
            ),
            "panels.p.patients[0]: an id",
        ),
    ] {
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
}

/// One refusal, one entry: who counts them must not count twice.
#[test]
fn a_refused_write_is_in_the_trail_once() {
    let clinic = Clinic::filled();
    let denials = || {
        let entries = trail(&clinic.owner);
        let denied = entries.iter().filter(|e| e.kind == AuditKind::Denied);
        denied.count()
    };
    let before = denials();
    refusal(put(&clinic.a(), &seen_by("a", "mine", 9)).unwrap_err());
    assert_eq!(denials(), before + 1);
    refusal(
        clinic
            .a()
            .put(&resource(&seen_by("a", "mine", 9)))
            .unwrap_err(),
    );
    assert_eq!(denials(), before + 2);
}
