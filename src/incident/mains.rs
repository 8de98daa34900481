//! The mains of the hub's own box: lost, back, and the last minutes of its battery.
//!
//! A plug that is out is a fact at once and a call after a while, because most cuts are over in a
//! minute. What matters to people comes at the end: below a fifth of the battery, or with few minutes
//! left, everybody of the house is told once that the hub is about to fall silent, and for whom nobody
//! will hear a press then. A hub that went down with its battery says how long it was when the mains
//! are back, and who closed the incident is not called again for the same cut.

use serde::{Deserialize, Serialize};

use super::ladder::joined;
use super::{Entry, Fact, IncidentBook, Notice, Responder, Standing, Trouble, Who};
use crate::terms::{At, Class, Kind, PersonId, Wait};

/// Below this the battery is nearly empty, in percent (field notes, 8: power).
pub const BATTERY_LOW: u8 = 20;
/// The same in time left. Own choice: a message is read, and somebody walks over.
pub const RUNTIME_LOW: Wait = Wait::mins(5);
/// The subject of the trouble.
const HUB: &str = "hub";

/// What the box runs on, as its sensor or its power supply says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Supply {
    /// On its battery.
    pub on_battery: bool,
    /// What is left in the battery in percent, where known.
    pub battery: Option<u8>,
    /// How long that lasts, where known.
    pub runtime: Option<Wait>,
    /// The power supply itself says that it is nearly empty.
    pub low: bool,
    /// How long the mains may be gone before people are called.
    pub patience: Wait,
}

impl Supply {
    fn is_low(&self) -> bool {
        let few = self.battery.is_some_and(|percent| percent < BATTERY_LOW);
        self.on_battery && (self.low || few || self.runtime.is_some_and(|left| left < RUNTIME_LOW))
    }
}

/// What became of the mains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// They are gone; the box runs on its battery.
    Lost {
        /// What is left in it in percent, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        battery: Option<u8>,
    },
    /// The battery is nearly empty.
    Low {
        /// What is left in percent, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        battery: Option<u8>,
        /// Whole minutes left, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minutes: Option<u32>,
    },
    /// They are back.
    Back {
        /// How long they were gone.
        after: Wait,
    },
}

/// The mains are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Since when.
    pub since: At,
    /// The battery was said to be nearly empty.
    pub low: bool,
    /// People were called.
    pub told: bool,
}

impl IncidentBook {
    /// The mains are gone since then; none while the box has them, as far as anybody knows.
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Decides about what the box runs on; empty where it says nothing new.
    pub(super) fn on_supply(&self, at: At, standing: &Standing<'_>, supply: &Supply) -> Vec<Fact> {
        let Supply { battery, runtime, .. } = *supply;
        match (self.cut, supply.on_battery) {
            (None, true) => vec![Fact::PowerSaid { power: Power::Lost { battery } }],
            (None, false) => Vec::new(),
            (Some(cut), false) => self.mains_back(at, standing, &cut),
            (Some(cut), true) => {
                let is_low = supply.is_low();
                let open = self.open_on(&mains(true).device(), Class::Coverage).is_some();
                let late = at - cut.since >= supply.patience;
                if (!cut.told && (late || is_low)) || (is_low && !cut.low && !open) {
                    return self.on_trouble(at, standing, &mains(true));
                }
                if !is_low || cut.low {
                    return Vec::new();
                }
                let minutes = runtime.map(|left| u32::try_from(left.0 / 60_000).unwrap_or(0));
                self.running_low(at, standing, Power::Low { battery, minutes })
            }
        }
    }

    /// Everybody of the house hears that the hub is about to fall silent.
    fn running_low(&self, at: At, standing: &Standing<'_>, power: Power) -> Vec<Fact> {
        let minutes = match power {
            Power::Low { minutes, .. } => minutes,
            _ => None,
        };
        let mut facts = vec![Fact::PowerSaid { power }];
        if let Some(open) = self.open_on(&mains(true).device(), Class::Coverage) {
            let carriers = self.step(at, standing, open).all_carriers();
            let to = self.calls(standing, None, &[Who::Everyone], &carriers);
            let (incident, notice) = (open.id, Notice::RunningLow { minutes });
            facts.push(Fact::Told { incident, notice, to });
        }
        facts
    }

    fn mains_back(&self, at: At, standing: &Standing<'_>, cut: &Cut) -> Vec<Fact> {
        let after = at - cut.since;
        let mut facts = vec![Fact::PowerSaid { power: Power::Back { after } }];
        if !cut.told {
            return facts;
        }
        facts.extend(self.on_trouble(at, standing, &mains(false)));
        if let Some(open) = self.open_on(&mains(false).device(), Class::Coverage) {
            let step = self.step(at, standing, open);
            let is_concerned = |(_, what): &&(PersonId, Responder)| *what != Responder::Declined;
            let concerned = open.responders.iter().filter(is_concerned).map(|(who, _)| who.clone());
            // Who was told that the hub falls silent is told that it does not.
            let everybody = match cut.low {
                true => self.calls(standing, None, &[Who::Everyone], &step.all_carriers()),
                false => Vec::new(),
            };
            let to = joined(joined(step.tell(concerned), step.lead()), everybody);
            let minutes = u32::try_from(after.0.div_ceil(60_000)).unwrap_or(u32::MAX);
            let (incident, notice) = (open.id, Notice::MainsBack { minutes });
            facts.push(Fact::Told { incident, notice, to });
        }
        facts
    }

    /// Facts about the mains.
    pub(super) fn apply_to_power(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::PowerSaid { power: Power::Lost { .. } } => {
                self.cut = Some(Cut { since: entry.at, low: false, told: false });
            }
            Fact::PowerSaid { power: Power::Low { .. } } => {
                if let Some(cut) = &mut self.cut {
                    cut.low = true;
                }
            }
            Fact::PowerSaid { power: Power::Back { .. } } => self.cut = None,
            Fact::HubTrouble { trouble } if trouble.kind == Kind::Mains && trouble.broken => {
                if let Some(cut) = &mut self.cut {
                    cut.told = true;
                }
            }
            _ => {}
        }
    }
}

fn mains(broken: bool) -> Trouble {
    Trouble { kind: Kind::Mains, subject: HUB.to_owned(), broken }
}
