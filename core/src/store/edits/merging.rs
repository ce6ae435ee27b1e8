//! One text out of three, where nobody has to be asked.

use crate::fhir::merge::{merge, needs_a_person};
use crate::fhir::{ResourceType, content};
use crate::seeded::{self, Bug};

/// `mine`, which was written on `base`, on top of `theirs`. `None`: a person has to look at it. The same everywhere: a hub
/// does it again to judge what a device sends.
pub(crate) fn merged(kind: ResourceType, base: &str, mine: &str, theirs: &str) -> Option<String> {
    let both = !content::is_same(base, mine) && !content::is_same(base, theirs);
    if both && needs_a_person(kind) {
        return None;
    }
    let merged = merge(base, mine, theirs).ok()?;
    let is_clean = merged.clashes.is_empty() || seeded::has(Bug::PatchMerging);
    is_clean.then_some(merged.text)
}
