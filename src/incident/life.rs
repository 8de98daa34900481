//! Signs of life: whoever is not heard of in a daily window is asked after, gently first.
//!
//! A rule names windows of the day, the signs that count, and whose. The first sign of a window is a
//! fact, so that a restart forgets none; what follows it in the same window is not written down. When
//! a window is over without one, the duty room is asked to ring: an entry of the work list, on the
//! screen, without siren and without steps by the minute. A second one in a row is a welfare incident
//! with the usual ladder. A rule that knows only meals never gets that far, because people eat
//! elsewhere. Whoever is away, as a person said, is not asked after.
//!
//! A window is judged only where the hub could have heard: not while it was off, while its clock could
//! not be trusted, while nobody had asked for it yet, or of a resident whose sensors are all gone. What
//! is not judged is no miss, breaks no row, and is said. Windows are civil times and lie between two
//! moments of hub time, so that a clock that is set meanwhile neither makes a miss nor hides one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ladder::joined;
use super::{Call, Carrier, Entry, Fact, IncidentBook, LifeSign, Resumed, Standing, Who};
use crate::registry::{Device, Resident};
use crate::roster::Hours;
use crate::terms::{
    At, DeviceId, HomeId, Kind, PersonId, ResidentId, Wait, Wall, WallReading, What,
};

/// The hub may have been off for so long in a window that is judged all the same: a restart, an update.
/// Own choice.
const OFF_MAX: Wait = Wait::mins(10);
/// Times off that are remembered; more in one window than these is a hub to be mended. Own choice.
const OFF_KEPT: usize = 32;
/// How long the duty room is left with the question before the lead reads it, too. Own choice: half a
/// day's shift.
const PROMPT_WAIT: Wait = Wait::hours(4);
/// Signs are written down at most so often while the clock cannot say which window it is. Own choice.
const UNSURE_EVERY: Wait = Wait::mins(30);
/// Longest absence. Own choice: a year, and then somebody says it again.
pub const AWAY_MAX: Wait = Wait::hours(366 * 24);

/// One rule: when signs are awaited, which, and whose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeRule {
    /// The windows of the day, by the site's civil time.
    pub windows: Vec<Hours>,
    /// What counts; [deliberate signs](LifeSign::is_deliberate) always do.
    pub signs: BTreeSet<LifeSign>,
    /// Only devices of these types, and what they are a sign of; any device where it is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, LifeSign>,
    /// Who lives here; where it is empty, everybody who has a device of these types.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub homes: BTreeSet<HomeId>,
    /// Who is left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<ResidentId>,
    /// Who is asked first, before the duty room, where a resident has no owner of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PersonId>,
}

/// All rules, by name.
pub type LifePlan = BTreeMap<String, LifeRule>;

impl LifeRule {
    fn counts(&self, sign: LifeSign) -> bool {
        sign.is_deliberate() || self.signs.contains(&sign)
    }

    /// A missing meal is a question and never more.
    fn only_asks(&self) -> bool {
        self.signs.iter().all(|sign| *sign == LifeSign::Meal)
    }
}

/// Why a window was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unjudged {
    /// The hub was off.
    Off,
    /// The wall clock could not be trusted.
    Clock,
    /// The rule was new or had changed.
    New,
}

impl Unjudged {
    /// Why, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Off => "the hub was off",
            Self::Clock => "the clock could not be trusted",
            Self::New => "the rule was new",
        }
    }
}

/// How a rule's last window ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWindow {
    /// When it began.
    pub from: Wall,
    /// Its end.
    pub until: Wall,
    /// Who gave no sign.
    pub missed: BTreeSet<ResidentId>,
    /// How many could not be heard, because all their devices are silent.
    pub unheard: u32,
    /// Why nobody was judged.
    pub unjudged: Option<Unjudged>,
}

/// What a window is judged by beside the facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifeLook {
    /// Devices whose wire is cut.
    pub cut_off: BTreeSet<DeviceId>,
    /// When the wall clock was last seen not to be trusted.
    pub untrusted_at: Option<At>,
}

/// What is remembered of signs of life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Life {
    plan: LifePlan,
    since: At,
    seen: BTreeMap<ResidentId, BTreeMap<LifeSign, At>>,
    /// Windows in a row without a sign, by rule.
    row: BTreeMap<ResidentId, BTreeMap<String, u32>>,
    last: BTreeMap<String, LastWindow>,
    away: BTreeMap<ResidentId, Wall>,
    off: Vec<(At, At)>,
    untrusted: Option<At>,
}

impl Life {
    pub(super) fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// How long the hub was off since a moment.
    fn off_since(&self, from: At) -> Wait {
        let parts = self.off.iter().map(|(off, on)| *on - from.max(*off));
        Wait(parts.fold(0, |sum, part| sum.saturating_add(part.0)))
    }

    /// Whether a sign that counts was given since a moment.
    fn is_seen(&self, rule: &LifeRule, resident: &ResidentId, from: At) -> bool {
        let signs = self.seen.get(resident).into_iter().flatten();
        signs.filter(|(sign, _)| rule.counts(**sign)).any(|(_, at)| *at >= from)
    }

    fn in_a_row(&self, resident: &ResidentId, rule: &str) -> u32 {
        self.row.get(resident).and_then(|rows| rows.get(rule)).copied().unwrap_or(0)
    }

    /// The hub was off, or its clock could not be trusted, as an entry says.
    pub(super) fn note_entry(&mut self, entry: &Entry) {
        if !entry.trusted {
            self.untrusted = Some(entry.at);
        }
        if let Fact::ClockResumed { gap, how, .. } = &entry.fact {
            let off = match how {
                Resumed::Unknown => At(0),
                Resumed::SameBoot | Resumed::ByWall => At(entry.at.0.saturating_sub(gap.0)),
            };
            self.off.push((off, entry.at));
            let extra = self.off.len().saturating_sub(OFF_KEPT);
            self.off.drain(..extra);
        }
    }
}

/// The hub time of a wall time that is over.
fn hub_time(at: At, now: WallReading, then: Wall) -> At {
    let ago = u64::try_from(now.wall.0.saturating_sub(then.0)).unwrap_or(0);
    At(at.0.saturating_sub(ago))
}

/// A window that is over and not judged yet.
struct Over<'a> {
    name: &'a str,
    rule: &'a LifeRule,
    from: Wall,
    until: Wall,
}

impl IncidentBook {
    /// The rules in use.
    pub fn life_plan(&self) -> &LifePlan {
        &self.life.plan
    }

    /// How each rule's last window ended.
    pub fn last_windows(&self) -> &BTreeMap<String, LastWindow> {
        &self.life.last
    }

    /// Until when a resident is away, where somebody said so.
    pub fn away_until(&self, resident: &ResidentId) -> Option<Wall> {
        self.life.away.get(resident).copied()
    }

    /// Who is away, and until when.
    pub fn away(&self) -> impl Iterator<Item = (&ResidentId, Wall)> {
        self.life.away.iter().map(|(resident, until)| (resident, *until))
    }

    /// Whom a rule watches, by id.
    pub fn watched_by<'b>(&'b self, rule: &'b LifeRule) -> impl Iterator<Item = &'b Resident> {
        let is_its = |resident: &&Resident| match rule.homes.is_empty() {
            true => self.devices_near(rule, resident).next().is_some(),
            false => resident.home.as_ref().is_some_and(|home| rule.homes.contains(home)),
        };
        let asked = self.registry.residents().filter(|r| !rule.without.contains(&r.id));
        asked.filter(is_its)
    }

    /// The devices that speak for a resident: theirs, and those of the home that are nobody else's.
    fn devices_near<'b>(
        &'b self,
        rule: &'b LifeRule,
        resident: &'b Resident,
    ) -> impl Iterator<Item = &'b Device> {
        let fits = |d: &&Device| rule.types.is_empty() || rule.types.contains_key(&d.type_name);
        self.registry.devices().filter(fits).filter(|device| speaks_for(device, resident))
    }

    /// What a device's word is a sign of, for each resident it speaks for; only where it is news: the
    /// first in an open window, or the first after a miss.
    pub fn signs_of(
        &self,
        at: At,
        standing: &Standing<'_>,
        device: &DeviceId,
        what: What,
    ) -> Vec<(ResidentId, LifeSign)> {
        let plain = LifeSign::of(what);
        let Some(row) = self.registry.device(device).filter(|_| !self.life.plan.is_empty()) else {
            return Vec::new();
        };
        let mut news = BTreeSet::new();
        for rule in self.life.plan.values() {
            let acts = plain.is_some() || matches!(what, What::Pulse(_));
            let named = rule.types.get(&row.type_name).copied().filter(|_| acts);
            let deliberate = plain.filter(|sign| sign.is_deliberate());
            let sign = if rule.types.is_empty() { plain } else { named.or(deliberate) };
            let Some(sign) = sign else { continue };
            for resident in self.registry.residents().filter(|one| speaks_for(row, one)) {
                if self.is_news(at, standing, &resident.id, sign) {
                    news.insert((resident.id.clone(), sign));
                }
            }
        }
        news.into_iter().collect()
    }

    fn is_news(
        &self,
        at: At,
        standing: &Standing<'_>,
        resident: &ResidentId,
        sign: LifeSign,
    ) -> bool {
        let life = &self.life;
        if life.row.contains_key(resident) {
            return true;
        }
        if !standing.wall.trusted {
            let last = life.seen.get(resident).and_then(|seen| seen.get(&sign));
            return last.is_none_or(|last| at - *last >= UNSURE_EVERY);
        }
        let awaits = |rule: &LifeRule| {
            let open = rule.windows.iter();
            let mut open =
                open.filter_map(|hours| standing.roster.daily_at(*hours, standing.wall.wall));
            open.any(|(from, _)| !life.is_seen(rule, resident, hub_time(at, standing.wall, from)))
        };
        life.plan.values().any(|rule| rule.counts(sign) && awaits(rule))
    }

    /// A plan is recorded when it differs from the one in use.
    pub(super) fn on_life_plan(&self, plan: &LifePlan) -> Vec<Fact> {
        match *plan == self.life.plan {
            true => Vec::new(),
            false => vec![Fact::LifePlanTaken { plan: plan.clone() }],
        }
    }

    /// Decides about a sign of life: it settles what was asked because there was none.
    pub(super) fn on_sign(&self, resident: &ResidentId, sign: LifeSign) -> Vec<Fact> {
        let Some(row) = self.registry.resident(resident) else { return Vec::new() };
        let mut facts = vec![Fact::SignOfLife { resident: resident.clone(), sign }];
        if self.life.row.contains_key(resident) {
            let is_asked = |kind| matches!(kind, Kind::NoSign | Kind::Inactivity);
            let is_theirs = |device: &DeviceId| {
                self.registry.device(device).is_some_and(|device| speaks_for(device, row))
            };
            let asked = self.open().filter(|i| is_asked(i.kind) && !i.back_to_normal);
            let asked = asked.filter(|i| is_theirs(&i.device));
            facts.extend(asked.map(|i| Fact::BackToNormal { incident: i.id }));
        }
        facts
    }

    /// Decides about what a person says of an absence; empty where nobody knows them.
    pub(super) fn on_away(
        &self,
        resident: &ResidentId,
        until: Option<Wall>,
        by: &PersonId,
    ) -> Vec<Fact> {
        let known = self.registry.resident(resident).is_some();
        if !known || self.registry.person(by).is_none() {
            return Vec::new();
        }
        let (resident, by) = (resident.clone(), by.clone());
        vec![Fact::AwaySaid { resident, until, by }]
    }

    /// The window that was over first and is not judged; none while the clock cannot say.
    fn window_over(&self, at: At, standing: &Standing<'_>) -> Option<Over<'_>> {
        let now = standing.wall;
        if !now.trusted {
            return None;
        }
        let all = self.life.plan.iter().flat_map(|(name, rule)| {
            rule.windows.iter().map(move |hours| (name.as_str(), rule, *hours))
        });
        let over = all.filter_map(|(name, rule, hours)| {
            let (from, until) = standing.roster.daily_before(hours, now.wall)?;
            Some(Over { name, rule, from, until })
        });
        let is_new = |over: &Over<'_>| {
            let last = self.life.last.get(over.name);
            last.is_none_or(|last| over.until > last.until)
                && hub_time(at, now, over.until) > self.life.since
        };
        over.filter(is_new).min_by_key(|over| over.until)
    }

    /// Judges the window that was over first; empty where all are judged.
    pub(super) fn on_life_look(
        &self,
        at: At,
        standing: &Standing<'_>,
        look: &LifeLook,
    ) -> Vec<Fact> {
        let Some(over) = self.window_over(at, standing) else { return Vec::new() };
        let began = hub_time(at, standing.wall, over.from);
        let untrusted = self.life.untrusted.max(look.untrusted_at);
        let unjudged = if untrusted.is_some_and(|untrusted| untrusted >= began) {
            Some(Unjudged::Clock)
        } else if self.life.since > began {
            Some(Unjudged::New)
        } else {
            (self.life.off_since(began) > OFF_MAX).then_some(Unjudged::Off)
        };
        let (mut missed, mut unheard) = (Vec::new(), 0_u32);
        for resident in self.watched_by(over.rule).filter(|_| unjudged.is_none()) {
            let away = self.away_until(&resident.id).is_some_and(|until| until > over.from);
            let idle = self.is_bed_idle(standing, &resident.id);
            if away || idle || self.life.is_seen(over.rule, &resident.id, began) {
                continue;
            }
            let mut near = self.devices_near(over.rule, resident);
            let hears = |d: &Device| !look.cut_off.contains(&d.id) && !self.is_offline(&d.id);
            match near.any(hears) {
                true => missed.push(resident),
                false => unheard = unheard.saturating_add(1),
            }
        }
        let (rule, from, until) = (over.name.to_owned(), over.from, over.until);
        let judged = Fact::WindowJudged { rule, from, until, unheard, unjudged };
        if missed.is_empty() {
            return vec![judged];
        }
        // Each call takes the next number: decided on a copy that goes along.
        let (mut after, mut facts) = (self.clone(), Vec::new());
        after.goes_along(at, standing, judged, &mut facts);
        for resident in missed {
            for fact in after.missed(at, standing, &over, resident) {
                after.goes_along(at, standing, fact, &mut facts);
            }
        }
        facts
    }

    /// One resident gave no sign in a window.
    fn missed(
        &self,
        at: At,
        standing: &Standing<'_>,
        over: &Over<'_>,
        resident: &Resident,
    ) -> Vec<Fact> {
        let row = self.life.in_a_row(&resident.id, over.name).saturating_add(1);
        let (rule, who) = (over.name.to_owned(), resident.id.clone());
        let mut facts = vec![Fact::WindowMissed { rule, resident: who, row }];
        let Some(device) = self.devices_near(over.rule, resident).next() else { return facts };
        let kind = match row {
            1 => Kind::NoSign,
            _ if over.rule.only_asks() => Kind::NoSign,
            _ => Kind::Inactivity,
        };
        if self.open_on(&device.id, kind.class()).is_some() {
            return facts;
        }
        facts.extend(self.raised_of(at, standing, &device.id, kind));
        if kind == Kind::NoSign {
            // Who knows them best is asked first: their own, else the rule's.
            let owner = resident.owner.clone().or_else(|| over.rule.owner.clone());
            let owner = owner.map(Who::Person);
            let owner = self.calls(standing, None, owner.as_slice(), &[Carrier::Screen]);
            for fact in &mut facts {
                if let Fact::Called { calls, next, .. } = fact {
                    let others = std::mem::take(calls);
                    let is_owner = |call: &Call| owner.iter().any(|o| o.person == call.person);
                    let (own, others): (Vec<Call>, Vec<Call>) =
                        others.into_iter().partition(is_owner);
                    let own = if own.is_empty() { owner.clone() } else { own };
                    *calls = joined(own, others);
                    *next = at + PROMPT_WAIT;
                }
            }
        }
        facts
    }

    /// Facts about signs of life.
    pub(super) fn apply_to_life(&mut self, entry: &Entry) {
        let life = &mut self.life;
        match &entry.fact {
            Fact::LifePlanTaken { plan } => {
                life.plan = plan.clone();
                life.since = entry.at;
                life.last.retain(|rule, _| plan.contains_key(rule));
                for rows in life.row.values_mut() {
                    rows.retain(|rule, _| plan.contains_key(rule));
                }
                life.row.retain(|_, rows| !rows.is_empty());
            }
            Fact::SignOfLife { resident, sign } => {
                life.seen.entry(resident.clone()).or_default().insert(*sign, entry.at);
                life.row.remove(resident);
            }
            Fact::WindowJudged { rule, from, until, unheard, unjudged } => {
                let (from, until, missed) = (*from, *until, BTreeSet::new());
                let (unheard, unjudged) = (*unheard, *unjudged);
                let last = LastWindow { from, until, missed, unheard, unjudged };
                life.last.insert(rule.clone(), last);
                let registry = &self.registry;
                life.away.retain(|who, back| *back > from && registry.resident(who).is_some());
                life.seen.retain(|who, _| registry.resident(who).is_some());
                life.row.retain(|who, _| registry.resident(who).is_some());
            }
            Fact::WindowMissed { rule, resident, row } => {
                life.row.entry(resident.clone()).or_default().insert(rule.clone(), *row);
                if let Some(last) = life.last.get_mut(rule) {
                    last.missed.insert(resident.clone());
                }
            }
            Fact::AwaySaid { resident, until: Some(until), .. } => {
                life.away.insert(resident.clone(), *until);
            }
            Fact::AwaySaid { resident, until: None, .. } => drop(life.away.remove(resident)),
            _ => {}
        }
    }
}

/// Whether a device speaks for a resident: theirs, or of their home and nobody else's.
fn speaks_for(device: &Device, resident: &Resident) -> bool {
    match &device.resident {
        Some(whose) => *whose == resident.id,
        None => device.home.is_some() && device.home == resident.home,
    }
}
