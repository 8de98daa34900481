//! `[link.modbus.NAME]` of `links.toml`: a line whose panels are polled, its points, what each means and
//! which lamp shows that somebody comes, and the names of its panels.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::devices::bad_word;
use super::links::Links;
use super::problem::{Findings, Said, Spot};
use super::section::Section;
use super::serial::{is_name, line_name, read_baud, read_framing, read_path};
use super::settings::PolledLine;
use super::values::closest;
use crate::registry::{Device, Family};
use crate::terms::{Class, Framing, Kind, LinkId, Means, ModbusOn, ModbusPoint, ModbusTable, Wait};

/// Usual on RS-485 (field notes, 4.8).
const BAUD: u32 = 9_600;
/// A press is heard within a second (field notes, 4.8); below 100 ms small panels do nothing else.
const POLL_RANGE: std::ops::RangeInclusive<Wait> = Wait(100)..=Wait::secs(1);
const POLL: Wait = Wait(500);
/// Addresses that a panel may have on a line.
const SLAVES: std::ops::RangeInclusive<u64> = 1..=247;
/// Points of one line. Own choice: more than can be asked for within a second at the usual speed.
const POINTS_MAX: usize = 512;
/// What people may call a panel, in bytes. Own choice: it stands in messages.
const LABEL_MAX: usize = 48;

/// A line as it was read, with the places of its points.
#[derive(Debug, Clone)]
pub(super) struct PolledRead {
    pub(super) line: PolledLine,
    /// Where each point stands, in the same order.
    spots: Vec<Spot>,
}

pub(super) fn read_polled(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    lost: &mut bool,
) -> Option<(LinkId, Said<PolledRead>)> {
    let at = section.at.clone();
    let path = section
        .need_text(out, "path", "add path = \"/dev/serial/by-id/…\"")
        .and_then(|said| read_path(&said, out));
    let baud = read_baud(&mut section, BAUD, out);
    let framing = read_framing(&mut section, Framing::Eight, out);
    if matches!(framing, Framing::SevenEven | Framing::SevenOdd) {
        let message = "Modbus RTU has bytes of 8 bits, and this framing has 7";
        out.add(&codes::BAD_WORD, &section.at, message, "write framing = \"8E1\" or \"8N1\"");
    }
    let poll = section.wait(out, "poll", POLL_RANGE, POLL);
    if !section.has("point") {
        let help = format!(
            "add [link.modbus.{}.point.301-bed] with slave, table, address and means",
            name.value
        );
        section.missing(out, "point", &help);
    }
    let tables = section.named(out, "point");
    if tables.len() > POINTS_MAX {
        let message = format!("{} points on one line", tables.len());
        let help = format!("a line has at most {POINTS_MAX}: put some panels on another");
        out.add(&codes::OUT_OF_RANGE, &at, message, help);
    }
    let said = tables.len();
    let tables = tables.into_iter().take(POINTS_MAX);
    let read: Vec<_> = tables.filter_map(|(name, table)| read_point(&name, table, out)).collect();
    *lost |= read.len() < said || path.is_none();
    check_places(&read, out);
    let panels = read_panels(&mut section, &read, out);
    section.end(out);
    let link = line_name("modbus", name, out)?;
    let (points, spots) = read.into_iter().map(|said| (said.value, said.at)).unzip();
    let line = PolledLine { path: path?, baud, framing, poll, points, panels };
    Some((link, Said { value: PolledRead { line, spots }, at }))
}

fn read_point(
    name: &Said<&str>,
    mut table: Section<'_>,
    out: &mut Findings<'_>,
) -> Option<Said<ModbusPoint>> {
    if !is_name(name.value) {
        let message = format!("not a point's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as 301-bed");
    }
    let slave = read_slave(&mut table, out);
    let kind = table
        .need_text(out, "table", "add table = \"inputs\", \"coils\", \"holding\" or another")
        .and_then(|said| {
            let known = ModbusTable::ALL.into_iter().find(|table| table.word() == said.value);
            if known.is_none() {
                bad_word(&said, "table", &ModbusTable::ALL.map(ModbusTable::word), out);
            }
            known
        });
    let address = read_address(&mut table, out);
    let on = read_on(name.value, &mut table, kind, out);
    let means = table
        .need_text(out, "means", "add means = \"sos\", or what else it says when it turns on")
        .and_then(|said| read_means(&said, out));
    let lamp = table.has("lamp").then(|| number(&mut table, out, "lamp", 0..=0xFFFF));
    let at = table.at.clone();
    if lamp.is_some() && means.is_some_and(|means| !lights(means)) {
        let message = format!("{} begins no call that a lamp could answer", name.value);
        out.add(&codes::BAD_LAMP, &at, message, "take lamp out, or correct means");
    }
    table.end(out);
    let name = name.value.to_owned();
    let (slave, table, address, means) = (slave?, kind?, address?, means?);
    let value = ModbusPoint { name, slave, table, address, on: on?, means, lamp };
    Some(Said { value, at })
}

/// Whether a resident waits for an answer by a light.
fn lights(means: Means) -> bool {
    means.calls().is_some_and(|kind| !matches!(kind.class(), Class::Fault | Class::Coverage))
}

fn read_slave(table: &mut Section<'_>, out: &mut Findings<'_>) -> Option<u8> {
    if !table.has("slave") {
        table.missing(out, "slave", "add slave = 1, the panel's address on the line");
    }
    let is_there = table.has("slave");
    let said = table.number(out, "slave", SLAVES, 0);
    u8::try_from(said).ok().filter(|slave| is_there && *slave > 0)
}

fn read_address(table: &mut Section<'_>, out: &mut Findings<'_>) -> Option<u16> {
    if !table.has("address") {
        let help = "add address = 0, counted from 0: 40001 of a manual is holding 0";
        table.missing(out, "address", help);
    }
    let is_there = table.has("address");
    let said = number(table, out, "address", 0..=0xFFFF);
    is_there.then_some(said)
}

fn number(
    table: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> u16 {
    u16::try_from(table.number(out, key, range, 0)).unwrap_or(u16::MAX)
}

/// What of it counts as on: one `bit` of a register, one `value`, else anything but 0.
fn read_on(
    name: &str,
    table: &mut Section<'_>,
    kind: Option<ModbusTable>,
    out: &mut Findings<'_>,
) -> Option<ModbusOn> {
    let (is_bit, is_value) = (table.has("bit"), table.has("value"));
    let bit = number(table, out, "bit", 0..=15);
    let value = number(table, out, "value", 0..=0xFFFF);
    let what = match (is_bit, is_value, kind.is_some_and(ModbusTable::is_bits)) {
        (false, false, _) => return Some(ModbusOn::Set),
        (true, false, false) => return u8::try_from(bit).ok().map(ModbusOn::Bit),
        (false, true, false) => return Some(ModbusOn::Value(value)),
        (true, true, _) => ("has a bit and a value", "keep one of them"),
        (_, _, true) => (
            "has a bit or a value, and stands in a table of single bits",
            "take bit and value out, or read a table of registers: holding or input-registers",
        ),
    };
    let (message, help) = what;
    out.add(&codes::BAD_POINT, &table.at, format!("{name} {message}"), help);
    None
}

fn read_means(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Means> {
    let means = Means::from_word(said.value);
    if means.is_none() {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_a_devices()).map(Kind::word);
        let words: Vec<&str> = kinds.chain(Means::OTHER_WORDS).collect();
        bad_word(said, "meaning", &words, out);
    }
    means
}

/// Two points at one place, and a lamp that would press its own button.
fn check_places(read: &[Said<ModbusPoint>], out: &mut Findings<'_>) {
    let mut places = BTreeMap::new();
    for Said { value, at } in read {
        let place = (value.slave, value.table, value.address, value.on);
        if let Some(other) = places.insert(place, &value.name) {
            let message = format!("{other} and {} stand at the same place", value.name);
            out.add(&codes::POINT_TWICE, at, message, "correct one address, or take one out");
        }
    }
    for Said { value, at } in read {
        let is_read = |coil| {
            let mut coils = read.iter().map(|other| &other.value);
            coils.any(|other| {
                (other.slave, other.table, other.address) == (value.slave, ModbusTable::Coils, coil)
            })
        };
        if value.lamp.is_some_and(is_read) {
            let message = format!("the lamp of {} is a coil that is read as a point", value.name);
            let help = "name the coil that switches the lamp: it would press a button otherwise";
            out.add(&codes::BAD_LAMP, at, message, help);
        }
    }
}

fn read_panels(
    section: &mut Section<'_>,
    points: &[Said<ModbusPoint>],
    out: &mut Findings<'_>,
) -> BTreeMap<u8, String> {
    let mut panels = BTreeMap::new();
    for (name, mut table) in section.named(out, "panel") {
        let slave = read_slave(&mut table, out);
        let label = table.text(out, "label");
        if let Some(long) = label.as_ref().filter(|said| said.value.len() > LABEL_MAX) {
            let message = format!("the label is longer than {LABEL_MAX} bytes");
            out.add(&codes::TOO_LONG, &long.at, message, "shorten it: it stands in messages");
        }
        let label = label.filter(|said| !said.value.trim().is_empty());
        table.end(out);
        let Some(slave) = slave else { continue };
        if !points.iter().any(|point| point.value.slave == slave) && out.is_whole("links.toml") {
            let message = format!("no point is on panel {slave}, {}", name.value);
            let help = "correct its slave, or take it out: it is not asked";
            out.add(&codes::PANEL_UNUSED, &name.at, message, help);
        }
        let label = label.map_or(name.value, |said| said.value).to_owned();
        // Troubles are told by these words: two panels of one name would settle each other's.
        let is_same = |(other, known): (&u8, &String)| *other != slave && *known == label;
        let numbers = points.iter().map(|point| point.value.slave).filter(|other| *other != slave);
        if panels.iter().any(is_same) || numbers.map(|n| n.to_string()).any(|n| n == label) {
            let message = format!("two panels are called {label}");
            let help = "give each a label of its own, and none the number of another";
            out.add(&codes::POINT_TWICE, &name.at, message, help);
        }
        if let Some(other) = panels.insert(slave, label) {
            let message = format!("{other} and {} are both panel {slave}", name.value);
            out.add(&codes::POINT_TWICE, &name.at, message, "keep one of them");
        }
    }
    panels
}

/// What can only be seen beside the registry: points that nobody registered, and devices that no point
/// brings.
pub(super) fn check<'d>(
    links: &Links,
    devices: impl Iterator<Item = (&'d Device, &'d Spot, Option<Family>)>,
    out: &mut Findings<'_>,
) {
    let mut heard = BTreeSet::new();
    let mut points: BTreeMap<String, &Spot> = BTreeMap::new();
    for (link, said) in &links.modbus {
        let line = link.as_str().strip_prefix("modbus.").unwrap_or_default();
        let PolledRead { line: polled, spots } = &said.value;
        let named = polled.points.iter().map(|point| format!("{line}/{}", point.name));
        points.extend(named.zip(spots));
    }
    let is_whole = out.is_whole("links.toml") && !links.points_lost;
    for (device, at, family) in devices {
        if family != Some(Family::Modbus) {
            continue;
        }
        let name = device.heard_name();
        heard.insert(name.to_owned());
        if points.contains_key(name) || !is_whole {
            continue;
        }
        let message = format!("no point of a panel is {name:?}: {} cannot be heard", device.id);
        let help = match closest(name, points.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant}?"),
            None if points.is_empty() => {
                "add [link.modbus.NAME] with the panel's points to links.toml".to_owned()
            }
            None => "write LINE/POINT into heard_as, as in [link.modbus.LINE.point.POINT]".into(),
        };
        out.add(&codes::POINT_UNKNOWN, at, message, help);
    }
    if !out.is_whole("registry/devices.csv") || !out.is_whole("devices.toml") {
        return;
    }
    for (name, at) in points.into_iter().filter(|(name, _)| !heard.contains(name)) {
        let message = format!("nobody has registered the point {name}: a call says no place");
        let help = format!(
            "add a row with heard_as {name} and a type of the family modbus to registry/devices.csv"
        );
        out.add(&codes::POINT_UNREGISTERED, at, message, help);
    }
}
