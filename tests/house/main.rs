//! The whole house from outside: the real binary with the shipped config, real MQTT clients, a real
//! mail server. Each test has a hub of its own in a folder of its own, on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

mod calls;
mod devices;
mod hub;
mod life;
mod page;
mod power;
mod receivers;
mod record;
mod rough;
mod stopping;
mod times;
mod transcripts;
mod ways_out;
mod years;
