//! A gate that does as it is told: works, refuses, hangs, panics, lies, or loses its keys.

use pocketchart_core::crypto::kdf::{self, Purpose};
use pocketchart_core::rng;
use pocketchart_core::vault::{Gate, GateError, GateFuture, GatePolicy};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// How a [`FakeGate`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Works,
    /// Answers with this error.
    Fails(GateError),
    /// Never answers.
    Hangs,
    /// Panics, as a foreign gate throws.
    Panics,
    /// Says yes, with no bytes.
    SaysYes,
    /// Other bytes than those that were sealed, or that its function gives; always the same.
    WrongBytes,
    /// One byte too few.
    OneByteLess,
    /// One byte too many.
    OneByteMore,
    /// Another answer each time.
    Erratic,
    /// Seals nothing: gives back in clear what it was to seal, or what it was to compute something of.
    SealsNothing,
}

/// A gate in memory.
pub struct FakeGate {
    state: Mutex<State>,
}

struct State {
    behaviour: Behaviour,
    keys: HashMap<String, Zeroizing<[u8; 32]>>,
    sealed: HashMap<Vec<u8>, (String, Zeroizing<Vec<u8>>)>,
    asked: u32,
}

impl Default for FakeGate {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                behaviour: Behaviour::Works,
                keys: HashMap::new(),
                sealed: HashMap::new(),
                asked: 0,
            }),
        }
    }
}

impl FakeGate {
    /// From now on it behaves so.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.state().keys.len()
    }

    /// How often it was asked to do something.
    pub fn asked(&self) -> u32 {
        self.state().asked
    }

    /// What it sealed and would give back, for the search of memory.
    pub fn secrets(&self) -> Vec<Zeroizing<Vec<u8>>> {
        let state = self.state();
        let kept = state.sealed.values().map(|(_, secret)| secret.clone());
        kept.filter(|secret| !secret.is_empty()).collect()
    }

    /// All its keys are gone, as after new fingerprints were set up on a phone.
    pub fn lose_keys(&self) {
        let mut state = self.state();
        state.keys.clear();
        state.sealed.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does instead of answering.
    async fn misbehave(&self) -> Result<Behaviour, GateError> {
        let behaviour = {
            let mut state = self.state();
            state.asked += 1;
            state.behaviour
        };
        match behaviour {
            Behaviour::Fails(error) => Err(error),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Panics => thrown(),
            other => Ok(other),
        }
    }
}

/// How an honest answer comes out.
fn bent(behaviour: Behaviour, mut answer: Zeroizing<Vec<u8>>, input: &[u8]) -> Zeroizing<Vec<u8>> {
    match behaviour {
        Behaviour::SaysYes => answer.clear(),
        Behaviour::WrongBytes => answer[0] ^= 1,
        Behaviour::OneByteLess => answer.truncate(31),
        Behaviour::OneByteMore => answer.push(0),
        Behaviour::Erratic => *answer = drawn().to_vec(),
        Behaviour::SealsNothing => *answer = input.to_vec(),
        Behaviour::Works | Behaviour::Fails(_) | Behaviour::Hangs | Behaviour::Panics => {}
    }
    answer
}

impl Gate for FakeGate {
    fn enroll<'a>(
        &'a self,
        alias: &'a str,
        _: GatePolicy,
        secret: &'a [u8],
    ) -> GateFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let behaviour = self.misbehave().await?;
            let handle = drawn().to_vec();
            let kept = Zeroizing::new(secret.to_vec());
            let mut state = self.state();
            state.keys.insert(alias.to_owned(), Zeroizing::new(drawn()));
            state
                .sealed
                .insert(handle.clone(), (alias.to_owned(), kept));
            Ok(match behaviour {
                Behaviour::SealsNothing => [b"sealed:", secret].concat(),
                _ => handle,
            })
        })
    }

    fn release<'a>(
        &'a self,
        alias: &'a str,
        sealed: &'a [u8],
        _: &'a str,
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            let behaviour = self.misbehave().await?;
            match self.state().sealed.get(sealed) {
                Some((owner, secret)) if owner == alias => {
                    Ok(bent(behaviour, secret.clone(), sealed))
                }
                _ => Err(GateError::Lost),
            }
        })
    }

    fn evaluate<'a>(
        &'a self,
        alias: &'a str,
        input: &'a [u8],
    ) -> GateFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(async move {
            let behaviour = self.misbehave().await?;
            let state = self.state();
            let key = state.keys.get(alias).ok_or(GateError::Lost)?;
            let made = kdf::derive_from(&key[..], input, Purpose::KeyCheck, b"fake gate", 1);
            Ok(bent(
                behaviour,
                Zeroizing::new(made.expose().to_vec()),
                input,
            ))
        })
    }

    fn destroy<'a>(&'a self, alias: &'a str) -> GateFuture<'a, ()> {
        Box::pin(async move {
            let mut state = self.state();
            state.keys.remove(alias);
            state.sealed.retain(|_, (owner, _)| owner != alias);
            Ok(())
        })
    }
}

fn drawn() -> [u8; 32] {
    rng::make_bytes().unwrap_or_else(|e| super::fail(&e))
}

#[allow(clippy::panic)]
fn thrown() -> ! {
    panic!("the gate panics, as it was told to")
}
