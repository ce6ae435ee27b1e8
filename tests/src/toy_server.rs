//! A FHIR server in a few lines, with a clock of its own and the habits that a test wants: histories or none, 410 or 404,
//! late arrivals, an older copy put back.

use crate::scripted::{Said, Scripted, stored};
use pocketchart_core::fhir::bundle::{Answered, Writer};
use pocketchart_core::fhir::{Instant, Reference};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What it has, and how it is.
#[derive(Clone)]
pub struct Toy {
    /// Its clock, ms since 1970.
    pub now_ms: i64,
    /// Types it offers.
    pub types: Vec<&'static str>,
    /// By name: version, stamp, text. Without a text: deleted.
    pub records: BTreeMap<String, (u64, i64, Option<String>)>,
    /// `_history` of everything.
    pub has_history: bool,
    /// `Type/_history`.
    pub has_type_history: bool,
    /// It answers 410 to what was deleted, not 404.
    pub says_gone: bool,
    /// `_elements`.
    pub has_elements: bool,
    /// Names that it refuses to hand out, and does not list.
    pub forbidden: Vec<String>,
    /// Names that lists leave out for no reason.
    pub unlisted: Vec<String>,
    /// It sends a Date.
    pub has_date: bool,
    /// Records on a page at most.
    pub page: usize,
}

/// Shares one [`Toy`] with its clients.
#[derive(Clone)]
pub struct ToyServer {
    toy: Arc<Mutex<Toy>>,
    /// Its clients' side.
    pub wire: Scripted,
}

impl ToyServer {
    /// An empty one.
    pub fn new(types: &[&'static str]) -> Self {
        let toy = Arc::new(Mutex::new(Toy {
            now_ms: 1_800_000_000_000,
            types: types.to_vec(),
            records: BTreeMap::new(),
            has_history: false,
            has_type_history: false,
            says_gone: true,
            has_elements: true,
            forbidden: Vec::new(),
            unlisted: Vec::new(),
            has_date: true,
            page: 1000,
        }));
        let behind = Arc::clone(&toy);
        let wire = Scripted::new(move |asked| {
            let toy = behind.lock().unwrap_or_else(PoisonError::into_inner);
            let said = toy.answer(asked);
            match toy.has_date {
                true => said.at(Instant::from_epoch_ms(toy.now_ms / 1000 * 1000)),
                false => said,
            }
        });
        Self { toy, wire }
    }

    /// The server itself.
    pub fn toy(&self) -> MutexGuard<'_, Toy> {
        self.toy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Toy {
    /// Time passes.
    pub fn pass(&mut self, seconds: i64) {
        self.now_ms += seconds * 1000;
    }

    /// Stores a record now.
    pub fn put(&mut self, text: &str) {
        self.put_at(text, self.now_ms);
    }

    /// Stores a record with another stamp.
    pub fn put_at(&mut self, text: &str, at_ms: i64) {
        let name = crate::resource(text).name().to_string();
        let version = self.records.get(&name).map_or(0, |(version, ..)| *version) + 1;
        let text = stored(text, version, at_ms);
        self.records.insert(name, (version, at_ms, Some(text)));
    }

    /// Deletes a record now.
    pub fn delete(&mut self, name: &str) {
        if let Some(record) = self.records.get_mut(name) {
            *record = (record.0 + 1, self.now_ms, None);
        }
    }

    fn answer(&self, asked: &str) -> Said {
        let target = asked.strip_prefix("GET ").unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "metadata" => Said::ok(self.metadata()),
            "_history" if self.has_history => self.history(None, query),
            path => match path.split_once('/') {
                Some((kind, "_history")) if self.has_type_history => {
                    self.history(Some(kind), query)
                }
                Some(_) => self.read(path),
                None if self.types.contains(&path) => self.search(path, query),
                None => Said::new(404, ""),
            },
        }
    }

    fn metadata(&self) -> String {
        let history = match self.has_type_history {
            true => r#","interaction":[{"code":"history-type"}]"#,
            false => "",
        };
        let types = self
            .types
            .iter()
            .map(|kind| format!("{{\"type\":\"{kind}\"{history}}}"));
        let types: Vec<String> = types.collect();
        let system = match self.has_history {
            true => r#","interaction":[{"code":"history-system"}]"#,
            false => "",
        };
        format!(
            "{{\"resourceType\":\"CapabilityStatement\",\"fhirVersion\":\"4.0.1\",\"rest\":[{{\"resource\":[{}]{system}}}]}}",
            types.join(",")
        )
    }

    fn read(&self, name: &str) -> Said {
        if self.forbidden.iter().any(|it| it == name) {
            return Said::new(403, "");
        }
        match self.records.get(name) {
            Some((.., Some(text))) => Said::ok(text.clone()),
            Some(_) if self.says_gone => Said::new(410, ""),
            _ => Said::new(404, ""),
        }
    }

    fn search(&self, kind: &str, query: &str) -> Said {
        let mut found: Vec<(i64, &String, &String)> = Vec::new();
        let parameters: Vec<(&str, &str)> = query
            .split('&')
            .filter_map(|one| one.split_once('='))
            .collect();
        let given = |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        if given("_elements").is_some() && !self.has_elements {
            return Said::new(400, "");
        }
        for (name, (_, at, text)) in &self.records {
            let (Some(text), Some((of, id))) = (text, name.split_once('/')) else {
                continue;
            };
            let fits = |(name, value): &(&str, &str)| match *name {
                "_lastUpdated" => {
                    let bound = Instant::parse(&value[2..]).map_or(0, |at| at.epoch_ms());
                    match &value[..2] {
                        "ge" => *at >= bound,
                        "gt" => *at > bound,
                        _ => *at < bound,
                    }
                }
                "_id" => value.split(',').any(|it| it == id),
                _ => true,
            };
            let hidden = self.forbidden.contains(name) || self.unlisted.contains(name);
            if of == kind && !hidden && parameters.iter().all(fits) {
                found.push((*at, name, text));
            }
        }
        found.sort();
        let number = |name| given(name).and_then(|n| n.parse::<usize>().ok());
        let (from, count) = (
            number("_offset").unwrap_or(0),
            number("_count").unwrap_or(20).min(self.page),
        );
        let rest = query.split("&_offset").next().unwrap_or_default();
        let next = format!("{kind}?{rest}&_offset={}", from + count);
        let links: &[(&str, &str)] = match found.len() > from + count {
            true => &[("next", &next)],
            false => &[],
        };
        let mut page = Writer::new("searchset", links);
        for (_, name, text) in found.iter().skip(from).take(count) {
            page.found(&format!("https://scripted.example/fhir/{name}"), text);
        }
        Said::ok(page.finish())
    }

    fn history(&self, kind: Option<&str>, query: &str) -> Said {
        let since = query.split('&').find_map(|one| one.strip_prefix("_since="));
        let since = since
            .and_then(|at| Instant::parse(at).ok())
            .map_or(0, |at| at.epoch_ms());
        let mut page = Writer::new("history", &[]);
        for (name, (version, at, text)) in &self.records {
            let is_of_kind =
                Reference::parse(name).is_ok_and(|n| kind.is_none_or(|k| n.kind.name() == k));
            if *at < since || !is_of_kind {
                continue;
            }
            let (method, status) = if text.is_some() {
                ("PUT", "200")
            } else {
                ("DELETE", "204")
            };
            let version = version.to_string();
            let answered = Answered {
                status,
                version: Some(&version),
                resource: text.as_deref(),
                ..Answered::default()
            };
            page.version(
                &format!("https://scripted.example/fhir/{name}"),
                method,
                name,
                &answered,
            );
        }
        Said::ok(page.finish())
    }
}
