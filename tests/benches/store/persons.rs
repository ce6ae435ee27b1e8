//! What it takes for an open vault to change hands: in all, and without the slow hash of what was typed.
//!
//! By a gate there is no hash. By a passphrase of staff the try is counted on the disk before and cleared after; what that
//! costs is the difference to a hash measured beside it. Wall time: what a person waits. The audit entry is in it, which
//! has to be on the disk before the other person sees anything.

use pocketchart_core::access::{Guard, Opening, Person, Role};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::{self, DEFAULT_COST};
use pocketchart_core::vault::{NewSecret, NewSlot, Secret, With};
use pocketchart_tests::fake_gate::FakeGate;
use pocketchart_tests::{make_vault, passphrase};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 101;
const WORDS: [&str; 2] = ["ferry thimble orchard 19", "kettle marble inlet 31"];

pub(crate) fn measure() {
    let home = tempfile::tempdir().unwrap();
    let (guard, _) = make_vault(home.path());
    let gate = FakeGate::default();
    let people = [Person::new("nurse-1"), Person::new("nurse-2")];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let guard = runtime.block_on(async {
        let mut guard = guard;
        let mut own = Vec::new();
        for (person, words) in people.iter().zip(WORDS) {
            let text = SecretText::new(words.into());
            let secret = NewSecret::Passphrase {
                text,
                cost: DEFAULT_COST,
                evaluate: false,
            };
            let new = NewSlot {
                label: String::new(),
                secret,
            };
            guard
                .add_person(person, &Role::NURSE, new, None)
                .await
                .unwrap();
            own.push(passphrase(words));
        }
        for (person, secret) in people.iter().zip(&own) {
            guard = guard.switch_person(&typed(person, secret)).await.unwrap();
            let new = NewSlot {
                label: String::new(),
                secret: NewSecret::Gate,
            };
            guard.add_slot(new, Some(&gate)).await.unwrap();
        }
        guard
    });
    let secrets = WORDS.map(passphrase);
    let mut guard = guard;
    let (mut by_gate, mut by_words) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let person = &people[round % 2];
        let opening = Opening {
            person,
            with: With::Gate { reason: "" },
            gate: Some(&gate),
        };
        by_gate.push(switched(&runtime, &mut guard, &opening));
    }
    // One beside the other, since the computer has moods.
    let (mut hashes, mut beside) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS / 5 {
        let begun = Instant::now();
        black_box(passphrase_hash::hash(WORDS[0], &[1; 16], DEFAULT_COST).unwrap());
        let hash = begun.elapsed();
        let opening = typed(&people[round % 2], &secrets[round % 2]);
        let all = switched(&runtime, &mut guard, &opening);
        hashes.push(hash);
        by_words.push(all);
        beside.push(all.saturating_sub(hash));
    }
    println!("change of person on an open vault, median");
    println!(
        "  by a gate, no slow hash     {:8.2} ms",
        ms(median(by_gate))
    );
    println!(
        "  by a counted passphrase     {:8.2} ms",
        ms(median(by_words))
    );
    println!(
        "  the passphrase's hash alone {:8.2} ms",
        ms(median(hashes))
    );
    println!(
        "  all but the hash            {:8.2} ms",
        ms(median(beside))
    );
}

fn typed<'a>(person: &'a Person, secret: &'a Secret) -> Opening<'a> {
    Opening {
        person,
        with: With::Secret(secret),
        gate: None,
    }
}

fn switched(
    runtime: &tokio::runtime::Runtime,
    guard: &mut Guard,
    opening: &Opening<'_>,
) -> Duration {
    let begun = Instant::now();
    *guard = runtime.block_on(guard.switch_person(opening)).unwrap();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
