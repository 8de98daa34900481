//! Signs of life and the ends of contracts at the desk: which words of devices are news, when windows are over, and what people
//! say of a resident. What is decided stands in [`crate::incident::LifeRule`]'s room.

use tracing::{info, warn};

use super::answers::refused;
use super::{Desk, Turn};
use crate::counter::{LifeAsk, LifeView, Reply, ResidentView, When};
use crate::incident::{AWAY_MAX, LifeLook, LifeSign, Standing, Stimulus};
use crate::terms::{At, PersonId, Report, ResidentId, Wall};

/// Windows, and contracts, that are judged in one look; the rest come in the next. Own choice.
const LOOKS_MAX: usize = 16;

/// What the desk knows of the clock that no fact says.
#[derive(Debug, Default)]
pub(super) struct Life {
    untrusted_at: Option<At>,
}

impl Desk {
    /// Takes the config's rules into use, where they are others.
    pub(super) fn take_life_plan(&mut self, turn: &mut Turn) {
        let plan = self.settings.life.clone();
        self.decide(turn, &Stimulus::LifePlan(plan));
    }

    /// A device's word may be a sign of life of somebody.
    pub(super) fn note_life(&mut self, turn: &mut Turn, report: &Report) {
        if self.book.life_plan().is_empty() || report.retained || report.test {
            return;
        }
        let wall = self.clock.wall();
        let (roster, types) = (&self.settings.roster, &self.settings.device_types);
        let standing = Standing { wall, roster, types, safe: self.vitals.is_safe() };
        let at = self.clock.now().max(self.book.last_at());
        for (resident, sign) in self.book.signs_of(at, &standing, &report.device, report.what) {
            self.decide(turn, &Stimulus::Sign { resident, sign });
        }
    }

    /// Judges the windows that are over.
    pub(super) fn look_at_life(&mut self, turn: &mut Turn) {
        if self.book.life_plan().is_empty() {
            return;
        }
        if !self.clock.wall().trusted {
            self.supervision.life.untrusted_at = Some(self.clock.now());
            return;
        }
        let devices = self.book.registry().devices().map(|device| &device.id);
        let is_cut = |id: &&_| self.ports.is_cut_off(id) || self.outside.is_cut_off(id);
        let cut_off = devices.filter(is_cut).cloned().collect();
        let look = LifeLook { cut_off, untrusted_at: self.supervision.life.untrusted_at };
        for _ in 0..LOOKS_MAX {
            let before = self.book.last_seq();
            self.decide(turn, &Stimulus::LifeLook(look.clone()));
            if self.book.last_seq() == before {
                return;
            }
            self.say_windows();
        }
    }

    /// Tells the work list which contracts of home-care beds near their end.
    pub(super) fn look_at_beds(&mut self, turn: &mut Turn) {
        if !self.book.registry().has_beds() {
            return;
        }
        for _ in 0..LOOKS_MAX {
            let before = self.book.last_seq();
            self.decide(turn, &Stimulus::BedLook);
            if self.book.last_seq() == before {
                return;
            }
            info!("the contract of a home-care bed nears its end, or is over");
        }
    }

    fn say_windows(&self) {
        for (rule, last) in self.book.last_windows() {
            match last.unjudged {
                Some(why) => warn!(rule, why = why.words(), "a window of signs was not judged"),
                None => {
                    let (missed, unheard) = (last.missed.len(), last.unheard);
                    info!(rule, missed, unheard, "a window of signs is over");
                }
            }
        }
    }

    /// Answers what a person says of a resident.
    pub(super) fn answer_about_life(&mut self, turn: &mut Turn, ask: LifeAsk) -> Reply {
        let (resident, stimulus) = match ask {
            LifeAsk::Well { resident, by } => match self.may_say(&resident, &by) {
                Ok(()) => {
                    let sign = LifeSign::CallBack;
                    (resident.clone(), Stimulus::Sign { resident, sign })
                }
                Err(why) => return refused(&why),
            },
            LifeAsk::Away { resident, until, by } => {
                match self.may_say(&resident, &by).and_then(|()| self.back_at(until)) {
                    Ok(until) => (resident.clone(), Stimulus::Away { resident, until, by }),
                    Err(why) => return refused(&why),
                }
            }
        };
        if !self.decide(turn, &stimulus) {
            return refused("it could not be written down: try again");
        }
        let row = self.book.registry().resident(&resident);
        Reply::Resident(ResidentView {
            name: row.map(|row| row.name.clone()).unwrap_or_default(),
            away_until: self.book.away_until(&resident),
            resident,
            // Said anew when it leaves.
            on_disk: self.vitals.is_safe(),
        })
    }

    fn may_say(&self, resident: &ResidentId, by: &PersonId) -> Result<(), String> {
        self.is_of_the_house(by)?;
        match self.book.registry().resident(resident) {
            Some(_) => Ok(()),
            None => Err(format!("no resident is called {resident}: see `anling export`")),
        }
    }

    /// When somebody is back; none where they are.
    fn back_at(&self, until: Option<When>) -> Result<Option<Wall>, String> {
        let Some(until) = until else { return Ok(None) };
        let moment = match until {
            When::Moment(wall) => Some(wall),
            When::Civil(time) => self.settings.roster.moment(time),
        };
        let now = self.clock.wall().wall;
        let longest = i64::try_from(AWAY_MAX.0).unwrap_or(i64::MAX);
        match moment.filter(|wall| *wall > now && wall.0 - now.0 <= longest) {
            Some(wall) => Ok(Some(wall)),
            None => {
                Err("name a time to come, at most a year ahead; --back says they are back".into())
            }
        }
    }

    /// How signs of life stand.
    pub(super) fn life_views(&self) -> Vec<LifeView> {
        let registry = self.book.registry();
        let view = |(rule, asked): (&String, &crate::incident::LifeRule)| {
            let watched: Vec<_> = self.book.watched_by(asked).collect();
            let is_away = |id: &ResidentId| self.book.away_until(id).is_some();
            let last = self.book.last_windows().get(rule);
            let place = |who: &ResidentId| {
                let home = registry.resident(who).and_then(|row| row.home.as_ref());
                let row = home.and_then(|home| registry.home(home));
                row.map_or_else(
                    || who.to_string(),
                    |home| match home.short.trim() {
                        "" => home.id.to_string(),
                        short => short.to_owned(),
                    },
                )
            };
            LifeView {
                rule: rule.clone(),
                watched: watched.len(),
                away: watched.iter().filter(|one| is_away(&one.id)).count(),
                until: last.map(|last| last.until),
                missed: last.map(|l| l.missed.iter().map(place).collect()).unwrap_or_default(),
                unheard: last.map_or(0, |last| last.unheard),
                unjudged: last.and_then(|last| last.unjudged).map(|why| why.words().to_owned()),
            }
        };
        self.book.life_plan().iter().map(view).collect()
    }
}
