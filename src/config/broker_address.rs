//! Where a broker that others run is, as `[link.mqtt.NAME]` and `[platform.NAME.mqtt]` both say it: its
//! machine, its port, TLS, and an account. What would go there in clear each of them judges itself.

use super::codes;
use super::problem::{Findings, Said};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::settings::Login;
use super::values::{is_host, is_loopback};

/// Ports of MQTT (IANA), plain and with TLS.
const PORT: u16 = 1_883;
const PORT_TLS: u16 = 8_883;

/// What a table says of a broker's place.
pub(super) struct BrokerAddress<'t> {
    pub(super) host: Option<Said<&'t str>>,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) login: Option<Login>,
}

impl<'t> BrokerAddress<'t> {
    /// Reads it from the table of `name`; `help` says which machine is meant where none is named.
    pub(super) fn read(
        name: &Said<&str>,
        section: &mut Section<'t>,
        out: &mut Findings<'_>,
        secrets: &mut Vec<SecretUse>,
        help: &str,
    ) -> Self {
        let host = section.need_text(out, "host", help);
        if let Some(bad) = host.as_ref().filter(|h| !is_host(h.value) || h.value.contains(':')) {
            let message = format!("not a host's name: {:?}", bad.value);
            let help = "write a name or an IPv4 address; the port has a key of its own";
            out.add(&codes::BAD_ADDRESS, &bad.at, message, help);
        }
        let tls = section.flag(out, "tls", false).value;
        let usual = if tls { PORT_TLS } else { PORT };
        let port = section.number(out, "port", 1..=65_535, u64::from(usual));
        let login = login(name, section, out, secrets);
        Self { host, port: u16::try_from(port).unwrap_or(usual), tls, login }
    }

    /// The machine, if what is said to it leaves this one unsealed.
    pub(super) fn in_clear(&self) -> Option<&Said<&'t str>> {
        self.host.as_ref().filter(|host| !self.tls && !is_loopback(host.value))
    }
}

fn login(
    name: &Said<&str>,
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<Login> {
    let user = section.text(out, "user");
    let secret = section.text(out, "secret");
    if user.is_some() != secret.is_some() {
        let message = format!("broker {} has only half of a login", name.value);
        out.add(&codes::LOGIN_HALF, &section.at, message, "give it user and secret, or neither");
    }
    let secret = secret_name(secret, out, secrets);
    user.zip(secret).map(|(user, secret)| Login { user: user.value.to_owned(), secret })
}
