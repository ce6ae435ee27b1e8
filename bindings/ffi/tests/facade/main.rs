//! The facade, as a phone uses it. One program, so that it is linked once.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod boundary;
mod common;
mod open;
mod records;
mod servers;
