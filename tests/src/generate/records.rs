//! Random records: few values, so that they collide; partial, malformed, missing and repeated ones; unknown fields.

use super::Random;
use serde_json::Value;

const TYPES: [&str; 7] = [
    "Patient",
    "Observation",
    "Encounter",
    "Condition",
    "RiskAssessment",
    "ValueSet",
    "Appointment",
];
pub(super) const DATES: [&str; 20] = [
    "2019",
    "2020",
    "2020-02",
    "2020-03",
    "2020-02-28",
    "2020-02-29",
    "2020-03-01",
    "2020-02-29T10:00Z",
    "2020-02-29T10:00:00Z",
    "2020-02-29T12:00:00+02:00",
    "2020-02-29T10:00:00.5Z",
    "2020-02-29T10:00:00.500Z",
    "2020-02-29T23:30:00-05:00",
    "2020-03-01T04:30:00.123456Z",
    "2020-02-29T10:00:00",
    "1999-12-31",
    "2020-13-01",
    "2020-02-30",
    "yesterday",
    "2027-01-01",
];
const INSTANTS: [&str; 6] = [
    "2020-02-29T10:00:00.500Z",
    "2020-02-29T10:00:00.501Z",
    "2020-02-29T12:00:00.500+02:00",
    "2020-03-01T00:00:00.000Z",
    "2019-12-31T23:59:59.999Z",
    "2026-11-23T00:00:00.000Z",
];
pub(super) const NUMBERS: [&str; 16] = [
    "1", "1.0", "1.00", "0.95", "1.05", "5.4", "5.35", "5.45", "100", "99.5", "100.5", "1e2", "95",
    "-3", "0", "0.1",
];
pub(super) const WORDS: [&str; 16] = [
    "Müller",
    "Muller",
    "MÜLLER",
    "Mu\u{308}ller",
    "Ann Marie",
    "ann  marie",
    "Ann",
    "O'Neil",
    "Straße",
    "STRASSE",
    "Zoë",
    "İpek",
    "ﬁna",
    "a,b|c$d\\e",
    "Ｗｉｄｅ",
    "王",
];
pub(super) const CODES: [&str; 8] = ["a", "A", "ab", "final", "b|c", "x,y", "é", "male"];
pub(super) const SYSTEMS: [&str; 4] = ["http://s/1", "http://s/2", "urn:oid:1.2", ""];
pub(super) const UNITS: [&str; 4] = ["mg", "g", "kg", "mL"];
pub(super) const REFERENCES: [&str; 12] = [
    "Patient/p0",
    "Patient/p1",
    "Patient/p2",
    "Patient/p1/_history/2",
    "Encounter/e0",
    "Encounter/e1",
    "Practitioner/p1",
    "http://x/fhir/Patient/p1",
    "urn:uuid:0c3d0000-0000-4000-8000-000000000001",
    "#c",
    "p1",
    "Patient/gone",
];
pub(super) const URIS: [&str; 4] = ["http://x/v", "http://x/v/1", "HTTP://x/v", "urn:a,b"];

/// Some dozen records of a few types, as text.
pub(super) fn draw(random: &mut Random) -> Vec<String> {
    let mut texts = Vec::new();
    let types = 4 + random.below(3);
    let mut drawn: Vec<&str> = TYPES.to_vec();
    while drawn.len() > types {
        drawn.remove(random.below(drawn.len()));
    }
    let count = 3 + random.below(30);
    let mut used = Vec::new();
    for _ in 0..count {
        let kind = random.pick(&drawn);
        let letter = kind.chars().next().unwrap_or('x').to_ascii_lowercase();
        let id = format!("{letter}{}", random.below(20));
        // Several types may share an id; one type may not have it twice.
        if !used.contains(&(kind, id.clone())) {
            texts.push(record(kind, &id, random));
            used.push((kind, id));
        }
    }
    texts
}

fn record(kind: &str, id: &str, random: &mut Random) -> String {
    let mut members = vec![
        format!("\"resourceType\":{}", quoted(kind)),
        format!("\"id\":{}", quoted(id)),
    ];
    let mut meta = vec![format!(
        "\"lastUpdated\":{}",
        quoted(random.pick(&INSTANTS))
    )];
    if random.percent(20) {
        meta.push(format!("\"tag\":[{}]", coding(random)));
    }
    if random.percent(20) {
        meta.push(format!("\"profile\":[{}]", quoted(random.pick(&URIS))));
    }
    members.push(format!("\"meta\":{{{}}}", meta.join(",")));
    for (name, shape) in shapes(kind) {
        if random.percent(60) {
            members.push(format!("\"{name}\":{}", value(shape, random)));
        }
    }
    if random.percent(20) {
        members.push("\"_birthDate\":{\"x\":[1.00,null]},\"unknownThing\":{\"code\":\"a\"}".into());
    }
    format!("{{{}}}", members.join(","))
}

/// Elements of a type and what stands in them; `*` repeats.
fn shapes(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "Patient" => &[
            ("name", "*HumanName"),
            ("address", "*Address"),
            ("telecom", "*ContactPoint"),
            ("gender", "code"),
            ("birthDate", "date"),
            ("identifier", "*Identifier"),
            ("active", "boolean"),
            ("deceasedDateTime", "date"),
            ("generalPractitioner", "*Reference"),
            ("managingOrganization", "Reference"),
        ],
        "Observation" => &[
            ("code", "CodeableConcept"),
            ("category", "*CodeableConcept"),
            ("status", "code"),
            ("subject", "Reference"),
            ("encounter", "Reference"),
            ("effectiveDateTime", "date"),
            ("valueQuantity", "Quantity"),
            ("valueString", "string"),
            ("component", "*component"),
            ("identifier", "*Identifier"),
            ("focus", "*Reference"),
            ("performer", "*Reference"),
        ],
        "Encounter" => &[
            ("subject", "Reference"),
            ("period", "Period"),
            ("status", "code"),
            ("class", "Coding"),
            ("type", "*CodeableConcept"),
            ("identifier", "*Identifier"),
            ("length", "Quantity"),
        ],
        "Condition" => &[
            ("subject", "Reference"),
            ("encounter", "Reference"),
            ("code", "CodeableConcept"),
            ("category", "*CodeableConcept"),
            ("clinicalStatus", "CodeableConcept"),
            ("onsetPeriod", "Period"),
            ("recordedDate", "date"),
            ("abatementDateTime", "date"),
            ("onsetAge", "Quantity"),
            ("asserter", "Reference"),
        ],
        "RiskAssessment" => &[
            ("subject", "Reference"),
            ("prediction", "*prediction"),
            ("occurrencePeriod", "Period"),
            ("identifier", "*Identifier"),
            ("method", "CodeableConcept"),
        ],
        "ValueSet" => &[
            ("url", "uri"),
            ("name", "string"),
            ("title", "string"),
            ("status", "code"),
            ("date", "date"),
            ("identifier", "*Identifier"),
        ],
        _ => &[
            ("participant", "*participant"),
            ("start", "instant"),
            ("status", "code"),
            ("serviceType", "*CodeableConcept"),
            ("identifier", "*Identifier"),
            ("basedOn", "*Reference"),
        ],
    }
}

fn value(shape: &str, random: &mut Random) -> String {
    if let Some(one) = shape.strip_prefix('*') {
        let items: Vec<String> = (0..random.below(4)).map(|_| value(one, random)).collect();
        return format!("[{}]", items.join(","));
    }
    let word = |random: &mut Random| quoted(random.pick(&WORDS));
    match shape {
        "HumanName" => object(
            &[
                ("family", word(random)),
                ("given", format!("[{},{}]", word(random), word(random))),
                ("text", word(random)),
                ("use", quoted("official")),
            ],
            random,
        ),
        "Address" => object(
            &[
                ("city", word(random)),
                ("line", format!("[{}]", word(random))),
                ("state", word(random)),
                ("postalCode", quoted("01234")),
                ("use", quoted("home")),
            ],
            random,
        ),
        "ContactPoint" => {
            let system = quoted(random.pick(&["phone", "email"]));
            object(
                &[("system", system), ("value", quoted(random.pick(&CODES)))],
                random,
            )
        }
        "Identifier" => object(
            &[
                ("system", quoted(random.pick(&SYSTEMS))),
                ("value", quoted(random.pick(&CODES))),
            ],
            random,
        ),
        "Coding" => coding(random),
        "CodeableConcept" => object(
            &[
                ("coding", format!("[{},{}]", coding(random), coding(random))),
                ("text", word(random)),
            ],
            random,
        ),
        "Reference" => object(
            &[
                ("reference", quoted(random.pick(&REFERENCES))),
                ("type", quoted("Patient")),
                ("display", word(random)),
            ],
            random,
        ),
        "Period" => object(
            &[
                ("start", quoted(random.pick(&DATES))),
                ("end", quoted(random.pick(&DATES))),
            ],
            random,
        ),
        "Quantity" => object(
            &[
                ("value", random.pick(&NUMBERS).to_owned()),
                ("system", quoted(random.pick(&SYSTEMS))),
                ("code", quoted(random.pick(&UNITS))),
                ("unit", quoted(random.pick(&UNITS))),
            ],
            random,
        ),
        "component" => object(
            &[
                ("code", value("CodeableConcept", random)),
                ("valueQuantity", value("Quantity", random)),
            ],
            random,
        ),
        "prediction" => object(
            &[("probabilityDecimal", random.pick(&NUMBERS).to_owned())],
            random,
        ),
        "participant" => object(
            &[
                ("actor", value("Reference", random)),
                ("status", quoted(random.pick(&CODES))),
            ],
            random,
        ),
        "boolean" => random.percent(50).to_string(),
        "date" => quoted(random.pick(&DATES)),
        "instant" => quoted(random.pick(&INSTANTS)),
        "code" => quoted(random.pick(&CODES)),
        "uri" => quoted(random.pick(&URIS)),
        _ => word(random),
    }
}

/// An object with most of the members.
fn object(members: &[(&str, String)], random: &mut Random) -> String {
    let kept = members.iter().filter(|_| random.percent(80));
    let kept: Vec<String> = kept
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", kept.join(","))
}

fn coding(random: &mut Random) -> String {
    object(
        &[
            ("system", quoted(random.pick(&SYSTEMS))),
            ("code", quoted(random.pick(&CODES))),
        ],
        random,
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
