//! `[link.mqtt.NAME]` of `links.toml`: brokers that others run, and what their own settings promise.
//!
//! MQTT has no way to ask a broker how much it keeps for a client that is away. Where the broker is a
//! mosquitto on this machine, `mosquitto_conf` names its settings, and [`look`] reads them at `check`:
//! a limit on its queue or a memory that does not outlive it is a warning here, before it is a lost
//! message. Settings of single listeners or of plugins are not followed.

use std::fs;
use std::path::{Path, PathBuf};

use super::bridged::read_bridged;
use super::broker_address::BrokerAddress;
use super::codes;
use super::files::{FILE_MAX_BYTES, Files};
use super::links::base_topic;
use super::problem::{Findings, Problem, Said, Spot};
use super::secrets::SecretUse;
use super::section::Section;
use super::settings::Outside;
use crate::terms::{LinkId, Wait};

/// Default of how long a broker may not be heard before it is a trouble. Own choice: longer than a
/// restart of its machine's services, shorter than a resident lies unheard of in a bad night.
const LOST_AFTER: Wait = Wait::secs(60);
/// Longest client id that every MQTT 3.1.1 broker has to take is 23 bytes; those in use take far more.
const CLIENT_ID_MAX: usize = 128;
/// How many files an `include_dir` may bring; the rest is not read.
const INCLUDED_MAX: usize = 64;

/// A place in a config file that names a mosquitto's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConf {
    path: PathBuf,
    at: Spot,
}

pub(super) fn read_outside(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    confs: &mut Vec<BrokerConf>,
) -> Option<(LinkId, Said<Outside>)> {
    let at = section.at.clone();
    let link = link_id(name, out);
    let help = "add host = \"…\", the broker's machine";
    let address = BrokerAddress::read(name, &mut section, out, secrets, help);
    let ca_file = section.text(out, "ca_file");
    if let Some(unused) = ca_file.as_ref().filter(|_| !address.tls) {
        let message = "certificates are named and TLS is off";
        out.add(&codes::CA_WITHOUT_TLS, &unused.at, message, "add tls = true");
    }
    let client_id = section.text(out, "client_id");
    if let Some(bad) = client_id.as_ref().filter(|said| !is_client_id(said.value)) {
        let message = format!("not a client id: {:?}", bad.value);
        let help = "use 1 to 128 letters, digits, - and _; no other client may have the same";
        out.add(&codes::BAD_ID, &bad.at, message, help);
    }
    if let (Some(login), Some(host)) = (&address.login, address.in_clear()) {
        let message = format!("the password of {} would go to {} in clear", login.user, host.value);
        out.add(&codes::SECRET_IN_CLEAR, &at, message, "add tls = true");
    }
    let native = section.flag(out, "native", true).value;
    let probe = section.flag(out, "probe", true).value;
    let zigbee =
        section.section(out, "zigbee2mqtt").map(|part| base_topic(part, out, "zigbee2mqtt"));
    let bridged = read_bridged(&mut section, zigbee.as_deref(), out);
    if !native && zigbee.is_none() && bridged.is_empty() {
        let message = format!("nothing would be heard from {}", name.value);
        let help = "take native = false out, or add [link.mqtt.NAME.zigbee2mqtt]";
        out.add(&codes::BROKER_UNHEARD, &at, message, help);
    }
    let shortest = Wait::secs(10);
    let lost_after = section.wait(out, "lost_after", shortest..=Wait::mins(10), LOST_AFTER);
    let conf = section.text(out, "mosquitto_conf");
    confs.extend(conf.map(|said| BrokerConf { path: said.value.into(), at: said.at }));
    section.end(out);
    let outside = Outside {
        host: address.host?.value.to_owned(),
        port: address.port,
        client_id: client_id.map(|said| said.value.to_owned()),
        login: address.login,
        tls: address.tls,
        ca_file: ca_file.map(|said| PathBuf::from(said.value)),
        native,
        probe,
        zigbee_base_topic: zigbee,
        bridged,
        lost_after,
    };
    Some((link?, Said { value: outside, at }))
}

/// Two links to one broker would hear every press twice.
pub(super) fn check_twice(links: &[(LinkId, Said<Outside>)], out: &mut Findings<'_>) {
    for (n, (link, said)) in links.iter().enumerate() {
        let same = |other: &&(LinkId, Said<Outside>)| {
            (&other.1.value.host, other.1.value.port) == (&said.value.host, said.value.port)
        };
        if let Some((other, _)) = links[..n].iter().find(same) {
            let message = format!("{other} and {link} are the same broker");
            let help = "keep one of them: each press would be heard by both";
            out.add(&codes::BROKER_TWICE, &said.at, message, help);
        }
    }
}

fn link_id(name: &Said<&str>, out: &mut Findings<'_>) -> Option<LinkId> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_word = !name.value.is_empty() && name.value.len() <= 32 && name.value.chars().all(plain);
    if !is_word {
        let message = format!("not a link's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as home");
        return None;
    }
    LinkId::new(&format!("mqtt.{}", name.value)).ok()
}

fn is_client_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= CLIENT_ID_MAX && text.chars().all(plain)
}

/// What a mosquitto's settings say about messages for a client that is away.
#[derive(Debug, PartialEq, Eq)]
struct Promise {
    /// Messages kept for a client; 0 is no limit. mosquitto's own default is 1,000.
    queued: u64,
    persistence: bool,
}

/// Reads the settings of the brokers that are named and tells what is wrong with them.
pub fn look(confs: &[BrokerConf], files: &Files) -> Vec<Problem> {
    let mut out = Findings::new(files);
    for conf in confs {
        let path = conf.path.display();
        let text = match whole(&conf.path) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("{path} cannot be read: {why}");
                let help = "name mosquitto's own file; until then its queue is not checked";
                out.add(&codes::BROKER_CONF_UNREAD, &conf.at, message, help);
                continue;
            }
        };
        let promise = promise(&text);
        if promise.queued != 0 {
            let message = format!(
                "{path} keeps {} messages for a hub that is away and throws the rest away",
                promise.queued
            );
            out.add(&codes::BROKER_QUEUE, &conf.at, message, "write max_queued_messages 0 there");
        }
        if !promise.persistence {
            let message = format!("{path} lets the broker forget this hub when it ends");
            out.add(&codes::BROKER_FORGETS, &conf.at, message, "write persistence true there");
        }
    }
    out.into_problems()
}

/// The file with those that it includes, in mosquitto's order: by name, after the file itself.
fn whole(path: &Path) -> std::io::Result<String> {
    let read = |path: &Path| {
        if fs::metadata(path)?.len() > FILE_MAX_BYTES {
            return Err(std::io::Error::other("it is too large for settings"));
        }
        fs::read_to_string(path)
    };
    let mut text = read(path)?;
    let dirs: Vec<PathBuf> = lines(&text)
        .filter(|(key, _)| *key == "include_dir")
        .map(|(_, dir)| PathBuf::from(dir))
        .collect();
    for dir in dirs {
        let mut included: Vec<PathBuf> =
            fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        included.retain(|path| path.extension().is_some_and(|ext| ext == "conf"));
        included.sort();
        for path in included.iter().take(INCLUDED_MAX) {
            text.push('\n');
            text.push_str(&read(path)?);
        }
    }
    Ok(text)
}

fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(key, value)| (key, value.trim()))
}

fn promise(text: &str) -> Promise {
    let mut promise = Promise { queued: 1_000, persistence: false };
    for (key, value) in lines(text) {
        match key {
            "max_queued_messages" => promise.queued = value.parse().unwrap_or(promise.queued),
            "persistence" => promise.persistence = value == "true",
            _ => {}
        }
    }
    promise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mosquitto_that_says_nothing_keeps_1_000_messages_and_forgets() {
        let silent = Promise { queued: 1_000, persistence: false };
        assert_eq!(promise("listener 1883\n# max_queued_messages 0\n"), silent);
        let safe = Promise { queued: 0, persistence: true };
        assert_eq!(promise("  max_queued_messages  0\npersistence true\n"), safe);
        assert_eq!(promise("max_queued_messages 0\nmax_queued_messages 50\n").queued, 50);
    }

    #[test]
    fn what_a_file_includes_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (file, inside) = (dir.path().join("mosquitto.conf"), dir.path().join("conf.d"));
        fs::create_dir(&inside).unwrap();
        fs::write(&file, format!("include_dir {}\n", inside.display())).unwrap();
        fs::write(inside.join("a.conf"), "max_queued_messages 0\npersistence true\n").unwrap();
        fs::write(inside.join("b.txt"), "max_queued_messages 7\n").unwrap();
        let said = promise(&whole(&file).unwrap());
        assert_eq!(said, Promise { queued: 0, persistence: true });
        let at = Spot { file: "links.toml", span: 0..1 };
        let files = Files::of("x", [("links.toml", "x = 1\n")]);
        let told = |path: PathBuf| -> Vec<_> {
            let problems = look(&[BrokerConf { path, at: at.clone() }], &files);
            problems.iter().map(|problem| problem.code).collect()
        };
        assert_eq!(told(file), [""; 0]);
        fs::write(inside.join("a.conf"), "").unwrap();
        assert_eq!(told(inside.join("a.conf")), ["broker-queue", "broker-forgets"]);
        assert_eq!(told(inside.join("none.conf")), ["broker-conf-unread"]);
    }
}
