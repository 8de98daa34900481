//! Anling (安铃): the daemon on the edge box of a community elderly-care centre. It hears emergency
//! buttons, writes what it heard to disk, and calls people until one stands at the resident's side.
//!
//! The rooms, and which may import which, are listed in the README and held by `tests/layering.rs`.
//! The eight laws stand at the head of [`desk`].

pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod contract;
pub mod counter;
pub mod desk;
pub mod district;
pub mod exit;
pub mod incident;
pub mod journal;
pub mod link;
pub mod notify;
pub mod registry;
pub mod roster;
pub mod terms;
