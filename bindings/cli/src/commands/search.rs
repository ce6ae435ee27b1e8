//! `search`: a FHIR search string as rows, names, stored bytes or a plan.

use super::{table, with_session};
use crate::args::{Global, Search};
use crate::failure::Failure;
use crate::output::{count, grouped, line, result};
use pocketchart_core::access::{AccessError, Page, Record, StoreError};
use pocketchart_core::fhir::search::{MAX_COUNT, Query};
use pocketchart_core::fhir::summary::{RecordSummary, day};
use pocketchart_core::session::Session;
use pocketchart_core::session::rows::Medicines;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// From this width on a row has place for its name.
const WIDE: u16 = 120;

pub(crate) fn run(global: &Global, search: &Search) -> Result<ExitCode, Failure> {
    let mut query = Query::parse(&search.query).map_err(|e| Failure::Usage(e.to_string()))?;
    if search.all && !search.query.contains("_count=") {
        query.count = MAX_COUNT;
    }
    with_session(global, |session| match search.explain {
        true => explain(global, session, &query),
        false => pages(global, session, query, search),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn explain(global: &Global, session: &Session, query: &Query) -> Result<(), Failure> {
    let plan = session.guard()?.explain(query).map_err(refused)?;
    result(global, &plan.join("\n"), &json!({ "plan": plan }));
    Ok(())
}

fn pages(
    global: &Global,
    session: &Session,
    mut query: Query,
    search: &Search,
) -> Result<(), Failure> {
    let mut shown = 0_u64;
    loop {
        // A guard per page: a long walk is many short pieces of work.
        let guard = session.guard()?;
        let page = guard.search(&query).map_err(refused)?;
        shown += u64::try_from(page.records.len()).unwrap_or(u64::MAX);
        if search.raw && !global.json {
            raw(page.records.iter().chain(&page.included))?;
        } else if search.ids {
            let all = page.records.iter().chain(&page.included);
            all.for_each(|record| id(global, &record.name.reference.to_string()));
        } else {
            let words = Medicines::of(&guard, page.records.iter().chain(&page.included))?;
            print(global, search, &page, &words);
        }
        match page.next {
            Some(next) if search.all => query = next,
            next => {
                tell(global, search, shown, page.total, next.as_ref());
                return Ok(());
            }
        }
    }
}

fn id(global: &Global, name: &str) {
    result(global, name, &json!({ "name": name }));
}

fn print(global: &Global, search: &Search, page: &Page, words: &Medicines) {
    if global.json {
        let all = page.records.iter().chain(&page.included);
        for (at, record) in all.enumerate() {
            let name = record.name.reference.to_string();
            let mut object = match search.raw {
                true => json!({ "name": name, "text": record.text }),
                false => object(&name, &words.row(record)),
            };
            if at >= page.records.len() {
                object["included"] = true.into();
            }
            line(&object.to_string());
        }
        return;
    }
    if !page.records.is_empty() {
        rows(&page.records, words);
    }
    if !page.included.is_empty() {
        line("\nBrought along by _include and _revinclude:");
        rows(&page.included, words);
    }
}

fn raw<'a>(records: impl Iterator<Item = &'a Record>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for record in records {
        let written = out.write_all(record.text.as_bytes());
        written
            .and_then(|()| out.write_all(b"\n"))
            .map_err(Failure::file("writing", Path::new("standard output")))?;
    }
    out.flush()
        .map_err(Failure::file("writing", Path::new("standard output")))
}

fn rows(records: &[Record], words: &Medicines) {
    let width = table::screen_width();
    let is_wide = width.is_none_or(|w| w >= WIDE);
    let row = |record: &Record| {
        let row = words.row(record);
        let when = row.when.as_deref().map_or("no date", day).to_owned();
        let mut cells = vec![
            when,
            row.what,
            row.value.unwrap_or_default(),
            row.state.unwrap_or_default(),
        ];
        cells.extend(is_wide.then(|| record.name.reference.to_string()));
        cells
    };
    let rows: Vec<_> = records.iter().map(row).collect();
    let header = ["When", "What", "Value", "State", "Name"];
    for text in table::lines(width, Some(&header), &[(0, 26), (3, 20), (4, 64)], &rows) {
        line(&text);
    }
}

/// How many there were, and how to see more. Beside names and bytes it goes to the other stream.
fn tell(global: &Global, search: &Search, shown: u64, total: Option<u64>, next: Option<&Query>) {
    if global.json {
        let next = next.map(ToString::to_string);
        line(&json!({ "shown": shown, "total": total, "next": next }).to_string());
        return;
    }
    if global.quiet {
        return;
    }
    let of = match (shown, total) {
        (0, None | Some(0)) => "Nothing found".to_owned(),
        (_, Some(total)) => format!("{} of {}", grouped(shown), count(total, "record")),
        (_, None) => count(shown, "record"),
    };
    let more = match next {
        Some(_) => "; there are more: --all shows them, _count=N sets how many at a time",
        None if shown > 0 && total.is_none() => "; that is all",
        None => "",
    };
    if search.ids || search.raw {
        eprintln!("pocketchart: {of}{more}");
    } else {
        line(&format!("{of}{more}"));
    }
}

/// A row as an object.
pub(super) fn object(name: &str, row: &RecordSummary) -> Value {
    json!({ "name": name, "what": row.what, "when": row.when, "value": row.value, "state": row.state })
}

/// What is wrong with the search itself is the caller's to mend.
fn refused(error: AccessError) -> Failure {
    match error {
        AccessError::Cursor(_) | AccessError::Store(StoreError::NotIndexed { .. }) => {
            Failure::Usage(error.to_string())
        }
        other => other.into(),
    }
}
