//! The FHIR search string as a typed query: parse, print, and the same again.
//!
//! One model serves command line, hub and bindings. It knows string, token, reference, date, number, quantity and uri
//! parameters with their prefixes, `:exact :contains :missing :not :Type`, comma and repeat, `_sort`, `_count`, `_total`,
//! `_include` and `_revinclude` (one level) and the page link `_cursor`. Whatever else is asked is an error that names it:
//! a filter that is silently ignored hands out records nobody asked for.
//!
//! Where R4's search page leaves a choice, the choice stands beside the type in [`model`].

mod decimal;
mod error;
mod escape;
pub mod model;
mod parse;
mod print;
mod value;

#[cfg(test)]
mod tests;

pub use decimal::{Decimal, InvalidDecimal};
pub use error::InvalidQuery;
pub use model::{
    Condition, Criterion, Include, Operand, Prefix, Query, SortKey, Target, TextMatch,
};

/// Records a page holds when the query does not say.
pub const DEFAULT_COUNT: usize = 50;
/// Records a page holds at most, whatever the query says.
pub const MAX_COUNT: usize = 1000;
/// Values a search holds at most, over all its parameters.
pub const MAX_VALUES: usize = 1000;
