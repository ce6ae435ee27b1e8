//! The records of the simulation: what they look like, and where edits write.

use super::story::{Edit, mark, marks};
use serde_json::{Value, json};

/// Where single values stand, by type.
pub(super) fn places(kind: &str) -> &'static [&'static str] {
    match kind {
        "Patient" => &["/name/0/family", "/address/0/city"],
        "Condition" => &["/code/text", "/severity/text"],
        "Observation" => &["/valueString", "/method/text"],
        "Appointment" => &["/description", "/comment"],
        _ => &["/comment"],
    }
}

/// The list that grows and shrinks, by type, and its member that holds the mark.
pub(super) fn list(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "Patient" => Some(("telecom", "value")),
        "Condition" | "Observation" => Some(("note", "text")),
        _ => None,
    }
}

/// A new record. `number`: which one it is, for ever; `to`: what it refers to.
pub(super) fn fresh(kind: &str, id: &str, number: usize, edit: Edit, to: &[String]) -> Value {
    let it = mark(edit);
    let about = json!({"reference": to.first()});
    let mut value = json!({
        "resourceType": kind, "id": id,
        "identifier": [{"system": "urn:sim", "value": format!("rec-{number}")}],
    });
    let more = match kind {
        "Patient" => json!({
            "name": [{"use": "official", "family": it}], "address": [{"use": "home", "city": it}],
            "telecom": [{"system": "phone", "value": it}], "birthDate": "1980-01-01",
        }),
        "Condition" => json!({
            "code": {"text": it}, "severity": {"text": it}, "subject": about, "note": [{"text": it}],
        }),
        "Observation" => json!({
            "status": "final", "code": {"text": "x"}, "subject": about, "valueString": it, "method": {"text": it},
            "note": [{"text": it}],
        }),
        "Appointment" => json!({
            "status": "booked", "description": it, "comment": it,
            "participant": [{"status": "accepted", "actor": about}],
        }),
        _ => json!({"status": "busy", "comment": it, "schedule": {"display": "x"}}),
    };
    let (Value::Object(own), Value::Object(more)) = (&mut value, more) else {
        return value;
    };
    own.extend(more);
    if kind == "Appointment"
        && let Some(slot) = to.get(1)
    {
        own.insert("slot".into(), json!([{"reference": slot}]));
    }
    if kind == "Patient"
        && let Some(other) = to.first()
    {
        own.insert(
            "link".into(),
            json!([{"other": {"reference": other}, "type": "seealso"}]),
        );
    }
    if kind == "Observation" {
        let odd: Value = serde_json::from_str(
            r#"[{"url":"urn:odd","valueDecimal":1E2},{"url":"urn:odd","valueDecimal":1.00}]"#,
        )
        .unwrap();
        own.insert("extension".into(), odd);
    }
    value
}

/// Which record a text is of.
pub(super) fn number_of(text: &Value) -> Option<usize> {
    let identifiers = text.get("identifier")?.as_array()?;
    let mut values = identifiers
        .iter()
        .filter_map(|it| it.get("value")?.as_str());
    values.find_map(|value| value.strip_prefix("rec-")?.parse().ok())
}

pub(super) fn kind_of(text: &Value) -> &str {
    text.get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The edit whose value stands at `place`.
pub(super) fn value_at(text: &Value, place: &str) -> Option<Edit> {
    marks(text.pointer(place)?.as_str()?).into_iter().next()
}

/// The edits whose items are in the list, in order, doubled ones twice.
pub(super) fn items(text: &Value) -> Vec<Edit> {
    let Some((list, member)) = list(kind_of(text)) else {
        return Vec::new();
    };
    let items = text
        .get(list)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    items
        .iter()
        .flat_map(|item| marks(item[member].as_str().unwrap_or_default()))
        .collect()
}

pub(super) fn set(text: &mut Value, place: &str, value: &str) {
    if let Some(at) = text.pointer_mut(place) {
        *at = value.into();
    }
}

/// Adds an item at `position`, or at the end.
pub(super) fn add(text: &mut Value, edit: Edit, position: usize) {
    let Some((list, member)) = list(kind_of(text)) else {
        return;
    };
    let item = match list {
        "telecom" => json!({"system": "phone", member: mark(edit)}),
        _ => json!({member: mark(edit)}),
    };
    if text.get(list).is_none() {
        text[list] = json!([]);
    }
    if let Some(items) = text[list].as_array_mut() {
        items.insert(position.min(items.len()), item);
    }
}

/// Takes the item of `edit` out.
pub(super) fn remove(text: &mut Value, edit: Edit) {
    let Some((list, member)) = list(kind_of(text)) else {
        return;
    };
    let wanted = mark(edit);
    if let Some(items) = text[list].as_array_mut() {
        items.retain(|item| {
            !item[member]
                .as_str()
                .unwrap_or_default()
                .starts_with(&wanted)
        });
        if items.is_empty()
            && let Some(members) = text.as_object_mut()
        {
            members.shift_remove(list);
        }
    }
}
