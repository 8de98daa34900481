//! Panels that are polled: which of them are lost, and how the lamps beside their points shall be.
//!
//! A panel that does not answer is coverage, as a lost line is, since nobody behind it can call; it is
//! told once under the name that the config gives it, and its points are not told of as silent devices
//! besides. A lamp is state: it is on while a call of one of its points is open, from the moment that
//! call is on disk, and off else. It follows from the open calls alone, so that a start of the hub and a
//! port that was opened anew are no special cases; the wire says the state until the panel echoes it.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};

use super::ports::MODBUS;
use super::{Desk, Turn, lines};
use crate::config::settings::PolledLine;
use crate::contract::{MODBUS_FAMILY, modbus_coil};
use crate::incident::Effect;
use crate::link::modbus::Lamp;
use crate::registry::Family;
use crate::terms::{Command, DeviceId, FeedbackStage, Kind, LinkId, ModbusPoint};

/// What is known of the panels of one line.
#[derive(Debug, Default)]
pub(super) struct Panels {
    /// Those that people were told of.
    told: BTreeMap<u8, Told>,
    /// The devices whose calls a lamp shows.
    lit: BTreeSet<DeviceId>,
}

#[derive(Debug)]
struct Told {
    /// Why it is lost; `None` when it answers.
    lost: Option<String>,
    name: String,
    /// The devices behind it, while it is lost.
    behind: BTreeSet<DeviceId>,
}

impl Panels {
    /// Whether a device hangs on a panel that is lost.
    pub(super) fn cut_off(&self, device: &DeviceId) -> bool {
        self.told.values().any(|told| told.behind.contains(device))
    }

    /// What is wrong with the line at the moment.
    pub(super) fn trouble(&self) -> Option<String> {
        let mut lost = self.told.values().filter_map(|told| Some((told, told.lost.as_ref()?)));
        let (first, why) = lost.next()?;
        let others = match lost.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!("panel {}: {why}{others}", first.name))
    }
}

/// The point's name as its device is heard.
fn heard_name(link: &LinkId, point: &ModbusPoint) -> String {
    let line = link.as_str().strip_prefix(MODBUS).unwrap_or(link.as_str());
    format!("{line}/{}", point.name)
}

fn is_open(command: &Command) -> bool {
    command.stage < FeedbackStage::Closed
}

impl Desk {
    /// A panel has stopped answering, or answers again.
    pub(super) fn hear_panel(
        &mut self,
        turn: &mut Turn,
        link: &LinkId,
        slave: u8,
        lost: Option<String>,
    ) {
        let Some(line) = self.settings.modbus.get(link) else { return };
        // From before a reload took it out: nothing would ever settle it.
        if !line.points.iter().any(|point| point.slave == slave) {
            return;
        }
        let name = line.panels.get(&slave).cloned().unwrap_or_else(|| slave.to_string());
        match &lost {
            Some(why) => warn!(%link, panel = name, why, "nobody behind the panel is heard"),
            None => info!(%link, panel = name, "the panel answers"),
        }
        let of = line.points.iter().filter(|point| point.slave == slave && lost.is_some());
        let behind = of.map(|point| self.device_at(link, point)).collect();
        let subject = format!("{link}.{name}");
        let is_lost = lost.is_some();
        if let Some((panels, _)) = self.ports.polled(link) {
            panels.told.insert(slave, Told { lost, name, behind });
        }
        self.trouble(turn, Kind::Link, subject, is_lost);
    }

    /// Settles what people were told of a line's panels, before others take their place.
    pub(super) fn settle_panels(&mut self, turn: &mut Turn, link: &LinkId) {
        let Some((panels, _)) = self.ports.polled(link) else { return };
        let told = std::mem::take(&mut panels.told);
        for told in told.into_values().filter(|told| told.lost.is_some()) {
            self.trouble(turn, Kind::Link, format!("{link}.{}", told.name), false);
        }
    }

    /// Other points on a line whose port stays open.
    pub(super) fn renew_points(&mut self, turn: &mut Turn, link: &LinkId, line: &PolledLine) {
        let is_one = |slave, coil| {
            let mut points = line.points.iter();
            points.any(|point| point.slave == slave && point.lamp == Some(coil))
        };
        if let Some((panels, polled)) = self.ports.polled(link) {
            polled.ask(lines::asks(line));
            polled.keep_lamps(is_one);
            panels.lit.clear();
        }
        self.tell_lamps_again(turn, link);
    }

    /// Lets the lamp beside a device show whether its call is open; false when it is no point of a panel.
    pub(super) fn tell_lamp(&mut self, device: &DeviceId) -> bool {
        let Some((link, point)) = self.point_of(device) else { return false };
        let is_lit = self.book.feedback_for(device).iter().any(is_open);
        if let Some((panels, _)) = self.ports.polled(&link) {
            match is_lit {
                true => panels.lit.insert(device.clone()),
                false => panels.lit.remove(device),
            };
        }
        self.show_lamp(&link, &point);
        true
    }

    /// A line was opened, perhaps after a restart of the hub: each of its lamps is to be what the open
    /// calls make of it.
    pub(super) fn tell_lamps_again(&mut self, turn: &mut Turn, link: &LinkId) {
        let Some(line) = self.settings.modbus.get(link) else { return };
        let points: Vec<ModbusPoint> =
            line.points.iter().filter(|point| point.lamp.is_some()).cloned().collect();
        let newest = turn.newest();
        let mut open = BTreeSet::new();
        for point in &points {
            let device = self.device_at(link, point);
            let commands = self.book.feedback_for(&device).into_iter().filter(is_open);
            for command in commands {
                // What is not on disk so far lights no lamp.
                turn.effects.push((newest, Effect::Feedback(command)));
                open.insert((point.slave, point.lamp));
            }
        }
        for point in points.iter().filter(|point| !open.contains(&(point.slave, point.lamp))) {
            let device = self.device_at(link, point);
            if let Some((panels, _)) = self.ports.polled(link) {
                panels.lit.remove(&device);
            }
            self.show_lamp(link, point);
        }
    }

    fn show_lamp(&mut self, link: &LinkId, point: &ModbusPoint) {
        let (Some(line), Some(coil)) = (self.settings.modbus.get(link), point.lamp) else { return };
        let slave = point.slave;
        let shares = |other: &&ModbusPoint| (other.slave, other.lamp) == (slave, Some(coil));
        let sharing: Vec<DeviceId> =
            line.points.iter().filter(shares).map(|other| self.device_at(link, other)).collect();
        let Some((panels, polled)) = self.ports.polled(link) else { return };
        let on = sharing.iter().any(|device| panels.lit.contains(device));
        polled.show(Lamp { slave, coil, frame: modbus_coil(slave, coil, on) });
    }

    /// The registered device of a point, or the address it is heard under.
    fn device_at(&self, link: &LinkId, point: &ModbusPoint) -> DeviceId {
        let name = heard_name(link, point);
        let types = &self.settings.device_types;
        let known = self.book.registry().by_heard_as(types, Family::Modbus, &name);
        known.map_or_else(|| DeviceId::unregistered(MODBUS_FAMILY, &name), |row| row.id.clone())
    }

    /// The point that a device is, with its line.
    fn point_of(&self, device: &DeviceId) -> Option<(LinkId, ModbusPoint)> {
        let name = match device.as_str().split_once(':') {
            Some((MODBUS_FAMILY, name)) => name,
            Some(_) => return None,
            None => {
                let row = self.book.registry().device(device)?;
                let kind = self.settings.device_types.get(&row.type_name)?;
                (kind.family == Family::Modbus).then(|| row.heard_name())?
            }
        };
        let (line, point) = name.split_once('/')?;
        let link = LinkId::new(&format!("{MODBUS}{line}")).ok()?;
        let points = &self.settings.modbus.get(&link)?.points;
        let point = points.iter().find(|known| known.name == point)?.clone();
        Some((link, point))
    }
}
