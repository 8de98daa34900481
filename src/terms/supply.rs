//! Who can be asked what the box runs on, as the config names it and the link asks it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Who knows what the box runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupplySource {
    /// A file that says 1 while the mains are there and 0 when they are gone, such as
    /// `/sys/class/power_supply/AC/online`.
    File(PathBuf),
    /// A supply that NUT's server reads.
    Nut {
        /// Its name there.
        ups: String,
        /// Host and port of the server.
        server: String,
    },
}

impl SupplySource {
    /// A supply's name and its server, from `ups@host:port`; the port is NUT's own where none is named.
    pub fn nut(text: &str) -> Option<Self> {
        const PORT: u16 = 3493;
        let (ups, server) = text.split_once('@')?;
        let is_name = !ups.is_empty() && ups.chars().all(|c| c.is_ascii_graphic() && c != '"');
        let (host, port) = match server.parse::<SocketAddr>() {
            Ok(address) => (address.ip().to_string(), address.port()),
            Err(_) => match server.rsplit_once(':') {
                Some((host, port)) => (host.to_owned(), port.parse().ok()?),
                None => (server.to_owned(), PORT),
            },
        };
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        (is_name && is_host)
            .then(|| Self::Nut { ups: ups.to_owned(), server: format!("{host}:{port}") })
    }
}
