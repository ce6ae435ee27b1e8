//! Random records and searches that meet: few values, so that they collide, and many shapes.
//!
//! A seed gives the same case for ever on every computer, so that a failing one is replayed by its number.

pub mod policies;
mod records;
mod searches;

use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use serde_json::Value;

/// Small random numbers (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in so many of 100 cases.
    pub fn percent(&mut self, of_100: usize) -> bool {
        self.below(100) < of_100
    }

    /// One of `all`, which are not empty.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Records, as text and as trees, and a search over one of their types.
#[derive(Debug, Clone)]
pub struct Case {
    /// In the order to store them in; distinct by type and id, each with `meta.lastUpdated`.
    pub texts: Vec<String>,
    /// The same as trees.
    pub records: Vec<Value>,
    /// The search.
    pub query: Query,
    /// When it is asked.
    pub now: Instant,
}

/// The case of a seed. Its search asks only for parameters of `profile`.
pub fn case(seed: u64, profile: Profile) -> Case {
    let mut random = Random::new(seed);
    let texts = records::draw(&mut random);
    over(texts, &mut random, profile)
}

/// A case over given records, such as Synthea's, whose values the search draws from.
pub fn over(texts: Vec<String>, random: &mut Random, profile: Profile) -> Case {
    let trees = texts
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok());
    let records: Vec<Value> = trees.collect();
    let query = searches::draw(&records, random, profile);
    // 2026-11-24, the day before or long after most dates above.
    let now = Instant::from_epoch_ms(1_795_478_400_000);
    Case {
        texts,
        records,
        query,
        now,
    }
}
