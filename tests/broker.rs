//! MQTT on the wire: the built-in broker as its clients see it, and brokers that others run as the hub
//! meets them. Real sockets, a free port and a broker for each test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "broker/acknowledged.rs"]
mod acknowledged;
#[path = "broker/district.rs"]
mod district;
#[path = "broker/downlink.rs"]
mod downlink;
#[path = "broker/house.rs"]
mod house;
#[path = "broker/mosquitto.rs"]
mod mosquitto;
#[path = "broker/outside.rs"]
mod outside;
#[path = "broker/outside_mosquitto.rs"]
mod outside_mosquitto;
#[path = "broker/reach.rs"]
mod reach;
#[path = "broker/rough.rs"]
mod rough;
#[path = "broker/scripted.rs"]
mod scripted;
#[path = "broker/tls.rs"]
mod tls;
#[path = "broker/wire.rs"]
mod wire;
