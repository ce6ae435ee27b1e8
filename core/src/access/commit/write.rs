//! What a client asks for, one request or one entry of a transaction, and what becomes of it.

use crate::access::audit::Change;
use crate::access::concerned::{self, Writing};
use crate::access::records::Page;
use crate::fhir::patch::{Patch, PatchError};
use crate::fhir::search::{InvalidQuery, Query};
use crate::fhir::{Reference, Resource, ResourceId};
use crate::store::{Committed, Precondition, Reader, Record, StoreError, Version};
use std::borrow::Cow;

/// One request of a client that is committed: by itself, or as an entry of a transaction.
#[derive(Debug)]
pub struct Write<'a> {
    /// What is done.
    pub act: Act<'a>,
    /// What must hold.
    pub condition: Precondition,
    /// The signed change record that came with it.
    pub change: Option<Cow<'a, str>>,
    /// The text that the record is about, where it was merged with what others changed since.
    pub signed: Option<Cow<'a, str>>,
    /// What other entries of the transaction call the record (`Bundle.entry.fullUrl`).
    pub full_url: Option<Cow<'a, str>>,
}

/// What a request does.
#[derive(Debug)]
pub enum Act<'a> {
    /// Create or update: the resource as it was sent.
    Put(Resource<'a>),
    /// Update what the query finds, or create.
    PutFound {
        /// Finds at most one record.
        query: Query,
        /// The resource as it was sent, of the query's type.
        text: Cow<'a, str>,
        /// The id that it was sent with.
        id: Option<ResourceId>,
    },
    /// Create under an id of ours.
    Create {
        /// The resource as it was sent; an id in it is replaced.
        text: Cow<'a, str>,
        /// Only if this finds nothing.
        unless: Option<Query>,
    },
    /// Change parts.
    Patch {
        /// The record.
        name: Reference,
        /// How.
        patch: Patch,
    },
    /// Change parts of what the query finds.
    PatchFound {
        /// Finds one record.
        query: Query,
        /// How.
        patch: Patch,
    },
    /// Delete.
    Delete(Reference),
    /// Delete what the query finds.
    DeleteFound(Query),
    /// Read, after everything else of the transaction.
    Read(Asked),
}

/// What a read in a transaction asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// A record.
    Record(Reference),
    /// One version of a record.
    Version(Reference, u64),
    /// The first page of a search.
    Search(Query),
}

/// What became of a request.
#[derive(Debug)]
pub enum Done {
    /// It was stored, or deleted.
    Written(Committed),
    /// A conditional create found this one, so nothing was stored.
    Present(Box<Record>),
    /// A delete found nothing to delete.
    Nothing,
    /// A record that was read.
    Record(Box<Record>),
    /// A version that was read.
    Version(Box<Version>),
    /// A page that was searched.
    Page(Box<Page>),
}

/// Why a request does not fit what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A condition that must find one record finds several.
    #[error("the condition matches more than one record; nothing was done")]
    Several,
    /// A condition that must find a record finds none.
    #[error("the condition matches no record")]
    NoMatch,
    /// A record that must be there is not.
    #[error("{0} is not known")]
    Unknown(Reference),
    /// A record that must be there is deleted.
    #[error("{0} is deleted")]
    Gone(Reference),
    /// A conditional update brings another id than what it finds has.
    #[error("the resource has another id than the record that matches")]
    OtherId,
    /// R4: "If any resource identities overlap, the transaction SHALL fail".
    #[error("{0} stands twice in one transaction")]
    Twice(Reference),
    /// Two entries have the same `fullUrl`.
    #[error("two entries have the same fullUrl")]
    SameFullUrl,
    /// A conditional reference finds no record, or several.
    #[error("a conditional reference matches {}", if *several { "more than one record" } else { "no record" })]
    Reference {
        /// More than one.
        several: bool,
    },
    /// A conditional reference is no search.
    #[error("a conditional reference: {0}")]
    ReferenceQuery(InvalidQuery),
    /// A search without parameters finds everything.
    #[error("a condition needs at least one search parameter")]
    NoCondition,
    /// The patch.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

impl Write<'_> {
    /// The record and the exact bytes that a signed change can be about; `None` for the bytes: a deletion.
    pub(in crate::access) fn exact(&self) -> Option<(&Reference, Option<&str>)> {
        match (&self.act, &self.signed) {
            (Act::Put(resource), None) => Some((resource.name(), Some(resource.text()))),
            (Act::Put(resource), Some(signed)) => Some((resource.name(), Some(signed))),
            (Act::Delete(name), None) => Some((name, None)),
            _ => None,
        }
    }

    /// What is known of it before it is done.
    pub(super) fn intent(&self, reader: &Reader<'_>) -> Result<Writing, StoreError> {
        let named = Writing::named(self.what());
        Ok(match &self.act {
            Act::Put(resource) => Writing::of_put(reader, resource)?,
            Act::Delete(name) => Writing::of_delete(reader, name)?,
            Act::Patch { name, .. } => Writing {
                change: Some(Change::Update),
                patients: concerned::now(reader, name)?,
                ..named
            },
            Act::Create { text, .. } | Act::PutFound { text, .. } => Writing {
                patients: concerned::in_texts([text.as_ref()]),
                ..named
            },
            Act::PatchFound { .. } | Act::DeleteFound(_) | Act::Read(_) => named,
        })
    }

    pub(in crate::access) fn what(&self) -> String {
        match &self.act {
            Act::Put(resource) => resource.name().to_string(),
            Act::Patch { name, .. } => name.to_string(),
            Act::Delete(name) => format!("delete {name}"),
            Act::PutFound { query, .. } | Act::PatchFound { query, .. } => query.to_string(),
            Act::DeleteFound(query) => format!("delete {query}"),
            Act::Create {
                unless: Some(query),
                ..
            } => format!("create unless {query}"),
            Act::Create { .. } => "create".into(),
            Act::Read(_) => "read".into(),
        }
    }
}
