//! Bugs on purpose, for the simulation's own test: a simulation that never fails proves nothing.
//!
//! Each is a mistake that a sync could make, put in where it would be made. Outside this crate's own tests `has` is a
//! constant `false`, and nothing of them is in the program.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // Each is seeded where its code is; those for code to come have no place yet.
pub(crate) enum Bug {
    /// The pull cursor is stored before its page.
    CursorBeforePage,
    /// `_lastUpdated=gt` instead of `ge`, and no window.
    GtForGe,
    /// Waiting changes are merged path by path as patches, instead of compared as a whole.
    PatchMerging,
    /// A write whose answer was lost is sent again as if it were new.
    RetryWithoutRecognition,
    /// A PUT without the version that it replaces.
    NoIfMatch,
    /// The outbox row goes when a write failed.
    DequeueOnError,
    /// What is under way is squashed again with what was written since.
    SquashAfterPartialPush,
    /// What a list does not show is deleted.
    DeleteByAbsence,
}

/// Whether this run has the bug.
#[cfg(not(test))]
pub(crate) const fn has(_: Bug) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static SEEDED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this run has the bug.
#[cfg(test)]
pub(crate) fn has(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

/// Runs on this thread have this bug from now on.
#[cfg(test)]
#[allow(dead_code)] // The simulation is on its way.
pub(crate) fn seed(bug: Option<Bug>) {
    SEEDED.set(bug);
}
