//! Searches and histories, page by page.

use super::{KINDS, Response, Server, Version, When};
use crate::fhir::Instant;
use crate::sync::simulation::personality::{History, Paging};
use serde_json::{Value, json};

/// The records that a search found, in order, and when.
pub(super) struct Snapshot {
    made_ms: i64,
    kind: String,
    names: Vec<String>,
}

/// A search, taken apart.
#[derive(Default)]
struct Query {
    ids: Option<Vec<String>>,
    identifier: Option<String>,
    patient: Option<String>,
    tag: Option<String>,
    /// Prefix and time in milliseconds.
    updated: Vec<(String, i64)>,
    count: Option<usize>,
    by_time: bool,
    newest_first: bool,
    then_by_id: bool,
    elements: bool,
    counts_only: bool,
    /// Where a page begins: behind this stamp and id.
    after: Option<(i64, String)>,
    offset: usize,
    snapshot: Option<u64>,
}

/// Which versions a history is to show.
struct AskedOfHistory {
    since_us: i64,
    count: usize,
    offset: usize,
}

impl Server {
    /// Names that a condition finds.
    pub(super) fn find(&self, kind: &str, query: &str) -> Result<Vec<String>, ()> {
        let query = Query::parse(query)?;
        Ok(self
            .matches(kind, &query)
            .map(|(name, _)| name.clone())
            .collect())
    }

    pub(super) fn search(&mut self, kind: &str, text: &str, when: When) -> Response {
        if !KINDS.contains(&kind) {
            return Response::failed(404, "not-supported");
        }
        let Ok(query) = Query::parse(text) else {
            return Response::failed(400, "not-supported");
        };
        let count = query.count.unwrap_or(20).clamp(1, self.ways.page_cap);
        if let Some(number) = query.snapshot {
            return self.page_of_snapshot(number, query.offset, count, text, when);
        }
        let mut found = self.sorted(kind, &query);
        if query.counts_only {
            let body = json!({"resourceType": "Bundle", "type": "searchset", "total": found.len()});
            return Response {
                status: 200,
                body: body.to_string(),
                ..Response::default()
            };
        }
        let plain = plain(text);
        let names = match self.ways.paging {
            Paging::Snapshot(_) if found.len() > count => {
                self.made += 1;
                let number = self.made;
                let snapshot = Snapshot {
                    made_ms: when.now_ms,
                    kind: kind.to_owned(),
                    names: found,
                };
                self.snapshots.insert(number, snapshot);
                return self.page_of_snapshot(number, 0, count, text, when);
            }
            _ => {
                found.drain(..query.offset.min(found.len()));
                found
            }
        };
        let mut page = names[..count.min(names.len())].to_vec();
        let next = match (self.ways.paging, page.last()) {
            (Paging::None, _) | (_, None) => None,
            _ if names.len() <= count => None,
            (Paging::Offset, _) => Some(format!("{plain}&_offset={}", query.offset + count)),
            (_, Some(last)) => {
                let stamp = self.records[last].last().unwrap().stamp_us;
                Some(format!("{plain}&_after={stamp}_{}", id_of(last)))
            }
        };
        self.forget_one(&mut page);
        self.page(kind, &page, next.as_deref(), query.elements)
    }

    fn page_of_snapshot(
        &mut self,
        number: u64,
        offset: usize,
        count: usize,
        text: &str,
        when: When,
    ) -> Response {
        let lifetime = match self.ways.paging {
            Paging::Snapshot(ms) => ms,
            _ => 0,
        };
        let snapshot = self.snapshots.get(&number);
        let Some(snapshot) = snapshot.filter(|it| when.now_ms - it.made_ms <= lifetime) else {
            return Response::failed(410, "expired");
        };
        let end = (offset + count).min(snapshot.names.len());
        let next = (end < snapshot.names.len())
            .then(|| format!("{}&_snapshot={number}&_offset={end}", plain(text)));
        let there = snapshot.names[offset.min(end)..end].iter();
        let mut page: Vec<String> = there
            .filter(|name| self.text(name).is_some())
            .cloned()
            .collect();
        let kind = snapshot.kind.clone();
        self.forget_one(&mut page);
        self.page(&kind, &page, next.as_deref(), text.contains("_elements"))
    }

    /// Leaves one out now and then, and not the last one, which the link names.
    fn forget_one(&mut self, page: &mut Vec<String>) {
        if page.len() > 1 && self.dice.chance(self.ways.forgets_percent) {
            let left_out = self.dice.below(page.len() - 1);
            page.remove(left_out);
        }
    }

    fn page(&self, kind: &str, names: &[String], next: Option<&str>, ids_only: bool) -> Response {
        let url = &self.url;
        let link = next.map(|query| {
            let next = format!("{url}/{kind}?{query}").replace('"', "%22");
            format!(r#","link":[{{"relation":"next","url":"{next}"}}]"#)
        });
        let mut shows = Vec::new();
        let entries = names.iter().map(|name| {
            let text = self.text(name).unwrap_or_default();
            let text = match ids_only {
                true => subset(text),
                false => {
                    shows.extend(self.newest_of(name));
                    text.to_owned()
                }
            };
            format!(r#"{{"fullUrl":"{url}/{name}","resource":{text},"search":{{"mode":"match"}}}}"#)
        });
        let entries: Vec<String> = entries.collect();
        let mut body = format!(
            r#"{{"resourceType":"Bundle","type":"searchset"{}"#,
            link.unwrap_or_default()
        );
        if !entries.is_empty() {
            body += &format!(r#","entry":[{}]"#, entries.join(","));
        }
        body.push('}');
        Response {
            status: 200,
            body,
            shows,
            ..Response::default()
        }
    }

    fn matches<'s>(
        &'s self,
        kind: &str,
        query: &Query,
    ) -> impl Iterator<Item = (&'s String, &'s Version)> {
        let start = format!("{kind}/");
        let newest = self
            .records
            .iter()
            .filter_map(|(name, versions)| Some((name, versions.last()?)));
        newest.filter(move |(name, version)| {
            version
                .text
                .as_deref()
                .is_some_and(|text| name.starts_with(&start) && query.takes(name, version, text))
        })
    }

    fn sorted(&mut self, kind: &str, query: &Query) -> Vec<String> {
        let mut found: Vec<(i64, u64, String)> = self
            .matches(kind, query)
            .map(|(name, version)| (version.stamp_us, 0, name.clone()))
            .collect();
        if self.ways.shuffles_ties && !query.then_by_id {
            for item in &mut found {
                item.1 = self.dice.next();
            }
        }
        match (query.by_time, query.newest_first) {
            (true, false) => found.sort(),
            (true, true) => found.sort_by_key(|item| std::cmp::Reverse(item.0)),
            _ => found.sort_by(|a, b| a.2.cmp(&b.2)),
        }
        found.into_iter().map(|(.., name)| name).collect()
    }

    /// All versions since a time, newest first.
    pub(super) fn history(&self, kind: Option<&str>, query: &str) -> Response {
        match self.ways.history {
            History::Forbidden => return Response::failed(403, "forbidden"),
            History::None => return Response::failed(404, "not-supported"),
            History::Tombstones | History::Timeless => {}
        }
        let Ok(asked) = self.asked_of_history(query) else {
            return Response::failed(400, "not-supported");
        };
        let start = kind.map(|kind| format!("{kind}/")).unwrap_or_default();
        let mut all: Vec<(&String, &Version)> = Vec::new();
        for (name, versions) in self
            .records
            .iter()
            .filter(|(name, _)| name.starts_with(&start))
        {
            all.extend(
                versions
                    .iter()
                    .filter(|v| v.stamp_us >= asked.since_us)
                    .map(|v| (name, v)),
            );
        }
        all.sort_by_key(|(_, version)| std::cmp::Reverse(version.stamp_us));
        let path = kind.map(|kind| format!("{kind}/")).unwrap_or_default();
        self.page_of_history(&path, query, &asked, &all)
    }

    /// All versions of one record, newest first.
    pub(super) fn history_of_record(&self, name: &str, query: &str) -> Response {
        if self.ways.record_history != 200 {
            return Response::failed(self.ways.record_history, "not-supported");
        }
        let Ok(asked) = self.asked_of_history(query) else {
            return Response::failed(400, "not-supported");
        };
        let Some((name, versions)) = self.records.get_key_value(name) else {
            return Response::failed(404, "not-found");
        };
        let all: Vec<(&String, &Version)> = versions.iter().rev().map(|v| (name, v)).collect();
        self.page_of_history(&format!("{name}/"), query, &asked, &all)
    }

    fn asked_of_history(&self, query: &str) -> Result<AskedOfHistory, ()> {
        let mut asked = AskedOfHistory {
            since_us: i64::MIN,
            count: 20.min(self.ways.page_cap),
            offset: 0,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (
                name.as_ref(),
                Instant::parse(&value),
                value.parse::<usize>(),
            ) {
                ("_since", Ok(at), _) => asked.since_us = at.epoch_ms() * 1000,
                ("_count", _, Ok(number)) => asked.count = number.clamp(1, self.ways.page_cap),
                ("_offset", _, Ok(number)) => asked.offset = number,
                ("_sort" | "_format", ..) => {}
                _ => return Err(()),
            }
        }
        Ok(asked)
    }

    fn page_of_history(
        &self,
        path: &str,
        query: &str,
        asked: &AskedOfHistory,
        all: &[(&String, &Version)],
    ) -> Response {
        let end = (asked.offset + asked.count).min(all.len());
        let entries = all[asked.offset.min(end)..end]
            .iter()
            .map(|(name, version)| self.past(name, version));
        let entries: Vec<Value> = entries.collect();
        let mut body = json!({"resourceType": "Bundle", "type": "history", "entry": entries});
        if end < all.len() {
            let query = plain(query);
            let next = format!("{}/{path}_history?{query}&_offset={end}", self.url);
            body["link"] = json!([{"relation": "next", "url": next}]);
        }
        Response {
            status: 200,
            body: body.to_string(),
            ..Response::default()
        }
    }

    fn past(&self, name: &str, version: &Version) -> Value {
        let at = Instant::from_epoch_ms(version.stamp_us.div_euclid(1000)).to_string();
        let full = format!("{}/{name}", self.url);
        match &version.text {
            Some(text) => json!({
                "fullUrl": full, "resource": serde_json::from_str::<Value>(text).unwrap(),
                "request": {"method": "PUT", "url": name},
                "response": {"status": "200", "etag": format!("W/\"{}\"", version.id), "lastModified": at},
            }),
            None if self.ways.history == History::Timeless => json!({
                "fullUrl": full, "request": {"method": "DELETE", "url": name}, "response": {"status": "204"},
            }),
            None => json!({
                "fullUrl": full, "request": {"method": "DELETE", "url": name},
                "response": {"status": "204", "etag": format!("W/\"{}\"", version.id), "lastModified": at},
            }),
        }
    }
}

impl Query {
    /// Strict: what is not known is an error.
    fn parse(text: &str) -> Result<Self, ()> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "_id" => query.ids = Some(value.split(',').map(str::to_owned).collect()),
                "identifier" => query.identifier = Some(value.into_owned()),
                "patient" | "subject" => {
                    query.patient = Some(value.trim_start_matches("Patient/").to_owned())
                }
                "_lastUpdated" => {
                    let (prefix, at) = value.split_at_checked(2).ok_or(())?;
                    let at = Instant::parse(at).map_err(|_| ())?;
                    query.updated.push((prefix.to_owned(), at.epoch_ms()));
                }
                "_tag" => query.tag = Some(value.into_owned()),
                "_count" => query.count = Some(value.parse().map_err(|_| ())?),
                "_sort" => {
                    query.by_time = value.contains("_lastUpdated");
                    query.newest_first = value.starts_with("-_lastUpdated");
                    query.then_by_id = value.ends_with(",_id");
                }
                "_elements" => query.elements = true,
                "_summary" => match value.as_ref() {
                    "count" => query.counts_only = true,
                    _ => query.elements = true,
                },
                "_total" | "_format" => {}
                "_after" => {
                    let (stamp, id) = value.split_once('_').ok_or(())?;
                    query.after = Some((stamp.parse().map_err(|_| ())?, id.to_owned()));
                }
                "_offset" => query.offset = value.parse().map_err(|_| ())?,
                "_snapshot" => query.snapshot = Some(value.parse().map_err(|_| ())?),
                _ => return Err(()),
            }
        }
        Ok(query)
    }

    fn takes(&self, name: &str, version: &Version, text: &str) -> bool {
        let id = id_of(name);
        let by_id = self
            .ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|it| it == id));
        let in_time = self.updated.iter().all(|(prefix, ms)| {
            let (at, first, end) = (version.stamp_us, ms * 1000, ms * 1000 + 1000);
            match prefix.as_str() {
                "ge" => at >= first,
                "gt" => at >= end,
                "lt" => at < first,
                "le" => at < end,
                _ => false,
            }
        });
        let behind = match &self.after {
            Some((stamp, after)) if self.by_time => {
                (version.stamp_us, id) > (*stamp, after.as_str())
            }
            Some((_, after)) => id > after.as_str(),
            None => true,
        };
        let has = |wanted: &Option<String>, list: &str, code: &str| {
            wanted.as_ref().is_none_or(|wanted| {
                let value: Value = serde_json::from_str(text).unwrap();
                let items = value.pointer(list).and_then(Value::as_array).cloned();
                let part =
                    |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let mut items = items.unwrap_or_default().into_iter();
                items.any(|item| {
                    format!("{}|{}", part(&item, "system"), part(&item, code)) == *wanted
                })
            })
        };
        let identified =
            has(&self.identifier, "/identifier", "value") && has(&self.tag, "/meta/tag", "code");
        let about = self
            .patient
            .as_ref()
            .is_none_or(|patient| text.contains(&format!("\"Patient/{patient}\"")));
        by_id && in_time && behind && identified && about
    }
}

fn id_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, id)| id)
}

/// A query without what says where its page begins.
fn plain(text: &str) -> String {
    let own = ["_after=", "_offset=", "_snapshot="];
    let parts = text
        .split('&')
        .filter(|part| !own.iter().any(|own| part.starts_with(own)));
    parts.collect::<Vec<_>>().join("&")
}

fn subset(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    json!({"resourceType": value["resourceType"], "id": value["id"], "meta": value["meta"]})
        .to_string()
}
