#![doc = include_str!("../README.md")]

pub mod clock;
pub mod crypto;
pub mod fhir;
pub mod rng;
pub mod vault;
