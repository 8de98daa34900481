//! `links.toml`: the wires into the hub: the built-in broker with its accounts, brokers that others
//! run, serial lines, lines whose panels are polled, modems, and who may hand in signals over HTTP.

use std::path::PathBuf;

use super::bridged::read_bridged;
use super::codes;
use super::gateway::address;
use super::modbus::{PolledRead, read_polled};
use super::modem::read_modem;
use super::mqtt::{BrokerConf, check_twice, read_outside};
use super::problem::{Findings, Said, Spot};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::serial::read_serial;
use super::settings::{Account, Broker, BrokerTls, Modem, Outside, Reach, Serial, Signal};
use super::signals::read_signal;
use crate::terms::{DeviceId, LinkId};

/// What stands in the file, with places for what other files must know.
#[derive(Default)]
pub(super) struct Links {
    pub(super) broker: Option<Broker>,
    /// Devices that have an account: the account's name and the device where it is named.
    pub(super) devices: Vec<(String, Said<DeviceId>)>,
    /// Where `[link.broker]` stands.
    pub(super) broker_at: Option<Spot>,
    /// Brokers that others run, in the order of the file.
    pub(super) outside: Vec<(LinkId, Said<Outside>)>,
    /// Where those brokers' own settings are named.
    pub(super) confs: Vec<BrokerConf>,
    /// Serial lines, in the order of the file.
    pub(super) serial: Vec<(LinkId, Said<Serial>)>,
    /// Lines whose panels are polled, in the order of the file.
    pub(super) modbus: Vec<(LinkId, Said<PolledRead>)>,
    /// Whether a point of one of them could not be read: it is no unknown one.
    pub(super) points_lost: bool,
    /// Modems, in the order of the file.
    pub(super) modems: Vec<(LinkId, Said<Modem>)>,
    /// Who may hand in signals over HTTP, in the order of the file.
    pub(super) signals: Vec<(LinkId, Signal)>,
}

/// Own choice: three times the devices of the largest centre, since a lost connection lingers.
const MAX_CONNECTIONS: u64 = 9_000;

/// Longest MQTT user name in bytes. Own choice: as long as an id.
const ACCOUNT_NAME_MAX: usize = 128;

/// First levels of every native topic.
const NATIVE_TOPIC: &str = "anling/v1/";

pub(super) fn read(
    mut top: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Links {
    let mut links = Links::default();
    if let Some(mut link) = top.section(out, "link") {
        if let Some(broker) = link.section(out, "broker") {
            read_broker(broker, out, secrets, &mut links);
        }
        for (name, part) in link.named(out, "mqtt") {
            let confs = &mut links.confs;
            links.outside.extend(read_outside(&name, part, out, secrets, confs));
        }
        check_twice(&links.outside, out);
        for (name, port) in link.named(out, "serial") {
            links.serial.extend(read_serial(&name, port, out));
        }
        for (name, line) in link.named(out, "modbus") {
            let lost = &mut links.points_lost;
            links.modbus.extend(read_polled(&name, line, out, lost));
        }
        for (name, modem) in link.named(out, "modem") {
            links.modems.extend(read_modem(&name, modem, out, secrets));
        }
        link.end(out);
    }
    for (name, part) in top.named(out, "signals") {
        links.signals.extend(read_signal(&name, part, out, secrets));
    }
    let is_deaf = !top.has("link") && !top.has("signals");
    if links.broker.is_none() && out.is_whole(top.at.file) && is_deaf {
        out.add_to_file(
            &codes::NO_LINK,
            top.at.file,
            "no wire is set up: this hub cannot hear a device",
            "add [link.broker], [link.mqtt.NAME] or [link.serial.NAME]",
        );
    }
    top.end(out);
    links
}

fn read_broker(
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    links: &mut Links,
) {
    if !section.has("listen") {
        section.missing(out, "listen", "add listen = \"0.0.0.0:1883\"");
    }
    let listen = address(&mut section, out, "listen");
    let max = section.number(out, "max_connections", 1..=20_000, MAX_CONNECTIONS);
    let tls = section.section(out, "tls").and_then(|part| read_tls(part, out));
    let zigbee =
        section.section(out, "zigbee2mqtt").map(|part| base_topic(part, out, "zigbee2mqtt"));
    let bridged = read_bridged(&mut section, zigbee.as_deref(), out);
    let mut accounts = Vec::new();
    for (name, account) in section.named(out, "account") {
        accounts.extend(read_account(&name, account, out, secrets, &mut links.devices));
    }
    links.broker_at = Some(section.at.clone());
    section.end(out);
    // A broker with a bad address is still one: what hangs on it is checked all the same.
    links.broker = Some(Broker {
        listen: listen.map_or(([0, 0, 0, 0], 1883).into(), |said| said.value),
        max_connections: usize::try_from(max).unwrap_or(usize::MAX),
        tls,
        zigbee_base_topic: zigbee,
        bridged,
        accounts,
    });
}

fn read_tls(mut section: Section<'_>, out: &mut Findings<'_>) -> Option<BrokerTls> {
    if !section.has("listen") {
        section.missing(out, "listen", "add listen = \"0.0.0.0:8883\"");
    }
    let listen = address(&mut section, out, "listen");
    let mut file = |key, help| {
        let said = section.need_text(out, key, help)?;
        Some(PathBuf::from(said.value))
    };
    let cert = file("cert", "add cert = \"/etc/anling/broker.crt\", the hub's certificate in PEM");
    let key = file("key", "add key = \"…\", the file of its key in PEM, readable by the hub alone");
    let client_ca = section.text(out, "client_ca").map(|said| PathBuf::from(said.value));
    section.end(out);
    Some(BrokerTls { listen: listen?.value, cert: cert?, key: key?, client_ca })
}

/// `base_topic` of a family's table, `usual` without it.
pub(super) fn base_topic(
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    usual: &'static str,
) -> String {
    let said = section.text(out, "base_topic");
    if let Some(bad) = said.as_ref().filter(|said| {
        let topic = said.value;
        topic.is_empty()
            || topic.contains(['+', '#'])
            || topic.starts_with('/')
            || topic.ends_with('/')
    }) {
        out.add(
            &codes::BAD_FILTER,
            &bad.at,
            format!("not the first levels of a topic: {:?}", bad.value),
            match usual {
                "zigbee2mqtt" => {
                    "write it as in Zigbee2MQTT's own settings, \"zigbee2mqtt\"".to_owned()
                }
                "" => "write the levels before its usual topics, or take it out".to_owned(),
                usual => format!("write it as the devices have it, such as \"{usual}\""),
            },
        );
    }
    section.end(out);
    said.map_or(usual, |said| said.value).to_owned()
}

fn read_account(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    devices: &mut Vec<(String, Said<DeviceId>)>,
) -> Option<Account> {
    let at = section.at.clone();
    let is_device = section.has("device");
    let device = section.text(out, "device");
    let publish = section.words(out, "publish");
    let subscribe = section.words(out, "subscribe");
    let local = section.flag(out, "local", false).value;
    let secret = secret_name(
        section.need_text(out, "secret", "add secret = \"NAME\": the password stands in that file"),
        out,
        secrets,
    );
    section.end(out);
    if name.value.trim().is_empty() || name.value.len() > ACCOUNT_NAME_MAX {
        let message = format!("not a user name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use the device's id or a short word");
    }
    let device =
        device.and_then(|said| device_id(&said, out).map(|id| Said { value: id, at: said.at }));
    devices.extend(device.clone().map(|said| (name.value.to_owned(), said)));
    let is_bridge = publish.is_some() || subscribe.is_some();
    let ways = [is_device, is_bridge, local];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        out.add(
            &codes::ACCOUNT_REACH,
            &at,
            format!("account {} must be exactly one thing", name.value),
            "give it a device, or publish and subscribe lists, or local = true",
        );
        return None;
    }
    let reach = if is_device {
        Reach::Device(device?.value)
    } else if local {
        Reach::Local
    } else {
        let publish = publish.map_or_else(Vec::new, |list| filters(list.value, out));
        if let Some(wide) = publish.iter().find(|filter| reaches_native(filter.value)) {
            out.add(
                &codes::FILTER_TOO_WIDE,
                &wide.at,
                format!("{} lets {} press any native button", wide.value, name.value),
                "name the topics it needs, such as \"zigbee2mqtt/#\"",
            );
        }
        let plain = |list: Vec<Said<&str>>| list.iter().map(|said| said.value.to_owned()).collect();
        let subscribe = subscribe.map_or_else(Vec::new, |list| filters(list.value, out));
        Reach::Bridge { publish: plain(publish), subscribe: plain(subscribe) }
    };
    Some(Account { name: name.value.to_owned(), reach, secret: secret? })
}

fn device_id(said: &Said<&str>, out: &mut Findings<'_>) -> Option<DeviceId> {
    DeviceId::new(said.value)
        .map_err(|error| {
            let help = "write it as in registry/devices.csv";
            out.bad_id(&said.at, "device's id", &error, help);
        })
        .ok()
}

fn filters<'a>(list: Vec<Said<&'a str>>, out: &mut Findings<'_>) -> Vec<Said<&'a str>> {
    for said in list.iter().filter(|said| !is_filter(said.value)) {
        out.add(
            &codes::BAD_FILTER,
            &said.at,
            format!("not a topic filter: {:?}", said.value),
            "+ stands for one whole level, # for all that follow and only at the end",
        );
    }
    list
}

/// MQTT 5, 4.7: `+` fills a level, `#` fills the last one.
pub(super) fn is_filter(text: &str) -> bool {
    let mut levels = text.split('/').peekable();
    if text.is_empty() || text.len() > usize::from(u16::MAX) || text.contains('\0') {
        return false;
    }
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if (wild && level.len() > 1) || (level == "#" && levels.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Whether a filter matches some topic of the native contract.
fn reaches_native(filter: &str) -> bool {
    let mut wanted = NATIVE_TOPIC.trim_end_matches('/').split('/');
    for level in filter.split('/') {
        match (level, wanted.next()) {
            ("#", _) | (_, None) => return true,
            ("+", Some(_)) => {}
            (level, Some(native)) if level == native => {}
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_mqtt_allows() {
        for good in ["#", "+", "a/+/b", "zigbee2mqtt/#", "/a"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/b+", "a/#/b"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    #[test]
    fn a_filter_that_reaches_native_buttons_is_seen() {
        for wide in ["#", "anling/#", "+/v1/zs/B-14/event", "anling/v1/+/+/event"] {
            assert!(reaches_native(wide), "{wide}");
        }
        for narrow in ["zigbee2mqtt/#", "anling", "anling/v2/#", "+/v2/#"] {
            assert!(!reaches_native(narrow), "{narrow}");
        }
    }
}
