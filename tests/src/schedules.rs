//! Times that can be booked: Schedules and Slots of some of the committed clinic's Practitioners, from tomorrow on.
//!
//! Made when they are needed, relative to the clock, since a Slot of last year is of no use to anybody; the ids are the
//! same for the same day. The demo of the command line uses this very file.

use pocketchart_core::fhir::Instant;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// Beginnings of a day's Slots, in minutes of the day (UTC): six, of twenty minutes.
const TIMES: [i64; 6] = [840, 860, 880, 960, 980, 1000];
/// How long a Slot is.
const LENGTH: i64 = 20;
/// Practitioners with a Schedule. The first and each second one after it meet their patients by video.
pub const PRACTITIONERS: usize = 4;
/// Days ahead, weekends among them.
pub const DAYS: i64 = 14;

/// Ids and names of the first Practitioners of a clinic's records, one resource a line, in the order of their ids.
pub fn practitioners(lines: &str) -> Vec<(String, String)> {
    let is_one = |line: &&str| line.starts_with("{\"resourceType\":\"Practitioner\"");
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let name = &value["name"][0];
        let part = |text: &Value| text.as_str().unwrap_or_default().to_owned();
        let words = [
            part(&name["prefix"][0]),
            part(&name["given"][0]),
            part(&name["family"]),
        ];
        Some((
            value["id"].as_str()?.to_owned(),
            words.join(" ").trim().to_owned(),
        ))
    };
    let mut all: Vec<(String, String)> = lines.lines().filter(is_one).filter_map(read).collect();
    all.sort();
    all.truncate(PRACTITIONERS);
    all
}

/// Schedules, what their virtual visits are joined by, and free Slots on the weekdays of the next two weeks.
pub fn schedules(practitioners: &[(String, String)], now: Instant) -> Vec<String> {
    let today = now.epoch_ms().div_euclid(DAY_MS);
    let at = |ms: i64| Instant::from_epoch_ms(ms).to_string();
    let mut all = Vec::new();
    for (nth, (practitioner, name)) in practitioners.iter().enumerate() {
        let schedule = format!("schedule-{practitioner}");
        let mut actors =
            vec![json!({ "reference": format!("Practitioner/{practitioner}"), "display": name })];
        if nth % 2 == 0 {
            let service = format!("video-{practitioner}");
            actors.push(json!({ "reference": format!("HealthcareService/{service}") }));
            all.push(json!({
                "resourceType": "HealthcareService",
                "id": service,
                "extension": [{
                    "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-HealthcareService.virtualService",
                    "extension": [
                        { "url": "channelType", "valueCoding": {
                            "system": "http://hl7.org/fhir/virtual-service-type", "code": "zoom" } },
                        { "url": "address", "valueUrl": format!("https://video.example/room/{nth}") },
                        { "url": "sessionKey", "valueString": format!("{}", 1000 + nth) },
                    ],
                }],
                "active": true,
                "name": format!("Video visits with {name}"),
            }));
        }
        all.push(json!({
            "resourceType": "Schedule",
            "id": schedule,
            "active": true,
            "serviceType": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/service-type", "code": "124",
                "display": "General Practice" }] }],
            "actor": actors,
            "planningHorizon": { "start": at((today + 1) * DAY_MS), "end": at((today + 1 + DAYS) * DAY_MS) },
        }));
        for day in today + 1..=today + DAYS {
            // 1 January 1970 was a Thursday; Monday is 0.
            if (day + 3).rem_euclid(7) >= 5 {
                continue;
            }
            for minute in TIMES {
                let start = day * DAY_MS + minute * MINUTE_MS;
                all.push(json!({
                    "resourceType": "Slot",
                    "id": format!("slot-{nth}-{day}-{minute}"),
                    "schedule": { "reference": format!("Schedule/{schedule}") },
                    "status": "free",
                    "start": at(start),
                    "end": at(start + LENGTH * MINUTE_MS),
                }));
            }
        }
    }
    all.iter().map(Value::to_string).collect()
}
