//! What a search asks for, typed: the one model behind the search strings of command line, hub and bindings.
//!
//! Everything that decides which records match stands in here in full, so that an engine needs no second look at text.

use super::{DEFAULT_COUNT, Decimal};
use crate::fhir::instant::Span;
use crate::fhir::params::{self, Parameter};
use crate::fhir::{Instant, ResourceId, ResourceType};

/// A search over one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The type searched.
    pub kind: ResourceType,
    /// Every one of these must hold.
    pub criteria: Vec<Criterion>,
    /// `_sort`: the first key decides, then the next. What is still equal is in the order of ids, ascending, whatever
    /// the keys say. Records without a value of a key come last in both directions. A record with several values stands
    /// where the first of them in that direction stands (R4 search, Sorting): the lowest, or descending the highest.
    ///
    /// Never empty: a search that names no order is read as [`SortKey::default_order`].
    pub sort: Vec<SortKey>,
    /// `_count`: records on a page, 1 to [`super::MAX_COUNT`].
    pub count: usize,
    /// `_total=accurate`: the number of all matches is asked for.
    pub total: bool,
    /// `_include`: records that the found ones refer to, one level.
    pub include: Vec<Include>,
    /// `_revinclude`: records that refer to the found ones, one level.
    pub revinclude: Vec<Include>,
    /// `_cursor`: where the page before ended; sealed, see `access::cursor`.
    pub cursor: Option<String>,
}

/// One condition on one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// What is looked at.
    pub target: Target,
    /// What it has to be.
    pub condition: Condition,
}

/// What a criterion or a sort key looks at.
///
/// Chains (`subject.name`) and `_has` will be variants that hold a reference parameter and a further target; a composite
/// will be one that holds its component parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `_id`: the record's own id.
    Id,
    /// An indexed parameter. `_lastUpdated` is one, of kind Date.
    Parameter(&'static Parameter),
}

/// What the values of a target have to be.
///
/// `:in` and `:not-in` will be variants that hold a value set; `:text` and `:of-type` will be operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `:missing`: whether the record has no value at all.
    Missing(bool),
    /// At least one value matches at least one of these (the comma list). Never empty.
    Any(Vec<Operand>),
    /// `:not` of tokens and ids: no value matches any of these. A record without a value matches. Never empty.
    Not(Vec<Operand>),
}

/// One value of a search string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Of [`Target::Id`].
    Id(ResourceId),
    /// `code`: any system, this code. `system|code`: both. `|code`: this code without a system (`Some("")`).
    /// `system|`: any code of it. At least one of the two is there. Compared byte for byte: R4 leaves case to the code
    /// system, and most systems tell `a` from `A`.
    Token {
        /// `None`: any.
        system: Option<String>,
        /// `None`: any.
        code: Option<String>,
    },
    /// Text of a string parameter.
    Text {
        /// As written, not folded.
        text: String,
        /// How it is compared.
        how: TextMatch,
    },
    /// `Type/id`: both. A bare id: any type that the parameter may lead to. An absolute URL: the text as written.
    Reference {
        /// Of the record referred to.
        kind: Option<ResourceType>,
        /// Of the record referred to; there is one, or a `url`.
        id: Option<ResourceId>,
        /// Absolute, with its scheme.
        url: Option<String>,
    },
    /// A date with the span that its precision gives it.
    Date {
        /// How it is compared.
        prefix: Prefix,
        /// From its first millisecond to behind its last one. Without any millisecond (`first == end`) where the text was
        /// finer than a millisecond: such a point lies between two of ours. See [`Operand::date_span`].
        span: Span,
    },
    /// A number.
    Number {
        /// How it is compared.
        prefix: Prefix,
        /// Its value and precision.
        value: Decimal,
    },
    /// A number with a unit. Values with other units are not looked at, under `ne` neither. Conversion of UCUM units
    /// will be done here, by a canonical unit beside the written one.
    Quantity {
        /// How the number is compared.
        prefix: Prefix,
        /// The number.
        value: Decimal,
        /// System of the unit; `None`: any.
        system: Option<String>,
        /// Code of the unit, or without a `system` also the unit as printed; `None`: any.
        code: Option<String>,
    },
    /// A URI, compared byte for byte. `:above` and `:below` will be told apart here.
    Uri(String),
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextMatch {
    /// The folded value starts with the folded text.
    StartsWith,
    /// `:exact`: byte for byte.
    Exact,
    /// `:contains`: the folded value contains the folded text.
    Contains,
}

/// How a date, number or quantity is compared (R4 search, 3.1.1.4.5). With T the span of the record's value and S that
/// of the search; numbers compare exactly but for `Eq`, `Ne` and `Ap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// S contains T. The default.
    Eq,
    /// Not `Eq`.
    Ne,
    /// T ends behind S.
    Gt,
    /// T starts before S.
    Lt,
    /// `Gt` or `Eq`.
    Ge,
    /// `Lt` or `Eq`.
    Le,
    /// T starts at the end of S or behind it.
    Sa,
    /// T ends at the start of S or before it.
    Eb,
    /// T overlaps S widened by [`Operand::widened`]; numbers by [`Decimal::around`].
    Ap,
}

/// One key of `_sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// `_id` or a parameter of kind Date (compared by its first millisecond), String (folded), Token (code only) or Number.
    pub target: Target,
    /// Written with a minus.
    pub descending: bool,
}

/// One `_include` or `_revinclude`. Hops over several references (`:iterate`) will be marked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Include {
    /// Type of the record that refers: the type searched for `_include`, any for `_revinclude`.
    pub source: ResourceType,
    /// A parameter of it, of kind Reference.
    pub parameter: &'static Parameter,
    /// Only records of this type are referred to; `None`: any.
    pub target: Option<ResourceType>,
}

impl Query {
    /// All records of a type, in the default order.
    pub fn all(kind: ResourceType) -> Self {
        Self {
            kind,
            criteria: Vec::new(),
            sort: SortKey::default_order(kind),
            count: DEFAULT_COUNT,
            total: false,
            include: Vec::new(),
            revinclude: Vec::new(),
            cursor: None,
        }
    }
}

impl SortKey {
    /// Oldest change first, then by id. R4 leaves the default order open. Whoever reads pages while others write misses
    /// nothing in this one, since what changes meanwhile moves to its end; newest first missed 40 of 150 updated ids.
    /// The id settles what one transaction stamped alike.
    pub fn default_order(kind: ResourceType) -> Vec<Self> {
        let key = |target| Self {
            target,
            descending: false,
        };
        let updated = params::find(kind, "_lastUpdated").map(Target::Parameter);
        updated.into_iter().chain([Target::Id]).map(key).collect()
    }
}

impl Target {
    /// As in the search string.
    pub fn code(self) -> &'static str {
        match self {
            Self::Id => "_id",
            Self::Parameter(parameter) => parameter.code,
        }
    }
}

impl Operand {
    /// `[first, end)` of a date in ms since 1970, if it is one. May be empty, see [`Operand::Date`]; the comparisons of
    /// [`Prefix`] hold for empty spans as they stand.
    pub fn date_span(&self) -> Option<(i64, i64)> {
        match self {
            Self::Date { span, .. } => Some((span.first.epoch_ms(), span.end.epoch_ms())),
            _ => None,
        }
    }

    /// The span that `ap` compares with, in ms since 1970: a tenth of the time between `now` and the nearer end of the
    /// date is added to both sides (R4: "10% of the gap between now and the date"); nothing when `now` lies in it.
    pub fn widened(&self, now: Instant) -> Option<(i64, i64)> {
        let (first, end) = self.date_span()?;
        let now = now.epoch_ms();
        let gap = (first - now).max(now - end).max(0);
        Some((first - gap / 10, end + gap / 10))
    }
}
