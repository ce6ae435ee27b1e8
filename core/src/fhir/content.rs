//! Whether two texts say the same (the question after a push whose answer was lost), and where they differ (the question
//! whether somebody may make that change).

use super::{Resource, json};
use serde::de::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Whether two resources are equal as FHIR values, apart from what a server sets (`meta.versionId`,
/// `meta.lastUpdated`). Member order and white space do not count; `1.0` and `1.00` differ, since FHIR decimals keep
/// their precision. Text that is no JSON equals nothing.
pub fn is_same(a: &str, b: &str) -> bool {
    match (without_server_meta(a), without_server_meta(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn without_server_meta(text: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object_mut()?;
    if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if meta.is_empty() {
            object.remove("meta");
        }
    }
    Some(value)
}

/// Names of the top-level elements in which two versions differ, sorted. An element and its extensions (`_birthDate`) are
/// one; what a server sets in `meta` does not count. What cannot be compared for certain, as a member that stands twice
/// somewhere within, differs.
pub fn changed_elements(old: &Resource<'_>, new: &Resource<'_>) -> Vec<String> {
    let (old, new) = (elements(old), elements(new));
    let mut changed: Vec<&str> = Vec::new();
    for (name, values) in &old {
        let same = new.get(name).is_some_and(|others| {
            values.len() == others.len() && values.iter().zip(others).all(|(a, b)| is_equal(a, b))
        });
        if !same {
            changed.push(name);
        }
    }
    changed.extend(new.keys().filter(|name| !old.contains_key(*name)).copied());
    changed.sort_unstable();
    changed.into_iter().map(str::to_owned).collect()
}

/// Whether `new` lacks the narrative that `old` has, where that was made of the record itself. It says no longer what the
/// record says once anything else is changed, so a merge drops it; somebody's own words (`additional`) are no such thing.
pub fn drops_generated_narrative(old: &Resource<'_>, new: &Resource<'_>) -> bool {
    let Some(narrative) = old.member("text").filter(|_| new.member("text").is_none()) else {
        return false;
    };
    let members = json::members(narrative.get()).unwrap_or_default();
    let status = members.iter().find(|(name, _)| name == "status");
    let status = status.and_then(|(_, value)| json::string(value));
    matches!(
        status.as_deref(),
        Some("generated" | "extensions" | "empty")
    )
}

/// Members by element: their own names, and what they hold.
fn elements<'r>(resource: &'r Resource<'_>) -> BTreeMap<&'r str, Vec<(&'r str, Content<'r>)>> {
    let mut all: BTreeMap<&str, Vec<(&str, Content<'_>)>> = BTreeMap::new();
    for (name, value) in resource.members() {
        let content = match name {
            "meta" => match without_server_part(value) {
                Some(Value::Object(left)) if left.is_empty() => continue,
                Some(left) => Content::Meta(left),
                None => Content::Raw(value),
            },
            _ => Content::Raw(value),
        };
        let element = name.strip_prefix('_').unwrap_or(name);
        all.entry(element).or_default().push((name, content));
    }
    for members in all.values_mut() {
        // Stable: of members that stand twice the order counts.
        members.sort_by_key(|(name, _)| *name);
    }
    all
}

enum Content<'a> {
    Raw(&'a RawValue),
    Meta(Value),
}

fn is_equal(a: &(&str, Content<'_>), b: &(&str, Content<'_>)) -> bool {
    a.0 == b.0
        && match (&a.1, &b.1) {
            (Content::Meta(a), Content::Meta(b)) => a == b,
            (Content::Raw(a), Content::Raw(b)) => {
                a.get() == b.get() || plain(a).is_some_and(|a| plain(b) == Some(a))
            }
            _ => false,
        }
}

fn without_server_part(meta: &RawValue) -> Option<Value> {
    let mut meta = plain(meta)?;
    if let Some(members) = meta.as_object_mut() {
        members.remove("versionId");
        members.remove("lastUpdated");
    }
    Some(meta)
}

/// As a tree, where no object in it has a member twice: a tree would keep one of them, and a reader may take the other.
fn plain(raw: &RawValue) -> Option<Value> {
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    let members: Members = serde_json::from_str(raw.get()).ok()?;
    (members.0 == count(&value)).then_some(value)
}

fn count(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(count).sum::<usize>(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// How many members there are in a text, at any depth.
struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let mut sum = 0;
        match raw.get().as_bytes().first() {
            Some(b'{') => {
                for (_, value) in json::members(raw.get()).map_err(serde::de::Error::custom)? {
                    sum += 1 + of(value).map_err(serde::de::Error::custom)?;
                }
            }
            Some(b'[') => {
                for item in json::items(raw) {
                    sum += of(item).map_err(serde::de::Error::custom)?;
                }
            }
            _ => {}
        }
        Ok(Self(sum))
    }
}

fn of(value: &RawValue) -> Result<usize, serde_json::Error> {
    serde_json::from_str::<Members>(value.get()).map(|m| m.0)
}

#[cfg(test)]
mod tests {
    use super::{changed_elements, drops_generated_narrative, is_same};
    use crate::fhir::Resource;

    #[test]
    fn changed_elements_are_named() {
        let old = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1"},"name":[{"family":"x","given":["y"]}],"birthDate":"2000","n":1.00}"#;
        for (new, changed) in [
            (
                r#"{"id":"a","resourceType":"Patient","n":1.00, "birthDate":"2000","name":[{"given":["y"],"family":"x"}]}"#,
                "",
            ),
            (
                r#"{"resourceType":"Patient","id":"a","name":[{"family":"x","given":["y"]}],"birthDate":"2000","n":1.0}"#,
                "n",
            ),
            (
                r#"{"resourceType":"Patient","id":"a","name":[{"family":"z","family":"x","given":["y"]}],"birthDate":"2000","n":1.00}"#,
                "name",
            ),
            (
                r#"{"resourceType":"Patient","id":"a","name":[{"family":"x","given":["y"]}],"birthDate":"2000","birthDate":"2000","n":1.00}"#,
                "birthDate",
            ),
            (
                r#"{"resourceType":"Patient","id":"a","name":[{"family":"x","given":["y"]}],"birthDate":"2000","_birthDate":{"id":"x"},"n":1.00}"#,
                "birthDate",
            ),
            (
                r#"{"resourceType":"Patient","id":"a","meta":{"tag":[]},"name":[{"family":"x","given":["y"]}],"n":1.00,"active":true}"#,
                "active birthDate meta",
            ),
        ] {
            let (a, b) = (
                Resource::parse_text(old).unwrap(),
                Resource::parse_text(new).unwrap(),
            );
            assert_eq!(changed_elements(&a, &b).join(" "), changed, "{new}");
            assert_eq!(changed_elements(&b, &b).join(" "), "");
        }
    }

    #[test]
    fn a_narrative_that_was_made_of_the_record_is_no_loss() {
        let with = |status: &str| {
            format!(
                r#"{{"resourceType":"Patient","id":"a","text":{{"status":"{status}","div":"x"}}}}"#
            )
        };
        let drops = |old: &str, new: &str| {
            let parse = |text| Resource::parse_text(text).unwrap();
            drops_generated_narrative(&parse(old), &parse(new))
        };
        let bare = r#"{"resourceType":"Patient","id":"a"}"#;
        assert!(drops(&with("generated"), bare));
        assert!(!drops(&with("additional"), bare));
        assert!(!drops(&with("generated"), &with("generated")));
        assert!(!drops(bare, &with("generated")));
        assert!(!drops(bare, bare));
    }

    #[test]
    fn order_space_and_server_meta_do_not_count() {
        let mine = r#"{"resourceType":"Patient","id":"a","n":1.00}"#;
        let theirs = r#"{ "id":"a","resourceType":"Patient","meta":{"versionId":"4","lastUpdated":"x"},"n":1.00 }"#;
        assert!(is_same(mine, theirs));
    }

    #[test]
    fn content_counts() {
        let mine = r#"{"resourceType":"Patient","id":"a","n":1.00}"#;
        for other in [
            r#"{"resourceType":"Patient","id":"a","n":1.0}"#,
            r#"{"resourceType":"Patient","id":"a","n":1.00,"m":null}"#,
            r#"{"resourceType":"Patient","id":"a","n":1.00,"meta":{"tag":[]}}"#,
            "not JSON",
        ] {
            assert!(!is_same(mine, other), "{other}");
        }
        assert!(!is_same("not JSON", "not JSON"));
    }
}
