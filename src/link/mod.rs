//! Wires into the hub: they carry bytes and receipts, and know no meaning.
//!
//! Every wire hands [`Inbound`](crate::terms::Inbound) to one bounded channel and acknowledges to
//! the sender only what its [`Receipt`](crate::terms::Receipt) says is stored. A full channel, a
//! refused receipt and a receipt that stays out too long all end the same way: no acknowledgement,
//! so that the sender repeats. Order is kept per connection. No wire reads a clock; the time of
//! receipt is asked of the caller's `now`.
//!
//! The built-in MQTT broker stands in [`broker`]; who may say and hear what on it, in [`accounts`].
//! Brokers that others run are heard by [`mqtt`]; serial lines, by [`serial`], whose bytes [`pieces`]
//! cuts; a 4G modem with its short messages, by [`modem`]. A serial line has no acknowledgement but the
//! bytes that its contract names for one. Panels that say nothing unasked are polled by [`modbus`]; both
//! kinds of line are kept open by [`plug`]. The
//! district's platforms, which are no wire, speak MQTT through the same client ([`mqtt_client`]) and
//! pause alike ([`pause`]). What the box itself runs on is asked by [`supply`].

pub mod accounts;
pub mod broker;
mod broker_counts;
mod broker_door;
mod broker_hooks;
mod broker_kept;
mod broker_tls;
mod certificate;
pub mod modbus;
pub mod modem;
pub mod mqtt;
pub mod mqtt_client;
mod mqtt_ledger;
mod mqtt_pace;
mod mqtt_probe;
mod mqtt_session;
pub mod pause;
pub mod pieces;
pub mod plug;
mod polling;
pub mod serial;
pub mod supply;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a wire could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// An account of the built-in broker cannot be used: the configuration must change.
    #[error("broker account {name:?} {problem}: correct it in links.toml")]
    Account {
        /// The account's MQTT user name.
        name: String,
        /// What is wrong, as a fragment that follows the name.
        problem: &'static str,
    },
    /// The address is taken or not ours: free it, or choose another.
    #[error("cannot listen on {address}: free that port, or name another one in links.toml")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The certificates that a TLS connection shall trust cannot be used: correct the file.
    #[error("the certificates in {} cannot be used: give a PEM file with the broker's authority", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A file of the broker's TLS cannot be used: replace it.
    #[error("{} {problem}: put the right PEM file there, or correct links.toml", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong, as a fragment that follows the file.
        problem: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The machine gave no thread or no loopback port: try again, and report it if it stays.
    #[error("the built-in broker did not start: try again, and report it if this stays")]
    Start(#[source] Box<dyn Error + Send + Sync>),
}
