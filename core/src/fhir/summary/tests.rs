//! Rows of real and of odd records.

use super::words::MAX_CHARS;
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn row(resource: &Value) -> RecordSummary {
    RecordSummary::of_text(&resource.to_string())
}

fn texts(row: &RecordSummary) -> [&str; 4] {
    let others = [&row.when, &row.value, &row.state];
    let others = others.map(|field| field.as_deref().unwrap_or_default());
    [&row.what, others[0], others[1], others[2]]
}

#[test]
fn rows_of_the_types_people_look_at() {
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"4548-4","display":"HbA1c"}]},
        "effectiveDateTime":"2025-07-29T04:58:23+02:00","valueQuantity":{"value":7.90,"unit":"%"},
        "interpretation":[{"coding":[{"code":"H"}]}]}"#;
    let pressure = json!({"resourceType":"Observation","code":{"text":"Blood pressure"},"effectivePeriod":{"start":"2025-07"},
        "component":[
            {"code":{"coding":[{"code":"8462-4"}]},"valueQuantity":{"value":82,"unit":"mm[Hg]"}},
            {"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":128,"unit":"mm[Hg]"}}]});
    let patient = json!({"resourceType":"Patient","gender":"female","birthDate":"1970","deceasedDateTime":"2020",
        "name":[{"use":"maiden","family":"Alt"},{"given":["Ana","Rosa"],"family":"Neu"}]});
    let condition = json!({"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},
        "verificationStatus":{"coding":[{"code":"unconfirmed"}]},"code":{"coding":[{"code":"44054006"}]},"onsetAge":{"value":42,"unit":"years"}});
    let medicine = json!({"resourceType":"MedicationRequest","status":"active","authoredOn":"2026-02-01","medicationReference":{"reference":"#m"},
        "contained":[{"resourceType":"Medication","id":"m","code":{"text":"Aspirin 100 mg"}}],
        "dosageInstruction":[{"timing":{"repeat":{"frequency":2,"period":1.0,"periodUnit":"d"}},"asNeededBoolean":true,
            "doseAndRate":[{"doseQuantity":{"value":1.5,"unit":"tablet"}}]}]});
    let allergy = json!({"resourceType":"AllergyIntolerance","code":{"text":"Wheat"},"criticality":"high","recordedDate":"1994-11-09",
        "reaction":[{"manifestation":[{"text":"Hives"},{"text":"Wheezing"}]}],"verificationStatus":{"text":"entered-in-error"}});
    let encounter = json!({"resourceType":"Encounter","status":"planned","class":{"code":"VR","display":"virtual"},
        "period":{"end":"2026-01-02T10:00Z"}});
    let document = json!({"resourceType":"DocumentReference","status":"current","description":"Letter","date":"2025-01-01T00:00:00Z"});
    let expected = [
        [
            "HbA1c",
            "2025-07-29T04:58:23+02:00",
            "7.90 % (high)",
            "final",
        ],
        ["Blood pressure", "2025-07", "128/82 mmHg", ""],
        ["Ana Rosa Neu", "1970", "female", "deceased"],
        ["44054006", "42 years", "", "active, unconfirmed"],
        [
            "Aspirin 100 mg",
            "2026-02-01",
            "dose 1.5 tablet, twice a day, as needed",
            "active",
        ],
        [
            "Wheat",
            "1994-11-09",
            "Hives, Wheezing (high risk)",
            "entered-in-error",
        ],
        ["virtual", "until 2026-01-02T10:00Z", "", "planned"],
        ["Letter", "2025-01-01T00:00:00Z", "Letter", "current"],
    ];
    let observation = RecordSummary::of_text(observation);
    assert_eq!(texts(&observation), expected[0]);
    let others = [
        pressure, patient, condition, medicine, allergy, encounter, document,
    ];
    for (resource, expected) in others.iter().zip(&expected[1..]) {
        assert_eq!(texts(&row(resource)), *expected);
    }
}

#[test]
fn values_of_every_form() {
    for (value, expected) in [
        (json!({"valueBoolean":false}), "no"),
        (json!({"valueInteger":3}), "3"),
        (json!({"valueString":" two\nlines "}), "two lines"),
        (
            json!({"valueQuantity":{"value":3,"unit":"{score}","comparator":">"}}),
            ">3",
        ),
        (json!({"valueQuantity":"7 or so"}), "7 or so"),
        (
            json!({"valueRange":{"low":{"value":1,"unit":"mg"},"high":{"value":2,"unit":"mg"}}}),
            "1 – 2 mg",
        ),
        (
            json!({"valueRange":{"high":{"value":2,"unit":"mg"}}}),
            "≤ 2 mg",
        ),
        (
            json!({"valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}}),
            "1:128",
        ),
        (
            json!({"valueCodeableConcept":{"coding":[{"code":"a"},{"display":"Yellow"}]}}),
            "Yellow",
        ),
        (
            json!({"valueDateTime":"2026-01-02T03:04:05+01:00"}),
            "2026-01-02 03:04 +01:00",
        ),
        (json!({"valueSampledData":{"data":"1 2 3"}}), "a curve"),
        (
            json!({"dataAbsentReason":{"text":"refused"}}),
            "no value (refused)",
        ),
        (json!({"hasMember":[{},{}]}), "panel of 2"),
        (
            json!({"component":[{"code":{"text":"Eyes"},"valueInteger":4},{"code":{"text":"Voice"},"valueInteger":5}]}),
            "Eyes 4; Voice 5",
        ),
        (
            json!({"interpretation":[{"coding":[{"code":"N"}]}],"valueInteger":1}),
            "1",
        ),
    ] {
        assert_eq!(measured(&value).as_deref(), Some(expected), "{value}");
    }
    assert_eq!(measured(&json!({"value":1,"valued":2})), None);
    let range = json!({"referenceRange":[{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.1,"unit":"mmol/L"}}]});
    assert_eq!(reference_range(&range).as_deref(), Some("3.5 – 5.1 mmol/L"));
    let text = json!({"referenceRange":[{"text":"negative"}]});
    assert_eq!(reference_range(&text).as_deref(), Some("negative"));
}

#[test]
fn odd_records_have_something_to_read() {
    let what = |resource: Value| row(&resource).what;
    let told = json!({"resourceType":"MedicationRequest","category":[{"text":"Outpatient"}],
        "text":{"div":"<div xmlns=\"x\"><b>Aspirin</b> &amp; more</div>"}});
    assert_eq!(what(told), "Aspirin & more");
    let elsewhere = json!({"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/7"}});
    assert_eq!(what(elsewhere.clone()), "Medication/7");
    let looked_up = RecordSummary::of(&elsewhere, &|name| {
        (name == "Medication/7").then(|| "Ibuprofen".into())
    });
    assert_eq!(looked_up.what, "Ibuprofen");
    assert_eq!(
        what(json!({"resourceType":"Patient","id":"x","name":[{"prefix":["Dr"]}]})),
        "Patient x"
    );
    assert_eq!(
        what(json!({"resourceType":"Patient","id":"x","name":[{"use":"old","family":"Alt"}]})),
        "Alt"
    );
    assert_eq!(what(json!({"resourceType":"Patient","name":"Bob"})), "Bob");
    assert_eq!(what(json!([])), "record without words");
    assert_eq!(
        RecordSummary::of_text("no JSON").what,
        "record without words"
    );
    // What a terminal would obey, and what turns the direction of writing.
    let hostile = json!({"resourceType":"Condition","code":{"text":"a\u{1b}[2J\u{202e}b\u{7}"}});
    assert_eq!(what(hostile), "a [2Jb");
    let long = what(json!({"resourceType":"Condition","code":{"text":"x".repeat(5_000)}}));
    assert_eq!(
        (long.chars().count(), long.ends_with('…')),
        (MAX_CHARS, true)
    );
}

#[test]
fn dates_keep_their_precision() {
    for (date, civil) in [
        ("2025", "2025"),
        ("2025-07", "2025-07"),
        ("2025-07-29", "2025-07-29"),
        ("2025-07-29T23:58:23-05:00", "2025-07-29"),
        ("ToT", "ToT"),
        ("childhood", "childhood"),
    ] {
        assert_eq!(day(date), civil);
    }
    assert_eq!(minute("2025-07-29T23:58:23.5Z"), "2025-07-29 23:58 UTC");
    assert_eq!(minute("2025-07"), "2025-07");
}

#[test]
fn a_blood_pressure_is_in_mmhg() {
    let side = |code: &str, value: i32, unit: &str| json!({"code":{"coding":[{"code":code}]},"valueQuantity":{"value":value,"unit":unit}});
    let of = |unit| json!({"component":[side("8480-6", 16, unit), side("8462-4", 10, unit)]});
    let pressure = BloodPressure {
        systolic: 16.0,
        diastolic: 10.0,
    };
    assert_eq!(BloodPressure::of(&of("mm[Hg]")), Some(pressure));
    assert_eq!(BloodPressure::of(&of("kPa")), None);
    assert_eq!(measured(&of("kPa")).as_deref(), Some("16/10 kPa"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,12}".prop_map(Value::from),
        "[12]{4}(-0[1-9](-1[0-9](T1[0-9]:00:00Z)?)?)?".prop_map(Value::from),
        "(#m|Medication/1|8480-6|8462-4|active|H|d)".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "(code|coding|text|display|name|given|family|div|system|use|status|start|end|event|repeat)",
        "(value|unit|low|high|valueQuantity|valueRange|valueRatio|component|interpretation|id|type)",
        "(effectiveDateTime|period|onsetAge|clinicalStatus|deceasedBoolean|reaction|manifestation)",
        "(medicationReference|reference|contained|dosageInstruction|doseAndRate|timing|periodUnit|frequency)",
        "[a-zA-Z_]{1,8}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever a record holds: no panic, something to read, nothing that a terminal obeys.
    #[test]
    fn any_record_has_a_row(kind in 0_i64..146, body in any_json()) {
        let kind = crate::fhir::ResourceType::numbered(kind).unwrap().name();
        let mut body = body;
        if let Value::Object(members) = &mut body {
            members.insert("resourceType".into(), kind.into());
        }
        let row = row(&body);
        let all = [Some(row.what), row.when, row.value, row.state, reference_range(&body)];
        for text in all.into_iter().flatten() {
            prop_assert!(!text.trim().is_empty());
            prop_assert!(text.chars().count() <= MAX_CHARS && !text.contains(char::is_control));
            let _ = (day(&text), minute(&text));
        }
        let _ = BloodPressure::of(&body);
    }
}
