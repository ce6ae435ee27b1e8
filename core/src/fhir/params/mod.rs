//! The search parameters of FHIR R4, compiled: what a record of a type can be found by, and where in it that stands.
//!
//! R4 writes each parameter as a FHIRPath expression. Evaluating those for every record would cost more than all the rest
//! of an import, and most of FHIRPath is never used by them; so a tool of this repository
//! (`cargo run -p pocketchart-tests --bin compile-search-parameters`) turns them once into [`table`]'s rows, and what it
//! cannot turn it names with the reason.

mod clinical;
#[rustfmt::skip] // Rows are read in columns.
mod table;

use super::ResourceType;

pub use clinical::{clinical_date, numbered};

/// Hash of the table: another table means that an index made with it is old.
pub use table::GENERATION;

/// How the values of a parameter are compared (R4 search, 3.1.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Folded text, by its start.
    String,
    /// System and code.
    Token,
    /// Another record.
    Reference,
    /// A span of time.
    Date,
    /// A number.
    Number,
    /// A number with a unit.
    Quantity,
    /// A URI, byte for byte.
    Uri,
}

/// One search parameter of one type.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Unique within the type; other types use it for other parameters. Not stable over generations of the table.
    pub number: u16,
    /// As in the search string.
    pub code: &'static str,
    /// How it is compared.
    pub kind: ParameterKind,
    /// Whether [`Profile::Default`] holds it.
    pub in_default: bool,
    /// Types that a reference may lead to; empty: any.
    pub targets: &'static [&'static str],
    /// Where its values stand: element names as in JSON, then the FHIR type of the value
    /// (`participant.actor:Reference(Patient)`, `telecom[system=phone]:ContactPoint`). See `extract::path`.
    pub paths: &'static [&'static str],
}

impl Parameter {
    /// Whether a reference of this parameter may lead to a record of that type.
    pub fn may_target(&self, kind: ResourceType) -> bool {
        self.kind == ParameterKind::Reference
            && (self.targets.is_empty() || self.targets.contains(&kind.name()))
    }
}

/// Which parameters a vault indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What US Core 6.1 requires, scheduling, and what the apps ask for.
    Default,
    /// Every parameter of R4 that the table holds.
    Full,
}

impl Profile {
    /// Whether it indexes `parameter`.
    pub fn holds(self, parameter: &Parameter) -> bool {
        self == Self::Full || parameter.in_default
    }
}

/// Parameters of all types that the table does not hold: `_id` is the key of a record, the others are no index rows.
const KNOWN_EVERYWHERE: [&str; 7] = [
    "_content", "_filter", "_has", "_id", "_list", "_query", "_text",
];

/// The parameters of a type, sorted by code. `_id` is not among them: it is the record's key.
pub fn of(kind: ResourceType) -> &'static [Parameter] {
    table::PARAMETERS
        .get(index(kind))
        .copied()
        .unwrap_or_default()
}

/// The parameter of a type with this code.
pub fn find(kind: ResourceType, code: &str) -> Option<&'static Parameter> {
    let all = of(kind);
    let at = all.binary_search_by_key(&code, |p| p.code).ok()?;
    all.get(at)
}

/// Whether R4 (or US Core) has this parameter, whether or not [`find`] finds it: the difference between "not supported
/// yet" and "unknown".
pub fn is_known(kind: ResourceType, code: &str) -> bool {
    let uncompiled = table::UNCOMPILED.get(index(kind)).copied();
    KNOWN_EVERYWHERE.contains(&code)
        || find(kind, code).is_some()
        || uncompiled.unwrap_or_default().contains(&code)
}

/// A row of the default profile.
const fn default(
    number: u16,
    code: &'static str,
    kind: ParameterKind,
    targets: &'static [&'static str],
    paths: &'static [&'static str],
) -> Parameter {
    Parameter {
        in_default: true,
        ..full(number, code, kind, targets, paths)
    }
}

/// A row of the full profile only.
const fn full(
    number: u16,
    code: &'static str,
    kind: ParameterKind,
    targets: &'static [&'static str],
    paths: &'static [&'static str],
) -> Parameter {
    Parameter {
        number,
        code,
        kind,
        in_default: false,
        targets,
        paths,
    }
}

fn index(kind: ResourceType) -> usize {
    usize::try_from(kind.number()).unwrap_or(usize::MAX)
}
