//! `[link.modem.NAME]` of `links.toml`: a 4G modem, and `[sms]` of `notify.toml`: the ways over it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::codes;
use super::devices::bad_word;
use super::links::Links;
use super::notify::NotifyRead;
use super::problem::{Findings, Said};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::serial::{NAME_MAX, read_baud, read_path};
use super::settings::{Modem, Sms};
use super::values::closest;
use crate::terms::{LinkId, Phone, Wait};

/// Makes of modems by their words.
const PROFILES: [&str; 3] = ["sim7600", "ec20", "ec25"];
/// Default speed: what both makes are delivered with; over USB it means nothing.
const BAUD: u32 = 115_200;
/// How often a modem is asked whether it lives: 10 s (oncall.md 4.8).
const PROBE: Wait = Wait::secs(10);
const PROBES: RangeInclusive<Wait> = Wait::secs(1)..=Wait::secs(60);
/// How long a modem may be without port, SIM or network: 60 s (oncall.md 4.8).
const LOST_AFTER: Wait = Wait::secs(60);
const LOST_AFTERS: RangeInclusive<Wait> = Wait::secs(2)..=Wait::mins(10);
/// Messages a SIM may send in an hour beside emergencies and hazards: 60 (oncall.md 4.7); operators
/// bar an ordinary one at about 200.
const PER_HOUR: u64 = 60;
const PER_HOURS: RangeInclusive<u64> = 1..=1_000;
/// Most modems: see [`crate::config::settings::Sms`].
const MODEMS_MAX: usize = 4;

pub(super) fn read_modem(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<(LinkId, Said<Modem>)> {
    let at = section.at.clone();
    let path = section
        .need_text(out, "path", "add path = \"/dev/serial/by-id/…\", the modem's AT port")
        .and_then(|said| read_path(&said, out));
    let profile = section.need_text(out, "profile", "add profile = \"sim7600\" or \"ec20\"");
    let known = profile.as_ref().and_then(|said| {
        let known = PROFILES.into_iter().find(|word| *word == said.value);
        if known.is_none() {
            bad_word(said, "profile", &PROFILES, out);
        }
        known
    });
    let baud = read_baud(&mut section, BAUD, out);
    let pin = section.text(out, "pin");
    let pin = secret_name(pin, out, secrets);
    let smsc = section.text(out, "smsc");
    let centre = smsc.as_ref().and_then(|said| {
        let number = Phone::parse(said.value).filter(Phone::is_world);
        if number.is_none() {
            let message = format!("not a service centre's number: {:?}", said.value);
            let help =
                "write it with the country's prefix, \"+8613800210500\"; the operator knows it";
            out.add(&codes::BAD_NUMBER, &said.at, message, help);
        }
        number
    });
    let power_cycle = section.words(out, "power_cycle");
    let power_cycle = power_cycle.map_or_else(Vec::new, |list| {
        if let Some(first) = list.value.first().filter(|said| !said.value.starts_with('/')) {
            let message = format!("not the path of a program: {:?}", first.value);
            let help = "write it whole, [\"/usr/local/bin/modem-power\"]";
            out.add(&codes::BAD_PROGRAM, &first.at, message, help);
        }
        list.value.iter().map(|said| said.value.to_owned()).collect()
    });
    let probe = section.wait(out, "probe", PROBES, PROBE);
    let lost_after = section.wait(out, "lost_after", LOST_AFTERS, LOST_AFTER);
    section.end(out);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let is_name = !name.value.is_empty() && name.value.len() <= NAME_MAX;
    let link = LinkId::new(&format!("modem.{}", name.value)).ok();
    let Some(link) = link.filter(|_| is_name && name.value.chars().all(plain)) else {
        let message = format!("not a modem's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as front");
        return None;
    };
    let profile = known?.to_owned();
    let value = Modem { path: path?, baud, profile, pin, centre, power_cycle, probe, lost_after };
    Some((link, Said { value, at }))
}

/// `[sms]`; the names of its modems are looked up beside `links.toml`.
pub(super) fn read_sms(mut section: Section<'_>, out: &mut Findings<'_>, read: &mut NotifyRead) {
    let (modems, named) = named_modems(&mut section, out, "sms");
    let brackets = section.flag(out, "prefix", true).value;
    let per_hour = section.number(out, "per_hour", PER_HOURS, PER_HOUR);
    section.end(out);
    read.modems.extend(named);
    let per_hour = usize::try_from(per_hour).unwrap_or(usize::MAX);
    read.notify.sms = Some(Sms { modems, brackets, per_hour });
}

/// The modems that a way to people goes over: their names in order, each once, and where they stand.
pub(super) fn named_modems(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    table: &'static str,
) -> (Vec<String>, Vec<(&'static str, Said<String>)>) {
    if !section.has("modems") {
        section.missing(out, "modems", "add modems = [\"front\"]: NAME of [link.modem.NAME]");
    }
    let Some(list) = section.words(out, "modems") else { return (Vec::new(), Vec::new()) };
    if list.value.is_empty() || list.value.len() > MODEMS_MAX {
        let message = format!("[{table}] needs one to {MODEMS_MAX} modems");
        out.add(&codes::SMS_MODEMS, &list.at, message, "name them in the order they are tried");
    }
    let mut modems: Vec<String> = Vec::new();
    for said in &list.value {
        if modems.iter().any(|known| known == said.value) {
            let message = format!("{} stands twice in modems", said.value);
            out.add(&codes::SAID_TWICE, &said.at, message, "take one out");
            continue;
        }
        modems.push(said.value.to_owned());
    }
    let named =
        |said: &Said<&str>| (table, Said { value: said.value.to_owned(), at: said.at.clone() });
    (modems, list.value.iter().map(named).collect())
}

/// What can only be seen when both files lie side by side: modems that nobody has, modems that nobody
/// uses, and ports that two have.
pub(super) fn check(links: &Links, named: &[(&'static str, Said<String>)], out: &mut Findings<'_>) {
    let names = || links.modems.iter().filter_map(|(link, _)| link.as_str().strip_prefix("modem."));
    if out.is_whole("links.toml") {
        for (table, said) in named.iter().filter(|(_, said)| names().all(|name| name != said.value))
        {
            let help = match closest(&said.value, names()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("add [link.modem.{}] to links.toml", said.value),
            };
            let message = format!("[{table}] names modem {}, which is not there", said.value);
            out.add(&codes::UNKNOWN_MODEM, &said.at, message, help);
        }
    }
    let used: BTreeSet<&str> = named.iter().map(|(_, said)| said.value.as_str()).collect();
    for (index, (link, said)) in links.modems.iter().enumerate() {
        let name = link.as_str().strip_prefix("modem.").unwrap_or_default();
        if out.is_whole("notify.toml") && !used.contains(name) {
            let message = format!("nothing is sent over {link}");
            let help = format!("add [sms] with modems = [\"{name}\"] to notify.toml");
            out.add(&codes::MODEM_UNUSED, &said.at, message, help);
        }
        let path = &said.value.path;
        let before = links.modems[..index].iter().map(|(other, o)| (other, &o.value.path));
        let lines = links.serial.iter().map(|(other, o)| (other, &o.value.path));
        if let Some((other, _)) = before.chain(lines).find(|(_, o)| *o == path) {
            let message = format!("{other} and {link} have the same port");
            out.add(&codes::PORT_TWICE, &said.at, message, "give each a port of its own");
        }
    }
}
