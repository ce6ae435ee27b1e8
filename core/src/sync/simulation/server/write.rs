//! Single writes.

use super::{Response, STRANGER, Server, Version, When, content};
use crate::sync::simulation::personality::{Ids, Stamps};
use serde_json::Value;

/// What must hold for a PUT.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Conditions<'a> {
    pub(in super::super) if_match: Option<&'a str>,
    pub(in super::super) if_absent: bool,
}

/// A write that was taken.
pub(in super::super) struct Wrote {
    pub(super) name: String,
    pub(super) created: bool,
}

/// One that was not.
#[derive(Debug)]
pub(in super::super) struct Refused {
    pub(in super::super) status: u16,
    pub(super) code: &'static str,
}

const fn refused(status: u16, code: &'static str) -> Refused {
    Refused { status, code }
}

impl Server {
    /// PUT. `beside`: names that other entries of the same transaction make.
    pub(in super::super) fn put(
        &mut self,
        by: usize,
        name: &str,
        body: &str,
        conditions: Conditions<'_>,
        when: When,
        beside: &[String],
    ) -> Result<Wrote, Refused> {
        let sent: Value = serde_json::from_str(body).map_err(|_| refused(400, "invalid"))?;
        let (kind, id) = name.split_once('/').unwrap();
        if sent.get("id").and_then(Value::as_str) != Some(id)
            || sent.get("resourceType").and_then(Value::as_str) != Some(kind)
        {
            return Err(refused(400, "invalid"));
        }
        let is_known = self.records.contains_key(name);
        match self.ways.ids {
            Ids::Own if !is_known && by != STRANGER => return Err(refused(405, "not-supported")),
            Ids::NotNumeric if id.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(refused(400, "value"));
            }
            _ => {}
        }
        let raced = self.may_replace(by, name, conditions, when)?;
        self.must_be_sound(&sent, body, beside)?;
        let old = self.text(name).map(content::bare);
        let kept = content::kept(sent, old.as_ref(), self.ways.rewrites);
        let is_same = old.as_ref().is_some_and(|old| content::is_same(old, &kept));
        if is_same && self.ways.keeps_identical {
            return Ok(Wrote {
                name: name.to_owned(),
                created: false,
            });
        }
        let created = old.is_none();
        self.store(by, name, Some(&kept), raced, when);
        Ok(Wrote {
            name: name.to_owned(),
            created,
        })
    }

    /// POST under an id of the server's own.
    pub(super) fn create(
        &mut self,
        by: usize,
        kind: &str,
        body: &str,
        unless: Option<&str>,
        when: When,
        beside: &[String],
    ) -> Result<Wrote, Refused> {
        if let Some(query) = unless {
            let found = self
                .find(kind, query)
                .map_err(|()| refused(400, "invalid"))?;
            match found.as_slice() {
                [] => {}
                [name] => {
                    return Ok(Wrote {
                        name: name.clone(),
                        created: false,
                    });
                }
                _ => return Err(refused(412, "multiple-matches")),
            }
        }
        let sent: Value = serde_json::from_str(body).map_err(|_| refused(400, "invalid"))?;
        if sent.get("resourceType").and_then(Value::as_str) != Some(kind) {
            return Err(refused(400, "invalid"));
        }
        self.must_be_sound(&sent, body, beside)?;
        let kept = content::kept(sent, None, self.ways.rewrites);
        let name = format!("{kind}/{}", self.new_id());
        self.store(by, &name, Some(&kept), false, when);
        Ok(Wrote {
            name,
            created: true,
        })
    }

    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        format!("s{}", 1000 + self.made)
    }

    /// DELETE; answers with the status.
    pub(in super::super) fn delete(
        &mut self,
        by: usize,
        name: &str,
        if_match: Option<&str>,
        when: When,
    ) -> Result<u16, Refused> {
        let newest = self.records.get(name).and_then(|versions| versions.last());
        let Some(newest) = newest.filter(|version| version.text.is_some()) else {
            return match self.ways.second_delete {
                404 => Err(refused(404, "not-found")),
                status => Ok(status),
            };
        };
        let mut raced = false;
        if if_match.is_some_and(|version| version != newest.id) {
            if !self.ways.deletes_blindly && !self.ways.last_writer_wins {
                return Err(refused(self.ways.stale, "conflict"));
            }
            raced = when.astray || !self.has_seen_newest(by, name);
        }
        self.store(by, name, None, raced, when);
        Ok(204)
    }

    /// Whether the conditions hold; `true`: they do not, but this server does not look, and the writer could not know.
    fn may_replace(
        &self,
        by: usize,
        name: &str,
        given: Conditions<'_>,
        when: When,
    ) -> Result<bool, Refused> {
        let newest = self.records.get(name).and_then(|versions| versions.last());
        let live = newest.filter(|version| version.text.is_some());
        let unseen = when.astray || !self.has_seen_newest(by, name);
        match (given.if_match, live) {
            (Some(version), Some(live)) if version == live.id => Ok(false),
            (Some(_), _) if self.ways.last_writer_wins => Ok(unseen),
            (Some(_), Some(_)) => Err(refused(self.ways.stale, "conflict")),
            (Some(_), None) if self.ways.if_match_creates => Ok(unseen),
            (Some(_), None) => Err(refused(412, "conflict")),
            (None, Some(_)) if given.if_absent && self.ways.if_none_match => {
                Err(refused(412, "duplicate"))
            }
            (None, Some(_)) => Ok(given.if_absent && unseen),
            (None, None) => Ok(false),
        }
    }

    fn must_be_sound(&self, sent: &Value, body: &str, beside: &[String]) -> Result<(), Refused> {
        if body.contains("poison") {
            return Err(refused(422, "business-rule"));
        }
        if !self.ways.targets_must_exist {
            return Ok(());
        }
        let mut targets = Vec::new();
        content::references(sent, &mut targets);
        let is_there = |to: &String| self.text(to).is_some() || beside.contains(to);
        match targets.iter().all(is_there) {
            true => Ok(()),
            false => Err(refused(400, "processing")),
        }
    }

    fn store(&mut self, by: usize, name: &str, kept: Option<&Value>, raced: bool, when: When) {
        let grain = match self.ways.stamps {
            Stamps::FinerThanShown => 1,
            Stamps::Milliseconds => 1_000,
            Stamps::Seconds => 1_000_000,
        };
        let versions = self.records.entry(name.to_owned()).or_default();
        let before = versions.last().map_or(0, |version| version.stamp_us);
        let stamp_us = (when.stamp_us.div_euclid(grain) * grain).max(before);
        let id = match self.ways.uuid_versions {
            true => format!(
                "{:08x}-0000-4000-8000-{:012x}",
                self.dice.next() as u32,
                versions.len()
            ),
            false => (versions.len() + 1).to_string(),
        };
        let (_, own) = name.split_once('/').unwrap();
        let text = kept.map(|kept| content::stamped(kept, own, &id, stamp_us));
        versions.push(Version {
            id,
            text,
            stamp_us,
            by,
            raced,
        });
        if by != STRANGER && !raced {
            // Whoever wrote it with the right to knows what it replaced, whether or not the answer arrives.
            let seen = versions.len() - 1;
            self.note_seen(by, &[(name.to_owned(), seen)]);
        }
    }

    /// The answer to a single write.
    pub(super) fn answered(&mut self, wrote: Result<Wrote, Refused>) -> Response {
        let wrote = match wrote {
            Ok(wrote) => wrote,
            Err(refused) => return Response::failed(refused.status, refused.code),
        };
        let version = self.records[&wrote.name].last().unwrap();
        Response {
            status: if wrote.created { 201 } else { 200 },
            version: self.etag_of(version),
            modified_us: Some(version.stamp_us),
            location: Some(format!(
                "{}/{}/_history/{}",
                self.url, wrote.name, version.id
            )),
            body: match self.ways.represents {
                true => version.text.clone().unwrap_or_default(),
                false => String::new(),
            },
            shows: self.newest_of(&wrote.name),
            ..Response::default()
        }
    }
}
