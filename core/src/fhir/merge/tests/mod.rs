//! Merges by name, and what holds for all.

mod cases;
mod properties;
