//! What a chart holds, read in a few bounded searches.

use super::super::search::object;
use super::query;
use super::results::{Pressure, Test, group, pressures};
use crate::failure::Failure;
use pocketchart_core::access::{Guard, Page, Record};
use pocketchart_core::fhir::search::MAX_COUNT;
use pocketchart_core::fhir::summary::{RecordSummary, day};
use pocketchart_core::session::rows::Medicines;
use serde_json::{Value, json};

/// Active problems, medicines and allergies read.
const ACTIVE: &str = "200";
/// Past ones, and visits.
const PAST: &str = "5";
/// The same with `--all`.
const ALL: &str = "1000";

/// One patient's chart.
pub(super) struct Chart {
    /// `Patient/id`.
    pub(super) name: String,
    pub(super) patient: Value,
    /// The day it is, as FHIR writes it, in UTC.
    pub(super) today: String,
    pub(super) problems: List,
    pub(super) allergies: List,
    pub(super) medicines: List,
    pub(super) pressures: Vec<Pressure>,
    pub(super) tests: Vec<Test>,
    /// There are older results than were read.
    pub(super) tests_cut: bool,
    pub(super) upcoming: List,
    pub(super) visits: List,
    /// How many, and the newest one.
    pub(super) immunizations: List,
    /// Everything was asked for.
    pub(super) all: bool,
}

/// A row with the name of its record.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) summary: RecordSummary,
    /// Who it was with.
    pub(super) with: Option<String>,
}

/// Rows of one section.
#[derive(Default)]
pub(super) struct List {
    pub(super) active: Vec<Row>,
    pub(super) past: Vec<Row>,
    /// Records of `past` that are not among its rows.
    pub(super) more: u64,
    /// There are active ones that were not read.
    pub(super) cut: bool,
}

impl Chart {
    pub(super) fn read(guard: &Guard, patient: &Record, all: bool) -> Result<Self, Failure> {
        let name = patient.name.reference.to_string();
        let now = guard.now().to_string();
        let today = day(&now).to_owned();
        let reader = Reader {
            guard,
            patient: &name,
            past: if all { ALL } else { PAST },
        };
        let most = MAX_COUNT.to_string();
        let results = reader.page(
            "Observation",
            &[
                ("status:not", "entered-in-error,cancelled"),
                ("_sort", "-date"),
                ("_count", &most),
            ],
        )?;
        let parse = |r: &Record| serde_json::from_str(&r.text).unwrap_or_default();
        let observations: Vec<Value> = results.records.iter().map(parse).collect();
        Ok(Self {
            problems: reader.by_status(
                "Condition",
                "clinical-status",
                "resolved,inactive,remission",
                "-recorded-date",
            )?,
            allergies: reader.by_status(
                "AllergyIntolerance",
                "clinical-status",
                "resolved,inactive",
                "-date",
            )?,
            medicines: reader.medicines()?,
            pressures: pressures(&observations),
            tests: group(&observations),
            tests_cut: results.next.is_some(),
            upcoming: reader.upcoming(&today)?,
            visits: reader.past_only(
                "Encounter",
                &[("status:not", "planned,cancelled,entered-in-error")],
                reader.past,
            )?,
            immunizations: reader.past_only(
                "Immunization",
                &[("status:not", "entered-in-error,not-done")],
                if all { ALL } else { "1" },
            )?,
            patient: parse(patient),
            today,
            name,
            all,
        })
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let rows = |rows: &[Row]| rows.iter().map(Row::object).collect::<Vec<_>>();
        let list = |list: &List| json!({ "active": rows(&list.active), "past": rows(&list.past), "more_past": list.more });
        let newest = self.immunizations.past.len();
        json!({
            "name": self.name,
            "patient": self.patient,
            "problems": list(&self.problems),
            "allergies": list(&self.allergies),
            "medicines": list(&self.medicines),
            "blood_pressure": self.pressures.iter().map(Pressure::object).collect::<Vec<_>>(),
            "results": self.tests.iter().map(Test::object).collect::<Vec<_>>(),
            "visits": { "upcoming": rows(&self.upcoming.active), "recent": rows(&self.visits.past), "more_past": self.visits.more },
            "immunizations": {
                "count": u64::try_from(newest).unwrap_or(0) + self.immunizations.more,
                "newest": rows(&self.immunizations.past),
            },
        })
    }
}

impl Row {
    fn object(&self) -> Value {
        let mut object = object(&self.name, &self.summary);
        if let Some(with) = &self.with {
            object["with"] = with.as_str().into();
        }
        object
    }
}

struct Reader<'a> {
    guard: &'a Guard,
    patient: &'a str,
    past: &'static str,
}

impl Reader<'_> {
    fn page(&self, kind: &str, parameters: &[(&str, &str)]) -> Result<Page, Failure> {
        let mut all = vec![("patient", self.patient)];
        all.extend(parameters);
        Ok(self.guard.search(&query(kind, &all)?)?)
    }

    fn rows(&self, page: &Page) -> Result<Vec<Row>, Failure> {
        let words = Medicines::of(self.guard, page.records.iter())?;
        let row = |record: &Record| {
            let resource: Value = serde_json::from_str(&record.text).unwrap_or_default();
            Row {
                name: record.name.reference.to_string(),
                summary: words.row_of(&resource),
                with: with(&resource),
            }
        };
        Ok(page.records.iter().map(row).collect())
    }

    /// What is over, in a short page, and how much more of it there is.
    fn past(&self, kind: &str, parameters: &[(&str, &str)], count: &str) -> Result<List, Failure> {
        let mut parameters = parameters.to_vec();
        parameters.extend([("_count", count), ("_total", "accurate")]);
        let page = self.page(kind, &parameters)?;
        let past = self.rows(&page)?;
        let shown = u64::try_from(past.len()).unwrap_or(u64::MAX);
        Ok(List {
            more: page.total.unwrap_or(shown).saturating_sub(shown),
            past,
            ..List::default()
        })
    }

    fn past_only(&self, kind: &str, only: &[(&str, &str)], count: &str) -> Result<List, Failure> {
        let mut parameters = only.to_vec();
        parameters.push(("_sort", "-date"));
        self.past(kind, &parameters, count)
    }

    /// Active is whatever is not known to be over: a record without a status is not to be overlooked.
    fn by_status(&self, kind: &str, status: &str, over: &str, sort: &str) -> Result<List, Failure> {
        let is_right = ("verification-status:not", "entered-in-error,refuted");
        let is_active = format!("{status}:not");
        let active = [
            (is_active.as_str(), over),
            is_right,
            ("_sort", sort),
            ("_count", ACTIVE),
        ];
        let active = self.page(kind, &active)?;
        let past = [(status, over), is_right, ("_sort", sort)];
        Ok(List {
            active: self.rows(&active)?,
            cut: active.next.is_some(),
            ..self.past(kind, &past, self.past)?
        })
    }

    /// What was prescribed, and what the patient says to take.
    fn medicines(&self) -> Result<List, Failure> {
        let mut all = List::default();
        for (kind, sort) in [
            ("MedicationRequest", "-authoredon"),
            ("MedicationStatement", "-effective"),
        ] {
            let over = "stopped,completed,cancelled,not-taken";
            let active = self.page(
                kind,
                &[
                    ("status:not", &format!("{over},entered-in-error")),
                    ("_sort", sort),
                    ("_count", ACTIVE),
                ],
            )?;
            let past = [("status", over), ("_sort", sort)];
            let past = self.past(kind, &past, self.past)?;
            all.active.extend(self.rows(&active)?);
            all.cut |= active.next.is_some();
            all.past.extend(past.past);
            all.more += past.more;
        }
        Ok(all)
    }

    fn upcoming(&self, today: &str) -> Result<List, Failure> {
        let mut all = List::default();
        let from_today = format!("ge{today}");
        for (kind, only) in [
            (
                "Appointment",
                ("status:not", "cancelled,noshow,fulfilled,entered-in-error"),
            ),
            ("Encounter", ("status", "planned")),
        ] {
            let when = [
                ("date", from_today.as_str()),
                only,
                ("_sort", "date"),
                ("_count", "20"),
            ];
            let page = self.page(kind, &when)?;
            all.cut |= page.next.is_some();
            all.active.extend(self.rows(&page)?);
        }
        all.active
            .sort_by(|a, b| a.summary.when.cmp(&b.summary.when));
        Ok(all)
    }
}

/// Who a visit is or was with: the first person named who is not the patient.
fn with(resource: &Value) -> Option<String> {
    let participants = resource.get("participant")?.as_array()?;
    participants.iter().find_map(|participant| {
        let person = participant
            .get("individual")
            .or_else(|| participant.get("actor"))?;
        let reference = person["reference"].as_str().unwrap_or_default();
        if reference.starts_with("Patient/") {
            return None;
        }
        pocketchart_core::fhir::summary::clean(person["display"].as_str()?)
    })
}
