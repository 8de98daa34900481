//! Another config while the hub runs: what changed is replaced, and nothing else is touched.
//!
//! A directory with problems changes nothing: the old set goes on, a fault is open until a good one
//! comes, and a later start has the last accepted set. A good one is taken in one turn: the policy
//! and the roster as facts, then every part that is opened with something else than before. A part
//! that is replaced first finishes what it has in its hands, within a limit, beside the loop; what it
//! did not finish is still owed by the book and is offered to the new one under its old name. A
//! part that cannot be opened leaves the old one in place, with a trouble. What only a start can
//! change (addresses, the state directory, the hub's id) stays as it runs, and is said in the log
//! and in `status`. Chosen over a restart inside the process, which would drop every connection of
//! every button to change one telephone number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::outbox::{Leaving, STOP_WITHIN};
use super::wiring::{LineEnds, PLATFORM, Parts, TLS, WEBHOOK, WaysOut, tls_settings};
use super::{Desk, Turn, modems, outside, ports};
use crate::config::settings::{Broker, PolledLine, Serial, Settings};
use crate::console::Signals;
use crate::incident::{Carrier, Stimulus};
use crate::terms::{EndpointId, Kind, LinkId, Seq, Wait};

/// Reloads waiting for the desk; the next one waits for a place.
pub(super) const RELOADS_MAX: usize = 4;
/// Replaced parts that have ended and are not yet looked at; the next one waits for a place.
const GONE_MAX: usize = 64;
/// The subject of the fault while the directory cannot be used.
pub(super) const DIRECTORY: &str = "directory";

/// The subject of the fault while new files of the broker's TLS cannot be used.
pub(super) const TLS_FILES: &str = "link.broker.tls.files";

/// What a reload brings.
pub(super) enum Reload {
    /// The directory passed the check; what waits for a restart is answered.
    Good(Box<(Settings, Parts)>, oneshot::Sender<Vec<&'static str>>),
    /// It has problems.
    Broken(oneshot::Sender<Vec<&'static str>>),
}

/// A part that was replaced and has ended.
pub(super) enum Gone {
    /// A carrier: what it left is offered again.
    Carrier(Leaving),
    /// An endpoint: what is owed goes to the one that is open now.
    Endpoint(EndpointId),
    /// A line: its port is free.
    Line(LinkId),
    /// A broker that others run: the session's name there is free.
    Outside(LinkId),
    /// A modem: its port is free.
    Modem(LinkId),
}

/// What the running parts hang on.
pub(super) struct Wires {
    pub(super) parts: Parts,
    pub(super) ways_out: WaysOut,
    pub(super) lines: LineEnds,
    /// Where signals are handed in over HTTP.
    pub(super) signals: Signals,
    /// Subjects of what could not be opened.
    pub(super) out: BTreeSet<String>,
    /// What waits for a restart, in config words.
    pub(super) restart_for: Vec<&'static str>,
    /// How many replaced endpoints and lines are still ending.
    ending: BTreeMap<String, usize>,
    tell_gone: mpsc::Sender<Gone>,
}

impl Wires {
    pub(super) fn new(
        parts: Parts,
        ways_out: WaysOut,
        lines: LineEnds,
        out: BTreeSet<String>,
    ) -> (Self, mpsc::Receiver<Gone>) {
        let (tell_gone, gone) = mpsc::channel(GONE_MAX);
        let (restart_for, ending, clock) = (Vec::new(), BTreeMap::new(), lines.clock.clone());
        let signals = Signals::new(lines.inbox.clone(), move || clock.now());
        signals.set(&parts.signals);
        (Self { parts, ways_out, lines, signals, out, restart_for, ending, tell_gone }, gone)
    }

    /// Ends a part beside the loop and tells when it has.
    fn end(&self, ending: impl Future<Output = ()> + Send + 'static, gone: Gone) {
        let tell = self.tell_gone.clone();
        tokio::spawn(async move {
            ending.await;
            // A desk that stops needs no word: all that was left is owed by the record.
            let _ = tell.send(gone).await;
        });
    }

    fn ends(&mut self, subject: String) {
        *self.ending.entry(subject).or_default() += 1;
    }

    /// One has ended; whether it was the last of its name.
    fn ended(&mut self, subject: &str) -> bool {
        let left = self.ending.get(subject).copied().unwrap_or_default().saturating_sub(1);
        match left {
            0 => drop(self.ending.remove(subject)),
            more => drop(self.ending.insert(subject.to_owned(), more)),
        }
        left == 0
    }
}

/// Puts what only a start can change back to what runs, and names it.
fn kept_until_restart(running: &Settings, next: &mut Settings) -> Vec<&'static str> {
    let mut kept = Vec::new();
    let (old, new) = (&running.gateway, &mut next.gateway);
    macro_rules! keep {
        ($($field:ident $name:literal),*) => {
            $(if new.$field != old.$field {
                new.$field.clone_from(&old.$field);
                kept.push($name);
            })*
        };
    }
    keep!(
        hub "hub.id", listen "console.listen", lan "console.lan", state_dir "storage.state",
        socket "storage.socket", segment_bytes "storage.segment", ballast_bytes "storage.ballast",
        battery_clock "clock.battery_clock"
    );
    if next.power != running.power {
        next.power.clone_from(&running.power);
        kept.push("power");
    }
    match (&running.broker, &mut next.broker) {
        (Some(old), Some(new)) => kept.extend(kept_of_broker(old, new)),
        (None, None) => {}
        (old, new) => {
            new.clone_from(old);
            kept.push("link.broker");
        }
    }
    kept
}

fn kept_of_broker(old: &Broker, new: &mut Broker) -> Vec<&'static str> {
    let mut kept = Vec::new();
    if new.listen != old.listen {
        new.listen = old.listen;
        kept.push("link.broker.listen");
    }
    let listen = |broker: &Broker| broker.tls.as_ref().map(|tls| tls.listen);
    if listen(old) != listen(new) {
        new.tls.clone_from(&old.tls);
        kept.push(TLS);
    }
    if new.max_connections != old.max_connections {
        new.max_connections = old.max_connections;
        kept.push("link.broker.max_connections");
    }
    kept
}

impl Desk {
    /// A reload came.
    pub(super) fn reload(&mut self, turn: &mut Turn, reload: Reload) {
        let (tell, broken) = match reload {
            Reload::Broken(tell) => (tell, true),
            Reload::Good(next, tell) => {
                let (settings, parts) = *next;
                self.take_config(turn, settings, parts);
                (tell, false)
            }
        };
        self.old_config = broken;
        self.trouble(turn, Kind::Config, DIRECTORY.to_owned(), broken);
        // Nobody may be waiting any more.
        let _ = tell.send(self.wires.restart_for.clone());
    }

    fn take_config(&mut self, turn: &mut Turn, mut next: Settings, parts: Parts) {
        let mut restart_for = kept_until_restart(&self.settings, &mut next);
        // What people have changed about the plan holds for the new rules as well.
        next.roster.changes.clone_from(&self.settings.roster.changes);
        let old = std::mem::replace(&mut self.settings, Arc::new(next));
        let next = Arc::clone(&self.settings);
        self.decide(turn, &Stimulus::Policy(Box::new(next.policy.clone())));
        if old.roster != next.roster {
            self.decide(turn, &Stimulus::Roster(Box::new(next.roster.clone())));
        }
        self.take_life_plan(turn);
        self.intake.renew(&next, self.book.registry());
        self.compare_registry();
        if let Some(broker) =
            self.broker.as_ref().filter(|_| parts.accounts != self.wires.parts.accounts)
            && let Err(why) = broker.renew_accounts(parts.accounts.clone())
        {
            error!(%why, "the accounts stay as they were");
        }
        let mut out = BTreeSet::new();
        restart_for.extend(self.renew_tls(&mut out));
        self.renew_carriers(turn, &parts, &mut out);
        self.renew_endpoints(turn, &parts, &mut out);
        self.renew_lines(turn, &old);
        self.renew_polled(turn, &old);
        self.renew_outside(turn, &parts);
        self.renew_modems(turn, &parts);
        self.renew_witnesses(turn, &parts.witnesses);
        self.wires.signals.set(&parts.signals);
        let before = std::mem::take(&mut self.wires.out);
        for subject in before.symmetric_difference(&out) {
            let kind = kind_of_way(subject);
            self.trouble(turn, kind, subject.clone(), out.contains(subject));
        }
        self.wires.out = out;
        self.wires.parts = parts;
        for name in &restart_for {
            warn!(
                "{name} in the config has changed and needs a restart; until then all stays as it runs"
            );
        }
        self.wires.restart_for = restart_for;
        self.forget_lines(turn);
        info!("the config is taken into use");
    }

    /// Shows clients what the files hold now; names what waits for a restart.
    fn renew_tls(&mut self, out: &mut BTreeSet<String>) -> Option<&'static str> {
        let (broker, settings) = self.broker.as_ref().zip(tls_settings(&self.settings))?;
        if broker.tls_until().is_none() {
            out.insert(TLS.to_owned());
            return Some(TLS);
        }
        if let Err(why) = broker.renew_tls(&settings) {
            error!(%why, "the broker's former certificate goes on");
            out.insert(TLS_FILES.to_owned());
        }
        None
    }

    fn renew_carriers(&mut self, turn: &mut Turn, parts: &Parts, out: &mut BTreeSet<String>) {
        for carrier in Carrier::ALL {
            let subject = carrier.word().to_owned();
            let stays_out = self.wires.out.contains(&subject);
            if self.wires.parts.same_carrier(parts, carrier) && !stays_out {
                continue;
            }
            let opened = match self.wires.ways_out.carrier(parts, carrier) {
                None => None,
                Some(Ok(handle)) => Some(handle),
                Some(Err(why)) => {
                    error!(%carrier, %why, "this way out cannot be opened anew and stays as it was");
                    out.insert(subject);
                    self.outbox.set_up(carrier);
                    continue;
                }
            };
            info!(%carrier, "this way out is replaced");
            let (ended, had_trouble) = self.outbox.replace_carrier(&self.book, carrier, opened);
            if had_trouble {
                self.trouble(turn, Kind::Carrier, subject, false);
            }
            if let Some((handle, leaving)) = ended {
                self.wires.end(handle.stop(STOP_WITHIN.std()), Gone::Carrier(leaving));
            }
        }
    }

    fn renew_endpoints(&mut self, turn: &mut Turn, parts: &Parts, out: &mut BTreeSet<String>) {
        let known = self.outbox.endpoints.keys().cloned();
        let all: BTreeSet<EndpointId> = known.chain(parts.endpoints.keys().cloned()).collect();
        for endpoint in all {
            let subject = parts.subject(&endpoint);
            let stays_out = self.wires.out.contains(&subject);
            if self.wires.parts.same_endpoint(parts, &endpoint) && !stays_out {
                continue;
            }
            let opened = match parts.endpoints.get(&endpoint) {
                None => None,
                Some(settings) => match self.wires.ways_out.endpoint(settings) {
                    Ok(handle) => Some(handle),
                    Err(why) => {
                        error!(%endpoint, %why, "this way out cannot be opened anew and stays as it was");
                        out.insert(subject);
                        self.outbox.endpoints.entry(endpoint).or_default();
                        continue;
                    }
                },
            };
            info!(%endpoint, "this way out is replaced");
            let (ended, troubles) = self.outbox.replace_endpoint(&endpoint, opened);
            for kind in troubles {
                let subject = self.wires.parts.subject(&endpoint);
                self.trouble(turn, kind, subject, false);
            }
            self.platforms.forget(&endpoint);
            self.wires.ends(ending_endpoint(&endpoint));
            let ending = async move {
                if let Some(handle) = ended {
                    handle.stop(STOP_WITHIN.std()).await;
                }
            };
            self.wires.end(ending, Gone::Endpoint(endpoint));
        }
    }

    fn renew_lines(&mut self, turn: &mut Turn, old: &Settings) {
        let next = Arc::clone(&self.settings);
        let all: BTreeSet<&LinkId> = old.serial.keys().chain(next.serial.keys()).collect();
        for link in all {
            let (was, is) = (old.serial.get(link), next.serial.get(link));
            let opened_alike = was.zip(is).is_some_and(|(was, is)| {
                let opened = |s: &Serial| (s.path.clone(), s.baud, s.framing, s.contract.clone());
                opened(was) == opened(is)
            });
            if let Some(is) = is.filter(|_| opened_alike) {
                self.ports.set_silent_after(link, is.silent_after);
                continue;
            }
            self.replace_line(turn, link);
        }
    }

    /// Other points are asked for on the open port; another port is opened anew.
    fn renew_polled(&mut self, turn: &mut Turn, old: &Settings) {
        let next = Arc::clone(&self.settings);
        let all: BTreeSet<&LinkId> = old.modbus.keys().chain(next.modbus.keys()).collect();
        for link in all {
            let (was, is) = (old.modbus.get(link), next.modbus.get(link));
            if was == is {
                continue;
            }
            if was.is_some() {
                self.settle_panels(turn, link);
            }
            let opened = |line: &PolledLine| (line.path.clone(), line.baud, line.framing);
            if let Some(is) = is.filter(|is| was.is_some_and(|was| opened(was) == opened(is))) {
                info!(%link, points = is.points.len(), "the line asks for other points");
                self.renew_points(turn, link, is);
                continue;
            }
            self.replace_line(turn, link);
        }
    }

    /// Ends a line; when it has, what the config names in its place is opened.
    fn replace_line(&mut self, turn: &mut Turn, link: &LinkId) {
        self.wires.ends(link.to_string());
        let ended = self.ports.take(link).map(|(wire, troubles)| {
            for (kind, subject) in troubles {
                self.trouble(turn, kind, subject, false);
            }
            wire
        });
        info!(%link, "the line is replaced");
        let ending = async move {
            if let Some(wire) = ended {
                wire.stop(ports::STOP_WITHIN).await;
            }
        };
        self.wires.end(ending, Gone::Line(link.clone()));
    }

    fn renew_outside(&mut self, turn: &mut Turn, parts: &Parts) {
        let before = self.wires.parts.outside.keys();
        let all: BTreeSet<LinkId> = before.chain(parts.outside.keys()).cloned().collect();
        for link in all {
            let (was, is) = (self.wires.parts.outside.get(&link), parts.outside.get(&link));
            if was.zip(is).is_some_and(|(was, is)| was.is_opened_like(is)) {
                continue;
            }
            self.wires.ends(link.to_string());
            let (broker, troubles) = self.outside.take(&link);
            for (kind, subject) in troubles {
                self.trouble(turn, kind, subject, false);
            }
            info!(%link, "the outside broker is replaced");
            let ending = async move {
                if let Some(broker) = broker {
                    broker.stop(outside::STOP_WITHIN).await;
                }
            };
            self.wires.end(ending, Gone::Outside(link));
        }
    }

    fn renew_modems(&mut self, turn: &mut Turn, parts: &Parts) {
        let before = self.wires.parts.modems.keys();
        let all: BTreeSet<LinkId> = before.chain(parts.modems.keys()).cloned().collect();
        for link in all {
            if let Some(modem) = self.settings.modems.get(&link) {
                self.modems.set_lost_after(&link, modem.lost_after);
            }
            if self.wires.parts.modems.get(&link) == parts.modems.get(&link) {
                continue;
            }
            self.wires.ends(link.to_string());
            let taken = self.modems.take(&link);
            if taken.as_ref().is_some_and(|(_, lost)| *lost) {
                self.trouble(turn, Kind::Carrier, link.to_string(), false);
            }
            info!(%link, "the modem is replaced");
            let ending = async move {
                if let Some((Some(modem), _)) = taken {
                    modem.stop(modems::STOP_WITHIN).await;
                }
            };
            self.wires.end(ending, Gone::Modem(link));
        }
    }

    /// A replaced part has ended.
    pub(super) fn part_gone(&mut self, turn: &mut Turn, gone: Gone) {
        match gone {
            Gone::Carrier(leaving) => {
                // Its last words came before this.
                while let Ok((order, end)) = self.ears.ends.try_recv() {
                    self.end_order(turn, &order, end);
                }
                self.outbox.offer_left(&self.book, &leaving);
            }
            Gone::Endpoint(endpoint) => {
                while let Ok(report) = self.ears.reports.try_recv() {
                    self.end_stories(turn, report);
                }
                if self.wires.ended(&ending_endpoint(&endpoint)) {
                    let safe = self.vitals.is_safe();
                    let head = self.ears.durable.borrow().head.seq;
                    let until = if safe { head } else { Seq(u64::MAX) };
                    self.outbox.open_endpoint(&self.book, &endpoint, until);
                }
            }
            Gone::Line(link) => {
                let last = self.wires.ended(link.as_str());
                let now = self.clock.now();
                if let Some(serial) = self.settings.serial.get(&link).filter(|_| last) {
                    let wire = self.wires.lines.keep(&link, serial);
                    self.ports.put(link, wire, serial.silent_after, now);
                } else if let Some(line) = self.settings.modbus.get(&link).filter(|_| last) {
                    let wire = self.wires.lines.poll(&link, line);
                    self.ports.put(link, wire, None, now);
                }
            }
            Gone::Modem(link) => {
                let last = self.wires.ended(link.as_str());
                if let Some(parts) = self.wires.parts.modems.get(&link).filter(|_| last) {
                    let modem = self.wires.lines.dial(&link, parts);
                    let lost_after =
                        self.settings.modems.get(&link).map_or(Wait::ZERO, |m| m.lost_after);
                    self.modems.put(link, modem, lost_after, self.clock.now());
                }
            }
            Gone::Outside(link) => {
                let last = self.wires.ended(link.as_str());
                if let Some(parts) = self.wires.parts.outside.get(&link).filter(|_| last) {
                    let bridged = outside::bridged(&self.settings, self.book.registry());
                    let heard = self.wires.lines.hear(&link, parts, &bridged);
                    self.outside.put(link, heard, self.clock.now());
                }
            }
        }
    }

    /// Reloads and ended parts that wait.
    pub(super) fn take_reloads(&mut self, turn: &mut Turn) {
        for _ in 0..RELOADS_MAX {
            let Ok(reload) = self.ears.reloads.try_recv() else { break };
            self.reload(turn, reload);
        }
        for _ in 0..GONE_MAX {
            let Ok(gone) = self.ears.gone.try_recv() else { break };
            self.part_gone(turn, gone);
        }
    }
}

/// Under what name the end of an endpoint is awaited, whichever kind the next one is.
fn ending_endpoint(endpoint: &EndpointId) -> String {
    format!("endpoint.{endpoint}")
}

/// What kind of trouble it is that a way in or out stays closed.
pub(super) fn kind_of_way(subject: &str) -> Kind {
    match subject {
        TLS => Kind::Link,
        TLS_FILES => Kind::Config,
        _ if subject.starts_with(WEBHOOK) || subject.starts_with(PLATFORM) => Kind::Endpoint,
        _ => Kind::Carrier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn shipped() -> Settings {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        config::check(&config::read(&dir)).settings.unwrap()
    }

    #[test]
    fn what_only_a_start_can_change_stays_as_it_runs_and_is_named() {
        let running = shipped();
        let mut next = shipped();
        next.gateway.hub = crate::terms::HubId::new("another").unwrap();
        next.gateway.listen = ([127, 0, 0, 1], 9).into();
        next.gateway.site = "另一个中心".to_owned();
        let broker = next.broker.as_mut().unwrap();
        broker.listen = ([0, 0, 0, 0], 9).into();
        broker.accounts.clear();
        let kept = kept_until_restart(&running, &mut next);
        assert_eq!(kept, ["hub.id", "console.listen", "link.broker.listen"]);
        assert_eq!(next.gateway.hub, running.gateway.hub);
        assert_eq!(next.gateway.site, "另一个中心", "what can change does");
        assert!(next.broker.unwrap().accounts.is_empty());
        let mut none = shipped();
        none.broker = None;
        assert_eq!(kept_until_restart(&running, &mut none), ["link.broker"]);
        assert_eq!(none.broker, running.broker);
        assert!(kept_until_restart(&running, &mut shipped()).is_empty());
    }
}
