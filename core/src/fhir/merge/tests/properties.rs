//! What holds for every merge.

use crate::fhir::merge::{Merged, Path, Side, compare, holds, merge, settle};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// Resources that are near each other, so that edits meet: few names, few values, lists with and without identity.
fn scalar() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "1",
        "1.0",
        "1.00",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "true",
        "null",
        "\"c d\"",
    ])
    .prop_map(str::to_owned)
}

fn list_of(item: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 0..most).prop_map(|all| format!("[{}]", all.join(",")))
}

fn contact_point() -> impl Strategy<Value = String> {
    (
        "[12]",
        "phone|email",
        prop::option::of("home|work"),
        any::<bool>(),
    )
        .prop_map(|(value, system, usage, ranked)| {
            let usage = usage
                .map(|u| format!(r#","use":"{u}""#))
                .unwrap_or_default();
            let rank = if ranked { r#","rank":1"# } else { "" };
            format!(r#"{{"system":"{system}","value":"{value}"{usage}{rank}}}"#)
        })
}

fn free(depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return scalar().boxed();
    }
    prop_oneof![
        3 => scalar(),
        1 => object(depth - 1),
        1 => list_of(free(depth - 1), 4),
    ]
    .boxed()
}

fn object(depth: u32) -> BoxedStrategy<String> {
    prop::collection::vec(
        (
            "[a-c]|_a|use|system|code|value|id|valueCode|start|end",
            free(depth),
        ),
        0..4,
    )
    .prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
    .boxed()
}

fn member() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        ("male|female|other").prop_map(|v| ("gender", format!("\"{v}\""))),
        list_of(contact_point(), 4).prop_map(|v| ("telecom", v)),
        list_of("[ab]".prop_map(|v| format!("\"{v}\"")), 4).prop_map(|v| ("line", v)),
        list_of(
            prop_oneof![Just("null".to_owned()), Just("{\"id\":\"x\"}".to_owned())],
            3
        )
        .prop_map(|v| ("_line", v)),
        ("[ab]", "[12]")
            .prop_map(|(u, f)| ("name", format!(r#"[{{"use":"{u}","family":"{f}"}}]"#))),
        (
            "[12]",
            list_of(
                "[ab]".prop_map(|v| format!(r#"{{"system":"s","code":"{v}"}}"#)),
                3
            )
        )
            .prop_map(|(v, tags)| ("meta", format!(r#"{{"versionId":"{v}","tag":{tags}}}"#))),
        Just(("text", r#"{"status":"generated","div":"x"}"#.to_owned())),
        free(3).prop_map(|v| ("a", v)),
        free(3).prop_map(|v| ("b", v)),
        object(2).prop_map(|v| ("contained", format!("[{v}]"))),
    ]
}

fn resource() -> impl Strategy<Value = String> {
    (prop::collection::vec(member(), 0..7), any::<bool>()).prop_map(|(members, spaced)| {
        let mut seen = BTreeSet::new();
        let mut text = r#"{"resourceType":"Patient","id":"1""#.to_owned();
        for (name, value) in members {
            if seen.insert(name) {
                let space = if spaced { " " } else { "" };
                text += &format!(",{space}\"{name}\":{value}");
            }
        }
        text + "}"
    })
}

/// One of the two is often made from the base by taking some of its members, as edits are.
fn three() -> impl Strategy<Value = [String; 3]> {
    (resource(), resource(), resource(), 0..4_u8).prop_map(|(b, m, t, mix)| {
        let mixed = |with: &str| {
            let (Ok(Value::Object(base)), Ok(Value::Object(mut other))) =
                (serde_json::from_str(&b), serde_json::from_str(with))
            else {
                return with.to_owned();
            };
            for (at, (name, value)) in base.into_iter().enumerate() {
                if at % 2 == 0 {
                    other.insert(name, value);
                }
            }
            Value::Object(other).to_string()
        };
        match mix {
            0 => [b, m, t],
            1 => [b.clone(), mixed(&m), t],
            2 => [b.clone(), m, mixed(&t)],
            _ => [b.clone(), mixed(&m), mixed(&t)],
        }
    })
}

fn paths(merged: &Merged) -> BTreeSet<Path> {
    merged
        .clashes
        .iter()
        .map(|clash| clash.path.clone())
        .collect()
}

/// As FHIR values: order of members does not count; the version is the server's, whoever merges.
fn value(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
    }
    if value
        .get("meta")
        .and_then(Value::as_object)
        .is_some_and(|meta| meta.is_empty())
    {
        value.as_object_mut().unwrap().remove("meta");
    }
    value
}

/// Leaves with the name they stand under.
fn leaves(value: &Value, under: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| leaves(value, name, into)),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, under, into)),
        leaf => drop(into.insert(format!("{under} {leaf}"))),
    }
}

fn all_leaves(texts: &[&str]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for text in texts {
        leaves(&serde_json::from_str(text).unwrap(), "", &mut all);
    }
    all
}

/// A text without what would make two members of one name.
fn is_plain(text: &str) -> bool {
    crate::fhir::json::members(text).is_ok() && {
        let value: Value = serde_json::from_str(text).unwrap();
        value.to_string().matches(':').count() == text.matches(':').count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The same clashes and, as FHIR values, the same text when clean. Not the same bytes: order of members and white space
    /// follow the server's text, so that what goes back to it changes as little as can be; both say nothing in FHIR.
    #[test]
    fn whoever_merges_gets_the_same([b, m, t] in three()) {
        let (one, other) = (merge(&b, &m, &t).unwrap(), merge(&b, &t, &m).unwrap());
        prop_assert_eq!(paths(&one), paths(&other));
        if one.clashes.is_empty() && [&b, &m, &t].iter().all(|text| is_plain(text)) {
            prop_assert_eq!(value(&one.text), value(&other.text));
        }
    }

    #[test]
    fn no_value_is_invented([b, m, t] in three()) {
        for side in [Side::Mine, Side::Theirs] {
            let text = settle(&b, &m, &t, &|_| side).unwrap();
            let known = all_leaves(&[&b, &m, &t]);
            // A list of extensions may need a `null` more.
            let invented = all_leaves(&[&text]).into_iter().find(|leaf| !known.contains(leaf) && !leaf.ends_with(" null"));
            prop_assert_eq!(invented, None);
        }
    }

    #[test]
    fn the_only_changed_side_stands_byte_for_byte(b in resource(), x in resource()) {
        prop_assert_eq!(merge(&b, &b, &x).unwrap(), Merged { text: x.clone(), clashes: Vec::new() });
        prop_assert_eq!(merge(&b, &x, &x).unwrap(), Merged { text: x.clone(), clashes: Vec::new() });
        let mine = merge(&b, &x, &b).unwrap();
        prop_assert!(mine.clashes.is_empty());
        // The version is theirs.
        let version = |text: &str| Some(serde_json::from_str::<Value>(text).ok()?["meta"]["versionId"].to_string());
        match version(&x) == version(&b) || value(&x) == value(&b) {
            true if value(&x) != value(&b) => prop_assert_eq!(mine.text, x),
            _ => prop_assert_eq!(value(&mine.text), value(&x)),
        }
    }

    /// What was merged with another change elsewhere holds the whole change, and the other one. (With both in one list
    /// `holds` may say no where it cannot tell items apart: it never takes a stranger's write for ours.)
    #[test]
    fn a_merge_holds_both_changes(b in resource(), m in resource()) {
        let t = format!("{},\"zz\":1}}", b.strip_suffix('}').unwrap());
        let merged = merge(&b, &m, &t).unwrap();
        prop_assert!(holds(Some(&b), &m, &m) && holds(None, &m, &m));
        let has_narrative = b.contains("\"text\"") || m.contains("\"text\"");
        if !has_narrative && is_plain(&b) && is_plain(&m) {
            prop_assert_eq!(merged.clashes.len(), 0);
            prop_assert!(holds(Some(&b), &m, &merged.text), "{}", merged.text);
            prop_assert!(holds(Some(&b), &t, &merged.text), "{}", merged.text);
            prop_assert!(!holds(Some(&b), &t, &m));
        }
    }

    /// Merged again with what came out, nothing changes: a push that is tried twice sends one text.
    #[test]
    fn a_merge_is_settled([b, m, t] in three()) {
        let merged = merge(&b, &m, &t).unwrap();
        prop_assert_eq!(merge(&t, &merged.text, &t).unwrap().clashes.len(), 0);
        prop_assert_eq!(&merge(&b, &merged.text, &merged.text).unwrap().text, &merged.text);
    }

    /// Every clash says what the three sides have there, and choosing decides it.
    #[test]
    fn clashes_differ_on_both_sides([b, m, t] in three()) {
        for clash in merge(&b, &m, &t).unwrap().clashes {
            prop_assert_ne!(&clash.mine, &clash.theirs);
            prop_assert_eq!(clash.path.to_string().parse::<Path>().unwrap(), clash.path);
        }
        let all_mine = settle(&b, &m, &t, &|_| Side::Mine).unwrap();
        prop_assert_eq!(&merge(&b, &m, &t).unwrap().text, &all_mine);
        compare(&b, &m, &t).unwrap();
    }

    /// A list that is not there and one without items: the same clashes and, apart from that, the same text.
    #[test]
    fn an_absent_list_is_an_empty_one(b in list_of(contact_point(), 5), t in list_of(contact_point(), 5), more in any::<bool>()) {
        prop_assume!(b != "[]");
        let of = |list: &str, gender: &str| {
            format!(r#"{{"resourceType":"Patient","id":"1","gender":"{gender}"{list}}}"#)
        };
        let with = |list: &str| format!(",\"telecom\":{list}");
        let gender = if more { "male" } else { "other" };
        let (b, t) = (of(&with(&b), "other"), of(&with(&t), "other"));
        let (absent, empty) = (of("", gender), of(&with("[]"), gender));
        for is_mine in [true, false] {
            let merged = |side: &str| match is_mine {
                true => merge(&b, side, &t).unwrap(),
                false => merge(&b, &t, side).unwrap(),
            };
            let (one, other) = (merged(&absent), merged(&empty));
            prop_assert_eq!(paths(&one), paths(&other));
            prop_assert_eq!(one.text.replace(&with("[]"), ""), other.text.replace(&with("[]"), ""));
        }
    }

    /// Items that have an identity are themselves wherever they go.
    #[test]
    fn identity_is_kept_under_reorder(order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(), changed in 0..6_usize) {
        let item = |n: usize, more: &str| format!(r#"{{"system":"s","value":"{n}"{more}}}"#);
        let list = |items: &[String]| format!(r#"{{"resourceType":"Patient","id":"1","identifier":[{}]}}"#, items.join(","));
        let plain: Vec<String> = (0..6).map(|n| item(n, "")).collect();
        let mut mine = plain.clone();
        mine[changed] = item(changed, r#","use":"old""#);
        let theirs: Vec<String> = order.iter().map(|n| plain[*n].clone()).collect();
        let expected: Vec<String> = order.iter().map(|n| mine[*n].clone()).collect();
        for (mine, theirs) in [(&mine, &theirs), (&theirs, &mine)] {
            let merged = merge(&list(&plain), &list(mine), &list(theirs)).unwrap();
            prop_assert_eq!(merged, Merged { text: list(&expected), clashes: Vec::new() });
        }
    }

    /// Any JSON objects: an answer, and no panic.
    #[test]
    fn any_objects_are_merged(b in object(4), m in object(4), t in object(4)) {
        if let Ok(merged) = merge(&b, &m, &t) {
            prop_assert!(serde_json::from_str::<Value>(&merged.text).is_ok());
        }
        holds(Some(&b), &m, &t);
    }

    #[test]
    fn any_text_is_merged_or_refused(b in ".{0,30}", m in "[\\[\\]{}\",:a1\\\\]{0,30}") {
        let is_object = m.trim_start().starts_with("{");
        prop_assert!(is_object || merge(&b, &m, &b).is_err());
    }
}

/// Long lists, deep objects: no blow-up.
#[test]
fn ten_thousand_items_take_no_time() {
    let list = |item: &dyn Fn(usize) -> Option<String>| {
        let items: Vec<String> = (0..10_000).filter_map(item).collect();
        format!(
            r#"{{"resourceType":"Patient","id":"1","x":[{}]}}"#,
            items.join(",")
        )
    };
    let plain = |n: usize| format!(r#"{{"v":"{n}","w":1}}"#);
    let begin = std::time::Instant::now();
    // Everything changed on both sides, without identity; every second one deleted; reversed; values; equal ones.
    for (b, m, t) in [
        (
            list(&|n| Some(plain(n))),
            list(&|n| Some(plain(n + 1_000_000))),
            list(&|n| Some(plain(n + 2_000_000))),
        ),
        (
            list(&|n| Some(plain(n))),
            list(&|n| (n % 2 == 0).then(|| plain(n))),
            list(&|n| (n % 3 == 0).then(|| plain(n))),
        ),
        (
            list(&|n| Some(plain(n))),
            list(&|n| Some(plain(9_999 - n))),
            list(&|n| Some(plain(n + 1))),
        ),
        (
            list(&|n| Some(n.to_string())),
            list(&|n| Some((9_999 - n).to_string())),
            list(&|n| Some((n + 5_000).to_string())),
        ),
        (
            list(&|_| Some("{}".to_owned())),
            list(&|n| (n > 10).then(|| "{}".to_owned())),
            list(&|_| Some("1".to_owned())),
        ),
        (
            list(&|n| Some(format!(r#"{{"use":"home","v":{n}}}"#))),
            list(&|n| Some(format!(r#"{{"use":"home","v":{}}}"#, n + 1))),
            list(&|n| Some(format!(r#"{{"use":"home","v":{}}}"#, n + 2))),
        ),
    ] {
        let merged = merge(&b, &m, &t).unwrap();
        assert!(serde_json::from_str::<Value>(&merged.text).is_ok());
        holds(Some(&b), &m, &t);
    }
    let deep = |leaf: &str| {
        format!(
            r#"{{"resourceType":"Patient","id":"1","a":{}{leaf}{}}}"#,
            "{\"a\":".repeat(60),
            "}".repeat(60)
        )
    };
    let big = "x".repeat(1_000_000);
    assert_eq!(
        merge(&deep("1"), &deep("2"), &deep(&format!("\"{big}\"")))
            .unwrap()
            .clashes
            .len(),
        1
    );
    let wide = |n: usize| {
        let members: Vec<String> = (0..10_000).map(|m| format!("\"m{m}\":{n}")).collect();
        format!(
            r#"{{"resourceType":"Patient","id":"1","a":{{{}}}}}"#,
            members.join(",")
        )
    };
    assert_eq!(
        merge(&wide(1), &wide(2), &wide(3)).unwrap().clashes.len(),
        10_000
    );
    // Quadratic work would take minutes.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
