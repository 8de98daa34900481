//! `[link.serial.NAME]` of `links.toml`: a serial line and what is spoken on it.

use std::path::{Path, PathBuf};

use super::codes;
use super::devices::bad_word;
use super::links::Links;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::{BAUDS, Serial, SerialContract};
use crate::registry::{Device, Family};
use crate::terms::{LinkId, Wait};

/// The usual speed of radio receivers.
const BAUD: u32 = 115_200;
/// What may stand in `contract`.
const CONTRACTS: [&str; 1] = ["native"];
/// Three signs of life of a receiver missed, and half a pause.
const SILENT_AFTER: Wait = Wait::secs(35);
/// Own choice: a test bench at one end, a receiver that sleeps at the other.
const SILENT_AFTER_RANGE: std::ops::RangeInclusive<Wait> = Wait::secs(2)..=Wait::mins(10);
/// Longest name of a line. Own choice: it stands in messages and logs.
const NAME_MAX: usize = 32;
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
    let baud = read_baud(&mut section, out);
    if let Some(said) =
        section.text(out, "contract").filter(|said| !CONTRACTS.contains(&said.value))
    {
        bad_word(&said, "contract", &CONTRACTS, out);
    }
    let silent_after = section.wait(out, "silent_after", SILENT_AFTER_RANGE, SILENT_AFTER);
    section.end(out);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let is_name = !name.value.is_empty() && name.value.len() <= NAME_MAX;
    let link = LinkId::new(&format!("serial.{}", name.value)).ok();
    let Some(link) = link.filter(|_| is_name && name.value.chars().all(plain)) else {
        let message = format!("not a line's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as front");
        return None;
    };
    let value = Serial { path: path?, baud, contract: SerialContract::Native, silent_after };
    Some((link, Said { value, at }))
}

fn read_path(said: &Said<&str>, out: &mut Findings<'_>) -> Option<PathBuf> {
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

fn read_baud(section: &mut Section<'_>, out: &mut Findings<'_>) -> u32 {
    let (least, most) = (BAUDS[0], BAUDS[BAUDS.len() - 1]);
    let range = u64::from(least)..=u64::from(most);
    let baud = section.number(out, "baud", range, u64::from(BAUD));
    match BAUDS.into_iter().find(|known| u64::from(*known) == baud) {
        Some(known) => known,
        None => {
            let known = BAUDS.map(|known| known.to_string()).join(", ");
            let message = format!("{baud} baud is no usual speed");
            out.add(&codes::BAD_BAUD, &section.at, message, format!("use one of {known}"));
            BAUD
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
    for (index, (link, said)) in links.serial.iter().enumerate() {
        let before = &links.serial[..index];
        if let Some((other, _)) = before.iter().find(|(_, o)| o.value.path == said.value.path) {
            let message = format!("{other} and {link} read the same port");
            out.add(&codes::PORT_TWICE, &said.at, message, "keep one of them");
        }
    }
    let mut first = None;
    for (device, at, _) in devices.filter(|(.., of)| *of == Some(Family::NativeSerial)) {
        first.get_or_insert((device, at));
        if !is_address(device.heard_name()) {
            let message = format!("no frame can come from {:?}", device.heard_name());
            let help =
                "write the eight digits printed on the device into heard_as, such as 00A1B2C3";
            out.add(&codes::BAD_SERIAL_ADDRESS, at, message, help);
        }
    }
    let heard = !links.serial.is_empty() || !out.is_whole("links.toml");
    if let Some((device, at)) = first.filter(|_| !heard) {
        let message = format!("devices on serial lines, such as {}, cannot be heard", device.id);
        let help = "add [link.serial.NAME] with the receiver's path to links.toml";
        out.add(&codes::SERIAL_NOT_LINKED, at, message, help);
    }
}

/// As the serial contract writes addresses: eight capital hexadecimal digits, not all zero.
fn is_address(name: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    name.len() == 8 && name.bytes().all(digit) && name != "00000000"
}
