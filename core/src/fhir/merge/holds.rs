//! Whether an earlier write of ours is already in what a server has, when its answer was lost.

use super::align::{Item, align};
use super::shape::{Unit, Units};
use super::tree::Node;
use super::{identity, is_servers};
use std::collections::HashMap;

/// Whether `theirs` already holds every path of the change from `base` to `sent`: our earlier write is in there, whoever
/// wrote since. Compared as FHIR values, since servers rewrite content: order of members, escapes, zeros and powers of ten
/// of numbers do not count, nor members that say nothing; labels of `meta` may have been added.
///
/// `base`: what the write started from; `None`: a create. A text that cannot be read holds nothing.
pub fn holds(base: Option<&str>, sent: &str, theirs: &str) -> bool {
    let base = match base.map(Node::parse) {
        Some(None) => return false,
        Some(parsed) => parsed,
        None => None,
    };
    let (Some(sent), Some(theirs)) = (Node::parse(sent), Node::parse(theirs)) else {
        return false;
    };
    if sent.members().is_none() || theirs.members().is_none() {
        return sent.is_same(&theirs);
    }
    let (b, s, t) = (
        Units::of(base.as_ref()),
        Units::of(Some(&sent)),
        Units::of(Some(&theirs)),
    );
    let names: Vec<&str> = s.all.iter().chain(&b.all).map(|unit| unit.name).collect();
    let changed = |name: &str| !alike(b.get(name), s.get(name));
    // Servers make narratives anew; ours only counts where nothing else changed.
    let only_text = !names.iter().any(|name| *name != "text" && changed(name));
    let mut counted = names
        .into_iter()
        .filter(|name| *name != "text" || only_text);
    counted.all(|name| match name {
        "meta" => {
            let inner =
                |units: &Units<'_, '_>, name: &str, check: &dyn Fn(Option<&Node<'_>>) -> bool| {
                    let meta = units.get("meta").and_then(Unit::only);
                    check(meta.and_then(|meta| meta.value.member(name)))
                };
            let meta = s
                .get("meta")
                .and_then(Unit::only)
                .and_then(|meta| meta.value.members());
            let gone = b
                .get("meta")
                .and_then(Unit::only)
                .and_then(|meta| meta.value.members());
            let members = meta.into_iter().chain(gone).flatten();
            // Some servers note in `source` which request it was.
            let mut members = members.filter(|m| !is_servers(&m.name) && m.name != "source");
            members.all(|member| {
                let name = member.name.as_ref();
                inner(&b, name, &|b| {
                    inner(&s, name, &|s| inner(&t, name, &|t| node(b, s, t, false)))
                })
            })
        }
        _ => unit(b.get(name), s.get(name), t.get(name)),
    })
}

fn alike(a: Option<&Unit<'_, '_>>, b: Option<&Unit<'_, '_>>) -> bool {
    let all = |x: Option<&Unit<'_, '_>>, y: Option<&Unit<'_, '_>>| {
        x.iter()
            .flat_map(|unit| &unit.members)
            .filter(|m| !m.value.is_empty)
            .all(|m| {
                let others = y.map(|unit| unit.members.as_slice()).unwrap_or_default();
                others
                    .iter()
                    .any(|o| o.name == m.name && o.value.is_alike(&m.value))
            })
    };
    all(a, b) && all(b, a)
}

fn unit(b: Option<&Unit<'_, '_>>, s: Option<&Unit<'_, '_>>, t: Option<&Unit<'_, '_>>) -> bool {
    if alike(b, s) || alike(s, t) {
        return true;
    }
    let of =
        |unit: Option<&Unit<'_, '_>>, name: &str, check: &dyn Fn(Option<&Node<'_>>) -> bool| {
            let found = unit.and_then(|unit| unit.members.iter().find(|m| m.name == name));
            check(found.map(|m| &m.value))
        };
    let names = s
        .iter()
        .chain(&b)
        .flat_map(|unit| &unit.members)
        .map(|m| m.name.as_ref());
    let mut names = names;
    names.all(|name| {
        of(b, name, &|b| {
            of(s, name, &|s| of(t, name, &|t| node(b, s, t, true)))
        })
    })
}

fn node(b: Option<&Node<'_>>, s: Option<&Node<'_>>, t: Option<&Node<'_>>, ordered: bool) -> bool {
    let some = |node: &&Node<'_>| !node.is_empty;
    let (b, s, t) = (b.filter(some), s.filter(some), t.filter(some));
    let is_alike = |x: Option<&Node<'_>>, y: Option<&Node<'_>>| match (x, y) {
        (Some(x), Some(y)) => x.is_alike(y),
        (None, None) => true,
        _ => false,
    };
    if is_alike(b, s) || is_alike(s, t) {
        return true;
    }
    // A list that is not there has no items.
    let items_of = |node: Option<&Node<'_>>| match node {
        None => Some(0),
        Some(node) => node.items().map(<[_]>::len),
    };
    if let (Some(_), Some(_)) = (items_of(s), items_of(t)) {
        let [b, s, t] = [b, s, t].map(|node| node.and_then(Node::items).unwrap_or_default());
        return items(b, s, t, ordered);
    }
    let (Some(s), Some(t)) = (s, t) else {
        return false;
    };
    if let (Some(_), Some(_)) = (s.members(), t.members()) {
        let base = b.filter(|b| b.members().is_some());
        let (b, s, t) = (Units::of(base), Units::of(Some(s)), Units::of(Some(t)));
        let mut names = s.all.iter().chain(&b.all).map(|unit| unit.name);
        return names.all(|name| unit(b.get(name), s.get(name), t.get(name)));
    }
    false
}

/// A list: what the change added is there as often, what it took away is not, what it changed is there as it became.
fn items(b: &[Node<'_>], s: &[Node<'_>], t: &[Node<'_>], ordered: bool) -> bool {
    let [b, s, t] = [b, s, t].map(said);
    let pairs = align(&b, &s);
    let (in_sent, in_theirs) = (counted(&s), counted(&t));
    let count = |counts: &HashMap<u64, usize>, node: &Node<'_>| {
        counts.get(&node.hash()).copied().unwrap_or(0)
    };
    let mut by_key: HashMap<String, Vec<&Node<'_>>> = HashMap::new();
    for item in &t {
        if let Some(key) = identity::key(item.value) {
            by_key.entry(key).or_default().push(item.value);
        }
    }
    // What each item became there.
    let became = align(&b, &t);
    let is_there = |base: Option<usize>, sent: &Node<'_>| {
        if count(&in_theirs, sent) >= count(&in_sent, sent) {
            return true;
        }
        let from = base.map(|at| b[at].value);
        let there = base.and_then(|at| became[at]).map(|pair| t[pair.at].value);
        let named = identity::key(sent).and_then(|key| by_key.get(&key));
        // A few of one identity; of thousands nobody could say which is which.
        let named = named.into_iter().flatten().copied().take(8);
        let mut versions = there.into_iter().chain(named);
        versions.any(|theirs| node(from, Some(sent), Some(theirs), true))
    };
    let mut from_base: Vec<Option<usize>> = vec![None; s.len()];
    let mut is_known = vec![false; s.len()];
    let mut moved_only = b.len() == s.len();
    for (at, pair) in pairs.iter().enumerate() {
        let base = b[at].value;
        match pair {
            Some(pair) if s[pair.at].value.is_alike(base) => is_known[pair.at] = true,
            Some(pair) if !pair.is_replacement => {
                from_base[pair.at] = Some(at);
                moved_only = false;
            }
            // Gone, or something else took its place.
            _ => {
                moved_only = false;
                if count(&in_theirs, base) > count(&in_sent, base) {
                    return false;
                }
            }
        }
    }
    if moved_only && ordered {
        return in_one_order(&s, &t);
    }
    let mut changed = (0..s.len()).filter(|at| !is_known[*at]);
    changed.all(|at| is_there(from_base[at], s[at].value))
}

/// Items that say something: `null` only keeps a place.
fn said<'t, 'a>(items: &'t [Node<'a>]) -> Vec<Item<'t, 'a>> {
    let all = items.iter().filter(|item| !item.is_empty);
    all.map(|value| Item { value, twin: None }).collect()
}

/// Whether what both have stands in one order.
fn in_one_order(s: &[Item<'_, '_>], t: &[Item<'_, '_>]) -> bool {
    let places = align(s, t);
    let kept = places.iter().flatten().filter(|pair| !pair.is_replacement);
    kept.map(|pair| pair.at).is_sorted()
}

fn counted(items: &[Item<'_, '_>]) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item.value.hash()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::holds;

    fn patient(rest: &str) -> String {
        format!(r#"{{"resourceType":"Patient","id":"a"{rest}}}"#)
    }

    #[test]
    fn an_earlier_write_is_found_in_what_came_of_it() {
        for (base, sent, theirs, found) in [
            ("", r#","active":true"#, r#","active":true"#, true),
            ("", r#","active":true"#, "", false),
            ("", r#","active":true"#, r#","active":false"#, false),
            // Somebody wrote since.
            (
                r#","gender":"male""#,
                r#","gender":"male","active":true"#,
                r#","active":true,"gender":"female""#,
                true,
            ),
            // Written anew by the server.
            (
                "",
                r#","n":1E2,"x":{},"y":"\u00e9""#,
                r#","meta":{"versionId":"2"},"y":"é","n":100"#,
                true,
            ),
            (
                "",
                r#","meta":{"tag":[{"system":"s","code":"1"}],"source":"x"}"#,
                r#","meta":{"source":"y","tag":[{"system":"s","code":"0"},{"system":"s","code":"1"}]}"#,
                true,
            ),
            (
                "",
                r#","meta":{"profile":["b","a"]}"#,
                r#","meta":{"profile":["a","b"]}"#,
                true,
            ),
            // Lists.
            (
                r#","telecom":[{"value":"1"}]"#,
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                r#","telecom":[{"value":"2"}]"#,
                true,
            ),
            (
                r#","telecom":[{"value":"1"}]"#,
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                r#","telecom":[{"value":"1"}]"#,
                false,
            ),
            (
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                r#","telecom":[{"value":"2"}]"#,
                r#","telecom":[{"value":"2"},{"value":"3"}]"#,
                true,
            ),
            (
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                r#","telecom":[{"value":"2"}]"#,
                r#","telecom":[{"value":"1"},{"value":"2"}]"#,
                false,
            ),
            (
                r#","name":[{"given":["a","b"]}]"#,
                r#","name":[{"given":["b","a"]}]"#,
                r#","name":[{"given":["a","b"]}]"#,
                false,
            ),
            (
                r#","name":[{"given":["a"]}]"#,
                r#","name":[{"given":["a","a"]}]"#,
                r#","name":[{"given":["a"]}]"#,
                false,
            ),
            (
                r#","identifier":[{"system":"s","value":"1"}]"#,
                r#","identifier":[{"system":"s","value":"1","use":"old"}]"#,
                r#","identifier":[{"system":"s","value":"1","use":"old","period":{"end":"2026"}}]"#,
                true,
            ),
            // Taken away.
            (r#","birthDate":"2000""#, "", "", true),
            (
                r#","birthDate":"2000""#,
                "",
                r#","birthDate":"2000""#,
                false,
            ),
            (
                r#","birthDate":"2000""#,
                r#","_birthDate":{"id":"x"}"#,
                r#","birthDate":"2000","_birthDate":{"id":"x"}"#,
                false,
            ),
            // Narratives count where nothing else changed.
            (
                "",
                r#","active":true,"text":{"div":"a"}"#,
                r#","active":true,"text":{"div":"b"}"#,
                true,
            ),
            (
                "",
                r#","text":{"div":"a"}"#,
                r#","text":{"div":"b"}"#,
                false,
            ),
            // No change is in everything.
            ("", "", r#","active":true"#, true),
        ] {
            let (base, sent, theirs) = (patient(base), patient(sent), patient(theirs));
            assert_eq!(
                holds(Some(&base), &sent, &theirs),
                found,
                "{base} {sent} {theirs}"
            );
            assert!(holds(Some(&base), &sent, &sent) && holds(None, &sent, &sent));
        }
        assert!(!holds(None, &patient(r#","active":true"#), &patient("")));
        assert!(!holds(Some("x"), &patient(""), &patient("")));
        assert!(!holds(None, "[]", &patient("")));
    }
}
