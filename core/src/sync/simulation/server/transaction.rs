//! Transactions and batches.

use super::write::{Conditions, Refused, Wrote};
use super::{Response, Server, When, content, outcome};
use crate::fhir::Instant;
use crate::fhir::bundle::etag_version;
use crate::sync::simulation::personality::{Etags, StaleInTransaction};
use serde_json::{Value, json};

/// What became of an entry: a write, or the status of a DELETE.
enum Entry {
    Wrote(Wrote),
    Deleted(u16),
    Read(String),
}

impl Server {
    pub(super) fn bundle(&mut self, by: usize, body: &str, when: When) -> Response {
        let Ok(bundle) = serde_json::from_str::<Value>(body) else {
            return Response::failed(400, "invalid");
        };
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        if self
            .ways
            .most_entries
            .is_some_and(|most| entries.len() > most)
        {
            return Response::failed(400, "too-costly");
        }
        match bundle["type"].as_str() {
            Some("transaction") => self.transaction(by, &entries, when, true),
            Some("batch") => self.transaction(by, &entries, when, self.ways.batch_is_whole),
            _ => Response::failed(400, "invalid"),
        }
    }

    fn transaction(&mut self, by: usize, entries: &[Value], when: When, whole: bool) -> Response {
        let before = self.records.clone();
        let mut entries = entries.to_vec();
        let (names, given) = self.names_of(&mut entries);
        // R4: deletes, then creates, then updates.
        let rank = |entry: &Value| match entry["request"]["method"].as_str() {
            Some("DELETE") => 0,
            Some("POST") => 1,
            _ => 2,
        };
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|at| rank(&entries[*at]));
        let mut done: Vec<Option<Result<Entry, Refused>>> = Vec::new();
        done.resize_with(entries.len(), || None);
        for at in order {
            let became = self.entry(by, &entries[at], given[at].as_deref(), when, &names);
            if let Err(refused) = &became
                && whole
            {
                let response = match (refused.status, self.ways.stale_in_transaction) {
                    (409 | 412, StaleInTransaction::Whole409) => Response::failed(409, "conflict"),
                    (409 | 412, StaleInTransaction::Whole400) => {
                        Response::failed(400, "processing")
                    }
                    (409 | 412, StaleInTransaction::NotRolledBack) => {
                        return Response::failed(412, "conflict");
                    }
                    (status, _) => Response::failed(status, refused.code),
                };
                self.records = before;
                return response;
            }
            done[at] = Some(became);
        }
        self.bundle_answer(done.into_iter().flatten().collect(), whole)
    }

    /// Gives ids to what is created, and puts them where other entries refer to it.
    fn names_of(&mut self, entries: &mut [Value]) -> (Vec<String>, Vec<Option<String>>) {
        let (mut renamed, mut names, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries.iter() {
            let method = entry["request"]["method"].as_str().unwrap_or_default();
            let url = entry["request"]["url"].as_str().unwrap_or_default();
            let mut id = None;
            if method == "PUT" {
                names.push(url.to_owned());
            } else if method == "POST" {
                let unless = entry["request"]["ifNoneExist"].as_str();
                let found = unless.and_then(|query| self.find(url, query).ok());
                let name = match found.as_deref() {
                    Some([name]) => name.clone(),
                    _ => format!("{url}/{}", self.new_id()),
                };
                if let Some(full) = entry["fullUrl"].as_str() {
                    renamed.push((full.to_owned(), name.clone()));
                }
                names.push(name.clone());
                id = Some(name);
            }
            given.push(id);
        }
        for entry in entries {
            content::resolve(&mut entry["resource"], &renamed);
        }
        (names, given)
    }

    fn entry(
        &mut self,
        by: usize,
        entry: &Value,
        given: Option<&str>,
        when: When,
        beside: &[String],
    ) -> Result<Entry, Refused> {
        let request = &entry["request"];
        let url = request["url"].as_str().unwrap_or_default();
        let if_match = request["ifMatch"].as_str().map(etag_version);
        let body = entry["resource"].to_string();
        match request["method"].as_str() {
            Some("PUT") => {
                let conditions = Conditions {
                    if_match,
                    if_absent: request["ifNoneMatch"].as_str() == Some("*"),
                };
                self.put(by, url, &body, conditions, when, beside)
                    .map(Entry::Wrote)
            }
            Some("POST") => {
                let unless = request["ifNoneExist"].as_str();
                self.create_as(by, url, &body, unless, when, beside, given)
                    .map(Entry::Wrote)
            }
            Some("DELETE") => self.delete(by, url, if_match, when).map(Entry::Deleted),
            Some("GET") if self.ways.batch_is_whole => Err(Refused {
                status: 405,
                code: "not-supported",
            }),
            Some("GET") => match self.text(url) {
                Some(_) => Ok(Entry::Read(url.to_owned())),
                None => Err(Refused {
                    status: 404,
                    code: "not-found",
                }),
            },
            _ => Err(Refused {
                status: 400,
                code: "invalid",
            }),
        }
    }

    #[allow(clippy::too_many_arguments)] // A POST has as many parts.
    fn create_as(
        &mut self,
        by: usize,
        kind: &str,
        body: &str,
        unless: Option<&str>,
        when: When,
        beside: &[String],
        name: Option<&str>,
    ) -> Result<Wrote, Refused> {
        let wrote = self.create(by, kind, body, unless, when, beside)?;
        // Under the id that the other entries refer to.
        match name {
            Some(name) if wrote.created && wrote.name != name => {
                let mut versions = self.records.remove(&wrote.name).unwrap_or_default();
                let (_, id) = name.split_once('/').unwrap();
                for version in &mut versions {
                    let kept = version.text.as_deref().map(content::bare);
                    version.text =
                        kept.map(|it| content::stamped(&it, id, &version.id, version.stamp_us));
                }
                self.records.insert(name.to_owned(), versions);
                Ok(Wrote {
                    name: name.to_owned(),
                    ..wrote
                })
            }
            _ => Ok(wrote),
        }
    }

    fn bundle_answer(&self, done: Vec<Result<Entry, Refused>>, whole: bool) -> Response {
        let mut shows = Vec::new();
        let entries = done.into_iter().map(|became| match became {
            Ok(Entry::Wrote(wrote)) => {
                shows.extend(self.newest_of(&wrote.name));
                self.entry_answer(&wrote)
            }
            Ok(Entry::Read(name)) => {
                shows.extend(self.newest_of(&name));
                let text = self.text(&name).unwrap_or_default();
                let resource: Value = serde_json::from_str(text).unwrap();
                json!({"resource": resource, "response": {"status": self.status(200)}})
            }
            Ok(Entry::Deleted(status)) => json!({"response": {"status": self.status(status)}}),
            Err(refused) => {
                let why: Value = serde_json::from_str(&outcome(refused.code)).unwrap();
                json!({"response": {"status": self.status(refused.status), "outcome": why}})
            }
        });
        let kind = if whole {
            "transaction-response"
        } else {
            "batch-response"
        };
        let entries: Vec<Value> = entries.collect();
        let body = json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string();
        Response {
            status: 200,
            body,
            shows,
            ..Response::default()
        }
    }

    fn entry_answer(&self, wrote: &Wrote) -> Value {
        let version = self.records[&wrote.name].last().unwrap();
        let mut response = json!({
            "status": self.status(if wrote.created { 201 } else { 200 }),
            "location": format!("{}/_history/{}", wrote.name, version.id),
        });
        match self.ways.etags {
            Etags::Weak => response["etag"] = json!(format!("W/\"{}\"", version.id)),
            Etags::Bare => response["etag"] = json!(version.id),
            Etags::Missing => {}
        }
        if wrote.created || self.ways.etags == Etags::Weak {
            let at = Instant::from_epoch_ms(version.stamp_us.div_euclid(1000));
            response["lastModified"] = json!(at.to_string());
        }
        let mut entry = json!({});
        if let (true, Some(text)) = (self.ways.represents, &version.text) {
            entry["resource"] = serde_json::from_str(text).unwrap();
        }
        entry["response"] = response;
        entry
    }

    fn status(&self, status: u16) -> String {
        match status {
            _ if self.ways.bare_status => status.to_string(),
            200 => "200 OK".into(),
            201 => "201 Created".into(),
            other => format!("{other} Said"),
        }
    }
}
