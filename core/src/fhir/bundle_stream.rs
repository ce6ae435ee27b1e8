//! A Bundle taken apart while it arrives, in whatever pieces.
//!
//! A page may be longer than what a phone spares for it, and its link to the next page is worth most before the rest of it
//! is there. Only the resource at hand is held. What stands around the resources is copied without them and read by
//! the reader of whole Bundles at its end, so that both take the same texts: `Bundle::parse` is the rule.

use super::bundle::{Bundle, Entry, Link};
use super::walk::{Walk, is_space, over_literal};
use super::{InvalidResource, Reference, ResourceId, ResourceType, json, resource};

/// Most that may stand around the resources of a Bundle, or around one of them. A link may be some thousand bytes.
const MAX_AROUND: usize = 1024 * 1024;

/// Why a text is no Bundle that can be taken apart. Nothing of its content is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotABundle {
    /// This byte cannot stand there.
    #[error("it is not JSON (byte {at})")]
    Syntax {
        /// Its place.
        at: u64,
    },
    /// It ends before its end.
    #[error("it ends before its end")]
    CutOff,
    /// It is another resource.
    #[error("it is another resource")]
    OtherResource,
    /// What stands around a resource is no content of a Bundle.
    #[error("a member of the Bundle is not as FHIR has it")]
    Malformed,
    /// Too much stands around the resources.
    #[error("more than {} KiB stand around its resources", MAX_AROUND / 1024)]
    TooLong,
    /// What stands around the resources is nested deeper than [`json::MAX_DEPTH`].
    #[error("it is nested deeper than {} levels", json::MAX_DEPTH)]
    TooDeep,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The resource's own text, verbatim; `None`: the entry has none (a deletion in a history).
    pub resource: Option<Result<String, Skipped>>,
    /// `match`, `include` or `outcome`, where the server says.
    pub mode: Option<String>,
    /// The method and the address of its request, in histories.
    pub request: Option<(String, String)>,
    /// ETag and lastModified of its response, in histories.
    pub response: Option<(Option<String>, Option<String>)>,
    /// `Type/id` at the end of its address.
    pub name: Option<Reference>,
}

/// A resource that was left out while it streamed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// `Type/id`, where it can be seen.
    pub name: Option<Reference>,
    /// Why.
    pub reason: InvalidResource,
}

/// What stands around the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// `searchset`, `history`, ...
    pub kind: String,
    /// The link to the next page, verbatim.
    pub next: Option<String>,
}

/// Takes a Bundle apart.
#[derive(Debug, Default)]
pub struct Splitter {
    at: At,
    walk: Walk,
    is_literal: bool,
    bytes: u64,
    /// The Bundle without its entries.
    around: Vec<u8>,
    /// The entry at hand without its resource.
    entry: Vec<u8>,
    /// Name of the member at hand, as it is written.
    name: Vec<u8>,
    /// Where its value begins in what it is copied to.
    value_at: usize,
    resource: Vec<u8>,
    resource_bytes: u64,
    has_resource: bool,
    next: Option<String>,
    kind: Option<String>,
    is_bundle: bool,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// The Bundle.
    #[default]
    Start,
    /// A member's name, or the end of the object.
    Member(Level),
    /// The rest of a name.
    Name(Level),
    /// The colon behind a name.
    Colon(Level),
    /// A value.
    Value(Level),
    /// The rest of a value.
    Inside(Level, Sink),
    /// What stands behind a value: a comma, or the end of the object.
    Behind(Level),
    /// The first entry, or the end of the array.
    FirstItem,
    /// A further entry.
    Item,
    /// What stands behind an entry.
    BehindItem,
    /// Nothing more.
    End,
}

/// Whose member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Bundle,
    Entry,
    /// An entry that is no object; the reader judges it.
    Item,
}

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Copy,
    Resource,
}

impl Splitter {
    /// Ready for the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// The link to the next page, as soon as it was seen.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The Bundle's type, as soon as it was seen, and also that it is a Bundle.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref().filter(|_| self.is_bundle)
    }

    /// Takes the next bytes; each entry that ends in them goes to `take`.
    ///
    /// # Errors
    /// [`NotABundle`]; then nothing more can be read of it.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(Part)) -> Result<(), NotABundle> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let used = match self.at {
                At::Inside(level, into) => self.inside(rest, level, into, take)?,
                At::Name(level) => self.in_name(rest, level)?,
                _ if is_space(*first) => {
                    let spaces = rest.iter().position(|byte| !is_space(*byte));
                    spaces.unwrap_or(rest.len())
                }
                at => self.step(at, *first, take)?,
            };
            self.bytes += size(used);
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// After the last byte.
    ///
    /// # Errors
    /// [`NotABundle`].
    pub fn finish(self) -> Result<Around, NotABundle> {
        match self.at {
            At::End => {}
            _ => return Err(NotABundle::CutOff),
        }
        let text = std::str::from_utf8(&self.around).map_err(|_| NotABundle::Malformed)?;
        let bundle: Bundle<'_> = serde_json::from_str(text).map_err(|_| NotABundle::Malformed)?;
        if !bundle.is_one() {
            return Err(NotABundle::OtherResource);
        }
        Ok(Around {
            kind: bundle.kind.to_string(),
            next: bundle.link("next").map(str::to_owned),
        })
    }

    /// Takes one byte that is no white space, or leaves it to the state that it leads to.
    fn step(&mut self, at: At, byte: u8, take: &mut dyn FnMut(Part)) -> Result<usize, NotABundle> {
        let wrong = NotABundle::Syntax { at: self.bytes };
        self.at = match (at, byte) {
            (At::Start, b'{') => {
                self.around.push(b'{');
                At::Member(Level::Bundle)
            }
            (At::Member(level), b'"') => {
                self.name.clear();
                self.walk = Walk::default();
                self.at = At::Name(level);
                return Ok(0);
            }
            (At::Colon(level), b':') => {
                let name = std::mem::take(&mut self.name);
                let copy = self.copy(level);
                copy.extend_from_slice(&name);
                copy.push(b':');
                self.value_at = copy.len();
                self.name = name;
                At::Value(level)
            }
            (At::Behind(level), b',') => {
                self.copy(level).push(b',');
                At::Member(level)
            }
            (At::Member(level) | At::Behind(level), b'}') => {
                self.copy(level).push(b'}');
                match level {
                    Level::Bundle => At::End,
                    Level::Entry | Level::Item => {
                        self.end_entry(take)?;
                        At::BehindItem
                    }
                }
            }
            (At::Value(Level::Bundle), b'[') if self.is_named("entry") => {
                self.around.extend_from_slice(b"[]");
                At::FirstItem
            }
            (At::FirstItem | At::BehindItem, b']') => At::Behind(Level::Bundle),
            (At::BehindItem, b',') => At::Item,
            (At::FirstItem | At::Item, b'{') => {
                self.entry.push(b'{');
                At::Member(Level::Entry)
            }
            (At::Value(_) | At::FirstItem | At::Item, b',' | b':' | b'}' | b']') => {
                return Err(wrong);
            }
            (At::FirstItem | At::Item, _) => {
                self.begin(byte);
                self.at = At::Inside(Level::Item, Sink::Copy);
                return Ok(0);
            }
            (At::Value(level), _) => {
                self.begin(byte);
                let is_resource =
                    level == Level::Entry && byte != b'n' && self.is_named("resource");
                let into = if is_resource {
                    // Stands for the resource, so that a second one does not pass.
                    self.entry.push(b'0');
                    self.has_resource = true;
                    Sink::Resource
                } else {
                    Sink::Copy
                };
                self.at = At::Inside(level, into);
                return Ok(0);
            }
            _ => return Err(wrong),
        };
        Ok(1)
    }

    /// A value begins with this byte.
    fn begin(&mut self, byte: u8) {
        self.walk = Walk::default();
        self.is_literal = !matches!(byte, b'"' | b'{' | b'[');
    }

    fn in_name(&mut self, rest: &[u8], level: Level) -> Result<usize, NotABundle> {
        let (used, ended) = self.walk.over(rest);
        if self.name.len() + used > MAX_AROUND {
            return Err(NotABundle::TooLong);
        }
        self.name.extend_from_slice(&rest[..used]);
        if ended {
            self.at = At::Colon(level);
        }
        Ok(used)
    }

    fn inside(
        &mut self,
        rest: &[u8],
        level: Level,
        into: Sink,
        take: &mut dyn FnMut(Part),
    ) -> Result<usize, NotABundle> {
        let (used, ended) = if self.is_literal {
            over_literal(rest)
        } else {
            self.walk.over(rest)
        };
        let piece = &rest[..used];
        match into {
            Sink::Copy => {
                if self.walk.depth() > size(json::MAX_DEPTH) {
                    return Err(NotABundle::TooDeep);
                }
                let copy = self.copy(level);
                if copy.len() + used > MAX_AROUND {
                    return Err(NotABundle::TooLong);
                }
                copy.extend_from_slice(piece);
            }
            Sink::Resource => {
                self.resource_bytes += size(used);
                let spare = resource::MAX_BYTES - self.resource.len();
                self.resource.extend_from_slice(&piece[..used.min(spare)]);
            }
        }
        if ended {
            self.at = match level {
                Level::Item => {
                    self.end_entry(take)?;
                    At::BehindItem
                }
                Level::Entry => At::Behind(level),
                Level::Bundle => {
                    self.look_at_value()?;
                    At::Behind(level)
                }
            };
        }
        Ok(used)
    }

    /// What the members of a value's object are copied to.
    fn copy(&mut self, level: Level) -> &mut Vec<u8> {
        match level {
            Level::Bundle => &mut self.around,
            Level::Entry | Level::Item => &mut self.entry,
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let written = self.name.get(1..self.name.len().saturating_sub(1));
        if !self.name.contains(&b'\\') {
            return written == Some(name.as_bytes());
        }
        serde_json::from_slice::<String>(&self.name).is_ok_and(|read| read == name)
    }

    /// What is useful before the Bundle ends. Whether it is right is judged at its end.
    fn look_at_value(&mut self) -> Result<(), NotABundle> {
        let value = self.around.get(self.value_at..).unwrap_or_default();
        if self.is_named("link") {
            let links: Vec<Link<'_>> =
                serde_json::from_slice(value).map_err(|_| NotABundle::Malformed)?;
            let next = links.into_iter().find(|link| link.relation == "next");
            self.next = next.map(|link| link.url.into_owned());
        } else if self.is_named("type") {
            self.kind = serde_json::from_slice(value).ok();
        } else if self.is_named("resourceType") {
            let kind: Option<String> = serde_json::from_slice(value).ok();
            if kind.as_deref() != Some("Bundle") {
                return Err(NotABundle::OtherResource);
            }
            self.is_bundle = true;
        }
        Ok(())
    }

    fn end_entry(&mut self, take: &mut dyn FnMut(Part)) -> Result<(), NotABundle> {
        let text = std::str::from_utf8(&self.entry).map_err(|_| NotABundle::Malformed)?;
        let entry: Entry<'_> = serde_json::from_str(text).map_err(|_| NotABundle::Malformed)?;
        let resource = if self.has_resource {
            // Of the length it has: the next one's room is made again.
            let room = Vec::with_capacity(self.resource.len().min(64 * 1024));
            let bytes = std::mem::replace(&mut self.resource, room);
            Some(text_of(
                bytes,
                self.resource_bytes,
                entry.full_url.as_deref(),
            ))
        } else {
            entry.resource.map(|raw| Ok(raw.get().to_owned()))
        };
        take(Part {
            name: entry.full_url.as_deref().and_then(name_of),
            resource,
            mode: entry.search.map(|search| search.mode.into_owned()),
            request: entry
                .request
                .map(|r| (r.method.into_owned(), r.url.into_owned())),
            response: entry.response.map(|response| {
                let owned = |text: std::borrow::Cow<'_, str>| text.into_owned();
                (response.etag.map(owned), response.last_modified.map(owned))
            }),
        });
        self.entry.clear();
        self.has_resource = false;
        self.resource_bytes = 0;
        Ok(())
    }
}

fn text_of(bytes: Vec<u8>, length: u64, full_url: Option<&str>) -> Result<String, Skipped> {
    let named = |bytes: &[u8]| name_in(bytes).or_else(|| name_of(full_url?));
    if length > size(bytes.len()) {
        let bytes_there = usize::try_from(length).unwrap_or(usize::MAX);
        return Err(Skipped {
            name: named(&bytes),
            reason: InvalidResource::TooLarge { bytes: bytes_there },
        });
    }
    String::from_utf8(bytes).map_err(|error| Skipped {
        name: named(error.as_bytes()),
        reason: InvalidResource::NotUtf8 {
            at: error.utf8_error().valid_up_to(),
        },
    })
}

/// `Type/id` at the end of an address; what may stand behind it names a version.
pub fn name_of(url: &str) -> Option<Reference> {
    let record = url
        .split_once("/_history")
        .map_or(url, |(record, _)| record);
    let mut parts = record.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Some(Reference {
        kind: ResourceType::named(kind)?,
        id: ResourceId::new(id).ok()?,
    })
}

/// `Type/id` of the resource whose text begins so, where both stand in it: the text may be cut off, or bad.
pub fn name_in(front: &[u8]) -> Option<Reference> {
    let (mut kind, mut id) = (None, None);
    let mut at = space(front, 0);
    while matches!(front.get(at)?, b'{' | b',') {
        at = space(front, at + 1);
        let name = value(front, &mut at)?;
        at = space(front, at);
        if front.get(at) != Some(&b':') {
            return None;
        }
        at = space(front, at + 1);
        let value = value(front, &mut at)?;
        at = space(front, at);
        let text = || serde_json::from_slice::<String>(value).ok();
        match name {
            b"\"resourceType\"" => kind = ResourceType::named(&text()?),
            b"\"id\"" => id = ResourceId::new(&text()?).ok(),
            _ => {}
        }
        if let (Some(kind), Some(id)) = (kind, &id) {
            let id = id.clone();
            return Some(Reference { kind, id });
        }
    }
    None
}

/// The whole value that begins at `at`, which moves behind it.
fn value<'a>(front: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = front.get(*at..)?;
    let is_literal = !matches!(rest.first()?, b'"' | b'{' | b'[');
    let (length, ended) = if is_literal {
        over_literal(rest)
    } else {
        Walk::default().over(rest)
    };
    *at += length;
    (ended && length > 0).then_some(&rest[..length])
}

/// The first place from `at` on without white space.
fn space(front: &[u8], at: usize) -> usize {
    let rest = front.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_space(**byte)).count()
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
