//! Random records and searches that meet: few values, so that they collide, and many shapes.
//!
//! A seed gives the same case for ever on every computer, so that a failing one is replayed by its number.

use crate::oracle::{Found, local, values};
use pocketchart_core::fhir::params::{self, Parameter, ParameterKind, Profile};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, ResourceType};
use serde_json::Value;

/// Small random numbers (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in so many of 100 cases.
    pub fn percent(&mut self, of_100: usize) -> bool {
        self.below(100) < of_100
    }

    /// One of `all`, which are not empty.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Records, as text and as trees, and a search over one of their types.
#[derive(Debug, Clone)]
pub struct Case {
    /// In the order to store them in; distinct by type and id, each with `meta.lastUpdated`.
    pub texts: Vec<String>,
    /// The same as trees.
    pub records: Vec<Value>,
    /// The search.
    pub query: Query,
    /// When it is asked.
    pub now: Instant,
}

/// The case of a seed. Its search asks only for parameters of `profile`.
pub fn case(seed: u64, profile: Profile) -> Case {
    let mut random = Random::new(seed);
    let texts = records(&mut random);
    over(texts, &mut random, profile)
}

/// A case over given records, such as Synthea's, whose values the search draws from.
pub fn over(texts: Vec<String>, random: &mut Random, profile: Profile) -> Case {
    let trees = texts
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok());
    let records: Vec<Value> = trees.collect();
    let query = query(&records, random, profile);
    // 2026-11-24, the day before or long after most dates above.
    let now = Instant::from_epoch_ms(1_795_478_400_000);
    Case {
        texts,
        records,
        query,
        now,
    }
}

const TYPES: [&str; 7] = [
    "Patient",
    "Observation",
    "Encounter",
    "Condition",
    "RiskAssessment",
    "ValueSet",
    "Appointment",
];
const DATES: [&str; 20] = [
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
const NUMBERS: [&str; 16] = [
    "1", "1.0", "1.00", "0.95", "1.05", "5.4", "5.35", "5.45", "100", "99.5", "100.5", "1e2", "95",
    "-3", "0", "0.1",
];
const WORDS: [&str; 16] = [
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
const CODES: [&str; 8] = ["a", "A", "ab", "final", "b|c", "x,y", "é", "male"];
const SYSTEMS: [&str; 4] = ["http://s/1", "http://s/2", "urn:oid:1.2", ""];
const UNITS: [&str; 4] = ["mg", "g", "kg", "mL"];
const REFERENCES: [&str; 12] = [
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
const URIS: [&str; 4] = ["http://x/v", "http://x/v/1", "HTTP://x/v", "urn:a,b"];

fn records(random: &mut Random) -> Vec<String> {
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

/// A search over one of the records' types. Values are mostly drawn from the records, so that they are found.
fn query(records: &[Value], random: &mut Random, profile: Profile) -> Query {
    let named = |record: &Value| ResourceType::named(record.get("resourceType")?.as_str()?);
    let kinds: Vec<ResourceType> = records.iter().filter_map(named).collect();
    if kinds.is_empty() {
        return crate::required(Query::parse("Patient"));
    }
    let kind = kinds[random.below(kinds.len())];
    let of_kind: Vec<&Value> = records.iter().filter(|r| named(r) == Some(kind)).collect();
    let parameters: Vec<&'static Parameter> = params::of(kind)
        .iter()
        .filter(|p| profile.holds(p))
        .collect();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for _ in 0..[0, 1, 1, 1, 2, 2, 3][random.below(7)] {
        pairs.push(criterion(&of_kind, &parameters, random));
    }
    if random.percent(8) {
        let ids: Vec<&str> = of_kind
            .iter()
            .filter_map(|r| r.get("id")?.as_str())
            .collect();
        let drawn: Vec<&str> = (0..1 + random.below(4))
            .map(|_| random.pick(&ids))
            .collect();
        let name = random.pick(&["_id", "_id", "_id:not"]);
        pairs.push((name.into(), drawn.join(",")));
    }
    if random.percent(60) {
        pairs.push(("_sort".into(), sort(&parameters, random)));
    }
    if random.percent(70) {
        pairs.push(("_count".into(), (1 + random.below(9)).to_string()));
    }
    if random.percent(20) {
        pairs.push(("_total".into(), "accurate".into()));
    }
    let is_reference = |p: &&&Parameter| p.kind == ParameterKind::Reference;
    if random.percent(15) {
        let all: Vec<&Parameter> = parameters.iter().filter(is_reference).copied().collect();
        if !all.is_empty() {
            let parameter = random.pick(&all);
            let target = parameter.targets.first().filter(|_| random.percent(40));
            let target = target.map_or(String::new(), |t| format!(":{t}"));
            pairs.push((
                "_include".into(),
                format!("{kind}:{}{target}", parameter.code),
            ));
        }
    }
    if random.percent(15) {
        let from = kinds[random.below(kinds.len())];
        let all: Vec<&Parameter> = params::of(from)
            .iter()
            .filter(|p| profile.holds(p) && p.may_target(kind))
            .collect();
        if !all.is_empty() {
            pairs.push((
                "_revinclude".into(),
                format!("{from}:{}", random.pick(&all).code),
            ));
        }
    }
    crate::required(Query::from_parameters(kind, pairs))
}

fn sort(parameters: &[&'static Parameter], random: &mut Random) -> String {
    use ParameterKind::{Date, Number, String, Token};
    let mut codes: Vec<&str> = parameters
        .iter()
        .filter(|p| matches!(p.kind, Date | String | Token | Number))
        .map(|p| p.code)
        .collect();
    codes.push("_id");
    let mut keys = Vec::new();
    for _ in 0..1 + random.below(2) {
        let code = codes.remove(random.below(codes.len()));
        keys.push(format!(
            "{}{code}",
            if random.percent(50) { "-" } else { "" }
        ));
    }
    keys.join(",")
}

fn criterion(
    records: &[&Value],
    parameters: &[&'static Parameter],
    random: &mut Random,
) -> (String, String) {
    let mut parameter = random.pick(parameters);
    let mut pool: Vec<Found> = Vec::new();
    // Most parameters have no values in a small set: look for one that has.
    for _ in 0..if random.percent(85) { 12 } else { 1 } {
        let record = random.pick(records);
        pool = values(record, parameter);
        if !pool.is_empty() {
            break;
        }
        parameter = random.pick(parameters);
    }
    if pool.is_empty() {
        pool = records
            .iter()
            .take(50)
            .flat_map(|r| values(r, parameter))
            .collect();
    }
    if random.percent(10) {
        return (
            format!("{}:missing", parameter.code),
            random.percent(50).to_string(),
        );
    }
    let modifier = match parameter.kind {
        ParameterKind::String => random.pick(&["", "", ":exact", ":contains"]),
        ParameterKind::Token => random.pick(&["", "", ":not"]),
        _ => "",
    };
    let count = if random.percent(25) {
        2 + random.below(2)
    } else {
        1
    };
    let drawn: Vec<String> = (0..count)
        .map(|_| operand(parameter, &pool, modifier, random))
        .collect();
    (format!("{}{modifier}", parameter.code), drawn.join(","))
}

fn operand(parameter: &Parameter, pool: &[Found], modifier: &str, random: &mut Random) -> String {
    let prefix = random.pick(&["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]);
    let found = if pool.is_empty() || random.percent(15) {
        None
    } else {
        Some(&pool[random.below(pool.len())])
    };
    match (parameter.kind, found) {
        (ParameterKind::String, found) => {
            let text = match found {
                Some(Found::Text(text)) => text.as_str(),
                _ => random.pick(&WORDS),
            };
            escaped(&cut(text, modifier, random))
        }
        (ParameterKind::Token, found) => {
            let (system, code) = match found {
                Some(Found::Token { system, code }) => (system.as_str(), code.as_str()),
                _ => (random.pick(&SYSTEMS), random.pick(&CODES)),
            };
            let (system, code) = (escaped(system), escaped(code));
            match random.below(6) {
                0..=2 if !code.is_empty() => code,
                3 if !code.is_empty() => format!("|{code}"),
                4 if !system.is_empty() => format!("{system}|"),
                _ if system.is_empty() && code.is_empty() => "a".into(),
                _ => format!("{system}|{code}"),
            }
        }
        (ParameterKind::Reference, found) => {
            let written = match found {
                Some(Found::Reference(written)) => written.as_str(),
                _ => random.pick(&REFERENCES),
            };
            match local(written) {
                Some((kind, id)) if random.percent(60) => format!("{kind}/{id}"),
                Some((_, id)) => id.to_string(),
                None if written.starts_with("http") || written.starts_with("urn:") => {
                    escaped(written)
                }
                None => "p1".into(),
            }
        }
        (ParameterKind::Date, Some(Found::Date(first, end))) => {
            let at = if random.percent(70) { *first } else { *end };
            let shift = [0, 0, 0, 1, -1, 86_400_000, -60_000][random.below(7)];
            format!("{prefix}{}", date(at.saturating_add(shift), random))
        }
        (ParameterKind::Date, _) => {
            let valid: Vec<&str> = DATES
                .into_iter()
                .filter(|d| crate::oracle::date(d).is_some())
                .collect();
            format!("{prefix}{}", random.pick(&valid))
        }
        (ParameterKind::Number, found) => {
            let _ = found;
            format!("{prefix}{}", random.pick(&NUMBERS))
        }
        (ParameterKind::Quantity, found) => {
            let (system, code, unit) = match found {
                Some(Found::Quantity {
                    system, code, unit, ..
                }) => (escaped(system), escaped(code), escaped(unit)),
                _ => (
                    random.pick(&SYSTEMS).into(),
                    random.pick(&UNITS).into(),
                    random.pick(&UNITS).into(),
                ),
            };
            let number = match found {
                Some(Found::Quantity { value, .. }) if random.percent(60) => value.to_string(),
                _ => random.pick(&NUMBERS).into(),
            };
            match random.below(4) {
                0 => format!("{prefix}{number}"),
                1 => format!("{prefix}{number}||{code}"),
                2 => format!("{prefix}{number}||{unit}"),
                _ => format!("{prefix}{number}|{system}|{code}"),
            }
        }
        (ParameterKind::Uri, found) => match found {
            Some(Found::Uri(uri)) => escaped(uri),
            _ => escaped(random.pick(&URIS)),
        },
    }
}

/// A part of a text that the modifier may find, sometimes with other capitals.
fn cut(text: &str, modifier: &str, random: &mut Random) -> String {
    let chars: Vec<char> = text.chars().collect();
    let start = if modifier == ":contains" {
        random.below(chars.len())
    } else {
        0
    };
    let rest = &chars[start.min(chars.len())..];
    let length = if modifier == ":exact" && random.percent(80) {
        rest.len()
    } else {
        1 + random.below(rest.len())
    };
    let part: String = rest.iter().take(length).collect();
    let part = if random.percent(20) {
        part.to_uppercase()
    } else {
        part
    };
    if part.is_empty() { "x".into() } else { part }
}

/// A moment at some precision.
fn date(at_ms: i64, random: &mut Random) -> String {
    let at_ms = at_ms.clamp(-60_000_000_000_000, 250_000_000_000_000);
    let text = Instant::from_epoch_ms(at_ms).to_string();
    let length = [4, 7, 10, 10, 10, 16, 19, 23][random.below(8)];
    let zone = if length > 10 { "Z" } else { "" };
    format!(
        "{}{zone}",
        text.get(..length).unwrap_or(&text).trim_end_matches('Z')
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
