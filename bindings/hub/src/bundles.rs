//! Bundles of requests: transactions, all of it or nothing, and batches, each entry by itself.

mod entry;

use crate::answer::{Answer, Problem, json};
use crate::ask::Ask;
use crate::headers::{Return, returned};
use crate::read::{gone, unknown};
use crate::search;
use crate::write::utf8;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use entry::request_of;
use pocketchart_core::access::{Act, Asked, Done, Fetched, Write};
use pocketchart_core::fhir::bundle::{Answered, Bundle, Writer, etag_version};
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, Reference, json as text, outcome};

/// One entry's request.
struct Request<'a> {
    write: Write<'a>,
    read: Reading,
}

/// What the answer to a read needs.
#[derive(Default)]
struct Reading {
    /// ETag that the client has already.
    known: Option<String>,
    query: Option<Query>,
}

pub(crate) fn run(ask: &Ask, body: &[u8]) -> Answer {
    let body = utf8(body)?;
    let Some(bundle) = Bundle::parse(body) else {
        return Err(no_bundle(body));
    };
    if bundle.entry.len() > ask.max_entries {
        let text = format!("a Bundle has at most {} entries", ask.max_entries);
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text);
        return Err(problem.at("Bundle.entry"));
    }
    match bundle.kind.as_ref() {
        "transaction" => transaction(ask, &bundle),
        "batch" => Ok(batch(ask, &bundle)),
        _ => {
            let text = "only Bundles of type transaction or batch are taken";
            Err(Problem::bad("not-supported", text).at("Bundle.type"))
        }
    }
}

fn no_bundle(body: &str) -> Problem {
    let text = match text::members(body) {
        Err(e) => format!(
            "the body is not a JSON object (line {}, column {})",
            e.line(),
            e.column()
        ),
        Ok(_) => "the body is not a FHIR Bundle, or its elements are of other types".into(),
    };
    Problem::bad("structure", text)
}

fn transaction(ask: &Ask, bundle: &Bundle<'_>) -> Answer {
    let place = |at: usize| format!("Bundle.entry[{at}]");
    let mut writes = Vec::with_capacity(bundle.entry.len());
    let mut reads = Vec::with_capacity(bundle.entry.len());
    for (at, entry) in bundle.entry.iter().enumerate() {
        let Request { write, read } = request_of(ask, entry)
            .map_err(|(problem, inner)| problem.at(format!("{}.{inner}", place(at))))?;
        writes.push(write);
        reads.push(read);
    }
    let done = ask
        .guard
        .commit(&writes)
        .map_err(|(at, error)| Problem::from(error).within(&place(at)))?;
    let mut answer = Writer::new("transaction-response", &[]);
    for (done, read) in done.into_iter().zip(&reads) {
        write_done(ask, &mut answer, done, read);
    }
    Ok(json(StatusCode::OK, answer.finish()))
}

fn batch(ask: &Ask, bundle: &Bundle<'_>) -> Response<Body> {
    let mut answer = Writer::new("batch-response", &[]);
    for (at, entry) in bundle.entry.iter().enumerate() {
        let place = format!("Bundle.entry[{at}]");
        let done = request_of(ask, entry)
            .map_err(|(problem, inner)| problem.at(format!("{place}.{inner}")))
            .and_then(|Request { write, read }| {
                let done = by_itself(ask, write).map_err(|problem| problem.within(&place))?;
                Ok((done, read))
            });
        match done {
            Ok((done, read)) => write_done(ask, &mut answer, done, &read),
            Err(problem) => answer.answered(&Answered {
                status: &status_line(problem.status),
                outcome: Some(&problem.outcome()),
                ..Answered::default()
            }),
        }
    }
    json(StatusCode::OK, answer.finish())
}

/// One entry of a batch. Reads do not wait for the writer.
fn by_itself(ask: &Ask, write: Write<'_>) -> Result<Done, Problem> {
    let Act::Read(asked) = &write.act else {
        return Ok(ask.guard.commit_one(write)?);
    };
    Ok(match asked {
        Asked::Record(name) => match ask.guard.fetch(name)? {
            Fetched::Found(record) => Done::Record(Box::new(record)),
            Fetched::Gone => return Err(gone(name)),
            Fetched::Unknown => return Err(unknown(name)),
        },
        Asked::Version(name, number) => match ask.guard.version(name, *number)? {
            Some(version) if version.text.is_some() => Done::Version(Box::new(version)),
            Some(_) => return Err(gone(name)),
            None => return Err(unknown(name)),
        },
        Asked::Search(query) => Done::Page(Box::new(ask.guard.search(query)?)),
    })
}

fn write_done(ask: &Ask, answer: &mut Writer, done: Done, read: &Reading) {
    let wanted = returned(&ask.headers);
    match done {
        Done::Written(committed) => {
            let status = match (&committed.text, committed.created) {
                (None, _) => "204 No Content",
                (Some(_), true) => "201 Created",
                (Some(_), false) => "200 OK",
            };
            let text = committed.text.as_deref();
            let version = committed.version.to_string();
            let stored = (&committed.name, version.as_str(), committed.at);
            write_stored(answer, status, stored, text, wanted);
        }
        Done::Present(record) => {
            let version = record.version.as_deref().unwrap_or_default();
            let stored = (&record.name.reference, version, record.updated);
            write_stored(answer, "200 OK", stored, Some(&record.text), wanted);
        }
        Done::Nothing => answer.answered(&Answered {
            status: "204 No Content",
            ..Answered::default()
        }),
        Done::Record(record) => {
            let version = record.version.as_deref().unwrap_or_default();
            let is_known = |etag: &str| etag_version(etag) == version;
            let known = read.known.as_deref().is_some_and(is_known);
            answer.answered(&Answered {
                status: if known { "304 Not Modified" } else { "200 OK" },
                version: Some(version),
                at: Some(record.updated),
                resource: Some(record.text.as_str()).filter(|_| !known),
                ..Answered::default()
            });
        }
        Done::Version(version) => answer.answered(&Answered {
            status: "200 OK",
            version: Some(&version.number.to_string()),
            at: Some(version.at),
            resource: version.text.as_deref(),
            ..Answered::default()
        }),
        Done::Page(page) => {
            let page = read
                .query
                .as_ref()
                .map(|query| search::written(&ask.base, query, &page, &[]));
            answer.answered(&Answered {
                status: "200 OK",
                resource: page.as_deref(),
                ..Answered::default()
            });
        }
    }
}

fn write_stored(
    answer: &mut Writer,
    status: &str,
    (name, version, at): (&Reference, &str, Instant),
    text: Option<&str>,
    wanted: Option<Return>,
) {
    let location = format!("{name}/_history/{version}");
    let said = outcome::information("stored");
    answer.answered(&Answered {
        status,
        location: text.map(|_| location.as_str()),
        version: Some(version),
        at: Some(at),
        resource: text.filter(|_| wanted == Some(Return::Representation)),
        outcome: Some(said.as_str()).filter(|_| wanted == Some(Return::Outcome)),
    });
}

fn status_line(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", status.as_u16())
}
