//! The chart as lines: what a tired person looks for first stands first, one thing a row.

use super::super::table;
use super::chart::{Chart, List, Row};
use super::results::{Group, Test, spark_line};
use crate::output::{count, grouped};
use pocketchart_core::fhir::summary::{clean, day, minute, person_name};
use serde_json::Value;
use std::collections::HashSet;

/// Laboratory results shown when not everything is asked for.
const SHOWN: usize = 20;
/// The same of other results: questionnaires and such.
const SHOWN_OTHERS: usize = 6;
/// Characters of a questionnaire's answers in a chart; medicines and measurements are never cut.
const ANSWER_CHARS: usize = 90;
/// Day, value, range and trend of a test stay in one line.
const TEST_COLUMNS: [(usize, usize); 4] = [(0, 26), (2, 24), (3, 24), (4, 18)];
const INDENT: &str = "  ";

pub(super) fn lines(chart: &Chart, width: Option<u16>) -> Vec<String> {
    let mut page = Page {
        lines: Vec::new(),
        width: width.map(|w| w.saturating_sub(2)),
    };
    header(&mut page, chart);
    list(&mut page, chart, "Problems", &chart.problems, true);
    list(&mut page, chart, "Allergies", &chart.allergies, false);
    list(&mut page, chart, "Medicines", &chart.medicines, true);
    vitals(&mut page, chart);
    results(&mut page, chart, "Laboratory", Group::Laboratory);
    results(&mut page, chart, "Other results", Group::Other);
    visits(&mut page, chart);
    immunizations(&mut page, chart);
    page.lines
}

struct Page {
    lines: Vec<String>,
    width: Option<u16>,
}

impl Page {
    fn title(&mut self, title: &str, note: &str) {
        self.lines.push(String::new());
        self.lines.push(format!("{}{note}", title.to_uppercase()));
    }

    fn line(&mut self, text: &str) {
        self.lines.push(format!("{INDENT}{text}"));
    }

    /// With the day in the first column.
    fn dated(&mut self, rows: &[Vec<String>]) {
        self.table(&[(0, 26)], rows);
    }

    fn table(&mut self, narrow: &[(usize, usize)], rows: &[Vec<String>]) {
        for text in table::lines(self.width, None, narrow, rows) {
            self.line(&text);
        }
    }
}

fn header(page: &mut Page, chart: &Chart) {
    let patient = &chart.patient;
    let text = |name: &str| patient.get(name).and_then(Value::as_str).and_then(clean);
    let name = patient.get("name").and_then(person_name);
    page.lines
        .push(name.unwrap_or_else(|| "Name not recorded".into()));
    let mut parts = Vec::new();
    let died = text("deceasedDateTime");
    let until = died.as_deref().map_or(chart.today.as_str(), day);
    parts.push(match text("birthDate") {
        None => "birth date not recorded".into(),
        Some(born) => match age(&born, until) {
            Some(age) => format!("born {born} ({age})"),
            None => format!("born {born}"),
        },
    });
    parts.push(text("gender").unwrap_or_else(|| "gender not recorded".into()));
    match (&died, patient.get("deceasedBoolean")) {
        (Some(died), _) => parts.push(format!("DIED {}", day(died))),
        (None, Some(Value::Bool(true))) => parts.push("DECEASED".into()),
        _ => {}
    }
    if patient.get("active") == Some(&Value::Bool(false)) {
        parts.push("record not in use".into());
    }
    page.lines.push(parts.join(", "));
    let mut reach = telecom(patient);
    reach.extend(city(patient));
    if !reach.is_empty() {
        page.lines.push(reach.join(", "));
    }
    let mut numbers = identifiers(patient, &chart.name);
    numbers.push(format!("id {}", chart.name.trim_start_matches("Patient/")));
    page.lines.push(numbers.join(", "));
}

/// "42 years", "7 months"; `None` when it cannot be told.
fn age(born: &str, until: &str) -> Option<String> {
    let number = |text: &str, at| text.split('-').nth(at)?.parse::<i32>().ok();
    let (from, to) = (number(born, 0)?, number(until, 0)?);
    let months = |text| Some(number(text, 0)? * 12 + number(text, 1)?);
    let (Some(first), Some(last)) = (months(born), months(until)) else {
        return (to >= from).then(|| format!("about {} years", to - from));
    };
    let is_before_the_day = number(born, 2) > number(until, 2);
    let whole = last - first - i32::from(is_before_the_day);
    match whole {
        ..0 => None,
        0 => Some("under 1 month".into()),
        1 => Some("1 month".into()),
        2..24 => Some(format!("{whole} months")),
        _ => Some(format!("{} years", whole / 12)),
    }
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn telecom(patient: &Value) -> Vec<String> {
    let current = array(patient, "telecom")
        .iter()
        .filter(|t| t["use"] != "old");
    let one = |system: &str| {
        let mut of = current.clone().filter(|t| t["system"] == system);
        of.find_map(|t| clean(t["value"].as_str()?))
    };
    let phone = one("phone")
        .or_else(|| one("sms"))
        .map(|p| format!("phone {p}"));
    phone.into_iter().chain(one("email")).collect()
}

fn city(patient: &Value) -> Option<String> {
    let is_current = |a: &&Value| a["use"] != "old";
    let address = array(patient, "address").iter().find(is_current)?;
    let part = |name: &str| address[name].as_str().and_then(clean);
    let parts = [part("city"), part("state"), part("country")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let whole = (!parts.is_empty()).then(|| parts.join(" "));
    whole.or_else(|| part("text"))
}

/// Numbers a clinic knows the patient by; no passport, licence or social security numbers, and not the id again.
fn identifiers(patient: &Value, name: &str) -> Vec<String> {
    let id = name.trim_start_matches("Patient/");
    let private = ["SS", "DL", "PPN", "SB", "CZ", "TAX", "NNUSA"];
    let one = |identifier: &Value| {
        let value = identifier["value"].as_str().and_then(clean)?;
        let code = identifier["type"]["coding"][0]["code"].as_str();
        let code = code.unwrap_or("number");
        let is_shown = value != id && !private.contains(&code);
        is_shown.then(|| format!("{code} {value}"))
    };
    array(patient, "identifier")
        .iter()
        .filter_map(one)
        .take(2)
        .collect()
}

fn since(row: &Row) -> String {
    row.summary
        .when
        .as_deref()
        .map_or("no date", day)
        .to_owned()
}

/// The value; and the state where it is not simply "active".
fn remark(row: &Row) -> String {
    let state = row.summary.state.as_deref().unwrap_or("state not recorded");
    match (&row.summary.value, state) {
        (Some(value), "active") => value.clone(),
        (None, "active") => String::new(),
        (Some(value), state) => format!("{value} [{state}]"),
        (None, state) => format!("[{state}]"),
    }
}

/// A name without what terminologies add for their own sorting: SNOMED CT's kind of concept ("(disorder)"), and of a
/// LOINC name the kind of quantity ("[Mass/volume]"), which the unit tells.
fn readable(name: &str) -> String {
    const KINDS: [&str; 15] = [
        " (organism)",
        " (person)",
        " (body structure)",
        " (disorder)",
        " (finding)",
        " (situation)",
        " (procedure)",
        " (regime/therapy)",
        " (qualifier value)",
        " (substance)",
        " (physical object)",
        " (morphologic abnormality)",
        " (observable entity)",
        " (clinical drug)",
        " (event)",
    ];
    const QUANTITIES: [&str; 11] = [
        " [Mass/volume]",
        " [Moles/volume]",
        " [#/volume]",
        " [Volume Rate/Area]",
        " [Entitic volume]",
        " [Entitic mass]",
        " [Mass Ratio]",
        " [Volume Fraction]",
        " [Ratio]",
        " [Score]",
        " [Reported]",
    ];
    let mut name = name.to_owned();
    for kind in KINDS.iter().chain(&QUANTITIES) {
        name = name.replace(kind, "");
    }
    name
}

fn list(page: &mut Page, chart: &Chart, title: &str, list: &List, is_dated: bool) {
    if list.active.is_empty() && list.past.is_empty() {
        page.title(title, "");
        page.line("none recorded");
        return;
    }
    let cells = |row: &Row| {
        let remark = readable(&remark(row));
        vec![since(row), readable(&row.summary.what), remark]
    };
    let active: Vec<_> = list.active.iter().map(cells).collect();
    let past: Vec<_> = list.past.iter().map(cells).collect();
    let (active, past) = match chart.all {
        true => (active, past),
        false => without_repeats(active, past),
    };
    let n = u64::try_from(active.len()).unwrap_or(u64::MAX);
    let note = format!(" ({} active)", grouped(n));
    page.title(title, if n > 0 { &note } else { "" });
    let table = |page: &mut Page, mut rows: Cells| {
        if !is_dated {
            // An empty column is left out.
            rows.iter_mut()
                .flat_map(|row| row.first_mut())
                .for_each(String::clear);
        }
        page.dated(&rows);
    };
    if active.is_empty() {
        page.line("none active");
    }
    table(page, active);
    if list.cut {
        page.line("and more; `pocketchart search` shows them");
    }
    if !past.is_empty() {
        page.line("past:");
        table(page, past);
    }
    if list.more > 0 {
        page.line(&format!("and {} more past (--all)", grouped(list.more)));
    }
}

type Cells = Vec<Vec<String>>;

/// The same problem or medicine is often noted at every visit: the newest note stands for all that say the same, and
/// what is active is not told again as past.
fn without_repeats(active: Cells, past: Cells) -> (Cells, Cells) {
    let mut seen = HashSet::new();
    let mut names = HashSet::new();
    let mut kept = active;
    kept.retain(|row| {
        names.insert(row.get(1).cloned());
        seen.insert(row.iter().skip(1).cloned().collect::<Vec<_>>())
    });
    let mut over = past;
    over.retain(|row| names.insert(row.get(1).cloned()));
    (kept, over)
}

fn vitals(page: &mut Page, chart: &Chart) {
    let has_vitals = chart.tests.iter().any(|test| test.group == Group::Vital);
    if chart.pressures.is_empty() && !has_vitals {
        page.title("Vital signs", "");
        page.line("none recorded");
        return;
    }
    page.title("Vital signs", "");
    let mut rows = Vec::new();
    if let Some(newest) = chart.pressures.first() {
        let side = |pick: fn(&super::results::Pressure) -> f64| {
            let numbers: Vec<f64> = chart.pressures.iter().rev().map(pick).collect();
            spark_line(&numbers)
        };
        let upper = side(|p| p.value.systolic);
        let trend = match upper.is_empty() {
            true => upper,
            false => format!("{upper} upper\n{} lower", side(|p| p.value.diastolic)),
        };
        rows.push(vec![
            newest.when.as_deref().map_or("no date", day).to_owned(),
            "Blood pressure".into(),
            newest.words.clone(),
            String::new(),
            trend,
        ]);
    }
    let tests = chart.tests.iter().filter(|test| test.group == Group::Vital);
    rows.extend(tests.map(test_row));
    page.table(&TEST_COLUMNS, &rows);
}

fn test_row(test: &Test) -> Vec<String> {
    let mut value = readable(&test.flagged());
    if test.group == Group::Other && value.chars().count() > ANSWER_CHARS {
        value = value.chars().take(ANSWER_CHARS).collect::<String>() + "…";
    }
    vec![
        test.when.as_deref().map_or("no date", day).to_owned(),
        readable(&test.what),
        value,
        test.range
            .clone()
            .map(|r| format!("range {r}"))
            .unwrap_or_default(),
        spark_line(&test.trend),
    ]
}

fn results(page: &mut Page, chart: &Chart, title: &str, group: Group) {
    let tests: Vec<_> = chart
        .tests
        .iter()
        .filter(|test| test.group == group)
        .collect();
    if tests.is_empty() {
        if group == Group::Laboratory {
            page.title(title, "");
            page.line("none recorded");
        }
        return;
    }
    page.title(title, "");
    let most = match group {
        _ if chart.all => tests.len(),
        Group::Other => SHOWN_OTHERS,
        _ => SHOWN,
    };
    let rows: Vec<_> = tests.iter().take(most).map(|test| test_row(test)).collect();
    page.table(&TEST_COLUMNS, &rows);
    if tests.len() > most {
        let more = u64::try_from(tests.len() - most).unwrap_or(u64::MAX);
        page.line(&format!(
            "and {} (--all)",
            count(more, "older or other test")
        ));
    }
    if chart.tests_cut {
        page.line("only the newest 1,000 results were looked at");
    }
}

fn visits(page: &mut Page, chart: &Chart) {
    page.title("Visits", "");
    let cells = |row: &Row, when: String| {
        let state = row.summary.state.as_deref().filter(|s| *s != "finished");
        let mut what = readable(&row.summary.what);
        let why = row.summary.value.as_deref().map(readable);
        if let Some(why) = why.filter(|why| *why != what) {
            what = format!("{what}: {why}");
        }
        vec![
            when,
            what,
            row.with.clone().unwrap_or_default(),
            state.map(|s| format!("[{s}]")).unwrap_or_default(),
        ]
    };
    let upcoming = chart.upcoming.active.iter().map(|row| {
        let when = row.summary.when.as_deref().map_or("no date".into(), minute);
        cells(row, when)
    });
    let upcoming: Vec<_> = upcoming.collect();
    if upcoming.is_empty() {
        page.line("none upcoming");
    } else {
        page.line("upcoming:");
        page.table(&[(0, 26), (3, 20)], &upcoming);
        page.line("recent:");
    }
    let recent: Vec<_> = chart
        .visits
        .past
        .iter()
        .map(|row| cells(row, since(row)))
        .collect();
    if recent.is_empty() {
        page.line("none recorded");
    }
    page.table(&[(0, 26), (3, 20)], &recent);
    if chart.visits.more > 0 {
        page.line(&format!(
            "and {} (--all)",
            count(chart.visits.more, "earlier visit")
        ));
    }
}

fn immunizations(page: &mut Page, chart: &Chart) {
    page.title("Immunizations", "");
    let list = &chart.immunizations;
    let rows: Vec<_> = list
        .past
        .iter()
        .map(|row| vec![since(row), readable(&row.summary.what)])
        .collect();
    if rows.is_empty() {
        page.line("none recorded");
    }
    page.dated(&rows);
    if list.more > 0 {
        page.line(&format!("and {} (--all)", count(list.more, "earlier one")));
    }
}
