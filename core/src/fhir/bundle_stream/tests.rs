use super::*;
use crate::fhir::bundle::Writer;
use proptest::prelude::*;

/// Takes `text` apart in pieces of these lengths, again and again.
fn split(text: &[u8], pieces: &[usize]) -> Result<(Vec<Part>, Around), NotABundle> {
    let mut splitter = Splitter::new();
    let (mut parts, mut at, mut turn) = (Vec::new(), 0, 0);
    while at < text.len() {
        let end = text.len().min(at + pieces[turn % pieces.len()].max(1));
        splitter.feed(&text[at..end], &mut |part| parts.push(part))?;
        (at, turn) = (end, turn + 1);
    }
    Ok((parts, splitter.finish()?))
}

/// What the reader of whole Bundles says.
fn whole(text: &str) -> Option<(Vec<Part>, Around)> {
    let bundle = Bundle::parse(text)?;
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let part = |entry: &Entry<'_>| Part {
        name: entry.full_url.as_deref().and_then(name_of),
        resource: entry.resource.map(|raw| Ok(raw.get().to_owned())),
        mode: entry.search.as_ref().map(|search| search.mode.to_string()),
        request: entry
            .request
            .as_ref()
            .map(|r| (r.method.to_string(), r.url.to_string())),
        response: entry
            .response
            .as_ref()
            .map(|r| (owned(&r.etag), owned(&r.last_modified))),
    };
    let around = Around {
        kind: bundle.kind.to_string(),
        next: bundle.link("next").map(str::to_owned),
    };
    Some((bundle.entry.iter().map(part).collect(), around))
}

fn clinic() -> Vec<String> {
    let packed = include_bytes!("../../../../tests/data/clinic.ndjson.zst");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_clinic_comes_out_as_it_went_in_whatever_the_pieces() {
    let clinic = clinic();
    let mut writer = Writer::new("searchset", &[("self", "a"), ("next", "b?\"c\"\u{e9}")]);
    clinic
        .iter()
        .for_each(|text| writer.found("http://h/x", text));
    let text = writer.finish();
    for pieces in [&[1][..], &[7, 1, 300], &[16 * 1024], &[usize::MAX / 2]] {
        let (parts, around) = split(text.as_bytes(), pieces).unwrap();
        assert_eq!(Some((parts, around)), whole(&text), "{pieces:?}");
    }
}

#[test]
fn the_next_link_is_known_before_the_rest_is_there() {
    let front = r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"a"},{"relation":"next","url":"n"}]"#;
    let mut splitter = Splitter::new();
    splitter
        .feed(&front.as_bytes()[..front.len() - 1], &mut |_| {})
        .unwrap();
    assert_eq!(
        (splitter.next(), splitter.kind()),
        (None, Some("searchset"))
    );
    splitter.feed(b"]", &mut |_| {}).unwrap();
    assert_eq!(splitter.next(), Some("n"));
    // And where it stands behind the entries.
    let back = r#"{"entry":[{"resource":{"a":1}}],"link":[{"relation":"next","url":"n"}],"resourceType":"Bundle"}"#;
    let (parts, around) = split(back.as_bytes(), &[3]).unwrap();
    assert_eq!((parts.len(), around.next.as_deref()), (1, Some("n")));
}

#[test]
fn a_resource_too_large_is_left_out_by_name_and_the_rest_comes() {
    let padding = "x".repeat(resource::MAX_BYTES);
    let large = |front: &str| format!("{{{front}\"a\":\"{padding}\"}}");
    let mut writer = Writer::new("searchset", &[]);
    writer.found(
        "http://h/Basic/a",
        &large(r#""resourceType":"Basic", "id":"front","#),
    );
    writer.found("http://h/fhir/Basic/url", &large(""));
    writer.found("urn:x", &large(""));
    writer.found("http://h/Basic/b", "{}");
    let text = writer.finish();
    let (parts, _) = split(text.as_bytes(), &[100_000]).unwrap();
    let names: Vec<_> = parts
        .iter()
        .map(|part| match part.resource.as_ref().unwrap() {
            Ok(text) => text.clone(),
            Err(skipped) => {
                assert!(matches!(skipped.reason, InvalidResource::TooLarge { bytes } if bytes > resource::MAX_BYTES));
                skipped.name.as_ref().map(ToString::to_string).unwrap_or_default()
            }
        })
        .collect();
    assert_eq!(names, ["Basic/front", "Basic/url", "", "{}"]);
}

#[test]
fn bytes_that_are_no_text_cost_their_resource_only() {
    let mut text =
        br#"{"resourceType":"Bundle","entry":[{"resource":{"id":"a","resourceType":"Basic","x":""#
            .to_vec();
    text.extend_from_slice(b"\xff\"}},{\"resource\":{\"y\":1}}]}");
    let (parts, _) = split(&text, &[5]).unwrap();
    let skipped = parts[0].resource.clone().unwrap().unwrap_err();
    assert_eq!(skipped.name.unwrap().to_string(), "Basic/a");
    assert!(matches!(skipped.reason, InvalidResource::NotUtf8 { .. }));
    assert_eq!(parts[1].resource, Some(Ok(r#"{"y":1}"#.into())));
}

#[test]
fn what_is_no_bundle_says_why() {
    let why = |text: &str| split(text.as_bytes(), &[2]).unwrap_err();
    let bundle = |rest: &str| format!(r#"{{"resourceType":"Bundle"{rest}"#);
    for cut_off in [
        "",
        " ",
        "{",
        r#"{"resourceType""#,
        r#"{"resourceType":"Bundle""#,
    ] {
        assert_eq!(why(cut_off), NotABundle::CutOff, "{cut_off}");
    }
    assert_eq!(
        why(&bundle(r#","entry":[{"resource":{"a":[1,"#)),
        NotABundle::CutOff
    );
    for syntax in [
        "[]",
        "<html>",
        "3",
        "\u{feff}{}",
        "{]",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{}x",
    ] {
        assert!(matches!(why(syntax), NotABundle::Syntax { .. }), "{syntax}");
    }
    assert_eq!(why(r#"{"a":1 2}"#), NotABundle::Syntax { at: 7 });
    for entry in ["[,]", "[{},]", "[{} {}]", "[:]", "[{\"resource\":}]"] {
        let text = bundle(&format!(",\"entry\":{entry}}}"));
        assert!(matches!(why(&text), NotABundle::Syntax { .. }), "{entry}");
    }
    assert_eq!(
        why(r#"{"resourceType":"OperationOutcome","x":"#),
        NotABundle::OtherResource
    );
    assert_eq!(why("{}"), NotABundle::Malformed);
    for bad in [
        r#","entry":3}"#,
        r#","entry":[3]}"#,
        r#","link":{}}"#,
        r#","type":1}"#,
        ",}",
        r#","entry":[{"a":1,}]}"#,
        r#","entry":[],"entry":[]}"#,
        r#","entry":[{"resource":{},"resource":{}}]}"#,
        r#","x":01}"#,
    ] {
        assert_eq!(why(&bundle(bad)), NotABundle::Malformed, "{bad}");
        assert!(Bundle::parse(&bundle(bad)).is_none());
    }
    assert_eq!(
        why(&bundle(&format!(",\"x\":{}", "[".repeat(100)))),
        NotABundle::TooDeep
    );
    let long = "x".repeat(MAX_AROUND);
    assert_eq!(
        why(&bundle(&format!(",\"x\":\"{long}"))),
        NotABundle::TooLong
    );
    assert_eq!(why(&format!("{{\"{long}{long}")), NotABundle::TooLong);
}

#[test]
fn names_are_seen_in_fronts() {
    let seen = |front: &str| name_in(front.as_bytes()).map(|name| name.to_string());
    assert_eq!(
        seen(r#" { "id" : "a", "x":[{"id":"b"}],"resourceType":"Basic","y"#).as_deref(),
        Some("Basic/a")
    );
    assert_eq!(seen(r#"{"resourceType":"Basic","id":"a"#), None);
    for bad in [
        "",
        "{",
        "[1]",
        "{}",
        r#"{"id" "a"}"#,
        r#"{"id":,"#,
        r#"{"resourceType":1}"#,
    ] {
        assert_eq!(seen(bad), None, "{bad}");
    }
}

/// JSON with white space, escapes and members that stand twice.
fn json(depth: u32) -> impl Strategy<Value = String> {
    let word = r#"(a|é|\\u00e9|\\n|\\"|\\\\|\\ud83d\\ude00|[\[\]{},: ]){0,4}"#;
    let text = word.prop_map(|inner| format!("\"{inner}\""));
    let leaf = prop_oneof![text, "(0|-1|1\\.00|1e5|true|false|null)".prop_map(|t| t),];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        let space = "[ \n\t]{0,2}";
        let names = prop_oneof![
            Just("a"),
            Just("id"),
            Just("resource"),
            Just("entry"),
            Just("li\\u006ek"),
            Just("next")
        ];
        prop_oneof![
            proptest::collection::vec((space, inner.clone()), 0..4).prop_map(|items| {
                let items: Vec<String> = items.iter().map(|(s, v)| format!("{s}{v}{s}")).collect();
                format!("[{}]", items.join(","))
            }),
            proptest::collection::vec((names, space, inner), 0..4).prop_map(|members| {
                let one = |(n, s, v): &(&str, String, String)| format!("{s}\"{n}\"{s}:{s}{v}");
                format!(
                    "{{{}}}",
                    members.iter().map(one).collect::<Vec<_>>().join(",")
                )
            }),
        ]
    })
}

/// A Bundle of members in any order, sometimes twice, sometimes of the wrong kind.
fn bundles() -> impl Strategy<Value = String> {
    let entry = (json(3), json(2), 0_u8..8).prop_map(|(resource, other, form)| match form {
        0 => other,
        1 => format!("{{\"search\":{{\"mode\":\"outcome\"}}, \"resource\" : {resource} }}"),
        2 => format!("{{\"re\\u0073ource\":{resource},\"x\":{other}}}"),
        3 => format!("{{\"x\":{other},\"request\":{{\"method\":\"DELETE\",\"url\":\"Basic/1\"}},\"response\":{{\"lastModified\":\"z\"}}}}"),
        4 => format!("{{\"resource\":{resource},\"resource\":{resource}}}"),
        _ => format!("{{\"fullUrl\":\"http://h/Basic/1\",\"resource\":{resource}\n,\"search\":{{\"mode\":\"match\"}}}}"),
    });
    let entries = proptest::collection::vec(entry, 0..4)
        .prop_map(|entries| format!("\"entry\" : [ {} ]", entries.join(" ,\n")));
    let member = prop_oneof![
        4 => Just(r#""resourceType":"Bundle""#.to_owned()),
        2 => Just(r#""type" : "searchset""#.to_owned()),
        2 => Just(r#""link":[{"relation":"self","url":"s"},{"relation":"next","url":"n\u00e9"}]"#.to_owned()),
        4 => entries,
        1 => json(3).prop_map(|value| format!("\"x\":{value}")),
    ];
    let members = proptest::collection::vec(member, 1..6);
    ("[ \n]{0,2}", members).prop_map(|(space, mut members)| {
        if !members.iter().any(|m| m.contains("\"Bundle\"")) {
            members.push(r#""resourceType":"Bundle""#.into());
        }
        format!(
            "{space}{{{space}{}{space}}}{space}",
            members.join(&format!("{space},"))
        )
    })
}

proptest! {
    /// What the reader of whole Bundles takes comes out the same, whatever the pieces; what it does not take is refused
    /// or holds a resource that is none.
    #[test]
    fn agrees_with_the_whole(text in bundles(), pieces in proptest::collection::vec(1_usize..40, 1..5)) {
        let split = split(text.as_bytes(), &pieces);
        match whole(&text) {
            Some(whole) => prop_assert_eq!(split, Ok(whole)),
            None => prop_assert!(split.is_err()),
        }
    }

    /// No garbage does harm, and cut off is never whole.
    #[test]
    fn garbage_is_an_error(text in bundles(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let place = at.index(bytes.len());
        let cut = split(&bytes[..place], &[3]);
        prop_assert!(cut.is_err() || bytes[place..].iter().all(|b| is_space(*b)));
        bytes[place] = byte;
        let split = split(&bytes, &[3]);
        if let Some(whole) = std::str::from_utf8(&bytes).ok().and_then(whole) {
            prop_assert_eq!(split, Ok(whole));
        }
    }
}
