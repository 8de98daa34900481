//! `[link.serial.NAME]` of `links.toml`: a serial line and what is spoken on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::codes;
use super::devices::bad_word;
use super::links::Links;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::{BAUDS, Serial};
use super::spoken::{read_spoken, usual};
use crate::registry::{Device, Family};
use crate::terms::{Framing, LinkId, Wait};

/// Own choice: a test bench at one end, a street where somebody always passes at the other.
const SILENT_AFTER_RANGE: std::ops::RangeInclusive<Wait> = Wait::secs(2)..=Wait::hours(24);
/// Longest name of a line or of what hangs on it. Own choice: it stands in messages and logs.
pub(super) const NAME_MAX: usize = 32;
/// How a path that stays is found.
const BY_ID: &str =
    "use its name in /dev/serial/by-id or /dev/serial/by-path: `ls -l` there shows which";
/// Names the kernel gives out in the order of plugging in.
const UNSTABLE: [&str; 3] = ["/dev/ttyUSB", "/dev/ttyACM", "/dev/ttyXRUSB"];

pub(super) fn read_serial(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
) -> Option<(LinkId, Said<Serial>)> {
    let at = section.at.clone();
    let path = section
        .need_text(out, "path", "add path = \"/dev/serial/by-id/…\"")
        .and_then(|said| read_path(&said, out));
    let contract = read_spoken(&mut section, out);
    let usual = usual(&contract);
    let baud = read_baud(&mut section, usual.baud, out);
    let framing = read_framing(&mut section, usual.framing, out);
    let silent_after = match section.has("silent_after") {
        true => {
            let absent = usual.silent_after.unwrap_or(*SILENT_AFTER_RANGE.end());
            Some(section.wait(out, "silent_after", SILENT_AFTER_RANGE, absent))
        }
        false => usual.silent_after,
    };
    section.end(out);
    let link = line_name("serial", name, out)?;
    let value = Serial { path: path?, baud, framing, contract, silent_after };
    Some((link, Said { value, at }))
}

/// Whether a name can stand in `heard_as`, in messages and logs.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(plain)
}

/// The whole name of a line.
pub(super) fn line_name(kind: &str, name: &Said<&str>, out: &mut Findings<'_>) -> Option<LinkId> {
    let link = LinkId::new(&format!("{kind}.{}", name.value)).ok();
    let link = link.filter(|_| is_name(name.value));
    if link.is_none() {
        let message = format!("not a line's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as front");
    }
    link
}

pub(super) fn read_path(said: &Said<&str>, out: &mut Findings<'_>) -> Option<PathBuf> {
    let path = Path::new(said.value);
    if !path.is_absolute() {
        let message = format!("not the path of a port: {:?}", said.value);
        out.add(&codes::BAD_PORT_PATH, &said.at, message, BY_ID);
        return None;
    }
    if UNSTABLE.iter().any(|name| said.value.starts_with(name)) {
        let message = format!("{} may be another device after the next plugging in", said.value);
        out.add(&codes::UNSTABLE_PORT_NAME, &said.at, message, BY_ID);
    }
    Some(path.to_owned())
}

pub(super) fn read_framing(
    section: &mut Section<'_>,
    usual: Framing,
    out: &mut Findings<'_>,
) -> Framing {
    let Some(said) = section.text(out, "framing") else { return usual };
    let known = Framing::ALL.into_iter().find(|framing| framing.word() == said.value);
    if known.is_none() {
        bad_word(&said, "framing", &Framing::ALL.map(Framing::word), out);
    }
    known.unwrap_or(usual)
}

pub(super) fn read_baud(section: &mut Section<'_>, usual: u32, out: &mut Findings<'_>) -> u32 {
    let (least, most) = (BAUDS[0], BAUDS[BAUDS.len() - 1]);
    let range = u64::from(least)..=u64::from(most);
    let baud = section.number(out, "baud", range, u64::from(usual));
    match BAUDS.into_iter().find(|known| u64::from(*known) == baud) {
        Some(known) => known,
        None => {
            let known = BAUDS.map(|known| known.to_string()).join(", ");
            let message = format!("{baud} baud is no usual speed");
            out.add(&codes::BAD_BAUD, &section.at, message, format!("use one of {known}"));
            usual
        }
    }
}

/// What can only be seen beside the registry and the other lines: one port read twice, devices that no
/// line hears, and addresses that no frame can have.
pub(super) fn check<'d>(
    links: &Links,
    devices: impl Iterator<Item = (&'d Device, &'d super::problem::Spot, Option<Family>)>,
    out: &mut Findings<'_>,
) {
    let mut ports = BTreeMap::new();
    let serial = links.serial.iter().map(|(link, said)| (link, &said.value.path, &said.at));
    let modbus = links.modbus.iter().map(|(link, said)| (link, &said.value.line.path, &said.at));
    for (link, path, at) in serial.chain(modbus) {
        if let Some(other) = ports.insert(path, link) {
            let message = format!("{other} and {link} read the same port");
            out.add(&codes::PORT_TWICE, at, message, "keep one of them");
        }
    }
    let mut first = BTreeMap::new();
    for (device, at, family) in devices {
        let Some(family) = family.filter(|family| Family::ON_LINES.contains(family)) else {
            continue;
        };
        first.entry(family).or_insert((device, at));
        let is_line = |name: &str| {
            let mut here = links
                .serial
                .iter()
                .filter(|(_, said)| Family::on_line(&said.value.contract) == family);
            here.any(|(link, _)| link.as_str().strip_prefix("serial.") == Some(name))
        };
        if let Some(help) = bad_name(family, device.heard_name(), is_line) {
            let message = format!("no frame can come from {:?}", device.heard_name());
            out.add(&codes::BAD_SERIAL_ADDRESS, at, message, help);
        }
    }
    let is_heard = |family| {
        let mut lines = links.serial.iter().map(|(_, said)| Family::on_line(&said.value.contract));
        lines.any(|heard| heard == family) || !out.is_whole("links.toml")
    };
    first.retain(|family, _| !is_heard(*family));
    for (family, (device, at)) in first {
        let (message, help) = match family {
            Family::NativeSerial => (
                format!("devices on serial lines, such as {}, cannot be heard", device.id),
                "add [link.serial.NAME] with the receiver's path to links.toml".to_owned(),
            ),
            family => (
                format!("{} devices, such as {}, cannot be heard", family.word(), device.id),
                format!(
                    "add [link.serial.NAME] with contract = \"{}\" to links.toml",
                    family.word()
                ),
            ),
        };
        out.add(&codes::SERIAL_NOT_LINKED, at, message, help);
    }
}

/// What to write instead of a name under which nothing of this family can be heard.
fn bad_name(family: Family, name: &str, is_line: impl Fn(&str) -> bool) -> Option<&'static str> {
    let native = "write the eight digits printed on the device into heard_as, such as 00A1B2C3";
    let account = "write the account, or account and zone, into heard_as, such as 1234/007";
    let tones = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    match family {
        Family::NativeSerial => (!is_address(name)).then_some(native),
        Family::ContactId => {
            let (number, zone) = name.split_once('/').unwrap_or((name, "000"));
            let is_one = (3..=16).contains(&number.len()) && (3..=4).contains(&zone.len());
            (!is_one || !tones(number) || !tones(zone)).then_some(account)
        }
        Family::Ev1527 => {
            let id = name.rsplit('/').next().unwrap_or_default();
            let least = if name.contains('/') { 1 } else { 5 };
            let is_id =
                (least..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
            (!is_id).then_some("write the five digits of its code into heard_as, such as 12345")
        }
        Family::R60afd1 | Family::Mr24fdb1 => (!is_line(name)).then_some(
            "write the name of the radar's own line into heard_as: NAME of [link.serial.NAME]",
        ),
        _ => None,
    }
}

/// As the serial contract writes addresses: eight capital hexadecimal digits, not all zero.
fn is_address(name: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    name.len() == 8 && name.bytes().all(digit) && name != "00000000"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_under_which_its_family_can_be_heard() {
        let is_bad = |family, name: &str| bad_name(family, name, |line| line == "bed-3").is_some();
        for (family, good) in [
            (Family::NativeSerial, "00A1B2C3"),
            (Family::ContactId, "1234"),
            (Family::ContactId, "12B4/007"),
            (Family::ContactId, "001234/0007"),
            (Family::Ev1527, "12345"),
            (Family::Ev1527, "0BEEF"),
            (Family::Ev1527, "smoke/1a2b"),
            (Family::R60afd1, "bed-3"),
            (Family::Lines, "三号床"),
        ] {
            assert!(!is_bad(family, good), "{good}");
        }
        for (family, bad) in [
            (Family::NativeSerial, "A1B2C3"),
            (Family::ContactId, "12"),
            (Family::ContactId, "1234/07"),
            (Family::ContactId, "1234-007"),
            (Family::Ev1527, "1234"),
            (Family::Ev1527, "rf/hall"),
            (Family::R60afd1, "serial.bed-3"),
            (Family::Mr24fdb1, "bed-4"),
        ] {
            assert!(is_bad(family, bad), "{bad}");
        }
    }
}
