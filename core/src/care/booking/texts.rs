//! The exact texts that a booking sends.

use super::slot::{SlotView, VIRTUAL_SERVICE};
use crate::fhir::json;
use serde_json::{Map, Value, json};

/// URL of the extension of a Slot that says by which Appointment it is taken: what tells our own write from a stranger's
/// where a server's transactions are none. Our hub's are, and its policy lets a patient change nothing but the status.
pub(super) const MARK: &str = "urn:pocketchart:booking";

/// An Appointment as it is first sent.
pub(super) fn appointment(id: &str, patient: &str, reason: &str, slot: &SlotView) -> String {
    let mut participants = vec![json!({
        "actor": { "reference": format!("Patient/{patient}") },
        "required": "required",
        "status": "accepted",
    })];
    for practitioner in &slot.practitioners {
        let mut actor = json!({ "reference": practitioner });
        if let Some(name) = &slot.name {
            actor["display"] = name.as_str().into();
        }
        participants.push(json!({ "actor": actor, "required": "required", "status": "accepted" }));
    }
    let mut text = Map::new();
    let mut add = |name: &str, value: Value| {
        text.insert(name.to_owned(), value);
    };
    add("resourceType", "Appointment".into());
    add("id", id.into());
    if let Some(visit) = visit_of(slot) {
        add("extension", json!([visit]));
    }
    add("status", "booked".into());
    let types: Vec<Value> = slot.service_types.iter().map(|one| concept(one)).collect();
    if !types.is_empty() {
        add("serviceType", types.into());
    }
    if !reason.is_empty() {
        add("reasonCode", json!([{ "text": reason }]));
    }
    add("start", slot.start().to_string().into());
    add("end", slot.end().to_string().into());
    add(
        "slot",
        json!([{ "reference": format!("Slot/{}", slot.id) }]),
    );
    add("participant", participants.into());
    Value::Object(text).to_string()
}

/// The same Appointment at another Slot; everything else in it stays. `None`: the text is none.
pub(super) fn moved(appointment: &str, slot: &SlotView) -> Option<String> {
    let mut value: Value = serde_json::from_str(appointment).ok()?;
    let text = value.as_object_mut()?;
    text.insert("start".into(), slot.start().to_string().into());
    text.insert("end".into(), slot.end().to_string().into());
    text.insert(
        "slot".into(),
        json!([{ "reference": format!("Slot/{}", slot.id) }]),
    );
    let is_visit = |one: &Value| one["url"] == VIRTUAL_SERVICE;
    let mut extensions = items(text.get("extension"));
    extensions.retain(|one| !is_visit(one));
    extensions.extend(visit_of(slot));
    put(text, "extension", extensions);
    // Whoever was there for the schedule before is another's now; the patient and everybody else stay.
    let is_practitioner = |one: &Value| {
        let reference = one["actor"]["reference"].as_str().unwrap_or_default();
        reference.starts_with("Practitioner")
    };
    if !slot.practitioners.is_empty() {
        let mut participants = items(text.get("participant"));
        participants.retain(|one| !is_practitioner(one));
        for practitioner in &slot.practitioners {
            let mut actor = json!({ "reference": practitioner });
            if let Some(name) = &slot.name {
                actor["display"] = name.as_str().into();
            }
            participants
                .push(json!({ "actor": actor, "required": "required", "status": "accepted" }));
        }
        put(text, "participant", participants);
    }
    Some(value.to_string())
}

/// The text with another `status`, every other byte as it is. `None`: it has none.
pub(super) fn with_status(text: &str, status: &str) -> Option<String> {
    let members = json::members(text).ok()?;
    let (_, value) = members.iter().find(|(name, _)| name == "status")?;
    let at = json::span(text, value.get())?;
    Some(format!(
        "{}{}{}",
        &text[..at.start],
        json::quoted(status),
        &text[at.end..]
    ))
}

/// A Slot that is taken by an Appointment, with the mark of it; `None` for `by`: free, without any. Only `status` and the
/// mark change.
pub(super) fn marked(slot: &str, by: Option<&str>) -> Option<String> {
    let status = if by.is_some() { "busy" } else { "free" };
    let mut value: Value = serde_json::from_str(&with_status(slot, status)?).ok()?;
    let text = value.as_object_mut()?;
    let mut extensions = items(text.get("extension"));
    extensions.retain(|one| one["url"] != MARK);
    if let Some(id) = by {
        extensions.push(json!({ "url": MARK, "valueString": id }));
    }
    put(text, "extension", extensions);
    Some(value.to_string())
}

fn visit_of(slot: &SlotView) -> Option<Value> {
    serde_json::from_str(slot.visit.as_ref()?).ok()
}

fn concept(kind: &str) -> Value {
    match kind.split_once('|') {
        Some(("", code)) => json!({ "coding": [{ "code": code }] }),
        Some((system, code)) => json!({ "coding": [{ "system": system, "code": code }] }),
        None => json!({ "text": kind }),
    }
}

fn items(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// FHIR has no empty lists.
fn put(text: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    match items.is_empty() {
        true => drop(text.shift_remove(name)),
        false => drop(text.insert(name.to_owned(), items.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::slot::Practice;
    use super::super::slot::tests::{SCHEDULE, text};
    use super::*;
    use crate::fhir::{Resource, strict};

    fn view(id: &str, start: &str, end: &str) -> SlotView {
        let mut practice = Practice::default();
        practice.add(SCHEDULE);
        practice.view(&text(id, "1", "free", start, end)).unwrap()
    }

    #[test]
    fn an_appointment_says_who_when_and_why() {
        let slot = view(
            "s1",
            "2026-11-24T10:00:00+01:00",
            "2026-11-24T10:20:00+01:00",
        );
        let made = appointment("a-1", "p", "a \"cough\"", &slot);
        let resource = Resource::parse_text(&made).unwrap();
        strict::check(&made).unwrap();
        assert_eq!(resource.name().to_string(), "Appointment/a-1");
        assert_eq!(
            made,
            r#"{"resourceType":"Appointment","id":"a-1","status":"booked","serviceType":[{"coding":[{"system":"s","code":"gp"}]}],"reasonCode":[{"text":"a \"cough\""}],"start":"2026-11-24T09:00:00.000Z","end":"2026-11-24T09:20:00.000Z","slot":[{"reference":"Slot/s1"}],"participant":[{"actor":{"reference":"Patient/p"},"required":"required","status":"accepted"},{"actor":{"reference":"Practitioner/dr","display":"Dr. No"},"required":"required","status":"accepted"}]}"#
        );
    }

    #[test]
    fn a_move_changes_time_slot_and_practitioner_alone() {
        let (old, mut new) = (
            view("s1", "2026-11-24T10:00:00Z", "2026-11-24T10:20:00Z"),
            view("s2", "2026-11-25T10:00:00Z", "2026-11-25T10:20:00Z"),
        );
        new.practitioners = vec!["Practitioner/other".into()];
        new.name = None;
        let made = appointment("a", "p", "cough", &old);
        let text = moved(&made, &new).unwrap();
        assert_eq!(
            text,
            made.replace("2026-11-24T", "2026-11-25T")
                .replace("Slot/s1", "Slot/s2")
                .replace(
                    r#""reference":"Practitioner/dr","display":"Dr. No""#,
                    r#""reference":"Practitioner/other""#
                )
        );
        assert!(moved("[]", &new).is_none());
    }

    #[test]
    fn a_status_is_changed_to_the_byte_and_a_mark_comes_and_goes() {
        let slot = "{ \"resourceType\":\"Slot\",\"id\":\"a\", \"status\" : \"free\",\"x\":1.00,\"y\":{\"status\":\"free\"}}";
        let busy = with_status(slot, "busy").unwrap();
        assert_eq!(busy, slot.replacen("\"free\"", "\"busy\"", 1));
        assert!(with_status("{}", "busy").is_none());
        let ours = marked(slot, Some("id-1")).unwrap();
        assert!(ours.contains("\"x\":1.00"), "{ours}");
        let value: Value = serde_json::from_str(&ours).unwrap();
        assert_eq!(
            value["extension"],
            json!([{ "url": MARK, "valueString": "id-1" }])
        );
        let again = marked(&ours, Some("id-2")).unwrap();
        assert_eq!(again, ours.replace("id-1", "id-2"));
        let free: Value = serde_json::from_str(&marked(&again, None).unwrap()).unwrap();
        let first: Value = serde_json::from_str(slot).unwrap();
        assert_eq!(free, first);
    }
}
