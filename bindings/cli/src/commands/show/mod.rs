//! `show`: one patient's chart to read, or the patients to choose from.

mod chart;
mod print;
mod results;

use super::search::object;
use super::{table, with_session};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::line;
use chart::Chart;
use pocketchart_core::access::{Guard, Record};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::summary::RecordSummary;
use pocketchart_core::fhir::{Reference, ResourceId, ResourceType};
use std::process::ExitCode;

/// Patients in a list.
const LISTED: usize = 50;

pub(crate) fn run(global: &Global, patient: Option<&str>, all: bool) -> Result<ExitCode, Failure> {
    with_session(global, |session| {
        let guard = session.guard()?;
        let found = match patient {
            Some(asked) => find(&guard, asked)?,
            None => candidates(&guard, &[])?,
        };
        match (&found.records[..], patient) {
            ([one], _) => {
                let chart = Chart::read(&guard, one, all)?;
                if global.json {
                    line(&chart.object().to_string());
                } else {
                    print::lines(&chart, table::screen_width())
                        .iter()
                        .for_each(|l| line(l));
                }
            }
            ([], Some(_)) => {
                // What was asked for is a name: it does not belong into an error.
                return Err(Failure::NotFound {
                    name: "a patient with this id or name".into(),
                });
            }
            ([], None) => list(global, &found, "No patients in this vault yet"),
            (_, None) => list(global, &found, "`pocketchart show ID` shows one"),
            (_, Some(_)) => {
                list(global, &found, "`pocketchart show ID` shows one");
                let several = "several patients are called so: say which one by its id";
                return Err(Failure::Usage(several.into()));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

struct Found {
    records: Vec<Record>,
    has_more: bool,
}

/// By id, else by the beginnings of names.
fn find(guard: &Guard, asked: &str) -> Result<Found, Failure> {
    let id = asked.strip_prefix("Patient/").unwrap_or(asked);
    if let (Ok(id), Some(kind)) = (ResourceId::new(id), ResourceType::named("Patient"))
        && let Some(record) = guard.get(&Reference { kind, id })?
    {
        return Ok(Found {
            records: vec![record],
            has_more: false,
        });
    }
    let words: Vec<String> = asked.split_whitespace().map(escaped).collect();
    if words.is_empty() {
        return Err(Failure::Usage("expected an id or a name".into()));
    }
    candidates(guard, &words)
}

fn candidates(guard: &Guard, names: &[String]) -> Result<Found, Failure> {
    let mut parameters = vec![("_sort", "family,given"), ("_count", "50")];
    parameters.extend(names.iter().map(|name| ("name", name.as_str())));
    let mut query = query("Patient", &parameters)?;
    query.count = LISTED;
    let page = guard.search(&query)?;
    Ok(Found {
        records: page.records,
        has_more: page.next.is_some(),
    })
}

/// A search of a chart. Its parameters are ours, but for names and ids.
fn query(kind: &str, parameters: &[(&str, &str)]) -> Result<Query, Failure> {
    let usage = |why: String| Failure::Usage(why);
    let kind = ResourceType::named(kind).ok_or_else(|| usage("expected a FHIR type".into()))?;
    let parameters = parameters.iter().copied();
    Query::from_parameters(kind, parameters).map_err(|e| usage(e.to_string()))
}

/// R4 search, "Escaping Search Parameters".
fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        if matches!(c, ',' | '|' | '$' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn list(global: &Global, found: &Found, hint: &str) {
    let records = found.records.iter();
    let rows: Vec<_> = records
        .map(|record| (record, RecordSummary::of_text(&record.text)))
        .collect();
    if global.json {
        for (record, row) in &rows {
            line(&object(&record.name.reference.to_string(), row).to_string());
        }
        return;
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = |(record, row): &(&Record, RecordSummary)| {
        vec![
            row.what.clone(),
            text(&row.when),
            [&row.value, &row.state]
                .map(text)
                .join(" ")
                .trim()
                .to_owned(),
            record.name.reference.id.to_string(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    let header = ["Name", "Born", "Gender", "Id"];
    if !rows.is_empty() {
        for text in table::lines(
            table::screen_width(),
            Some(&header),
            &[(1, 26), (2, 20), (3, 36)],
            &rows,
        ) {
            line(&text);
        }
    }
    let more = "; there are more: `pocketchart search 'Patient?name=...'` narrows it down";
    line(&format!("{hint}{}", if found.has_more { more } else { "" }));
}
