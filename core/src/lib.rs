#![doc = include_str!("../README.md")]

pub mod access;
pub mod care;
pub mod clock;
pub mod crypto;
pub mod fhir;
pub mod net;
pub mod rng;
pub(crate) mod seeded;
pub mod session;
pub(crate) mod store;
pub mod sync;
pub mod transfer;
pub mod vault;
