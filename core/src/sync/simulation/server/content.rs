//! What a server makes of what it is sent.

use crate::fhir::Instant;
use crate::sync::simulation::personality::Rewrites;
use serde_json::{Map, Value};

/// `sent` as it is stored, without the version and time that [`stamped`] sets. `old`: what stands there.
pub(super) fn kept(mut sent: Value, old: Option<&Value>, ways: Rewrites) -> Value {
    if ways.drops_empties {
        drop_empties(&mut sent);
    }
    if ways.numbers {
        plain_numbers(&mut sent);
    }
    if ways.merges_tags {
        merge_tags(&mut sent, old);
    }
    if let Some(meta) = sent.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            object(&mut sent).shift_remove("meta");
        }
    }
    if ways.order {
        sort(&mut sent);
    }
    sent
}

/// The text that is served: `kept` with `id`, version and time.
pub(super) fn stamped(kept: &Value, id: &str, version: &str, stamp_us: i64) -> String {
    let mut out = Map::new();
    let old = kept.as_object().cloned().unwrap_or_default();
    let mut meta = Map::new();
    meta.insert("versionId".into(), version.into());
    let at = Instant::from_epoch_ms(stamp_us.div_euclid(1000)).to_string();
    meta.insert("lastUpdated".into(), at.into());
    if let Some(Value::Object(own)) = old.get("meta") {
        meta.extend(own.clone());
    }
    let kind = old.get("resourceType").cloned().unwrap_or_default();
    out.insert("resourceType".into(), kind);
    out.insert("id".into(), id.into());
    out.insert("meta".into(), meta.into());
    let own = ["resourceType", "id", "meta"];
    out.extend(
        old.into_iter()
            .filter(|(name, _)| !own.contains(&name.as_str())),
    );
    Value::Object(out).to_string()
}

/// The content of a stored text: without id, version and time.
pub(super) fn bare(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    object(&mut value).shift_remove("id");
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            object(&mut value).shift_remove("meta");
        }
    }
    value
}

/// Whether two contents say the same, in whatever order their members stand.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    let plain = |value: &Value| {
        let mut value = value.clone();
        object(&mut value).shift_remove("id");
        sort(&mut value);
        value
    };
    // As texts: the order of members counts, and it is the same in both.
    let (a, b) = (plain(a).to_string(), plain(b).to_string());
    a == b
}

/// The local references in a resource.
pub(super) fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(to) if name == "reference" => found.push(to.clone()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Replaces references by the names that entries of the same transaction have got.
pub(super) fn resolve(value: &mut Value, names: &[(String, String)]) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match value {
                    Value::String(to) if name == "reference" => {
                        if let Some((_, new)) = names.iter().find(|(old, _)| old == to) {
                            *to = new.clone();
                        }
                    }
                    _ => resolve(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, names)),
        _ => {}
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn drop_empties(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(drop_empties);
            members.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(drop_empties);
            items.retain(|item| !is_empty(item));
        }
        _ => {}
    }
}

fn sort(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(sort);
            members.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

fn plain_numbers(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Number(number) if number.to_string().contains(['e', 'E']) => {
            *value = Value::from(number.as_f64().unwrap() as i64);
        }
        _ => {}
    }
}

fn merge_tags(sent: &mut Value, old: Option<&Value>) {
    let Some(Value::Array(old)) = old.and_then(|old| old.pointer("/meta/tag")).cloned() else {
        return;
    };
    let meta = object(sent)
        .entry("meta")
        .or_insert_with(|| Map::new().into());
    let tags = object(meta)
        .entry("tag")
        .or_insert_with(|| Vec::<Value>::new().into());
    let Value::Array(tags) = tags else { return };
    for tag in old {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}
