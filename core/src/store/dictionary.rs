//! Dictionaries for packing: what the records of one type have in common, chosen from the records of this vault.
//!
//! A resource alone packs to two fifths; its neighbours say most of it already. A dictionary is *raw content*: pieces
//! of stored records, up to 32 KiB a type. zstd's own trainer packs tighter, but works in memory of its own that nobody
//! wipes (docs/adr/0009-raw-content-dictionaries.md).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Longest dictionary.
pub(super) const DICTIONARY_BYTES: usize = 32 * 1024;
/// Bytes that count as "the same again".
const GRAIN: usize = 8;
/// Length of the pieces.
const PIECE: usize = 256;

/// Longest part of a sample that is looked at, and of all samples together: what they share is counted in memory, at
/// up to 40 bytes for each of theirs.
pub(super) const SAMPLE_BYTES: usize = 16 * 1024;
const ALL_SAMPLES_BYTES: usize = 1024 * 1024;

/// Pieces of `samples` that most of the others repeat, the best ones last: zstd finds the near end cheapest.
///
/// The algorithm is that of zstd's COVER trainer (Liao, Petri, Moffat, Wirth: "Effective construction of relative
/// Lempel-Ziv dictionaries", WWW 2016) without its tuning: each stretch of the samples gives its best piece, where a
/// piece is worth the number of samples that share its grains, and a grain counts once.
pub(super) fn choose<S: AsRef<str>>(samples: &[S]) -> Vec<u8> {
    let samples = some_of(samples);
    let mut shared = Shared::with_hasher(Spread::new());
    for (at, sample) in (1..=u16::MAX).zip(&samples) {
        for grain in grains(sample) {
            let seen = shared.entry(grain).or_default();
            if seen.last != at {
                seen.last = at;
                seen.count = seen.count.saturating_add(1);
            }
        }
    }

    let total: usize = samples.iter().map(|sample| sample.len()).sum();
    let wanted = DICTIONARY_BYTES / PIECE;
    let stretch = (total / wanted).max(PIECE);
    let mut pieces: Vec<(u64, &[u8])> = Vec::new();
    let mut best: Option<(u64, &[u8])> = None;
    let mut walked = 0;
    for bytes in samples {
        if let Some(candidate) = best_piece(bytes, &shared)
            && best.is_none_or(|(worth, _)| candidate.0 > worth)
        {
            best = Some(candidate);
        }
        walked += bytes.len();
        if walked >= stretch {
            walked = 0;
            if let Some((worth, piece)) = best.take() {
                grains(piece).for_each(|grain| {
                    let _ = shared.remove(&grain);
                });
                pieces.push((worth, piece));
            }
        }
    }
    pieces.extend(best.filter(|_| pieces.len() < wanted));
    pieces.sort_by_key(|(worth, _)| *worth);
    let mut dictionary = Vec::with_capacity(DICTIONARY_BYTES);
    let skip = pieces.len().saturating_sub(wanted);
    pieces
        .iter()
        .skip(skip)
        .for_each(|(_, piece)| dictionary.extend_from_slice(piece));
    dictionary.truncate(DICTIONARY_BYTES);
    dictionary
}

/// As many of the samples, evenly chosen, as may be looked at.
fn some_of<S: AsRef<str>>(samples: &[S]) -> Vec<&[u8]> {
    let cut = |sample: &'_ S| sample.as_ref().len().min(SAMPLE_BYTES);
    let total: usize = samples.iter().map(cut).sum();
    let every = total.div_ceil(ALL_SAMPLES_BYTES).max(1);
    let some = samples.iter().step_by(every);
    some.map(|sample| &sample.as_ref().as_bytes()[..cut(sample)])
        .collect()
}

/// The piece of `bytes` whose grains are shared most.
fn best_piece<'s>(bytes: &'s [u8], shared: &Shared) -> Option<(u64, &'s [u8])> {
    let worths: Vec<u64> = grains(bytes)
        .map(|grain| shared.get(&grain).map_or(0, Seen::worth))
        .collect();
    let window = (PIECE - GRAIN + 1).min(worths.len());
    if window == 0 {
        return None;
    }
    let mut worth: u64 = worths[..window].iter().sum();
    let mut best = (worth, 0);
    for end in window..worths.len() {
        worth = worth + worths[end] - worths[end - window];
        if worth > best.0 {
            best = (worth, end + 1 - window);
        }
    }
    let (worth, start) = best;
    (worth > 0).then(|| (worth, &bytes[start..(start + PIECE).min(bytes.len())]))
}

/// Eight bytes, as two numbers: aligned to four bytes, a row of the table is 12 long.
type Grain = [u32; 2];
/// What samples share.
type Shared = HashMap<Grain, Seen, Spread>;

/// How many samples have a grain.
#[derive(Default)]
struct Seen {
    count: u16,
    /// The newest of them, so that each counts once.
    last: u16,
}

impl Seen {
    /// What one sample alone says helps nobody.
    fn worth(&self) -> u64 {
        match self.count {
            0 | 1 => 0,
            count => count.into(),
        }
    }
}

fn grains(bytes: &[u8]) -> impl Iterator<Item = Grain> {
    bytes.windows(GRAIN).filter_map(|window| {
        let all = u64::from_le_bytes(window.try_into().ok()?);
        Some([all as u32, (all >> 32) as u32])
    })
}

/// Spreads grains over the table: there are a million of a type, and the standard way took a fifth of a first load. Keyed, so that nobody
/// can write records whose grains all fall on one place.
#[derive(Clone, Copy)]
struct Spread([u64; 2]);

impl Spread {
    fn new() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1) | 1])
    }
}

impl BuildHasher for Spread {
    type Hasher = Spreading;

    fn build_hasher(&self) -> Spreading {
        Spreading {
            key: self.0,
            hash: 0,
        }
    }
}

struct Spreading {
    key: [u64; 2],
    hash: u64,
}

impl Hasher for Spreading {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(GRAIN) {
            let mut eight = [0; GRAIN];
            eight[..part.len()].copy_from_slice(part);
            let mixed = u64::from_le_bytes(eight) ^ self.hash ^ self.key[0];
            let product = u128::from(mixed) * u128::from(self.key[1]);
            // Both halves, folded.
            self.hash = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(n: usize) -> Vec<String> {
        (0..n)
            .map(|i| {
                format!(
                    "{{\"resourceType\":\"Observation\",\"id\":\"{i:08x}\",\"status\":\"final\",\"code\":{{\"coding\":\
                     [{{\"system\":\"http://loinc.org\",\"code\":\"85354-{}\",\"display\":\"Blood pressure panel with \
                     all children optional\"}}]}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"value\":{}}}",
                    i % 7,
                    i % 13,
                    i * 37 % 200
                )
            })
            .collect()
    }

    #[test]
    fn records_pack_far_better_with_what_they_share() {
        let all = samples(600);
        let dictionary = choose(&all[..300]);
        assert!(!dictionary.is_empty() && dictionary.len() <= DICTIONARY_BYTES);
        let mut plain = zstd::bulk::Compressor::new(3).unwrap();
        let mut with = zstd::bulk::Compressor::with_dictionary(3, &dictionary).unwrap();
        let size = |compressor: &mut zstd::bulk::Compressor<'_>| -> usize {
            all[300..]
                .iter()
                .map(|text| compressor.compress(text.as_bytes()).unwrap().len())
                .sum()
        };
        let (plain, with) = (size(&mut plain), size(&mut with));
        assert!(with * 3 < plain, "{with} against {plain}");
    }

    #[test]
    fn huge_samples_are_looked_at_in_part() {
        let long = "0123456789".repeat(100_000);
        let many = vec![long; 50];
        assert!(some_of(&many).iter().map(|s| s.len()).sum::<usize>() <= ALL_SAMPLES_BYTES);
        assert!(!choose(&many).is_empty());
    }

    #[test]
    fn nothing_in_common_gives_nothing_and_no_panic() {
        for odd in [
            vec![],
            vec![String::new()],
            vec!["x".into()],
            vec!["abcdefghij".into(), "0123456789".into()],
            // One that repeats itself shares nothing.
            vec!["abcdefghij".repeat(50), "0123456789".into()],
        ] {
            assert!(choose(&odd).is_empty());
        }
    }
}
