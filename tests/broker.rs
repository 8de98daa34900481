//! The built-in broker as its clients see it: real sockets, a free port and a broker for each test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "broker/acknowledged.rs"]
mod acknowledged;
#[path = "broker/downlink.rs"]
mod downlink;
#[path = "broker/house.rs"]
mod house;
#[path = "broker/mosquitto.rs"]
mod mosquitto;
#[path = "broker/reach.rs"]
mod reach;
#[path = "broker/rough.rs"]
mod rough;
#[path = "broker/tls.rs"]
mod tls;
#[path = "broker/wire.rs"]
mod wire;
