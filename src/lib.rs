//! Anling (安铃): the daemon on the edge box of a community elderly-care centre. It hears emergency
//! buttons, writes what it heard to disk, and calls people until one stands at the resident's side.
//!
//! The rooms, and which may import which, are listed in the README and held by `tests/layering.rs`.

pub mod incident;
pub mod notify;
pub mod registry;
pub mod roster;
pub mod terms;
