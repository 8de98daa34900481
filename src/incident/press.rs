//! What devices say: presses, levels, cancels, presence, and signals that cannot be read.

use super::ladder::{Next, Step, joined};
use super::{
    Call, DeviceMemory, Fact, Incident, IncidentBook, Notice, Responder, Sameness, Stage, Standing,
    Trouble, bed_behind,
};
use crate::terms::{
    At, Class, Code, DeviceId, IncidentId, Kind, LinkId, Mark, PersonId, Refusal, Report, Wait,
    What,
};

/// Three presses within this, while somebody is coming, add the second line (oncall.md 3.4).
const PRESSED_HARD: (usize, Wait) = (3, Wait::mins(2));
/// Four presses of the service key within this are an emergency (oncall.md 3.4).
const SERVICE_HARD: (usize, Wait) = (4, Wait::secs(15));

/// Whether a press soon after its end means that it was not over: where a resident may be in need.
/// A meal ordered after a meal, or the next fault, is another one.
fn reopens(class: Class) -> bool {
    matches!(class, Class::Hazard | Class::Emergency | Class::Welfare)
}

/// What an incident begins with.
struct Cause<'a> {
    device: &'a DeviceId,
    class: Class,
    kind: Kind,
    mark: Option<Mark>,
    found_at_start: bool,
}

impl IncidentBook {
    /// Decides about a report. Empty when it says nothing new: a repeat, a known level, a sign of
    /// life, a kept copy of a press.
    pub(super) fn on_report(&self, at: At, standing: &Standing<'_>, report: &Report) -> Vec<Fact> {
        let memory = self.devices.get(&report.device);
        let bounce = self.policy().waits.bounce;
        let kind = match report.what {
            What::Pulse(kind) => Some(kind),
            _ => None,
        };
        let judged = memory.map(|m| m.judge(report.mark, kind, at, bounce));
        if judged == Some(Sameness::Repeat) {
            return Vec::new();
        }
        if !report.what.must_survive() {
            return self.on_old_device(at, standing, report);
        }
        if let Some(facts) = self.on_report_at_work(report) {
            return facts;
        }
        // A lamp that stays lit is found anew at each start of the hub, and is the call that is open.
        if let Some(kind) = kind.filter(|_| report.found)
            && self.open_on(&report.device, kind.class()).is_some()
        {
            return Vec::new();
        }
        let mut facts = match report.what {
            What::Pulse(_) | What::Cancel if report.retained => return Vec::new(),
            What::Pulse(_) | What::Cancel if report.test => Vec::new(),
            What::Level { on, .. } if report.test && on => Vec::new(),
            What::Pulse(Kind::Service) => self.on_service(at, standing, report),
            What::Pulse(kind) => self.on_press(at, standing, report, kind),
            What::Cancel => self.on_cancel(at, standing, &report.device),
            What::Level { kind, on } => match self.on_level(at, standing, report, kind, on) {
                Some(facts) => facts,
                None => return Vec::new(),
            },
            What::Presence { online } => match self.on_presence(at, standing, report, online) {
                Some(facts) => facts,
                None => return Vec::new(),
            },
            What::Sign(_) | What::Telemetry => return Vec::new(),
        };
        facts.insert(0, Fact::Reported { report: report.clone() });
        self.with_old_device(at, standing, report, facts)
    }

    fn on_press(&self, at: At, standing: &Standing<'_>, report: &Report, kind: Kind) -> Vec<Fact> {
        let class = kind.class();
        if let Some(open) = self.open_on(&report.device, class) {
            return self.pressed_again(at, standing, open, report.mark);
        }
        if reopens(class)
            && let Some((id, since)) = self.over_on(&report.device, class)
            && at - since <= self.policy().waits.reopen
            && let Some(over) = self.incident(id)
        {
            return self.reopened(at, standing, over, report.mark);
        }
        let found_at_start = report.retained || report.found;
        let cause =
            Cause { device: &report.device, class, kind, mark: report.mark, found_at_start };
        self.raised(at, standing, &cause)
    }

    /// The service key: an order for the day; pressed hard, an emergency of its own, which comes
    /// first.
    fn on_service(&self, at: At, standing: &Standing<'_>, report: &Report) -> Vec<Fact> {
        let (count, within) = SERVICE_HARD;
        let earlier = self.devices.get(&report.device).map_or(0, |memory: &DeviceMemory| {
            memory.service.iter().filter(|pressed| at - **pressed <= within).count()
        });
        if earlier + 1 < count || self.open_on(&report.device, Class::Emergency).is_some() {
            return self.on_press(at, standing, report, Kind::Service);
        }
        let mut facts = self.on_press(at, standing, report, Kind::Sos);
        // A fourth press within 15 s belongs to the order of the first three, if that is still open.
        if let Some(order) = self.open_on(&report.device, Class::Service) {
            facts.extend(self.pressed_again(at, standing, order, report.mark));
        }
        facts
    }

    /// `None` when the level is what it was.
    fn on_level(
        &self,
        at: At,
        standing: &Standing<'_>,
        report: &Report,
        kind: Kind,
        on: bool,
    ) -> Option<Vec<Fact>> {
        let class = kind.class();
        let known = self.devices.get(&report.device).and_then(|m| m.levels.get(&kind)).copied();
        let was_on = known.is_some_and(|level| level.on);
        let open = self.open_on(&report.device, class);
        if !on {
            let others = self.devices.get(&report.device).into_iter().flat_map(|m| &m.levels);
            let others_on = others
                .filter(|(other, _)| **other != kind && other.class() == class)
                .any(|(_, level)| level.on);
            let is_its = |i: &Incident| i.kind == kind || class == Class::Hazard;
            let normal = open.filter(|i| is_its(i) && !others_on && !i.back_to_normal);
            let facts = normal.map(|i| Fact::BackToNormal { incident: i.id }).into_iter().collect();
            return was_on.then_some(facts);
        }
        let closed = self.over_on(&report.device, class);
        let still_on_after_its_end = was_on
            && open.is_none()
            && closed.is_none_or(|(_, since)| at - since > self.policy().waits.reopen);
        if was_on && !still_on_after_its_end {
            return None;
        }
        if let Some(open) = open {
            let other = (kind != open.kind).then_some(kind);
            let (incident, mark, moved) = (open.id, report.mark, false);
            let again = Fact::PressedAgain { incident, mark, moved, kind: other };
            let told = other.and_then(|_| self.told_of_another_danger(at, standing, open));
            return Some([again].into_iter().chain(told).collect());
        }
        // A stranger's alarm calls people; its empty battery is written down and sends nobody, as one
        // does whose contract is over.
        let nobodys = report.device.is_unregistered()
            || (kind == Kind::LowBattery && self.is_out_of_contract(standing, &report.device));
        if class == Class::Fault && nobodys {
            return Some(Vec::new());
        }
        Some(self.on_press(at, standing, report, kind))
    }

    /// What else is wrong with a device, as it last said.
    fn fault_that_lasts(&self, device: &DeviceId) -> Option<Kind> {
        let levels = &self.devices.get(device)?.levels;
        let is_on =
            |(kind, level): &(&Kind, &super::Level)| level.on && kind.class() == Class::Fault;
        levels.iter().find(is_on).map(|(kind, _)| *kind)
    }

    /// `None` when the device is where it was.
    fn on_presence(
        &self,
        at: At,
        standing: &Standing<'_>,
        report: &Report,
        online: bool,
    ) -> Option<Vec<Fact>> {
        self.registry.device(&report.device)?;
        let known = self.devices.get(&report.device).and_then(|m| m.online);
        if known == Some(online) || (known.is_none() && online) {
            return None;
        }
        // Nobody watches a device whose contract is over; once it runs again, its silence is found.
        if !online && self.is_out_of_contract(standing, &report.device) {
            return None;
        }
        let open = self.open_on(&report.device, Class::Fault);
        let is_silent = open.is_some_and(|open| open.kind == Kind::Silent);
        let again = |open: &Incident, kind| {
            let (incident, mark, moved) = (open.id, None, false);
            Fact::PressedAgain { incident, mark, moved, kind }
        };
        Some(match (online, open) {
            (true, Some(open)) if is_silent && !open.back_to_normal => {
                match self.fault_that_lasts(&report.device) {
                    Some(kind) => vec![again(open, Some(kind))],
                    None => vec![Fact::BackToNormal { incident: open.id }],
                }
            }
            (false, Some(open)) if is_silent && open.back_to_normal => vec![again(open, None)],
            // Dead is worse than whatever else was wrong with it.
            (false, Some(open)) if !is_silent => {
                let told = self.told_of_another_danger(at, standing, open);
                [again(open, Some(Kind::Silent))].into_iter().chain(told).collect()
            }
            (false, None) => {
                let cause = Cause {
                    device: &report.device,
                    class: Class::Fault,
                    kind: Kind::Silent,
                    mark: None,
                    found_at_start: report.retained,
                };
                self.raised(at, standing, &cause)
            }
            _ => Vec::new(),
        })
    }

    /// The resident's cancel key: everybody who was called is told to verify; nothing stops.
    fn on_cancel(&self, at: At, standing: &Standing<'_>, device: &DeviceId) -> Vec<Fact> {
        let Some(open) = self.open_on(device, Class::Emergency) else { return Vec::new() };
        let coming = matches!(
            open.stage,
            Stage::Calling { .. } | Stage::Accepted { .. } | Stage::OnTheWay { .. }
        );
        if open.cancelled || !coming {
            return Vec::new();
        }
        let step = self.step(at, standing, open);
        let to = step.tell(
            open.responders
                .iter()
                .filter(|(_, what)| *what != Responder::Declined)
                .map(|(who, _)| who.clone()),
        );
        vec![
            Fact::ResidentCancelled { incident: open.id },
            Fact::Told { incident: open.id, notice: Notice::ResidentCancelled, to },
        ]
    }

    /// A press on an open incident.
    fn pressed_again(
        &self,
        at: At,
        standing: &Standing<'_>,
        open: &Incident,
        mark: Option<Mark>,
    ) -> Vec<Fact> {
        let id = open.id;
        let again = |moved| Fact::PressedAgain { incident: id, mark, moved, kind: None };
        let step = self.step(at, standing, open);
        if self.is_stuck(at, &open.device) && open.class != Class::Fault {
            let fault = self.fault_of(at, standing, &open.device, Kind::Stuck);
            return [again(false)].into_iter().chain(fault).collect();
        }
        match open.stage {
            Stage::Queued { .. } => vec![again(false)],
            Stage::Calling { rung, lap, .. } => {
                if step.moved_lately() || !open.class.is_urgent() || open.class == Class::Hazard {
                    return vec![again(false)];
                }
                let mut facts = vec![again(true)];
                facts.extend(step.pressed_while_calling(rung, lap));
                facts
            }
            Stage::Accepted { .. } | Stage::OnTheWay { .. } => {
                let (count, within) = PRESSED_HARD;
                let pressed = open.recent.iter().filter(|p| at - **p <= within).count() + 1;
                let alone = open.active().count() <= usize::from(open.needs);
                let hard = pressed >= count && alone && !step.moved_lately();
                let more = if hard { step.second_line() } else { Vec::new() };
                let mut coming = step.active_and_lead();
                coming.retain(|call| more.iter().all(|other| other.person != call.person));
                let mut facts = vec![again(hard)];
                facts.extend(step.pressed_meanwhile(coming));
                if !more.is_empty() {
                    facts.push(Fact::Told { incident: id, notice: Notice::Reinforce, to: more });
                }
                facts
            }
            Stage::OnScene { .. } => {
                let told = step.pressed_meanwhile(step.tell(open.active().cloned()));
                [again(false)].into_iter().chain(told).collect()
            }
            Stage::Resolved { .. } | Stage::FollowedUp { .. } => Vec::new(),
        }
    }

    /// A press soon after the end: open again, at the second rung.
    fn reopened(
        &self,
        at: At,
        standing: &Standing<'_>,
        over: &Incident,
        mark: Option<Mark>,
    ) -> Vec<Fact> {
        let again = Incident { responders: Vec::new(), exhausted: None, ..over.clone() };
        let step = self.step(at, standing, &again);
        let mut facts = vec![Fact::Reopened { incident: over.id, mark }];
        facts.extend(step.begin(&Next {
            rung: usize::from(step.rungs().len() > 1),
            epoch: over.epoch.saturating_add(1),
            notice: Notice::Reopened,
            with_first: true,
        }));
        facts
    }

    /// A new incident and its first call; one at most in each decision, since the number is the next.
    fn raised(&self, at: At, standing: &Standing<'_>, cause: &Cause<'_>) -> Vec<Fact> {
        let policy = self.policy();
        let hash = self.policy.clone().unwrap_or_else(|| super::PolicyHash(String::new()));
        let ladder = policy.ladders.get(&cause.class);
        let letter = cause.class.letter();
        let number = self
            .codes
            .get(&letter)
            .map_or(Some(1), |pool| pool.next(at))
            .unwrap_or(Code::NUMBER_MAX);
        let Some(code) = Code::new(letter, number) else { return Vec::new() };
        // What was swapped out of a home is looked for there.
        let point = self.swapped_out(cause.device).unwrap_or(cause.device);
        let device = self.registry.device(point);
        let (home, resident) = match bed_behind(cause.device).and_then(|id| self.registry.bed(&id))
        {
            Some(bed) => (bed.home.clone(), Some(bed.resident.clone())),
            None => match self.registry.whereabouts(point).residents.as_slice() {
                [one] => (device.and_then(|d| d.home.clone()), Some(one.clone())),
                _ => (device.and_then(|d| d.home.clone()), None),
            },
        };
        let id = IncidentId(self.last_incident.saturating_add(1));
        // Whoever gave no sign this evening is asked after this evening.
        let waits_for_work =
            cause.kind != Kind::NoSign && ladder.is_some_and(|l| l.work_hours_only);
        let until_work = match waits_for_work {
            true => standing.roster.until_work(standing.wall),
            false => Wait::ZERO,
        };
        let queued_until = (until_work > Wait::ZERO).then_some(at + until_work);
        let night = cause.class == Class::Coverage && standing.roster.is_night(standing.wall);
        let raised = Fact::Raised {
            incident: id,
            code,
            class: cause.class,
            kind: cause.kind,
            device: cause.device.clone(),
            home,
            resident,
            mark: cause.mark,
            policy: hash,
            night,
            needs: ladder.map_or(1, |l| l.needs.max(1)),
            linked: self.linked(cause),
            found_at_start: cause.found_at_start,
            queued_until,
            bed: self.call_bed(standing, point),
        };
        let mut facts = vec![raised];
        if queued_until.is_none() {
            facts.extend(self.first_call(at, standing, &facts[0]));
        }
        facts
    }

    /// The first call of an incident that is only being raised: the fact is applied to a copy that
    /// holds nothing else.
    fn first_call(&self, at: At, standing: &Standing<'_>, raised: &Fact) -> Vec<Fact> {
        let Some(incident) = Incident::begun(at, standing.wall.wall, raised) else {
            return Vec::new();
        };
        self.step(at, standing, &incident).first()
    }

    /// Open incidents of the same home, and the one before on this device.
    fn linked(&self, cause: &Cause<'_>) -> Vec<IncidentId> {
        /// Own choice: more than this says "many" to a reader and costs every storm.
        const LINKED_MAX: usize = 4;
        let home = self.registry.device(cause.device).and_then(|d| d.home.as_ref());
        let mut linked: Vec<IncidentId> = self
            .devices
            .get(cause.device)
            .into_iter()
            .flat_map(|m| m.open.values().copied().chain(m.over.values().map(|(id, _)| *id)))
            .collect();
        if let Some(open) = home.and_then(|home| self.open_by_home.get(home)) {
            linked.extend(open.iter().copied());
        }
        linked.sort_unstable();
        linked.dedup();
        linked.reverse();
        linked.truncate(LINKED_MAX);
        linked
    }

    /// Decides about a signal that could not be read: from a registered life-safety device it is an
    /// emergency; anything else is recorded.
    pub(super) fn on_unread(
        &self,
        at: At,
        standing: &Standing<'_>,
        link: &LinkId,
        refusal: &Refusal,
        count: u32,
    ) -> Vec<Fact> {
        let mut facts =
            vec![Fact::SignalRefused { link: link.clone(), refusal: refusal.clone(), count }];
        let held = refusal.device.as_ref().and_then(|device| self.on_unread_at_work(device));
        if let Some(held) = held {
            facts.push(held);
            return facts;
        }
        let device = refusal.device.as_ref().and_then(|id| self.registry.device(id));
        let life_safety =
            device.is_some_and(|d| standing.types.get(&d.type_name).is_none_or(|t| t.life_safety));
        let (Some(device), true) = (device, life_safety) else { return facts };
        if self.open_on(&device.id, Class::Emergency).is_none() {
            let cause = Cause {
                device: &device.id,
                class: Class::Emergency,
                kind: Kind::Unreadable,
                mark: None,
                found_at_start: false,
            };
            facts.extend(self.raised(at, standing, &cause));
        }
        facts
    }

    /// Decides about something of the hub's own.
    pub(super) fn on_trouble(
        &self,
        at: At,
        standing: &Standing<'_>,
        trouble: &Trouble,
    ) -> Vec<Fact> {
        let device = trouble.device();
        let class = match trouble.kind {
            // Of the hub, it is many devices at once: nobody behind them may be able to call.
            Kind::Silent => Class::Coverage,
            kind => kind.class(),
        };
        let open = self.open_on(&device, class);
        let mut facts = vec![Fact::HubTrouble { trouble: trouble.clone() }];
        match (trouble.broken, open) {
            (true, None) => {
                let cause = Cause {
                    device: &device,
                    class,
                    kind: trouble.kind,
                    mark: None,
                    found_at_start: false,
                };
                facts.extend(self.raised(at, standing, &cause));
            }
            (false, Some(open)) if !open.back_to_normal => {
                facts.push(Fact::BackToNormal { incident: open.id });
            }
            (true, Some(open)) if open.back_to_normal => {
                let (incident, mark, moved) = (open.id, None, false);
                facts.push(Fact::PressedAgain { incident, mark, moved, kind: None });
            }
            (true, Some(_)) | (false, _) => return Vec::new(),
        }
        facts
    }

    /// An incident that no report began: a fault that was found, or what was on when work ended.
    pub(super) fn raised_of(
        &self,
        at: At,
        standing: &Standing<'_>,
        device: &DeviceId,
        kind: Kind,
    ) -> Vec<Fact> {
        let (class, mark, found_at_start) = (kind.class(), None, false);
        self.raised(at, standing, &Cause { device, class, kind, mark, found_at_start })
    }

    pub(super) fn open_on(&self, device: &DeviceId, class: Class) -> Option<&Incident> {
        self.incident(*self.devices.get(device)?.open.get(&class)?)
    }

    pub(super) fn over_on(&self, device: &DeviceId, class: Class) -> Option<(IncidentId, At)> {
        self.devices.get(device)?.over.get(&class).copied()
    }
}

impl Step<'_> {
    /// Whether a press moved the ladder so lately that another one does not.
    fn moved_lately(&self) -> bool {
        let wait = self.waits().press_again;
        self.incident.moved.is_some_and(|moved| self.at - moved < wait)
    }

    /// Who is coming hears of another press, at most once within the wait that also keeps the ladder
    /// from moving (oncall.md 3.4: 20 s); the presses between are recorded, and the next word says
    /// how many there were.
    fn pressed_meanwhile(&self, to: Vec<Call>) -> Option<Fact> {
        let wait = self.waits().press_again;
        let told_lately = self.incident.told_of_press.is_some_and(|told| self.at - told < wait);
        let (incident, notice) = (self.incident.id, Notice::PressedMeanwhile);
        (!told_lately && !to.is_empty()).then_some(Fact::Told { incident, notice, to })
    }

    /// The next rung is called now, and those called before with it: one call, so that the duty room
    /// reads one line. Who is coming hears of it beside that.
    fn pressed_while_calling(&self, rung: u8, lap: u32) -> Vec<Fact> {
        let rung = if lap > 0 { self.rungs().len() } else { usize::from(rung) + 1 };
        let next = Next {
            rung,
            epoch: self.incident.epoch,
            notice: Notice::PressedAgain,
            with_first: false,
        };
        let mut called = match self.loud_call(&next) {
            Some(called) => vec![called],
            None => self.call(&next),
        };
        let those = |is: fn(Responder) -> bool| {
            let of = |(_, what): &&(PersonId, Responder)| is(*what);
            self.tell(self.incident.responders.iter().filter(of).map(|(who, _)| who.clone()))
        };
        for fact in &mut called {
            if let Fact::Called { calls, .. } = fact {
                let now = std::mem::take(calls);
                *calls = joined(now, those(|what| what == Responder::Called));
            }
        }
        let told = self.pressed_meanwhile(those(Responder::is_active));
        told.into_iter().chain(called).collect()
    }
}
