//! Receiving: type by type, oldest change first, each page stored together with the cursor behind it.

use super::{Progress, Report, SyncError, SyncRun, failed, plan};
use crate::access::{PullCursor, Pulled};
use crate::fhir::bundle::Bundle;
use crate::fhir::{Resource, ResourceType, marks};
use crate::net::{Answer, NetError};
use serde::Deserialize;
use std::collections::HashSet;

/// Records asked for in one page; fewer where the server's pages of large records are longer than an answer may be.
const PAGES: [usize; 3] = [200, 20, 1];

/// What a server says about itself, as far as a pull needs it.
struct Capability {
    types: Vec<ResourceType>,
    stamps_at_commit: bool,
}

impl SyncRun<'_> {
    pub(super) async fn pull(&self, report: &mut Report) -> Result<(), SyncError> {
        let capability = self.capability().await?;
        let types = plan::types(&capability.types, self.patient);
        let total = u64::try_from(types.len()).unwrap_or(u64::MAX);
        for (done, (kind, narrowed)) in (0..).zip(&types) {
            let step = Step {
                kind: *kind,
                narrowed: narrowed.as_deref(),
                done,
                total,
            };
            for page in PAGES {
                let pulled = self.pull_type(&step, page, capability.stamps_at_commit, report);
                match pulled.await {
                    Err(SyncError::Net(NetError::TooLarge)) if page > 1 => {}
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }

    async fn pull_type(
        &self,
        step: &Step<'_>,
        page: usize,
        stamps_at_commit: bool,
        report: &mut Report,
    ) -> Result<(), SyncError> {
        let mut cursor = self.guard.pull_cursor(self.peer, step.kind)?;
        // A link goes on with pages of the size it was made for.
        let resumed = cursor.next.clone().filter(|_| page == PAGES[0]);
        let first = step.first_page(&cursor, page, stamps_at_commit);
        let resumed = match &resumed {
            Some(link) => match self.server.follow(link).await {
                Err(NetError::ForeignLink) => None,
                answer => Some(answer?),
            },
            None => None,
        };
        // A stored link that leads elsewhere, or that the server no longer knows: the cursor says where to begin again.
        let mut answer = match resumed {
            Some(answer) if !matches!(answer.status, 400 | 404 | 410) => answer,
            _ => self.server.get(&first).await?,
        };
        let mut seen = HashSet::new();
        loop {
            match answer.status {
                200 => {}
                // Not offered to us, or not at all: the other types go on.
                403 | 404 => return Ok(()),
                _ => return Err(failed(&answer, "a search")),
            }
            let next = self.store_page(step, &answer, &mut cursor, report)?;
            let Some(next) = next else { return Ok(()) };
            if !seen.insert(next.clone()) {
                return Err(SyncError::NotFhir {
                    doing: "a search",
                    what: "its pages go in a circle",
                });
            }
            answer = self.server.follow(&next).await?;
        }
    }

    /// Stores one page; answers with the link to the next.
    fn store_page(
        &self,
        step: &Step<'_>,
        answer: &Answer,
        cursor: &mut PullCursor,
        report: &mut Report,
    ) -> Result<Option<String>, SyncError> {
        let not_fhir = |what| SyncError::NotFhir {
            doing: "a search",
            what,
        };
        let bundle = Bundle::parse(&answer.text).ok_or_else(|| not_fhir("no Bundle"))?;
        if bundle.kind != "searchset" {
            return Err(not_fhir("not a searchset"));
        }
        let mut page = Vec::with_capacity(bundle.entry.len());
        for entry in &bundle.entry {
            let is_outcome = entry
                .search
                .as_ref()
                .is_some_and(|search| search.mode == "outcome");
            let Some(raw) = entry.resource.filter(|_| !is_outcome) else {
                continue;
            };
            match Resource::parse_text(raw.get()) {
                Ok(resource) if resource.kind() == step.kind => page.push(resource),
                Ok(_) => return Err(not_fhir("records of a type that was not asked for")),
                Err(_) => report.skipped += 1,
            }
        }
        report.pages += 1;
        let newest = page.iter().filter_map(Resource::last_updated).max();
        let moved = PullCursor {
            newest: cursor.newest.max(newest),
            next: bundle.link("next").map(str::to_owned),
        };
        if page.is_empty() && moved == *cursor {
            return Ok(moved.next);
        }
        let pulled = self
            .guard
            .take_page(self.peer, step.kind, &page, &moved, plan::on_pulled)?;
        *cursor = moved;
        for outcome in pulled {
            match outcome {
                Pulled::Take => report.received += 1,
                Pulled::Same => report.known += 1,
                Pulled::Ours => report.sent += 1,
                Pulled::Conflict => report.conflicts += 1,
            }
        }
        let records = report.received;
        (self.progress)(Progress::Receiving {
            kind: step.kind,
            records,
            done: step.done,
            total: step.total,
        });
        Ok(cursor.next.clone())
    }

    async fn capability(&self) -> Result<Capability, SyncError> {
        let answer = self.server.get("metadata").await?;
        if answer.status != 200 {
            return Err(failed(&answer, "metadata"));
        }
        let statement: Statement =
            serde_json::from_str(&answer.text).map_err(|_| SyncError::NotFhir {
                doing: "metadata",
                what: "no CapabilityStatement",
            })?;
        let names = statement
            .rest
            .iter()
            .flat_map(|rest| &rest.resource)
            .map(|resource| resource.kind.as_str());
        let marked = |extension: &Extension| {
            extension.url == marks::STAMPED_AT_COMMIT && extension.value == Some(true)
        };
        Ok(Capability {
            types: names.filter_map(ResourceType::named).collect(),
            stamps_at_commit: statement.extension.iter().any(marked),
        })
    }
}

/// One type's turn.
struct Step<'a> {
    kind: ResourceType,
    narrowed: Option<&'a str>,
    done: u64,
    total: u64,
}

impl Step<'_> {
    fn first_page(&self, cursor: &PullCursor, page: usize, stamps_at_commit: bool) -> String {
        let mut parameters: Vec<String> = self.narrowed.map(str::to_owned).into_iter().collect();
        if let Some(newest) = cursor.newest {
            // `ge`, not `gt`: servers stamp finer than they print, and a transaction shares one stamp.
            parameters.push(format!(
                "_lastUpdated=ge{}",
                plan::pull_from(newest, stamps_at_commit)
            ));
        }
        parameters.push(format!("_sort=_lastUpdated,_id&_count={page}"));
        format!("{}?{}", self.kind, parameters.join("&"))
    }
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    extension: Vec<Extension>,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize)]
struct Extension {
    #[serde(default)]
    url: String,
    #[serde(rename = "valueBoolean")]
    value: Option<bool>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    resource: Vec<Offered>,
}

#[derive(Deserialize)]
struct Offered {
    #[serde(rename = "type", default)]
    kind: String,
}
