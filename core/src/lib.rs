#![doc = include_str!("../README.md")]

pub mod clock;
pub mod fhir;
pub mod rng;
