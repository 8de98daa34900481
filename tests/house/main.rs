//! The whole house from outside: the real binary with the shipped config, real MQTT clients, a real
//! mail server. Each test has a hub of its own in a folder of its own, on free ports.

mod calls;
mod devices;
mod hub;
mod receivers;
mod life;
mod page;
mod transcripts;
mod power;
mod record;
mod rough;
mod stopping;
mod times;
mod ways_out;
