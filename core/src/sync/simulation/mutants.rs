//! The simulation finds bugs that are put in on purpose: one that finds none proves nothing.

use super::run::Plan;
use super::seeds::{replay_of, run};
use crate::seeded::{self, Bug};

/// The first seed that finds `bug`, and what it says.
fn found(bug: Bug) -> Option<(u64, String)> {
    seeded::seed(Some(bug));
    let found = (1..=200).find_map(|seed| Some((seed, run(&Plan::any(seed)).err()?.what)));
    seeded::seed(None);
    found
}

fn must_be_found(bug: Bug) {
    let (seed, what) = found(bug).unwrap_or_else(|| panic!("{bug:?} is not found in 200 seeds"));
    println!("{bug:?} is found by seed {seed}: {what}");
    let without = run(&Plan::any(seed)).err();
    assert!(
        without.is_none(),
        "seed {seed} fails without {bug:?} too: {without:?}"
    );
    assert!(!what.contains("panicked"), "{bug:?}: {}", replay_of(seed));
}

#[test]
fn no_if_match_is_found() {
    must_be_found(Bug::NoIfMatch);
}

#[test]
fn gt_for_ge_is_found() {
    must_be_found(Bug::GtForGe);
}

#[test]
fn cursor_before_page_is_found() {
    must_be_found(Bug::CursorBeforePage);
}

#[test]
fn dequeue_on_error_is_found() {
    must_be_found(Bug::DequeueOnError);
}

#[test]
fn delete_by_absence_is_found() {
    must_be_found(Bug::DeleteByAbsence);
}

#[test]
fn retry_without_recognition_is_found() {
    must_be_found(Bug::RetryWithoutRecognition);
}

#[test]
fn squash_after_partial_push_is_found() {
    must_be_found(Bug::SquashAfterPartialPush);
}

#[test]
fn patch_merging_is_found() {
    must_be_found(Bug::PatchMerging);
}
