//! The engine, told as stories with a clock that the test turns.
//!
//! Every step of every story is written as the journal keeps it, read back and applied to a second
//! book, which must be equal; and every step is held to the laws of `laws.rs`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot be told has failed")]

mod house;
mod laws;
mod plan;

mod answers;
mod arrival;
mod beds;
mod contacts;
mod coverage;
mod devices;
mod district;
mod duty;
mod endpoints;
mod fault_and_service;
mod feedback;
mod follow_up;
mod hazard;
mod hub_troubles;
mod imports;
mod ladder;
mod life;
mod mains;
mod old_journals;
mod outcomes;
mod presses;
mod properties;
mod replies;
mod stations;
mod technicians;
mod welfare;
mod years;
