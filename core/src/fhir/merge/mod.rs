//! Three-way merge of a resource: the server's version an edit started from, the edited one, the server's newer one.
//!
//! Pure, and the same on every machine: a hub does it again to judge what a device sends. Values are pieces of the three
//! texts, never printed anew, so `1.00` stays `1.00`. Where both sides changed one thing, nothing is decided here: that is
//! a [`Clash`], and a person's.

mod align;
mod holds;
mod identity;
mod list;
mod path;
mod sets;
mod shape;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod words;

pub use holds::holds;
pub use path::{InvalidPath, Path, Step};
pub use words::{value_words, words};

use super::ResourceType;
use super::resource::MAX_BYTES;
use shape::{Units, same_unit};
use tree::{Kind, Node};
use walk::Walk;

/// One path both sides changed differently.
#[derive(Clone, PartialEq, Eq)]
pub struct Clash {
    /// Where.
    pub path: Path,
    /// The value the edit started from; `None`: not there. All three are JSON as it stands in the texts; where extensions
    /// or the type of a choice count, an object of the members.
    pub base: Option<String>,
    /// The edit's.
    pub mine: Option<String>,
    /// The server's.
    pub theirs: Option<String>,
}

/// Without the values, which are PHI.
impl std::fmt::Debug for Clash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clash({:?})", self.path)
    }
}

/// What came out of a merge.
#[derive(Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merged resource, with mine at the clashes.
    pub text: String,
    /// Paths that a person has to decide; none: the merge is clean.
    pub clashes: Vec<Clash>,
}

/// Without the text, which is PHI.
impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Merged({} bytes, {} clashes)",
            self.text.len(),
            self.clashes.len()
        )
    }
}

/// Whose version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The edit's.
    Mine,
    /// The server's.
    Theirs,
}

/// Why three texts cannot be merged. Messages never repeat content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMergeable {
    /// One is no JSON object, or nests too deep.
    #[error(
        "{which} is not a JSON object of at most {} levels",
        super::json::MAX_DEPTH
    )]
    NotAnObject {
        /// Which of the three, in words.
        which: &'static str,
    },
    /// What came out would be larger than a resource may be.
    #[error("together the versions would be larger than a resource may be")]
    TooLarge,
    /// Type or id differ.
    #[error("the versions are not of one record")]
    OtherRecord,
}

/// Merges `mine` and `theirs`, both made from `base`; all of one type and id.
///
/// What only one side changed is exactly that side's text, apart from `meta.versionId` and `meta.lastUpdated`, which are
/// theirs. When both sides changed something, the narrative (`text`) is dropped, unless its status says that it holds more
/// than the data.
///
/// # Errors
/// [`NotMergeable`]
///
/// ```
/// use pocketchart_core::fhir::merge::merge;
/// let base = r#"{"resourceType":"Patient","id":"a","active":true}"#;
/// let mine = r#"{"resourceType":"Patient","id":"a","active":true,"gender":"female"}"#;
/// let theirs = r#"{"resourceType":"Patient","id":"a","active":false}"#;
/// let merged = merge(base, mine, theirs)?;
/// assert!(merged.clashes.is_empty());
/// assert_eq!(merged.text, r#"{"resourceType":"Patient","id":"a","active":false,"gender":"female"}"#);
/// # Ok::<(), pocketchart_core::fhir::merge::NotMergeable>(())
/// ```
pub fn merge(base: &str, mine: &str, theirs: &str) -> Result<Merged, NotMergeable> {
    run(base, mine, theirs, false, &|_| Side::Mine)
}

/// As [`merge`], with `choose` deciding each clash.
///
/// # Errors
/// [`NotMergeable`]
pub fn settle(
    base: &str,
    mine: &str,
    theirs: &str,
    choose: &dyn Fn(&Clash) -> Side,
) -> Result<String, NotMergeable> {
    Ok(run(base, mine, theirs, false, choose)?.text)
}

/// Every path that either side changed and that is not the same now, clash or not: what a person looks at where a type is
/// never merged without one ([`needs_a_person`]).
///
/// # Errors
/// [`NotMergeable`]
pub fn compare(base: &str, mine: &str, theirs: &str) -> Result<Vec<Clash>, NotMergeable> {
    Ok(run(base, mine, theirs, true, &|_| Side::Mine)?.clashes)
}

/// As [`settle`], with `choose` deciding each path of [`compare`].
///
/// # Errors
/// [`NotMergeable`]
pub fn settle_each(
    base: &str,
    mine: &str,
    theirs: &str,
    choose: &dyn Fn(&Clash) -> Side,
) -> Result<String, NotMergeable> {
    Ok(run(base, mine, theirs, true, choose)?.text)
}

/// Whether a change on both sides always needs a person, even when the merge is clean: medicines, allergies, consent.
pub fn needs_a_person(kind: ResourceType) -> bool {
    matches!(
        kind.name(),
        "AllergyIntolerance"
            | "Consent"
            | "Immunization"
            | "MedicationAdministration"
            | "MedicationDispense"
            | "MedicationRequest"
            | "MedicationStatement"
            | "NutritionOrder"
            | "VisionPrescription"
    )
}

fn run(
    base: &str,
    mine: &str,
    theirs: &str,
    asks_everything: bool,
    choose: &dyn Fn(&Clash) -> Side,
) -> Result<Merged, NotMergeable> {
    let b = parsed(base, "the base")?;
    let m = parsed(mine, "the edited version")?;
    let t = parsed(theirs, "the server's version")?;
    for name in ["resourceType", "id"] {
        let of = |node: &Node<'_>| node.member(name).map(|value| value.raw.to_owned());
        let is_open = |node: &Node<'_>| node.members().is_some();
        if [&b, &m, &t].iter().all(|node| is_open(node)) && (of(&b) != of(&m) || of(&m) != of(&t)) {
            return Err(NotMergeable::OtherRecord);
        }
    }
    let clean = |text: String| {
        Ok(Merged {
            text,
            clashes: Vec::new(),
        })
    };
    if same_content(&m, &t) || (same_content(&b, &m) && !asks_everything) {
        return clean(theirs.to_owned());
    }
    if same_content(&b, &t) && !asks_everything {
        return clean(with_server_meta(mine, &m, &t));
    }
    let kind = t.member("resourceType").and_then(Node::string);
    let mut walk = Walk {
        kind: kind.map(|kind| kind.into_owned()).unwrap_or_default(),
        choose,
        asks_everything,
        path: Path::default(),
        clashes: Vec::new(),
    };
    let text = match (&b.kind, &m.kind, &t.kind) {
        (Kind::Object(_), Kind::Object(_), Kind::Object(_)) => walk.resource(&b, &m, &t),
        // A member that stands twice: nobody can take that apart.
        _ => match walk.clash(
            Some(base.to_owned()),
            Some(mine.to_owned()),
            Some(theirs.to_owned()),
        ) {
            Side::Mine => mine.to_owned(),
            Side::Theirs => theirs.to_owned(),
        },
    };
    match text.len() > MAX_BYTES {
        true => Err(NotMergeable::TooLarge),
        false => Ok(Merged {
            text,
            clashes: walk.clashes,
        }),
    }
}

fn parsed<'a>(text: &'a str, which: &'static str) -> Result<Node<'a>, NotMergeable> {
    let node = Node::parse(text).filter(|node| matches!(node.kind, Kind::Object(_) | Kind::Opaque));
    node.ok_or(NotMergeable::NotAnObject { which })
}

/// What a server sets.
fn is_servers(name: &str) -> bool {
    matches!(name, "versionId" | "lastUpdated")
}

/// Whether two versions say the same, apart from what a server sets.
fn same_content(a: &Node<'_>, b: &Node<'_>) -> bool {
    if a.members().is_none() || b.members().is_none() {
        return a.is_same(b);
    }
    let (a, b) = (Units::of(Some(a)), Units::of(Some(b)));
    let meta = |units: &Units<'_, '_>| {
        units.get("meta").is_none_or(|meta| {
            meta.only()
                .is_some_and(|meta| meta.value.members().is_some())
        })
    };
    let skips = meta(&a) && meta(&b);
    let same = |name: &str| {
        if name != "meta" || !skips {
            return same_unit(a.get(name), b.get(name));
        }
        let inner = [&a, &b]
            .map(|units| Units::of(units.get("meta").and_then(|m| m.only()).map(|m| &m.value)));
        let [x, y] = &inner;
        let both = x.all.iter().chain(&y.all).map(|unit| unit.name);
        both.filter(|name| !is_servers(name))
            .all(|name| same_unit(x.get(name), y.get(name)))
    };
    a.all.iter().chain(&b.all).all(|unit| same(unit.name))
}

/// `mine` with the server's version and time where it has any; every other byte stands as it stood.
fn with_server_meta(mine: &str, m: &Node<'_>, t: &Node<'_>) -> String {
    let mut edits = Vec::new();
    for name in ["versionId", "lastUpdated"] {
        let of = |node: &Node<'_>| -> Option<String> {
            Some(node.member("meta")?.member(name)?.raw.to_owned())
        };
        let old = m.member("meta").and_then(|meta| meta.member(name));
        if let (Some(old), Some(new)) = (old, of(t)) {
            edits.extend(super::json::span(mine, old.raw).map(|span| (span, new)));
        }
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut out = String::with_capacity(mine.len() + 32);
    let mut done = 0;
    for (span, new) in edits {
        out.push_str(&mine[done..span.start]);
        out.push_str(&new);
        done = span.end;
    }
    out.push_str(&mine[done..]);
    out
}
