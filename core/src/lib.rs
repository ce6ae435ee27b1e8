#![doc = include_str!("../README.md")]

pub mod access;
pub mod clock;
pub mod crypto;
pub mod fhir;
pub mod rng;
pub(crate) mod store;
pub mod vault;
