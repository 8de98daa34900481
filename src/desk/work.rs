//! A technician's work at the desk: what begins, what it has heard, swaps, dry runs, and joining.
//!
//! Who may do it: anybody whom the registry knows and who belongs to the house. A technician stands in
//! somebody's bathroom with a screwdriver; a rule about roles would be met with a shared name.

use tracing::info;

use super::answers::{cut, refused};
use super::{Desk, Turn};
use crate::counter::{
    Amiss, BeginWork, DryRunView, JOIN_MAX, PointView, REASON_MAX_BYTES, ReachView, Reply,
    StepView, Swapped, WorkAsk, WorkView,
};
use crate::incident::{
    Call, Carrier, LIFE_SAFETY_MAX, SCOPE_MAX, Scope, Standing, Stimulus, WORK_MIN, WORKS_MAX,
    Work, WorkAsked, WorkKind,
};
use crate::notify::{Letter, text};
use crate::registry::{Device, Family};
use crate::terms::{DeviceId, ID_MAX_BYTES, Kind, LinkId, PersonId, Wait, WorkId};

impl Desk {
    /// Answers what a technician asks.
    pub(super) fn answer_about_work(&mut self, turn: &mut Turn, ask: WorkAsk) -> Reply {
        match ask {
            WorkAsk::Begin(asked) => self.begin_work(turn, asked),
            WorkAsk::End { work, by } => self.end_work(turn, work, by),
            WorkAsk::Swap { device, heard_as, by } => self.swap(turn, device, heard_as, by),
            WorkAsk::Join { link, lasts, by } => self.let_join(link.as_ref(), lasts, &by),
            WorkAsk::One { work } => self.work(work),
            WorkAsk::All => Reply::Works(self.works()),
            WorkAsk::DryRun { device, kind } => self.dry_run(&device, kind),
        }
    }

    /// Begins work; the answer is how it stands.
    fn begin_work(&mut self, turn: &mut Turn, asked: BeginWork) -> Reply {
        if let Err(why) = self.may_begin(&asked) {
            return refused(&why);
        }
        let BeginWork { kind, scope, by, lasts, reason } = asked;
        let reason = reason.map(|reason| cut(reason.trim(), REASON_MAX_BYTES));
        let asked = WorkAsked { kind, scope, by, lasts, reason };
        if !self.decide(turn, &Stimulus::Work(Box::new(asked))) {
            return refused("it could not be written down: try again");
        }
        match self.book.works().last() {
            Some(work) => {
                info!(work = %work.id, kind = kind.word(), "work on devices began");
                Reply::Work(Box::new(self.work_view(work)))
            }
            None => refused("it could not be written down: try again"),
        }
    }

    fn may_begin(&self, asked: &BeginWork) -> Result<(), String> {
        let registry = self.book.registry();
        self.is_of_the_house(&asked.by)?;
        for scope in &asked.scope {
            let missing = match scope {
                Scope::Device(id) => registry.device(id).is_none().then(|| id.to_string()),
                Scope::Home(id) => registry.home(id).is_none().then(|| id.to_string()),
                Scope::HeardAs(_) => None,
            };
            if let Some(id) = missing {
                return Err(format!("no home and no device is called {id}: see `anling devices`"));
            }
        }
        if !(1..=SCOPE_MAX).contains(&asked.scope.len()) {
            return Err(format!("name 1 to {SCOPE_MAX} homes or devices; then begin another"));
        }
        if self.book.works().count() >= WORKS_MAX {
            return Err(format!("{WORKS_MAX} pieces of work are open: end one first"));
        }
        let has_reason = asked.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
        if asked.kind == WorkKind::Maintenance && !has_reason {
            return Err(
                "say why in a few words, as the reason: it stands in `anling status`".to_owned()
            );
        }
        let longest = match asked.kind {
            WorkKind::Maintenance if self.hangs_a_life(&asked.scope) => LIFE_SAFETY_MAX,
            kind => kind.longest(),
        };
        if !(WORK_MIN..=longest).contains(&asked.lasts) {
            let hours = longest.0 / 3_600_000;
            return Err(format!(
                "it lasts 1 min to {hours} h where these devices are: begin it anew when it ends"
            ));
        }
        Ok(())
    }

    pub(super) fn is_of_the_house(&self, by: &PersonId) -> Result<(), String> {
        match self.book.registry().person(by) {
            Some(person) if person.role.is_of_the_house() => Ok(()),
            Some(_) => {
                Err("the district does no work in the house: name somebody of it".to_owned())
            }
            None if self.book.registry().contact(by).is_some() => {
                Err("a contact does no work in the house: name somebody of people.csv".to_owned())
            }
            None => Err("nobody of that name is registered: see `anling roster`".to_owned()),
        }
    }

    /// Whether a life hangs on one of these.
    fn hangs_a_life(&self, scope: &[Scope]) -> bool {
        let is_named =
            |row: &&Device| scope.iter().any(|scope| scope.names(&row.id, row.home.as_ref()));
        let mut named = self.book.registry().devices().filter(is_named);
        let types = &self.settings.device_types;
        named.any(|row| types.get(&row.type_name).is_none_or(|kind| kind.life_safety))
    }

    /// Ends work; the answer is how it stood.
    fn end_work(&mut self, turn: &mut Turn, work: WorkId, by: PersonId) -> Reply {
        if let Err(why) = self.is_of_the_house(&by) {
            return refused(&why);
        }
        let Some(view) = self.book.work(work).map(|work| self.work_view(work)) else {
            return no_work(work);
        };
        match self.decide(turn, &Stimulus::WorkOver { work, by }) {
            true => Reply::Work(Box::new(view)),
            false => refused("it could not be written down: try again"),
        }
    }

    fn work(&self, work: WorkId) -> Reply {
        match self.book.work(work) {
            Some(work) => Reply::Work(Box::new(self.work_view(work))),
            None => no_work(work),
        }
    }

    pub(super) fn works(&self) -> Vec<WorkView> {
        self.book.works().map(|work| self.work_view(work)).collect()
    }

    fn work_view(&self, work: &Work) -> WorkView {
        let left = work.until - self.clock.now();
        let point = |device: &DeviceId| {
            let said = work.heard.get(device).into_iter().flatten().copied();
            let (heard, trouble) = said.partition(|kind| kind.is_a_devices());
            PointView {
                device: device.clone(),
                place: self.place_of(device),
                label: self.label_of(device),
                heard,
                trouble,
                still_on: self.book.unheard_levels(device),
            }
        };
        // As a technician walks: home by home, by spots.
        let mut devices: Vec<&DeviceId> = self.book.devices_of(work).collect();
        devices.sort_by_cached_key(|id| {
            let row = self.book.registry().device(id);
            row.map(|row| (row.home.clone(), row.spot.clone(), row.id.clone()))
        });
        let ms = i64::try_from(left.0).unwrap_or(i64::MAX);
        WorkView {
            id: work.id,
            kind: work.kind,
            scope: work.scope.clone(),
            by: work.by.clone(),
            name: self.name_of(&work.by),
            reason: work.reason.clone(),
            until: crate::terms::Wall(self.clock.wall().wall.0.saturating_add(ms)),
            left_ms: left.0,
            points: devices.into_iter().map(point).collect(),
            // Said when it leaves.
            on_disk: false,
        }
    }

    fn label_of(&self, device: &DeviceId) -> String {
        let row = self.book.registry().device(device);
        let kind = row.and_then(|row| self.settings.device_types.get(&row.type_name));
        kind.map_or_else(|| device.to_string(), |kind| kind.label.clone())
    }

    /// Gives a point another device.
    fn swap(&mut self, turn: &mut Turn, device: DeviceId, heard_as: String, by: PersonId) -> Reply {
        let heard_as = heard_as.trim().to_owned();
        let from = match self.may_swap(&device, &heard_as, &by) {
            Ok(from) => from,
            Err(why) => return refused(&why),
        };
        let to = heard_as.clone();
        let swapped = Stimulus::Swapped { device: device.clone(), heard_as, by };
        if !self.decide(turn, &swapped) {
            return refused("it could not be written down: try again");
        }
        self.intake.relearn(&self.settings, self.book.registry());
        self.intake.forget(&device);
        self.supervision.gaps.forget(&device);
        info!(%device, "the point has another device");
        Reply::Swapped(Swapped { device, from, to, on_disk: false })
    }

    /// The name the old one is heard under.
    fn may_swap(&self, device: &DeviceId, to: &str, by: &PersonId) -> Result<String, String> {
        self.is_of_the_house(by)?;
        let registry = self.book.registry();
        let Some(row) = registry.device(device) else {
            return Err(format!("no device is called {device}: see `anling devices`"));
        };
        let bad = |c: char| c.is_control();
        if to.trim().is_empty() || to.len() > ID_MAX_BYTES || to.contains(bad) {
            return Err(format!(
                "the new device's name has 1 to {ID_MAX_BYTES} bytes, as `anling devices --heard` \
                 shows it"
            ));
        }
        if row.heard_name() == to {
            return Err(format!("{device} is heard as {to} already: nothing to swap"));
        }
        let types = &self.settings.device_types;
        let family = types.get(&row.type_name).map(|kind| kind.family);
        let is_topic = family == Some(Family::NativeMqtt);
        if is_topic && (DeviceId::new(to).is_err() || to.contains('/')) {
            return Err(format!("no native device can be heard as {to:?}: see its label again"));
        }
        let taken = family.and_then(|family| registry.by_heard_as(types, family, to));
        match taken {
            Some(other) => Err(format!(
                "{} is heard as {to} already: swap that one first, or look at the label again",
                other.id
            )),
            None => Ok(row.heard_name().to_owned()),
        }
    }

    /// Who would be called if a device called now.
    fn dry_run(&self, device: &DeviceId, kind: Kind) -> Reply {
        if !kind.is_a_devices() {
            return refused("no device says that: name sos, fall, smoke, gas, co, water or such");
        }
        let registry = self.book.registry();
        if registry.device(device).is_none() {
            let why = format!("no device is called {device}: see `anling devices`");
            return Reply::Refused { why, amiss: Amiss::NoSuch };
        }
        let standing = Standing {
            wall: self.clock.wall(),
            roster: &self.settings.roster,
            types: &self.settings.device_types,
            safe: true,
        };
        let at = self.clock.now().max(self.book.last_at());
        let dry = self.book.dry_run(at, &standing, device, kind);
        let letter = dry.first_order().and_then(|order| {
            self.outbox.writer.letter(order, &self.settings, dry.book(), &self.clock, false)
        });
        let text = letter.map(|letter| {
            // A link of a call that is none must open no other.
            let link = letter.link.as_ref().map(|_| "…".to_owned());
            text::short(&Letter { link, ..letter })
        });
        let place = registry.whereabouts(device);
        let named = registry.names_of(&place, None);
        Reply::DryRun(Box::new(DryRunView {
            device: device.clone(),
            kind,
            text: text.unwrap_or_default(),
            place: place.place,
            residents: named.names,
            steps: dry
                .calls
                .iter()
                .map(|step| StepView {
                    after_ms: step.after.0,
                    people: step.calls.iter().map(|call| self.reach(call)).collect(),
                })
                .collect(),
        }))
    }

    /// Tells a Zigbee2MQTT, or all of them, to let devices join for a while. Whether it did, its devices
    /// say themselves.
    fn let_join(&self, link: Option<&LinkId>, lasts: Wait, by: &PersonId) -> Reply {
        if let Err(why) = self.is_of_the_house(by) {
            return refused(&why);
        }
        if lasts > JOIN_MAX {
            return refused("devices may join for at most 254 s: open it again when it has closed");
        }
        let bridges = self.intake.zigbee_bases();
        let named: Vec<_> = bridges.filter(|(id, _)| link.is_none_or(|link| *id == link)).collect();
        if named.is_empty() {
            return refused(
                "links.toml names no Zigbee2MQTT there: add its zigbee2mqtt table with base_topic",
            );
        }
        let payload = format!("{{\"time\":{}}}", lasts.0 / 1_000).into_bytes();
        for (link, base) in &named {
            let topic = format!("{base}/bridge/request/permit_join");
            if !self.outside.send(link, &topic, &payload)
                && let Some(broker) = &self.broker
                && broker.publish(&topic, payload.clone(), false).is_err()
            {
                return refused("too much is waiting for the broker: try again in a moment");
            }
        }
        info!(%by, secs = lasts.0 / 1_000, "Zigbee devices may join");
        Reply::Joining(named.into_iter().map(|(link, _)| link.clone()).collect())
    }

    fn reach(&self, call: &Call) -> ReachView {
        let works = |carrier: &Carrier| {
            let out = self.outbox.carriers.get(carrier);
            (*carrier, out.is_some_and(|out| out.trouble.is_none()))
        };
        ReachView {
            id: call.person.clone(),
            name: self.name_of(&call.person),
            by: call.by.iter().map(works).collect(),
        }
    }
}

fn no_work(work: WorkId) -> Reply {
    let why = format!("no work {work} is being done: it ended, or see `anling walk-test`");
    Reply::Refused { why, amiss: Amiss::NoSuch }
}
