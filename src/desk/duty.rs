//! The duty plan at the desk: what people change about it, and the plan that results.

use std::sync::Arc;

use super::answers::refused;
use super::{Desk, Turn};
use crate::counter::{DutyAsk, DutyChanges, Reply, When};
use crate::incident::{DutyAsked, NoDutyChange, Stimulus};
use crate::terms::Wall;

impl Desk {
    /// Answers what somebody asks or says about the changes of the plan.
    pub(super) fn answer_about_duty(&mut self, turn: &mut Turn, ask: DutyAsk) -> Reply {
        let stimulus = match ask {
            DutyAsk::All => return self.duty_changes(),
            DutyAsk::Change { from, to, what, by } => {
                let asked = self.is_of_the_house(&by).and_then(|()| {
                    let from =
                        from.map_or(Ok(self.clock.wall().wall), |from| self.wall_of(from))?;
                    Ok(DutyAsked { from, to: self.wall_of(to)?, what, by })
                });
                match asked.and_then(|asked| self.may_change(asked)) {
                    Ok(asked) => Stimulus::Duty(Box::new(asked)),
                    Err(why) => return refused(&why),
                }
            }
            DutyAsk::Undo { change, by } => {
                if let Err(why) = self.is_of_the_house(&by) {
                    return refused(&why);
                }
                if !self.book.duty_changes().any(|known| known.id == change) {
                    return refused("no change of the plan has this number: see `anling roster`");
                }
                Stimulus::DutyUndone { change, by }
            }
        };
        if !self.decide(turn, &stimulus) {
            return refused("it could not be written down: try again");
        }
        self.plan_duty();
        self.looks_soon();
        self.duty_changes()
    }

    /// Takes what the record changes about the plan into the plan.
    pub(super) fn plan_duty(&mut self) {
        let changes = self.book.duty_changes().map(|change| (change.id, change.clone())).collect();
        if self.settings.roster.changes != changes {
            Arc::make_mut(&mut self.settings).roster.changes = changes;
        }
    }

    fn duty_changes(&self) -> Reply {
        let changes = self.book.duty_changes().cloned().collect();
        let (zone, on_disk) = (self.settings.roster.zone.clone(), self.vitals.is_safe());
        Reply::DutyChanges(DutyChanges { changes, zone, on_disk })
    }

    fn may_change(&self, asked: DutyAsked) -> Result<DutyAsked, String> {
        let (registry, roster) = (self.book.registry(), &self.settings.roster);
        let now = self.clock.wall();
        if self.book.duty_is_full(now) {
            return Err(NoDutyChange::Full.to_string());
        }
        asked.check(registry, roster, now.wall).map_err(|why| why.to_string())?;
        Ok(asked)
    }

    fn wall_of(&self, when: When) -> Result<Wall, String> {
        let wall = match when {
            When::Moment(wall) => Some(wall),
            When::Civil(time) => self.settings.roster.moment(time),
        };
        wall.ok_or_else(|| "that time is out of range: name one nearer to today".to_owned())
    }
}
