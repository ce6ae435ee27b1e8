//! What a Slot offers, read together with its Schedule and, for the link of a virtual visit, the HealthcareService.

use crate::fhir::{Instant, Reference};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// R5's `virtualService` as R4 carries it.
pub(super) const VIRTUAL_SERVICE: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService";
/// And R5's own elements of Schedule and HealthcareService, by the same rule.
const VIRTUAL_SERVICE_ENDS: &str = ".virtualService";

/// How a virtual visit is joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualVisit {
    /// Code of the channel, such as `zoom`; none: not said.
    pub channel: Option<String>,
    /// The link.
    pub address: Option<String>,
    /// What the other side asks for.
    pub session_key: Option<String>,
}

/// Slots, with what is needed to read them.
#[derive(Debug, Clone, Default)]
pub struct Practice {
    schedules: HashMap<String, Schedule>,
    services: HashMap<String, Option<Value>>,
}

#[derive(Debug, Clone, Default)]
struct Schedule {
    practitioners: Vec<String>,
    services: Vec<String>,
    types: Vec<String>,
    name: Option<String>,
    visit: Option<Value>,
}

/// A Slot as a person chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// Its id.
    pub id: String,
    /// Its version when it was read.
    pub version: Option<String>,
    /// Its status: `free`, `busy`, ...
    pub status: String,
    /// Its beginning, ms since 1970.
    pub start_ms: i64,
    /// Its end, ms since 1970.
    pub end_ms: i64,
    /// `Practitioner/1` or `PractitionerRole/1`: whose schedule it is.
    pub practitioners: Vec<String>,
    /// What the schedule calls them.
    pub name: Option<String>,
    /// Kinds of visit, as `system|code` or as a text.
    pub service_types: Vec<String>,
    /// Whether it is a virtual visit.
    pub is_virtual: bool,
    /// The extension that says how to join it, as JSON.
    pub(super) visit: Option<String>,
}

impl Practice {
    /// Takes a Schedule or a HealthcareService in; everything else is none of its business.
    pub fn add(&mut self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let Some(id) = value["id"].as_str() else {
            return;
        };
        match value["resourceType"].as_str() {
            Some("Schedule") => {
                let actors = value["actor"].as_array().into_iter().flatten();
                let mut schedule = Schedule {
                    types: types_of(&value),
                    visit: visit_of(&value),
                    ..Schedule::default()
                };
                for actor in actors {
                    let Some(reference) = actor["reference"].as_str().and_then(local) else {
                        continue;
                    };
                    match reference.kind.name() {
                        "Practitioner" | "PractitionerRole" => {
                            schedule.practitioners.push(reference.to_string());
                            let display = actor["display"].as_str();
                            schedule.name = schedule.name.or(display.map(str::to_owned));
                        }
                        "HealthcareService" => schedule.services.push(reference.to_string()),
                        _ => {}
                    }
                }
                self.schedules.insert(format!("Schedule/{id}"), schedule);
            }
            Some("HealthcareService") => {
                self.services
                    .insert(format!("HealthcareService/{id}"), visit_of(&value));
            }
            _ => {}
        }
    }

    /// What has to be read before a Slot can be: its Schedule, then the HealthcareServices of that.
    pub fn missing(&self, slot: &str) -> Vec<Reference> {
        let value: Value = serde_json::from_str(slot).unwrap_or_default();
        let Some(name) = schedule_of(&value) else {
            return Vec::new();
        };
        let missing: Vec<String> = match self.schedules.get(&name) {
            None => vec![name],
            Some(schedule) => {
                let services = schedule.services.iter();
                services
                    .filter(|name| !self.services.contains_key(*name))
                    .cloned()
                    .collect()
            }
        };
        missing
            .iter()
            .filter_map(|name| Reference::parse(name).ok())
            .collect()
    }

    /// There is no such record: it is not asked for again.
    pub fn lacks(&mut self, name: &Reference) {
        let (kind, name) = (name.kind.name(), name.to_string());
        match kind {
            "Schedule" => drop(self.schedules.insert(name, Schedule::default())),
            _ => drop(self.services.insert(name, None)),
        }
    }

    /// The Slot; `None`: the text is no Slot with a beginning and an end.
    pub fn view(&self, text: &str) -> Option<SlotView> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value["resourceType"] != "Slot" {
            return None;
        }
        let at = |name: &str| Instant::parse(value[name].as_str()?).ok();
        let schedule = schedule_of(&value).and_then(|name| self.schedules.get(&name));
        let own = types_of(&value);
        let service = || {
            let mut services = schedule.into_iter().flat_map(|of| &of.services);
            services.find_map(|name| self.services.get(name).cloned().flatten())
        };
        let visit = visit_of(&value)
            .or_else(|| schedule.and_then(|of| of.visit.clone()))
            .or_else(service);
        Some(SlotView {
            id: value["id"].as_str()?.to_owned(),
            version: value["meta"]["versionId"].as_str().map(str::to_owned),
            status: value["status"].as_str().unwrap_or_default().to_owned(),
            start_ms: at("start")?.epoch_ms(),
            end_ms: at("end")?.epoch_ms(),
            practitioners: schedule
                .map(|of| of.practitioners.clone())
                .unwrap_or_default(),
            name: schedule.and_then(|of| of.name.clone()),
            service_types: match own.is_empty() {
                true => schedule.map(|of| of.types.clone()).unwrap_or_default(),
                false => own,
            },
            is_virtual: visit.is_some(),
            visit: visit.map(|visit| visit.to_string()),
        })
    }
}

/// `Schedule/1` of a Slot.
pub(super) fn schedule_of(slot: &Value) -> Option<String> {
    Some(local(slot["schedule"]["reference"].as_str()?)?.to_string())
}

impl SlotView {
    /// Its beginning.
    pub fn start(&self) -> Instant {
        Instant::from_epoch_ms(self.start_ms)
    }

    /// Its end.
    pub fn end(&self) -> Instant {
        Instant::from_epoch_ms(self.end_ms)
    }

    /// Whether it can be asked for now.
    pub fn is_open(&self, now: Instant) -> bool {
        self.status == "free" && self.start() > now && self.end_ms > self.start_ms
    }
}

impl VirtualVisit {
    /// How an Appointment is joined; `None`: it is no virtual visit.
    pub fn of(appointment: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(appointment).ok()?;
        Some(Self::read(&visit_of(&value)?))
    }

    fn read(extension: &Value) -> Self {
        let part = |name: &str| {
            let mut parts = extension["extension"].as_array().into_iter().flatten();
            parts.find(|part| part["url"] == name)
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let channel = part("channelType").and_then(|part| text(&part["valueCoding"]["code"]));
        let address = part("address").and_then(|part| {
            ["valueUrl", "valueString", "valueUri"]
                .iter()
                .find_map(|name| text(&part[*name]))
                .or_else(|| text(&part["valueContactPoint"]["value"]))
        });
        let session_key = part("sessionKey").and_then(|part| text(&part["valueString"]));
        Self {
            channel,
            address,
            session_key,
        }
    }
}

/// The link and the key are for those who take part.
impl std::fmt::Debug for VirtualVisit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VirtualVisit(..)")
    }
}

/// The extension that says how to join, under the url that an Appointment has it by.
fn visit_of(resource: &Value) -> Option<Value> {
    let extensions = resource["extension"].as_array()?;
    let is_it = |one: &&Value| {
        let url = one["url"].as_str().unwrap_or_default();
        url == VIRTUAL_SERVICE
            || (url.starts_with("http://hl7.org/fhir/5.0/StructureDefinition/extension-")
                && url.ends_with(VIRTUAL_SERVICE_ENDS))
    };
    let mut found = extensions.iter().find(is_it)?.clone();
    found["url"] = VIRTUAL_SERVICE.into();
    Some(found)
}

fn types_of(resource: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for concept in resource["serviceType"].as_array().into_iter().flatten() {
        for coding in concept["coding"].as_array().into_iter().flatten() {
            if let Some(code) = coding["code"].as_str() {
                let system = coding["system"].as_str().unwrap_or_default();
                all.push(format!("{system}|{code}"));
            }
        }
        all.extend(concept["text"].as_str().map(str::to_owned));
    }
    all
}

fn local(reference: &str) -> Option<Reference> {
    // Some servers give absolute ones of their own: what counts are the last two parts.
    let mut parts = reference.rsplitn(3, '/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Reference::parse(&format!("{kind}/{id}")).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const SCHEDULE: &str = r#"{"resourceType":"Schedule","id":"c1","actor":[{"reference":"Practitioner/dr","display":"Dr. No"},{"reference":"HealthcareService/hs"}],"serviceType":[{"coding":[{"system":"s","code":"gp"}]}]}"#;
    const SERVICE: &str = r#"{"resourceType":"HealthcareService","id":"hs","extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-HealthcareService.virtualService","extension":[{"url":"channelType","valueCoding":{"code":"zoom"}},{"url":"address","valueUrl":"https://video.example/1"},{"url":"sessionKey","valueString":"k"}]}]}"#;

    pub(in super::super) fn text(
        id: &str,
        version: &str,
        status: &str,
        start: &str,
        end: &str,
    ) -> String {
        format!(
            r#"{{"resourceType":"Slot","id":"{id}","meta":{{"versionId":"{version}"}},"schedule":{{"reference":"Schedule/c1"}},"status":"{status}","start":"{start}","end":"{end}"}}"#
        )
    }

    #[test]
    fn a_slot_is_read_with_its_schedule_and_service() {
        let mut practice = Practice::default();
        let slot = text(
            "s1",
            "3",
            "free",
            "2026-11-24T10:00:00+01:00",
            "2026-11-24T10:20:00+01:00",
        );
        let bare = practice.view(&slot).unwrap();
        assert_eq!((bare.is_virtual, bare.practitioners.len()), (false, 0));
        practice.add(SCHEDULE);
        assert!(!practice.view(&slot).unwrap().is_virtual);
        practice.add(SERVICE);
        let view = practice.view(&slot).unwrap();
        assert_eq!(view.start().to_string(), "2026-11-24T09:00:00.000Z");
        assert_eq!(view.end_ms - view.start_ms, 20 * 60_000);
        assert_eq!(view.practitioners, ["Practitioner/dr"]);
        assert_eq!(view.name.as_deref(), Some("Dr. No"));
        assert_eq!(view.service_types, ["s|gp"]);
        assert_eq!(view.version.as_deref(), Some("3"));
        assert!(view.is_virtual);
        let visit: Value = serde_json::from_str(view.visit.as_ref().unwrap()).unwrap();
        assert_eq!(visit["url"], VIRTUAL_SERVICE);
        let visit = VirtualVisit::read(&visit);
        assert_eq!(visit.address.as_deref(), Some("https://video.example/1"));
        assert_eq!(visit.channel.as_deref(), Some("zoom"));
        assert_eq!(visit.session_key.as_deref(), Some("k"));
        assert_eq!(format!("{visit:?}"), "VirtualVisit(..)");
    }

    #[test]
    fn what_is_no_slot_is_none() {
        let practice = Practice::default();
        for bad in [
            "",
            "{}",
            r#"{"resourceType":"Slot","id":"a"}"#,
            r#"{"resourceType":"Slot","id":"a","start":"2026","end":"x"}"#,
            r#"{"resourceType":"Patient","id":"a"}"#,
        ] {
            assert!(practice.view(bad).is_none(), "{bad}");
        }
        assert!(VirtualVisit::of("{}").is_none());
    }

    #[test]
    fn a_slot_in_the_past_or_of_no_length_is_not_open() {
        let practice = Practice::default();
        let now = Instant::parse("2026-11-24T09:00:00Z").unwrap();
        let is_open = |status, start, end| {
            let slot = text("a", "1", status, start, end);
            practice.view(&slot).unwrap().is_open(now)
        };
        assert!(is_open(
            "free",
            "2026-11-24T09:00:01Z",
            "2026-11-24T09:30:00Z"
        ));
        assert!(!is_open(
            "free",
            "2026-11-24T09:00:00Z",
            "2026-11-24T09:30:00Z"
        ));
        assert!(!is_open(
            "free",
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:00:00Z"
        ));
        assert!(!is_open(
            "busy",
            "2026-11-24T09:00:01Z",
            "2026-11-24T09:30:00Z"
        ));
    }
}
