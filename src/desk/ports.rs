//! Serial lines as the desk sees them: which one hears what, which one is lost, noisy or flooded, and
//! what has to be said to whom.
//!
//! A line is believed by its frames, not by its plug: it is lost when it is not open, and just as lost
//! when no whole frame has come for a while, because a receiver says again and again that it is there. It
//! is back when a frame has come. Only where nothing on a line speaks unasked is its plug believed. Lost is
//! coverage, since nobody behind it can call; noise and floods are faults, since frames still come through.
//! Pieces that name nobody are counted by line and minute and leave one fact a minute at most. Where a
//! device was last heard is only memory: after a start its answer goes out on every line, and a line that
//! is opened anew is told where all its calls stand.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::panels::Panels;
use super::vitals::turned;
use super::{Desk, Turn};
use crate::contract::{SERIAL_FAMILY, encode_serial, serial_address};
use crate::counter::WireView;
use crate::incident::{Effect, Stimulus};
use crate::link::modbus::Polled;
use crate::link::plug::PortNews;
use crate::link::serial::Port;
use crate::registry::Family;
use crate::terms::{At, Command, DeviceId, Kind, LinkId, Refusal, Wait};

/// How long a line may be closed before it is a trouble: a USB bus that resets itself gives the port
/// back in about a second.
const CLOSED_GRACE: Wait = Wait::secs(2);
/// How long a line that was lost must be open before it is believed. Own choice: longer than a loose
/// plug holds.
const STEADY: Wait = Wait::secs(5);
/// Devices whose line is remembered; beyond it the first ones stay, and what the others are told goes
/// out on every line. More than a full hub has.
const LINES_KEPT: usize = 8_192;
/// Noise is counted by the minute.
const NOISE_PER: Wait = Wait::mins(1);
/// Unreadable pieces in a minute that are a fault. Own choice: one a second; a radio receiver's line
/// of a few metres has none on most days.
const NOISE_FAULT: u32 = 60;
/// What the names of polled lines begin with.
pub(super) const MODBUS: &str = "modbus.";
/// How long a line may take to write its last frames at a stop.
pub(super) const STOP_WITHIN: Wait = Wait::secs(1);

/// Whether a line is open.
#[derive(Debug)]
enum Standing {
    /// Not yet, or no longer.
    Closed { since: At, why: Option<String> },
    /// It is, and so long ago it last brought a whole frame.
    Open { since: At, sound: Option<At> },
}

/// Pieces that could not be read and named nobody.
#[derive(Debug)]
struct Noise {
    /// When this minute began, and how many came in it.
    since: At,
    count: u32,
    /// How many came since the last fact about them.
    untold: u32,
    /// At least [`NOISE_FAULT`] came in this minute or the last.
    is_fault: bool,
    /// What people were told; none before the first minute is over.
    said: Option<bool>,
}

/// What keeps a line open.
#[derive(Debug)]
pub(super) enum Wire {
    /// Its devices speak by themselves.
    Heard(Port),
    /// Its panels are asked.
    Polled(Polled),
}

impl Wire {
    fn stop_reading(&self) {
        match self {
            Self::Heard(port) => port.stop_reading(),
            Self::Polled(polled) => polled.stop_reading(),
        }
    }

    /// Finishes what it has in its hands, within `limit`, and closes.
    pub(super) async fn stop(self, limit: Wait) {
        match self {
            Self::Heard(port) => port.stop(limit).await,
            Self::Polled(polled) => polled.stop(limit).await,
        }
    }
}

/// One line.
struct Line {
    wire: Wire,
    /// Of a line that is polled.
    panels: Panels,
    /// `None`: its plug is believed.
    silent_after: Option<Wait>,
    standing: Standing,
    /// What people were last told: whether it is lost.
    lost: Option<bool>,
    flooded: bool,
    noise: Noise,
    full: bool,
}

/// All lines.
#[derive(Default)]
pub(super) struct Ports {
    lines: BTreeMap<LinkId, Line>,
    /// Where each device was last heard.
    heard_at: BTreeMap<DeviceId, LinkId>,
}

impl Standing {
    /// Whether the line is lost; `None` while that is not yet sure. One that was `lost` is back only
    /// when it has stayed open for a while, so that a loose plug is one trouble and not a hundred.
    fn is_lost(&self, lost: Option<bool>, silent_after: Option<Wait>, now: At) -> Option<bool> {
        match self {
            Self::Closed { since, .. } => (now - *since >= CLOSED_GRACE).then_some(true),
            Self::Open { since, sound } => {
                let steady = lost != Some(true) || now - *since >= STEADY;
                let silent = now - sound.unwrap_or(*since);
                match silent_after {
                    Some(wait) if silent >= wait => Some(true),
                    Some(_) if sound.is_none() => None,
                    _ => steady.then_some(false),
                }
            }
        }
    }
}

impl Line {
    fn is_lost(&self, now: At) -> Option<bool> {
        self.standing.is_lost(self.lost, self.silent_after, now)
    }

    fn why_lost(&self, now: At) -> String {
        match &self.standing {
            Standing::Closed { why, .. } => {
                why.clone().unwrap_or_else(|| "it is not open".to_owned())
            }
            Standing::Open { since, sound } => match self.silent_after {
                Some(wait) if now - sound.unwrap_or(*since) >= wait => {
                    format!("no whole frame for {wait}: see the receiver and its speed")
                }
                _ => format!("it came back less than {STEADY} ago"),
            },
        }
    }
}

impl Noise {
    fn new(now: At) -> Self {
        Self { since: now, count: 0, untold: 0, is_fault: false, said: None }
    }

    /// Begins the next minute, if this one is over, and says so.
    fn roll(&mut self, now: At) -> bool {
        let over = now - self.since >= NOISE_PER;
        if over {
            self.is_fault &= self.count >= NOISE_FAULT;
            (self.since, self.count) = (now, 0);
        }
        over
    }

    /// Counts one; how many are to be recorded, if it is time.
    fn one(&mut self, at: At) -> Option<u32> {
        self.roll(at);
        self.count = self.count.saturating_add(1);
        self.untold = self.untold.saturating_add(1);
        self.is_fault |= self.count >= NOISE_FAULT;
        (self.count == 1).then(|| std::mem::take(&mut self.untold))
    }

    /// Whether it is a fault, when that has changed.
    fn turned(&mut self, now: At) -> Option<bool> {
        let known = self.roll(now) || self.is_fault || self.said.is_some();
        let is_fault = self.is_fault;
        (known && turned(&mut self.said, is_fault).is_some()).then_some(is_fault)
    }
}

impl Ports {
    pub(super) fn new(
        wires: impl IntoIterator<Item = (LinkId, Wire, Option<Wait>)>,
        now: At,
    ) -> Self {
        let mut all = Self::default();
        for (link, wire, silent_after) in wires {
            all.put(link, wire, silent_after, now);
        }
        all
    }

    /// A line more.
    pub(super) fn put(&mut self, link: LinkId, wire: Wire, silent_after: Option<Wait>, now: At) {
        let standing = Standing::Closed { since: now, why: None };
        let (noise, panels) = (Noise::new(now), Panels::default());
        let (lost, flooded, full) = (None, false, false);
        let line = Line { wire, panels, silent_after, standing, lost, flooded, noise, full };
        self.lines.insert(link, line);
    }

    /// What is known of a polled line's panels, with the line itself.
    pub(super) fn polled(&mut self, link: &LinkId) -> Option<(&mut Panels, &Polled)> {
        let line = self.lines.get_mut(link)?;
        match &line.wire {
            Wire::Polled(polled) => Some((&mut line.panels, polled)),
            Wire::Heard(_) => None,
        }
    }

    /// A line less; what keeps it open, to be stopped, and its troubles, to be settled.
    pub(super) fn take(&mut self, link: &LinkId) -> Option<(Wire, Vec<(Kind, String)>)> {
        let line = self.lines.remove(link)?;
        let troubles = [
            (line.lost == Some(true)).then(|| (Kind::Link, link.to_string())),
            (line.noise.said == Some(true)).then(|| (Kind::Garbage, link.to_string())),
            line.flooded.then(|| (Kind::Garbage, format!("{link}.flood"))),
        ];
        Some((line.wire, troubles.into_iter().flatten().collect()))
    }

    /// How long a line may be silent, from now on.
    pub(super) fn set_silent_after(&mut self, link: &LinkId, wait: Option<Wait>) {
        if let Some(line) = self.lines.get_mut(link) {
            line.silent_after = wait;
        }
    }

    /// Whether this link is a serial line, one that is polled included.
    pub(super) fn is_line(&self, link: &LinkId) -> bool {
        // A line that a reload took out may still have something on its way.
        let name = link.as_str();
        let was_one = name.starts_with("serial.") || name.starts_with(MODBUS);
        self.lines.contains_key(link) || was_one
    }

    /// A whole frame came.
    pub(super) fn sound(&mut self, link: &LinkId, at: At) {
        if let Some(Line { standing: Standing::Open { sound, .. }, .. }) = self.lines.get_mut(link)
        {
            *sound = Some(at);
        }
    }

    /// A device spoke on this line.
    pub(super) fn heard(&mut self, device: &DeviceId, link: &LinkId) {
        // A stranger of another contract is answered nowhere, and a radio may hear very many.
        if device.is_unregistered() && !device.as_str().starts_with(SERIAL_FAMILY) {
            return;
        }
        if let Some(known) = self.heard_at.get_mut(device) {
            if known != link {
                *known = link.clone();
            }
        } else if self.heard_at.len() < LINES_KEPT {
            self.heard_at.insert(device.clone(), link.clone());
        }
    }

    /// Where a device was last heard.
    pub(super) fn heard_on(&self, device: &DeviceId) -> Option<&LinkId> {
        self.heard_at.get(device)
    }

    /// Whether the line where a device was last heard is lost, or the panel that it hangs on.
    pub(super) fn is_cut_off(&self, device: &DeviceId) -> bool {
        if self.lines.values().any(|line| line.panels.cut_off(device)) {
            return true;
        }
        let line = self.heard_at.get(device).and_then(|link| self.lines.get(link));
        line.is_some_and(|line| line.lost == Some(true))
    }

    /// A piece that names nobody came: how many are to be recorded, if it is time.
    pub(super) fn noise(&mut self, link: &LinkId, at: At) -> Option<u32> {
        self.lines.get_mut(link)?.noise.one(at)
    }

    fn tell(&mut self, device: &DeviceId, frame: &[u8]) {
        let is_open = |line: &Line| matches!(line.standing, Standing::Open { .. });
        let known =
            self.heard_at.get(device).filter(|link| self.lines.get(*link).is_some_and(is_open));
        for (link, line) in &mut self.lines {
            if known.is_some_and(|known| known != link) || !is_open(line) {
                continue;
            }
            let Wire::Heard(port) = &line.wire else { continue };
            let full = port.write(frame.to_vec()).is_err();
            if full && !line.full {
                warn!(%link, "too many frames wait for the line: some lights change later");
            }
            line.full = full;
        }
    }

    /// Reads no more; answers are still written.
    pub(super) fn stop_reading(&self) {
        self.lines.values().for_each(|line| line.wire.stop_reading());
    }

    /// Writes what waits and closes.
    pub(super) async fn stop(&mut self) {
        let mut ending = tokio::task::JoinSet::new();
        for (_, line) in std::mem::take(&mut self.lines) {
            ending.spawn(line.wire.stop(STOP_WITHIN));
        }
        while ending.join_next().await.is_some() {}
    }

    pub(super) fn views(&self, now: At) -> Vec<WireView> {
        let view = |(link, line): (&LinkId, &Line)| WireView {
            name: link.to_string(),
            trouble: match (line.is_lost(now).or(line.lost), line.flooded, line.noise.is_fault) {
                (Some(true), ..) => Some(line.why_lost(now)),
                (_, true, _) => Some("it is flooded".to_owned()),
                (_, _, true) => Some("it is noisy".to_owned()),
                _ => line.panels.trouble(),
            },
            heard: matches!(line.standing, Standing::Open { sound: Some(_), .. }),
        };
        self.lines.iter().map(view).collect()
    }
}

impl Desk {
    /// Something happened to a port.
    pub(super) fn hear_port(&mut self, turn: &mut Turn, (link, news): (LinkId, PortNews)) {
        let now = self.clock.now();
        let Some(line) = self.ports.lines.get_mut(&link) else { return };
        match news {
            PortNews::Opened => {
                info!(%link, "the line is open");
                line.standing = Standing::Open { since: now, sound: None };
                match line.wire {
                    Wire::Heard(_) => self.tell_line_again(turn, &link),
                    Wire::Polled(_) => self.tell_lamps_again(turn, &link),
                }
            }
            PortNews::Panel { slave, lost } => self.hear_panel(turn, &link, slave, lost),
            PortNews::Closed { why } => {
                let since = match &line.standing {
                    Standing::Closed { since, .. } => *since,
                    Standing::Open { .. } => {
                        info!(%link, %why, "the line is closed");
                        now
                    }
                };
                line.standing = Standing::Closed { since, why: Some(why) };
            }
            PortNews::Flooded(flooded) => {
                line.flooded = flooded;
                match flooded {
                    true => {
                        warn!(%link, "the line brings more than its devices can mean: see the receiver")
                    }
                    false => info!(%link, "the line is no longer flooded"),
                }
                self.trouble(turn, Kind::Garbage, format!("{link}.flood"), flooded);
            }
        }
    }

    /// Looks which lines are lost, back, or noisy.
    pub(super) fn look_at_ports(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let mut news = Vec::new();
        for (link, line) in &mut self.ports.lines {
            if let Some(lost) = line.is_lost(now).filter(|lost| line.lost != Some(*lost)) {
                match lost {
                    true => {
                        warn!(%link, why = line.why_lost(now), "nobody behind the line is heard")
                    }
                    false => info!(%link, "the line hears"),
                }
                line.lost = Some(lost);
                news.push((Kind::Link, link.to_string(), lost));
                if !lost && !line.flooded {
                    // A flood that an earlier run told of.
                    news.push((Kind::Garbage, format!("{link}.flood"), false));
                }
            }
            if let Some(noisy) = line.noise.turned(now) {
                match noisy {
                    true => warn!(%link, "the line brings noise: see its cable, ground and speed"),
                    false => info!(%link, "the line brings no noise"),
                }
                news.push((Kind::Garbage, link.to_string(), noisy));
            }
        }
        for (kind, subject, broken) in news {
            self.trouble(turn, kind, subject, broken);
        }
    }

    /// A piece of a line that names no registered device: counted, and one fact a minute. Whether what
    /// came of it is on its way to disk.
    pub(super) fn hear_noise(&mut self, turn: &mut Turn, link: &LinkId, refusal: Refusal) -> bool {
        let Some(count) = self.ports.noise(link, refusal.heard_at) else { return true };
        self.decide(turn, &Stimulus::Unread { link: link.clone(), refusal, count })
    }

    /// Says on the device's line how far its call has come; false when it is no device of a line.
    pub(super) fn tell_on_line(&mut self, command: &Command) -> bool {
        if self.tell_lamp(&command.device) {
            return true;
        }
        let Some(address) = self.address_of(&command.device) else { return false };
        if let Some(frame) = encode_serial(address, command) {
            self.ports.tell(&command.device, &frame);
        }
        true
    }

    fn address_of(&self, device: &DeviceId) -> Option<u32> {
        if let Some((SERIAL_FAMILY, name)) = device.as_str().split_once(':') {
            return serial_address(name);
        }
        let row = self.book.registry().device(device)?;
        let family = self.settings.device_types.get(&row.type_name)?.family;
        serial_address(row.heard_name()).filter(|_| family == Family::NativeSerial)
    }

    /// A line was opened, perhaps with other hardware behind it or after a restart of the hub: every
    /// device that may be behind it is told where its calls stand.
    fn tell_line_again(&mut self, turn: &mut Turn, link: &LinkId) {
        let registry = self.book.registry();
        let registered = registry.devices().map(|device| &device.id);
        let strangers = self.book.open().map(|incident| &incident.device);
        let strangers = strangers.filter(|device| device.is_unregistered());
        let mut here: Vec<&DeviceId> = registered.chain(strangers).collect();
        here.retain(|device| {
            self.ports.heard_at.get(*device).is_none_or(|at| at == link)
                && self.address_of(device).is_some()
        });
        let newest = turn.newest();
        for command in here.into_iter().flat_map(|device| self.book.feedback_for(device)) {
            turn.effects.push((newest, Effect::Feedback(command)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_leaves_one_fact_a_minute_that_tells_of_all_before_it() {
        let mut noise = Noise::new(At(1_000));
        let told =
            [1_000, 2_000, 3_000, 60_999, 61_000, 61_001, 200_000].map(|at| noise.one(At(at)));
        assert_eq!(told, [Some(1), None, None, None, Some(4), None, Some(2)]);
    }

    #[test]
    fn a_noisy_line_is_a_fault_at_once_and_fine_after_a_better_minute() {
        let mut noise = Noise::new(At(0));
        let mut told = Vec::new();
        for ms in (0..200_000).step_by(500) {
            if ms < 60_000 || ms % 10_000 == 0 {
                noise.one(At(ms));
            }
            told.extend(noise.turned(At(ms)).map(|fault| (ms, fault)));
        }
        assert_eq!(told, [(29_500, true), (120_000, false)]);
    }

    #[test]
    fn noise_that_stops_altogether_ends_its_fault() {
        let mut noise = Noise::new(At(0));
        for n in 0..100 {
            noise.one(At(n));
        }
        let told = [100, 59_000, 60_000, 119_000, 120_000].map(|at| noise.turned(At(at)));
        assert_eq!(told, [Some(true), None, None, None, Some(false)]);
    }

    #[test]
    fn a_loose_plug_is_one_trouble_until_it_has_held_for_a_while() {
        let (mut lost, mut told) = (None, Vec::new());
        // Open and heard for 3 s, closed for 3 s, ten times; then it holds.
        for ms in (0..90_000).step_by(100) {
            let since = At(ms / 3_000 * 3_000);
            let standing = match ms / 3_000 % 2 {
                1 if ms < 60_000 => Standing::Closed { since, why: None },
                _ if ms < 60_000 => Standing::Open { since, sound: Some(At(ms)) },
                _ => Standing::Open { since: At(60_000), sound: Some(At(ms)) },
            };
            let now = standing.is_lost(lost, Some(Wait::secs(35)), At(ms));
            if let Some(turned) = now.filter(|turned| lost != Some(*turned)) {
                lost = Some(turned);
                told.push((ms, turned));
            }
        }
        assert_eq!(told, [(0, false), (5_000, true), (65_000, false)]);
    }

    #[test]
    fn an_open_line_is_lost_when_no_whole_frame_comes() {
        let silent_after = Some(Wait::secs(35));
        let open = |sound| Standing::Open { since: At(1_000), sound };
        assert_eq!(open(None).is_lost(None, silent_after, At(35_999)), None, "not yet sure");
        assert_eq!(open(None).is_lost(None, silent_after, At(36_000)), Some(true));
        let heard = open(Some(At(20_000)));
        assert_eq!(heard.is_lost(None, silent_after, At(54_999)), Some(false));
        assert_eq!(heard.is_lost(Some(false), silent_after, At(55_000)), Some(true));
    }

    #[test]
    fn a_line_on_which_nothing_speaks_unasked_is_believed_by_its_plug() {
        let open = Standing::Open { since: At(1_000), sound: None };
        assert_eq!(open.is_lost(None, None, At(1_000)), Some(false));
        assert_eq!(open.is_lost(Some(true), None, At(5_999)), None, "not yet steady");
        assert_eq!(open.is_lost(Some(true), None, At(9_000_000)), Some(false));
        let closed = Standing::Closed { since: At(1_000), why: None };
        assert_eq!(closed.is_lost(Some(false), None, At(3_000)), Some(true));
    }

    #[test]
    fn the_family_is_spelled_alike_in_every_room() {
        assert_eq!(Family::NativeSerial.word(), SERIAL_FAMILY);
    }
}
