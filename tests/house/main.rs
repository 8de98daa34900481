//! The whole house from outside: the real binary with the shipped config, real MQTT clients, a real
//! mail server. Each test has a hub of its own in a folder of its own, on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

mod agreements;
mod api;
mod archive;
mod broken;
mod calls;
mod centre;
mod client;
mod conform;
mod devices;
mod district;
mod document;
mod duty_plan;
mod events;
mod expert;
mod families;
mod figures;
mod groups;
mod hub;
mod imports;
mod life;
mod line;
mod lines;
mod mains;
mod modbus;
mod modem;
mod mosquitto;
mod outside;
mod page;
mod power;
mod quiet_log;
mod receivers;
mod record;
mod reload;
mod rough;
mod serial;
mod service;
mod signals;
mod sms;
mod stopping;
mod supervision;
mod telephones;
mod times;
mod tls;
mod transcripts;
mod voice;
mod ways_out;
mod years;
