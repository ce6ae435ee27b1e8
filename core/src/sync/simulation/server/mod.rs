//! A FHIR server in memory, with a personality. It keeps every version with who wrote it, so that a run can be judged.

mod content;
mod search;
mod transaction;
mod write;

pub(super) use write::Conditions;

use super::dice::Dice;
use super::personality::{Ids, Personality};
use crate::net::{Method, Request, Target};
use std::collections::BTreeMap;
use std::time::Duration;

/// Whoever writes at the server itself, and is no device of ours.
pub(super) const STRANGER: usize = usize::MAX;

/// The types it has.
pub(super) const KINDS: [&str; 5] = ["Patient", "Condition", "Observation", "Appointment", "Slot"];

/// One version of a record.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: String,
    /// `None`: deleted.
    pub(super) text: Option<String>,
    /// When it was written, by the server's clock, in microseconds.
    pub(super) stamp_us: i64,
    /// Which device wrote it.
    pub(super) by: usize,
    /// It went over a version that its writer named no more and had not seen, since this server does not look: a race
    /// that no client can win.
    pub(super) raced: bool,
}

/// A server.
pub(super) struct Server {
    pub(super) ways: Personality,
    pub(super) url: String,
    /// By `Type/id`.
    pub(super) records: BTreeMap<String, Vec<Version>>,
    /// How many versions of a record each device has been shown.
    seen: BTreeMap<(usize, String), usize>,
    snapshots: BTreeMap<u64, search::Snapshot>,
    made: u64,
    dice: Dice,
}

/// What it answers.
#[derive(Clone, Default)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) version: Option<String>,
    pub(super) modified_us: Option<i64>,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    pub(super) body: String,
    /// What whoever reads it has seen then: names, and how many versions.
    pub(super) shows: Vec<(String, usize)>,
}

/// When a request is worked on, by the server's clock.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) now_ms: i64,
    /// The stamp of what it writes.
    pub(super) stamp_us: i64,
    /// Nobody waits for it any more: its sender has gone on, or it is a second copy.
    pub(super) astray: bool,
}

impl Server {
    pub(super) fn new(url: &str, ways: Personality, dice: Dice) -> Self {
        Self {
            ways,
            url: url.to_owned(),
            records: BTreeMap::new(),
            seen: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            made: 0,
            dice,
        }
    }

    /// The text of a record that is there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.records.get(name)?.last()?.text.as_deref()
    }

    /// It stops and starts: links of pages are forgotten.
    pub(super) fn restart(&mut self) {
        self.snapshots.clear();
    }

    /// `device` has read an answer.
    pub(super) fn note_seen(&mut self, device: usize, shows: &[(String, usize)]) {
        for (name, versions) in shows {
            let seen = self.seen.entry((device, name.clone())).or_default();
            *seen = (*seen).max(*versions);
        }
    }

    fn has_seen_newest(&self, device: usize, name: &str) -> bool {
        let there = self.records.get(name).map_or(0, Vec::len);
        self.seen
            .get(&(device, name.to_owned()))
            .copied()
            .unwrap_or(0)
            >= there
    }

    /// Whether a request changes anything.
    pub(super) fn is_write(request: &Request) -> bool {
        request.method != Method::Get
    }

    /// Does what `device` asks for.
    pub(super) fn handle(&mut self, device: usize, request: &Request, when: When) -> Response {
        let path = match &request.target {
            Target::Base => String::new(),
            Target::Below(path) => path.clone(),
            Target::Link(link) => match link.strip_prefix(&self.url) {
                Some(path) => path.trim_start_matches('/').to_owned(),
                None => return Response::failed(404, "not-found"),
            },
        };
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let body = request.body.as_deref().unwrap_or_default();
        match (request.method, parts.as_slice()) {
            (Method::Get, ["metadata"]) => self.metadata(),
            (Method::Get, ["_history"]) => self.history(None, query),
            (Method::Get, [kind, "_history"]) => self.history(Some(kind), query),
            (Method::Get, [kind, id, "_history"]) => {
                self.history_of_record(&format!("{kind}/{id}"), query)
            }
            (Method::Get, [kind]) => self.search(kind, query, when),
            (Method::Get, [_, _]) => self.read(path),
            (Method::Put, [_, _]) => {
                let conditions = Conditions {
                    if_match: request.if_match.as_deref(),
                    if_absent: request.if_absent,
                };
                let wrote = self.put(device, path, body, conditions, when, &[]);
                self.answered(wrote)
            }
            (Method::Post, []) => self.bundle(device, body, when),
            (Method::Post, [kind]) if !kind.starts_with('$') => {
                let unless = request.if_none_exist.as_deref();
                let wrote = self.create(device, kind, body, unless, when, &[]);
                self.answered(wrote)
            }
            (Method::Delete, [_, _]) => {
                let deleted = self.delete(device, path, request.if_match.as_deref(), when);
                match deleted {
                    Ok(status) => Response {
                        status,
                        shows: self.newest_of(path),
                        ..Response::default()
                    },
                    Err(refused) => Response::failed(refused.status, refused.code),
                }
            }
            _ => Response::failed(404, "not-supported"),
        }
    }

    fn read(&self, name: &str) -> Response {
        let Some(version) = self.records.get(name).and_then(|versions| versions.last()) else {
            return Response::failed(404, "not-found");
        };
        let Some(text) = &version.text else {
            let failed = Response::failed(self.ways.gone, "deleted");
            let shows = self.newest_of(name);
            return Response { shows, ..failed };
        };
        Response {
            status: 200,
            version: self.etag_of(version),
            modified_us: Some(version.stamp_us),
            body: text.clone(),
            shows: self.newest_of(name),
            ..Response::default()
        }
    }

    fn newest_of(&self, name: &str) -> Vec<(String, usize)> {
        let versions = self.records.get(name).map_or(0, Vec::len);
        vec![(name.to_owned(), versions)]
    }

    fn etag_of(&self, version: &Version) -> Option<String> {
        (self.ways.etags != super::personality::Etags::Missing).then(|| version.id.clone())
    }

    fn metadata(&self) -> Response {
        let versioning = match self.ways.last_writer_wins {
            true => "versioned",
            false => "versioned-update",
        };
        let takes_ids = self.ways.ids != Ids::Own;
        let history = match self.ways.history {
            super::personality::History::None => "",
            _ => r#",{"code":"history-type"}"#,
        };
        let of_record = match self.ways.record_history {
            200 => r#",{"code":"history-instance"}"#,
            _ => "",
        };
        let whole = match history.is_empty() || !self.ways.whole_history {
            true => "",
            false => r#",{"code":"history-system"}"#,
        };
        let resources = KINDS.map(|kind| {
            format!(
                r#"{{"type":"{kind}","versioning":"{versioning}","updateCreate":{takes_ids},"conditionalCreate":true,"interaction":[{{"code":"read"}},{{"code":"search-type"}},{{"code":"update"}},{{"code":"create"}},{{"code":"delete"}}{history}{of_record}],"searchParam":[{{"name":"identifier","type":"token"}}]}}"#
            )
        });
        let body = format!(
            r#"{{"resourceType":"CapabilityStatement","status":"active","kind":"instance","fhirVersion":"4.0.1","format":["json"],"rest":[{{"mode":"server","resource":[{}],"interaction":[{{"code":"transaction"}},{{"code":"batch"}}{whole}]}}]}}"#,
            resources.join(",")
        );
        Response {
            status: 200,
            body,
            ..Response::default()
        }
    }
}

impl Response {
    /// An OperationOutcome.
    pub(super) fn failed(status: u16, code: &str) -> Self {
        Self {
            status,
            body: outcome(code),
            ..Self::default()
        }
    }
}

fn outcome(code: &str) -> String {
    format!(
        r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"{code}"}}]}}"#
    )
}
