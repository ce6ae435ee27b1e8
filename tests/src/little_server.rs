//! A small FHIR server in memory, with the ways that real ones have. It shows nothing to a search but what has a tag, so
//! that what a push does is all there is.

use crate::{Device, fail, resource};
use pocketchart_core::fhir::bundle::{Answered, Bundle, Writer, etag_version};
use pocketchart_core::fhir::links::with_id;
use pocketchart_core::fhir::{Instant, meta, outcome};
use pocketchart_core::net::{Body, Doing, Method, NetError, Reply, Request, Server, Target, Wire};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a server is like.
#[derive(Debug, Clone)]
pub struct Ways {
    /// It compares versions, and says so.
    pub compares_versions: bool,
    /// It gives all records ids of its own.
    pub gives_ids: bool,
    /// And says so.
    pub says_so: bool,
    /// Most entries of a transaction.
    pub most_entries: usize,
    /// The target of a reference must be there.
    pub targets_must_exist: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            compares_versions: true,
            gives_ids: false,
            says_so: true,
            most_entries: usize::MAX,
            targets_must_exist: true,
        }
    }
}

/// What a batch of reads is called.
const READS: &str = "GET batch ";

/// What is said instead of an answer.
#[derive(Debug, Clone, Default)]
pub struct Instead {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The request is done all the same, and this is what comes of it: nothing.
    pub is_lost: bool,
}

type Between = dyn Fn(&str, &str) -> Option<Instead> + Send + Sync;

#[derive(Default)]
struct State {
    records: BTreeMap<String, (u64, Option<String>)>,
    /// What stood there once: names, and texts or `None` for a deletion.
    versions: Vec<(String, Option<String>)>,
    asked: Vec<String>,
    paused: Vec<Duration>,
    ids: u32,
}

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct LittleServer {
    ways: Ways,
    state: Arc<Mutex<State>>,
    between: Arc<Between>,
}

impl LittleServer {
    /// One like this.
    pub fn new(ways: Ways) -> Self {
        Self {
            ways,
            state: Arc::default(),
            between: Arc::new(|_, _| None),
        }
    }

    /// With something that may come between a request (`PUT Patient/a`, and its body) and its answer.
    pub fn with(
        ways: Ways,
        between: impl Fn(&str, &str) -> Option<Instead> + Send + Sync + 'static,
    ) -> Self {
        Self {
            between: Arc::new(between),
            ..Self::new(ways)
        }
    }

    /// A device that syncs with it.
    pub fn device(&self) -> Device {
        Device::of(Server::over(Arc::new(self.clone())))
    }

    /// The text of a record.
    pub fn text(&self, name: &str) -> Option<String> {
        self.hold().records.get(name)?.1.clone()
    }

    /// Names of all records that stand.
    pub fn names(&self) -> Vec<String> {
        let state = self.hold();
        let standing = state.records.iter().filter(|(_, (_, text))| text.is_some());
        standing.map(|(name, _)| name.clone()).collect()
    }

    /// Somebody else writes a record there.
    pub fn write(&self, text: &str) {
        let name = resource(text).name().to_string();
        self.hold().store(&name, text);
    }

    /// Writes that were asked for since this was asked last; a transaction with its number of entries.
    pub fn writes(&self) -> Vec<String> {
        let mut state = self.hold();
        let mut asked = std::mem::take(&mut state.asked);
        asked.retain(|asked| !asked.starts_with("GET"));
        asked
    }

    /// How long it was waited for.
    pub fn paused(&self) -> Vec<Duration> {
        self.hold().paused.clone()
    }

    fn hold(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statement(&self) -> String {
        let versioning = match self.ways.compares_versions {
            true => "versioned-update",
            false => "versioned",
        };
        let ids = match self.ways.gives_ids && self.ways.says_so {
            true => ",\"updateCreate\":false",
            false => "",
        };
        let kinds = ["Patient", "Observation", "Appointment", "Slot", "Basic"];
        let kinds: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{{\"type\":\"{kind}\",\"versioning\":\"{versioning}\"{ids}}}"))
            .collect();
        format!(
            "{{\"resourceType\":\"CapabilityStatement\",\"fhirVersion\":\"4.0.1\",\"rest\":[{{\"resource\":[{}]}}]}}",
            kinds.join(",")
        )
    }

    fn answer(&self, asked: &str, request: &Request) -> Said {
        let body = request.body.as_deref().unwrap_or_default();
        let (method, target) = asked.split_once(' ').unwrap_or((asked, ""));
        let mut state = self.hold();
        match (method, target.split_once('?')) {
            _ if asked == READS => state.reads(body),
            ("GET", None) if target == "metadata" => Said::of(200, self.statement()),
            ("GET", Some((path, _))) if path.ends_with("/_history") => {
                let name = path.trim_end_matches("/_history");
                match state.records.contains_key(name) {
                    true => Said::of(200, state.history(name)),
                    false => Said::of(404, String::new()),
                }
            }
            ("GET", Some((kind, query))) => Said::of(200, state.search(kind, query)),
            ("GET", None) => match state.records.get(target) {
                Some((_, Some(text))) => Said::of(200, text.clone()),
                Some(_) => Said::of(410, String::new()),
                None => Said::of(404, String::new()),
            },
            ("DELETE", _) => {
                state.remove(target);
                Said::of(204, String::new())
            }
            ("PUT", _) => {
                let (absent, version) = (request.if_absent, request.if_match.as_deref());
                state.put(&self.ways, target, body, version, absent, &[])
            }
            ("POST", None) if target.is_empty() => state.transaction(&self.ways, body),
            ("POST", _) => {
                let unless = request.if_none_exist.as_deref();
                state.create(&self.ways, target, body, unless, &[])
            }
            _ => Said::of(400, String::new()),
        }
    }
}

/// An answer.
#[derive(Clone)]
struct Said {
    status: u16,
    text: String,
    retry_after: Option<Duration>,
}

impl Said {
    fn of(status: u16, text: String) -> Self {
        Self {
            status,
            text,
            retry_after: None,
        }
    }

    fn refusal(status: u16, code: &str) -> Self {
        Self::of(status, outcome::error(code, "Jane Doe may not", None))
    }
}

impl State {
    fn store(&mut self, name: &str, text: &str) -> (bool, String) {
        let (version, old) = self.records.get(name).cloned().unwrap_or_default();
        let at = Instant::from_epoch_ms(1_000);
        let text = meta::splice(&resource(text), version + 1, at).unwrap_or_else(|e| fail(&e));
        self.versions.push((name.to_owned(), Some(text.clone())));
        let new = (version + 1, Some(text.clone()));
        self.records.insert(name.to_owned(), new);
        (old.is_none(), text)
    }

    fn remove(&mut self, name: &str) {
        if let Some((version, text)) = self.records.get_mut(name) {
            (*version, *text) = (*version + 1, None);
            self.versions.push((name.to_owned(), None));
        }
    }

    /// Of one record, newest first, in one page.
    fn history(&self, name: &str) -> String {
        let mut page = Writer::new("history", &[]);
        for (_, text) in self.versions.iter().rev().filter(|(of, _)| of == name) {
            let method = text.as_ref().map_or("DELETE", |_| "PUT");
            let answered = Answered {
                status: "200",
                resource: text.as_deref(),
                ..Answered::default()
            };
            page.version("https://little.example/x", method, name, &answered);
        }
        page.finish()
    }

    fn search(&self, kind: &str, query: &str) -> String {
        let mut page = Writer::new("searchset", &[]);
        if let Some(tag) = query.strip_prefix("_tag=") {
            let code = tag.split("%7C").last().unwrap_or_default();
            for (name, (_, text)) in &self.records {
                if let Some(text) = text
                    && name.starts_with(&format!("{kind}/"))
                    && text.contains(code)
                {
                    page.found("https://little.example/x", text);
                }
            }
        }
        page.finish()
    }

    /// A batch of reads.
    fn reads(&self, body: &str) -> Said {
        let bundle = Bundle::parse(body);
        let mut answer = Writer::new("batch-response", &[]);
        for entry in bundle.iter().flat_map(|bundle| &bundle.entry) {
            let asked = entry.request.as_ref().map_or("", |it| &it.url);
            let there = self.records.get(asked);
            let resource = there.and_then(|(_, text)| text.as_deref());
            answer.answered(&Answered {
                status: if resource.is_some() { "200" } else { "404" },
                resource,
                ..Answered::default()
            });
        }
        Said::of(200, answer.finish())
    }

    fn missing_target(&self, ways: &Ways, text: &str, beside: &[String]) -> bool {
        let mut links = Vec::new();
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        references(&value, &mut links);
        let is_there = |link: &String| {
            let standing = self
                .records
                .get(link)
                .is_some_and(|(_, text)| text.is_some());
            standing || beside.contains(link)
        };
        ways.targets_must_exist && !links.iter().all(is_there)
    }

    fn put(
        &mut self,
        ways: &Ways,
        name: &str,
        text: &str,
        version: Option<&str>,
        absent: bool,
        beside: &[String],
    ) -> Said {
        let there = self.records.get(name).filter(|(_, text)| text.is_some());
        let newest = there.map(|(version, _)| version.to_string());
        if text.contains("poison") {
            return Said::refusal(422, "business-rule");
        }
        if self.missing_target(ways, text, beside) {
            return Said::refusal(400, "processing");
        }
        if newest.is_none() && ways.gives_ids {
            return Said::refusal(405, "not-supported");
        }
        let is_stale = version.is_some() && version != newest.as_deref();
        if ways.compares_versions && (is_stale || (absent && newest.is_some())) {
            return Said::refusal(412, "conflict");
        }
        let (is_new, text) = self.store(name, text);
        Said::of(if is_new { 201 } else { 200 }, text)
    }

    fn create(
        &mut self,
        ways: &Ways,
        kind: &str,
        text: &str,
        unless: Option<&str>,
        beside: &[String],
    ) -> Said {
        if text.contains("poison") {
            return Said::refusal(422, "business-rule");
        }
        if self.missing_target(ways, text, beside) {
            return Said::refusal(400, "processing");
        }
        if let Some(unless) = unless {
            let found = self.search(kind, unless);
            let found = Bundle::parse(&found);
            let first = found.iter().flat_map(|found| &found.entry).next();
            if let Some(raw) = first.and_then(|entry| entry.resource) {
                return Said::of(200, raw.get().to_owned());
            }
        }
        self.ids += 1;
        let id = self.ids.to_string();
        let text = with_id(text, &id).unwrap_or_default();
        let (_, text) = self.store(&format!("{kind}/{id}"), &text);
        Said::of(201, text)
    }

    fn transaction(&mut self, ways: &Ways, body: &str) -> Said {
        let bundle = Bundle::parse(body);
        let entries = bundle.as_ref().map_or(&[][..], |bundle| &bundle.entry[..]);
        if entries.len() > ways.most_entries {
            return Said::refusal(400, "too-costly");
        }
        let before = (self.records.clone(), self.versions.clone(), self.ids);
        let beside: Vec<String> = entries
            .iter()
            .flat_map(|entry| {
                let url = entry.request.as_ref().map(|it| it.url.to_string());
                [url, entry.full_url.as_ref().map(ToString::to_string)]
            })
            .flatten()
            .collect();
        let mut urns: Vec<(String, String)> = Vec::new();
        let mut all = Vec::new();
        for entry in entries {
            let request = entry.request.as_ref();
            let (method, url) = request.map_or(("", ""), |it| (&it.method, &it.url));
            let text = entry.resource.map_or("", |raw| raw.get());
            let version = request.and_then(|it| it.if_match.as_deref());
            let absent = request.is_some_and(|it| it.if_none_match.is_some());
            let unless = request.and_then(|it| it.if_none_exist.as_deref());
            let said = match method {
                "PUT" => self.put(ways, url, text, version.map(etag_version), absent, &beside),
                _ => self.create(ways, url, text, unless, &beside),
            };
            if said.status >= 300 {
                (self.records, self.versions, self.ids) = before;
                return said;
            }
            if let Some(urn) = &entry.full_url {
                urns.push((urn.to_string(), resource(&said.text).name().to_string()));
            }
            all.push(said);
        }
        let mut answer = Writer::new("transaction-response", &[]);
        for mut said in all {
            for (urn, name) in &urns {
                said.text = said.text.replace(urn, name);
            }
            let name = resource(&said.text).name().to_string();
            if let Some(record) = self.records.get_mut(&name) {
                record.1 = Some(said.text.clone());
            }
            let mut newest = self.versions.iter_mut().rev();
            if let Some(version) = newest.find(|(of, _)| *of == name) {
                version.1 = Some(said.text.clone());
            }
            answer.answered(&Answered {
                status: &said.status.to_string(),
                resource: Some(&said.text),
                ..Answered::default()
            });
        }
        Said::of(200, answer.finish())
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "reference") {
                    Some(link) => found.push(link.to_owned()),
                    None => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

impl Wire for LittleServer {
    fn url(&self) -> &str {
        "https://little.example/fhir"
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        };
        let target = match &request.target {
            Target::Base => "",
            Target::Below(path) | Target::Link(path) => path,
        };
        let body = request.body.as_deref().unwrap_or_default();
        let bundle = Bundle::parse(body);
        // A batch of reads is no write.
        let asked = match &bundle {
            Some(bundle) if bundle.kind == "batch" => READS.to_owned(),
            _ => format!("{method} {target}"),
        };
        let told = match bundle {
            Some(bundle) => format!("{asked}{} entries", bundle.entry.len()),
            None => asked.clone(),
        };
        self.hold().asked.push(told);
        let instead = (self.between)(&asked, body);
        let said = match instead {
            Some(instead) if instead.is_lost => {
                self.answer(&asked, &request);
                return Box::pin(async { Err(NetError::TimedOut) });
            }
            Some(instead) => Said {
                retry_after: instead.retry_after,
                ..Said::refusal(instead.status, "exception")
            },
            None => self.answer(&asked, &request),
        };
        Box::pin(async move {
            Ok(Reply {
                status: said.status,
                version: None,
                modified: None,
                date: None,
                retry_after: said.retry_after,
                location: None,
                body: Box::new(Whole(Some(said.text.into_bytes()))),
            })
        })
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        self.hold().paused.push(time);
        Box::pin(async {})
    }
}

struct Whole(Option<Vec<u8>>);

impl Body for Whole {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        let piece = self.0.take();
        Box::pin(async { Ok(piece) })
    }
}
