//! Reading and printing as a whole.

use super::*;
use crate::fhir::instant::Span;
use crate::fhir::params::{self, Parameter, ParameterKind};
use crate::fhir::{ResourceId, ResourceType};
use proptest::prelude::*;

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap()
}

fn refusal(text: &str) -> String {
    Query::parse(text).unwrap_err().to_string()
}

fn operands(text: &str) -> Vec<Operand> {
    match parse(text).criteria.remove(0).condition {
        Condition::Any(operands) | Condition::Not(operands) => operands,
        Condition::Missing(_) => Vec::new(),
    }
}

fn token(system: Option<&str>, code: Option<&str>) -> Operand {
    Operand::Token {
        system: system.map(Into::into),
        code: code.map(Into::into),
    }
}

#[test]
fn a_query_prints_as_what_it_was_read_from() {
    let text = "Observation?patient=7&_lastUpdated=ge2026-11-24T06:40:03%2B01:00&_lastUpdated=lt2027&code:not=a,s|b&\
                value-quantity=le5.40||mg&_id=x,y&_sort=-date,code&_count=5000&_total=accurate&_include=Observation:subject:Patient&_revinclude=Provenance:target";
    let query = parse(text);
    assert_eq!(query.count, MAX_COUNT);
    let printed = query.to_string();
    assert_eq!(
        printed,
        "Observation?patient=Patient%2F7&_lastUpdated=ge2026-11-24T05%3A40%3A03Z&_lastUpdated=lt2027&code%3Anot=a%2Cs%7Cb&\
         value-quantity=le5.40%7C%7Cmg&_id=x%2Cy&_sort=-date%2Ccode&_count=1000&_total=accurate&\
         _include=Observation%3Asubject%3APatient&_revinclude=Provenance%3Atarget"
    );
    assert_eq!(parse(&printed), query);
}

#[test]
fn without_an_order_the_oldest_change_comes_first() {
    let printed = "Patient?_sort=_lastUpdated%2C_id&_count=50";
    assert_eq!(parse("Patient").to_string(), printed);
    assert_eq!(parse("Patient"), Query::all(parse(printed).kind));
    for kind in ResourceType::all() {
        assert_eq!(Query::all(kind).sort.len(), 2, "{kind}");
    }
}

#[test]
fn values_are_read_by_the_kind_of_their_parameter() {
    assert_eq!(
        operands(r"Observation?code=c,s%7Cc,%7Cc,s%7C,a\,b\|c"),
        [
            token(None, Some("c")),
            token(Some("s"), Some("c")),
            token(Some(""), Some("c")),
            token(Some("s"), None),
            token(None, Some("a,b|c")),
        ]
    );
    let patient = ResourceType::named("Patient");
    let id = ResourceId::new("1").ok();
    let about = |kind| Operand::Reference {
        kind,
        id: id.clone(),
        url: None,
    };
    assert_eq!(
        operands("Observation?subject=Patient/1,1"),
        [about(patient), about(None)]
    );
    // Where only one type can be meant, a bare id means it.
    assert_eq!(operands("Observation?patient=1"), [about(patient)]);
    assert_eq!(operands("Observation?subject:Patient=1"), [about(patient)]);
    let url = operands("Observation?subject=http://x/Patient/1");
    assert_eq!(
        url,
        [Operand::Reference {
            kind: None,
            id: None,
            url: Some("http://x/Patient/1".into())
        }]
    );
    let quantity = |prefix, system: Option<&str>, code: Option<&str>| Operand::Quantity {
        prefix,
        value: Decimal::parse("5.40").unwrap(),
        system: system.map(Into::into),
        code: code.map(Into::into),
    };
    assert_eq!(
        operands("Observation?value-quantity=5.40,gt5.40||mg,ap5.40|s|mg,5.40|s"),
        [
            quantity(Prefix::Eq, None, None),
            quantity(Prefix::Gt, None, Some("mg")),
            quantity(Prefix::Ap, Some("s"), Some("mg")),
            quantity(Prefix::Eq, Some("s"), None),
        ]
    );
    assert_eq!(
        operands("Patient?name:contains=a|b$c"),
        [Operand::Text {
            text: "a|b$c".into(),
            how: TextMatch::Contains
        }]
    );
    assert_eq!(
        operands("Observation?date=1980-05-11T16:32:15.5,1980-05-11T16:32:15.5000001,1980-05-11T16:32:15.5000000")
            .iter()
            .filter_map(Operand::date_span)
            .collect::<Vec<_>>(),
        [
            (326_910_735_500, 326_910_735_600),
            (326_910_735_501, 326_910_735_501),
            (326_910_735_500, 326_910_735_501),
        ]
    );
}

#[test]
fn a_date_is_widened_by_a_tenth_of_its_distance_from_now() {
    let day = 86_400_000;
    let of = |text: &str, now: i64| {
        operands(&format!("Observation?date={text}"))[0]
            .widened(crate::fhir::Instant::from_epoch_ms(now))
            .unwrap()
    };
    assert_eq!(of("ap1970-01-02", 12 * day), (0, 3 * day));
    assert_eq!(of("ap1970-01-02", -9 * day), (0, 3 * day));
    assert_eq!(of("ap1970-01-02", day + 5), (day, 2 * day));
}

#[test]
fn dates_at_the_ends_of_the_calendar_print_as_themselves() {
    for text in [
        "0001",
        "0001-01-01",
        "0001-01-01T00:00Z",
        "0001-01-01T00:00:00.0001Z",
        "0001-01-01T00:00:00%2B05:00",
        "9999",
        "9999-12",
        "9999-12-31",
        "9999-12-31T23:59Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.9999Z",
        "9999-12-31T23:59:59-05:00",
        "1969-12-31T23:59:59.9999999Z",
        "2013-03-14T00:00:00-00:00",
    ] {
        let query = parse(&format!("Patient?birthdate=ge{text}"));
        assert_eq!(parse(&query.to_string()), query, "{text}");
    }
}

#[test]
fn what_is_not_answered_is_named() {
    for (query, message) in [
        ("Patient?nam=x", "unknown search parameter nam"),
        ("Patient?nam:exact=x", "unknown search parameter nam:exact"),
        ("Patient?patient=1", "unknown search parameter patient"),
        ("Organization?patient=1", "unknown search parameter patient"),
        ("Patient?name:foo=x", "name takes no modifier :foo"),
        ("Patient?name:not=x", "name takes no modifier :not"),
        (
            "Patient?birthdate:exact=2000",
            "birthdate takes no modifier :exact",
        ),
        (
            "Observation?subject:Practitioner=1",
            "subject takes no modifier :Practitioner",
        ),
        ("Patient?name:text=x", "name:text is not supported yet"),
        ("Observation?code:in=x", "code:in is not supported yet"),
        (
            "Observation?subject.name=x",
            "subject.name is not supported yet",
        ),
        (
            "Observation?subject:Patient.name=x",
            "subject:Patient.name is not supported yet",
        ),
        (
            "Observation?subject:identifier=x",
            "subject:identifier is not supported yet",
        ),
        (
            "Observation?nope.name=x",
            "unknown search parameter nope.name",
        ),
        (
            "Observation?code-value-quantity=x",
            "code-value-quantity is not supported yet",
        ),
        (
            "Patient?_has:Observation:patient:code=x",
            "_has:Observation:patient:code is not supported yet",
        ),
        ("Patient?_text=x", "_text is not supported yet"),
        ("Patient?_summary=true", "_summary is not supported yet"),
        ("ValueSet?url:below=x", "url:below is not supported yet"),
        ("Patient?_sort=link", "_sort by link is not supported yet"),
        (
            "Patient?_include:iterate=Patient:link",
            "_include:iterate is not supported yet",
        ),
        ("Patient?_include=*", "_include=* is not supported yet"),
        (
            "Patient?_count=0",
            "_count: expected a number of at least 1",
        ),
        ("Patient?_count=1&_count=2", "_count stands twice"),
        ("Patient?name=", "name: a value is missing"),
        ("Patient?name=a,,b", "name: a value is missing"),
        (
            "Patient?gender=|",
            "gender: expected code, system|code, |code or system|",
        ),
        (
            "Patient?name:missing=1",
            "name:missing: expected true or false",
        ),
        (
            "Patient?name=%5Cn",
            "name: a backslash stands before one of , | $ \\ only",
        ),
        (
            "Patient?_id=a_b",
            "_id: an id is 1 to 64 letters, digits, '-' or '.'",
        ),
        (
            "Patient?organization=a_b",
            "organization: expected Type/id, an id or an absolute URL",
        ),
        (
            "Patient?_include=Observation:subject",
            "_include: the first type has to be the one searched",
        ),
        (
            "Patient?_revinclude=Observation:encounter",
            "_revinclude: the parameter does not refer to that type",
        ),
        (
            "Patient?_include=Patient:name",
            "_include: expected a reference parameter of the first type",
        ),
    ] {
        assert_eq!(refusal(query), message, "{query}");
    }
    assert!(refusal("Patient?_lastUpdated=yesterday").starts_with("_lastUpdated: not a FHIR date"));
    assert!(refusal("Patient?birthdate=1973-02-30").starts_with("birthdate: not a FHIR date"));
    assert!(refusal("Pat?x=1").starts_with("the search must start with"));
    let many = vec!["a"; MAX_VALUES + 1].join(",");
    assert_eq!(
        refusal(&format!("Patient?name={many}")),
        "name: a search takes at most 1000 values"
    );
}

#[test]
fn no_message_repeats_a_value() {
    for parameter in [
        "name",
        "_id",
        "birthdate",
        "gender",
        "organization",
        "_sort",
        "_count",
        "_total",
        "_include",
        "_revinclude",
        "name:missing",
        "nope",
        "name:nope",
        "name.nope",
        "_has:x:y:z",
    ] {
        for value in [r"Zebra\x", "Zebra,", "Zebra|Zebra|Zebra", "Zebra_/:x"] {
            let pairs = [(parameter, value)];
            let kind = ResourceType::named("Patient").unwrap();
            if let Err(error) = Query::from_parameters(kind, pairs) {
                assert!(!error.to_string().contains("Zebra"), "{error}");
            }
        }
    }
}

/// Types whose parameters are drawn in the properties: together they have every kind.
const TYPES: [&str; 6] = [
    "Patient",
    "Observation",
    "RiskAssessment",
    "ValueSet",
    "Encounter",
    "Questionnaire",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![r"[a-zA-Z,|$\\ ]{1,6}", "\\PC{1,6}", any::<String>()]
        .prop_filter("a value", |t| !t.is_empty())
}

fn prefix() -> impl Strategy<Value = Prefix> {
    use Prefix::{Ap, Eb, Eq, Ge, Gt, Le, Lt, Ne, Sa};
    prop::sample::select(vec![Eq, Ne, Gt, Lt, Ge, Le, Sa, Eb, Ap])
}

fn id() -> impl Strategy<Value = ResourceId> {
    "[a-zA-Z0-9-]{1,9}".prop_map(|text| ResourceId::new(&text).unwrap())
}

fn kind() -> impl Strategy<Value = ResourceType> {
    prop::sample::select(TYPES.to_vec()).prop_map(|name| ResourceType::named(name).unwrap())
}

fn decimal() -> impl Strategy<Value = Decimal> {
    "-?[0-9]{1,5}(\\.[0-9]{1,4})?(e-?[0-9])?".prop_map(|text| Decimal::parse(&text).unwrap())
}

fn span() -> impl Strategy<Value = Span> {
    "(19|20)[0-9]{2}(-0[1-9](-[0-2][1-8](T[01][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,3})?)?(Z|[-+]0[0-9]:30)?)?)?)?"
        .prop_map(|text| Span::parse(&text).unwrap())
}

fn operand(parameter: &'static Parameter, how: TextMatch) -> BoxedStrategy<Operand> {
    match parameter.kind {
        ParameterKind::String => text()
            .prop_map(move |text| Operand::Text { text, how })
            .boxed(),
        ParameterKind::Uri => text().prop_map(Operand::Uri).boxed(),
        ParameterKind::Token => (prop::option::of(text()), prop::option::of(text()))
            .prop_filter("something", |(system, code)| {
                system.is_some() || code.is_some()
            })
            .prop_map(|(system, code)| Operand::Token { system, code })
            .boxed(),
        ParameterKind::Reference => prop_oneof![
            (kind(), id()).prop_map(|(kind, id)| Operand::Reference {
                kind: Some(kind),
                id: Some(id),
                url: None
            }),
            text().prop_map(|text| Operand::Reference {
                kind: None,
                id: None,
                url: Some(format!("urn:{text}"))
            }),
        ]
        .boxed(),
        ParameterKind::Date => (prefix(), span())
            .prop_map(|(prefix, span)| Operand::Date { prefix, span })
            .boxed(),
        ParameterKind::Number => (prefix(), decimal())
            .prop_map(|(prefix, value)| Operand::Number { prefix, value })
            .boxed(),
        ParameterKind::Quantity => (
            prefix(),
            decimal(),
            prop::option::of(text()),
            prop::option::of(text()),
        )
            .prop_map(|(prefix, value, system, code)| Operand::Quantity {
                prefix,
                value,
                system,
                code,
            })
            .boxed(),
    }
}

fn criterion(kind: ResourceType) -> impl Strategy<Value = Criterion> {
    let parameters: Vec<_> = params::of(kind).iter().collect();
    let how = prop::sample::select(vec![
        TextMatch::StartsWith,
        TextMatch::Exact,
        TextMatch::Contains,
    ]);
    (prop::sample::select(parameters), how, any::<u8>()).prop_flat_map(
        |(parameter, how, choice)| {
            prop::collection::vec(operand(parameter, how), 1..4).prop_map(move |operands| {
                let condition = match (choice % 4, parameter.kind) {
                    (0, _) => Condition::Missing(choice > 9),
                    (1, ParameterKind::Token) => Condition::Not(operands),
                    _ => Condition::Any(operands),
                };
                Criterion {
                    target: Target::Parameter(parameter),
                    condition,
                }
            })
        },
    )
}

prop_compose! {
    fn any_query()(kind in kind())(
        kind in Just(kind),
        criteria in prop::collection::vec(criterion(kind), 0..4),
        ids in prop::option::of(prop::collection::vec(id(), 1..3)),
        descending in any::<bool>(),
        count in 1..=MAX_COUNT,
        total in any::<bool>(),
        cursor in prop::option::of(any::<String>()),
    ) -> Query {
        let mut query = Query { criteria, count, total, cursor, ..Query::all(kind) };
        if let Some(ids) = ids {
            let condition = Condition::Any(ids.into_iter().map(Operand::Id).collect());
            query.criteria.push(Criterion { target: Target::Id, condition });
        }
        query.sort[0].descending = descending;
        query
    }
}

proptest! {
    #[test]
    fn a_printed_query_is_read_as_itself(query in any_query()) {
        let printed = query.to_string();
        let read = Query::parse(&printed);
        prop_assert_eq!(read.as_ref(), Ok(&query), "{}", printed);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), query in any::<String>()) {
        let _ = Query::parse(&text);
        let _ = Query::parse(&format!("Patient?{query}"));
        let _ = Query::parse(&format!("Observation?value-quantity={query}&date={text}"));
    }

    #[test]
    fn what_the_grammar_yields_prints_the_same(
        kind in "(Patient|Observation|ValueSet|RiskAssessment|X)",
        pairs in prop::collection::vec((
            "(_id|_lastUpdated|_sort|_count|_total|_include|_revinclude|_cursor|_tag|_has|name|gender|birthdate|\
             organization|subject|code|date|value-quantity|probability|url|[a-z:._]{0,6})(:(missing|exact|contains|not|text|in|Patient|[a-z]{0,3}))?",
            "(eq|ne|gt|lt|ge|le|sa|eb|ap)?([0-9.eE+-]{0,5}|[12][0-9]{3}(-[01][0-9](-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[-+][01][0-9]:[0-5][0-9])?)?)?)?|\
             true|-?(name|date|code|_id)|Patient(/|:)[a-z-]{0,9}|[a-z]{1,4}:[a-z/]{0,8}|[a-zA-Z\\\\$é|,]{0,8})((,|\\||:)[a-z0-9]{0,4}){0,3}"
        ), 0..4)
    ) {
        let pairs = pairs.iter();
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(pairs);
        if let Ok(query) = Query::parse(&format!("{kind}?{}", text.finish())) {
            prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
        }
    }
}
