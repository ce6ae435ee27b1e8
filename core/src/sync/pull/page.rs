//! Pages while they arrive: entries are cut out of one, and the next is asked for as soon as its link is there. It comes
//! in while this one is stored.

use super::super::SyncError;
use crate::fhir::bundle_stream::{Around, NotABundle, Part, Skipped, Splitter, name_in};
use crate::fhir::{Resource, ResourceType};
use crate::net::{Doing, MAX_ANSWER_BYTES, NetError, Reply, Request, Server};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// Bytes of records that are held before they are stored, where a page is longer than that.
const HOLD: usize = 8 * 1024 * 1024;
/// And where nothing says yet what kind of Bundle it is.
const HOLD_UNKNOWN: usize = 8 * HOLD;

/// Pages that look like an earlier one of the same list before that is a circle behind ever new links.
const MAX_REPEATED: u32 = 20;
/// Bytes at both ends of a record by which it is known again.
const SEEN_BYTES: usize = 256;

/// What comes while a page is read.
pub(super) enum Came<'a> {
    /// The link to the next page, which has been asked for.
    Link(&'a str),
    /// An entry, with the Bundle's type where it is known by then.
    Entry(Part, Option<&'a str>),
}

/// The pages of one search or history.
pub(super) struct Pages<'s> {
    server: &'s Server,
    /// What is asked of the server, for messages.
    doing: &'static str,
    /// Links that were followed.
    seen: HashSet<String>,
    /// What earlier pages looked like.
    looks: HashSet<u64>,
    repeated: u32,
    next: Option<Doing<'s, Result<Reply, NetError>>>,
}

impl<'s> Pages<'s> {
    /// Asks for the first page.
    pub(super) fn new(server: &'s Server, doing: &'static str, first: Request) -> Self {
        Self {
            server,
            doing,
            seen: HashSet::new(),
            looks: HashSet::new(),
            repeated: 0,
            next: Some(server.send(first)),
        }
    }

    /// The head of the page whose turn it is; `None`: there is no further one.
    pub(super) async fn turn(&mut self) -> Result<Option<Reply>, SyncError> {
        match self.next.take() {
            Some(arriving) => Ok(Some(arriving.await?)),
            None => Ok(None),
        }
    }

    /// Reads a page to its end; `take` is told what comes.
    pub(super) async fn read(
        &mut self,
        mut reply: Reply,
        take: &mut (dyn FnMut(Came<'_>) -> Result<(), SyncError> + Send),
    ) -> Result<Around, SyncError> {
        let mut splitter = Splitter::new();
        let mut parts = Vec::new();
        let (mut bytes, mut is_linked) = (0, false);
        let mut look = Look::default();
        while let Some(piece) = reply.body.chunk().await? {
            bytes += piece.len();
            if bytes > MAX_ANSWER_BYTES {
                return Err(NetError::TooLarge.into());
            }
            splitter
                .feed(&piece, &mut |part| parts.push(part))
                .map_err(|error| self.no_bundle(error))?;
            if let Some(link) = splitter.next()
                && !is_linked
            {
                is_linked = true;
                self.follow(link)?;
                take(Came::Link(link))?;
            }
            for part in parts.drain(..) {
                look.add(&part);
                take(Came::Entry(part, splitter.kind()))?;
            }
        }
        let around = splitter.finish().map_err(|error| self.no_bundle(error))?;
        if look.records > 0 && !self.looks.insert(look.hasher.finish()) {
            self.repeated += 1;
        }
        match self.repeated > MAX_REPEATED {
            true => Err(self.not_fhir("page after page is the same")),
            false => Ok(around),
        }
    }

    fn follow(&mut self, link: &str) -> Result<(), SyncError> {
        if !self.seen.insert(link.to_owned()) {
            return Err(self.not_fhir("its pages go in a circle"));
        }
        let mut request = Request::follow(link);
        request.looks_ahead = true;
        self.next = Some(self.server.send(request));
        Ok(())
    }

    fn no_bundle(&self, error: NotABundle) -> SyncError {
        self.not_fhir(match error {
            NotABundle::Syntax { .. } => "it is not JSON",
            NotABundle::CutOff => "it ends before its end",
            NotABundle::OtherResource => "no Bundle",
            NotABundle::Malformed => "a member of the Bundle is not as FHIR has it",
            NotABundle::TooLong => "too much stands around the records",
            NotABundle::TooDeep => "it is nested too deep",
        })
    }

    pub(super) fn not_fhir(&self, what: &'static str) -> SyncError {
        SyncError::NotFhir {
            doing: self.doing,
            what,
        }
    }
}

/// What a page looks like: cheaper than reading all of it once more, and enough to know it again.
#[derive(Default)]
struct Look {
    hasher: DefaultHasher,
    records: usize,
}

impl Look {
    fn add(&mut self, part: &Part) {
        let Some(Ok(text)) = &part.resource else {
            return;
        };
        let bytes = text.as_bytes();
        let end = bytes.len().saturating_sub(SEEN_BYTES);
        self.hasher.write_usize(bytes.len());
        self.hasher.write(&bytes[..bytes.len().min(SEEN_BYTES)]);
        self.hasher.write(&bytes[end..]);
        self.records += 1;
    }
}

/// Records of a page that wait to be stored.
#[derive(Default)]
pub(super) struct Held {
    texts: Vec<String>,
    bytes: usize,
    pub(super) skipped: Vec<Skipped>,
}

impl Held {
    /// Takes the records out of an entry.
    pub(super) fn add(&mut self, part: Part) {
        if part.mode.as_deref() == Some("outcome") {
            return;
        }
        match part.resource {
            Some(Ok(text)) => {
                self.bytes += text.len();
                self.texts.push(text);
            }
            Some(Err(skipped)) => self.skipped.push(skipped),
            None => {}
        }
    }

    /// Whether it is time to store, in the middle of a page. Nothing is stored before the Bundle has said that it is what
    /// was asked for.
    pub(super) fn is_full(&self, is_right: bool) -> Result<bool, NetError> {
        match is_right {
            true => Ok(self.bytes >= HOLD),
            false if self.bytes >= HOLD_UNKNOWN => Err(NetError::TooLarge),
            false => Ok(false),
        }
    }

    /// Ready for more.
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.bytes = 0;
    }

    /// The resources. Those that are none go to the skipped ones. `None`: one is of another type.
    pub(super) fn resources(
        &self,
        kind: ResourceType,
        skipped: &mut Vec<Skipped>,
    ) -> Option<Vec<Resource<'_>>> {
        let mut resources = Vec::with_capacity(self.texts.len());
        for text in &self.texts {
            match Resource::parse_text(text) {
                Ok(resource) if resource.kind() == kind => resources.push(resource),
                Ok(_) => return None,
                Err(reason) => skipped.push(Skipped {
                    name: name_in(text.as_bytes()),
                    reason,
                }),
            }
        }
        Some(resources)
    }
}
