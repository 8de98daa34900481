//! Modems as the desk sees them: which one can send, which one is lost, what each has sent today.
//!
//! A modem is believed by what it says of itself: its port, its SIM, its network. What keeps it from
//! sending or from hearing answers for longer than its config allows is coverage, one trouble for each,
//! because behind a dead modem nobody is called; a network that flickers is none. What people write is
//! read in [`super::texts`].

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::texts::Writers;
use super::vitals::turned;
use super::{Desk, Turn};
use crate::counter::{CallView, ModemView};
use crate::link::modem::{Modem, ModemNews, ModemState, Rack, SIGNAL_WEAK, Standing};
use crate::terms::{At, Kind, LinkId, Wait, Wall};

/// How long a modem may take to finish what is under way at a stop.
pub(super) const STOP_WITHIN: Wait = Wait::secs(3);
/// What the names of modems' links begin with.
const PREFIX: &str = "modem.";

/// One modem.
struct Held {
    /// `None` where it cannot be opened at all.
    modem: Option<Modem>,
    lost_after: Wait,
    state: ModemState,
    /// Since when it is not as it should be.
    since: Option<At>,
    /// What people were last told: whether it is lost.
    lost: Option<bool>,
    /// Messages the network took, on the day that this number names.
    sent: (i64, u32),
    proof: Option<Wall>,
    /// When its last call ended, and how.
    last_call: Option<(Wall, &'static str)>,
}

/// All modems.
#[derive(Default)]
pub(super) struct Modems {
    held: BTreeMap<LinkId, Held>,
    rack: Rack,
    pub(super) writers: Writers,
}

/// A modem's own name, as `[sms]` says it.
fn name(link: &LinkId) -> &str {
    link.as_str().strip_prefix(PREFIX).unwrap_or(link.as_str())
}

impl Modems {
    pub(super) fn new(rack: Rack) -> Self {
        Self { rack, ..Self::default() }
    }

    /// A modem more, or why it cannot be opened.
    pub(super) fn put(
        &mut self,
        link: LinkId,
        modem: Result<Modem, &str>,
        lost_after: Wait,
        now: At,
    ) {
        if let Ok(modem) = &modem {
            self.rack.put(name(&link), modem.line());
        }
        let why = modem.as_ref().err().copied().unwrap_or("it was not opened so far");
        let held = Held {
            lost_after,
            state: ModemState::closed(why),
            modem: modem.ok(),
            since: Some(now),
            lost: None,
            sent: (0, 0),
            proof: None,
            last_call: None,
        };
        self.held.insert(link, held);
    }

    /// A modem less, to be stopped; and whether it was in trouble.
    pub(super) fn take(&mut self, link: &LinkId) -> Option<(Option<Modem>, bool)> {
        self.rack.take(name(link));
        let held = self.held.remove(link)?;
        Some((held.modem, held.lost == Some(true)))
    }

    /// How long it may be lost, from now on.
    pub(super) fn set_lost_after(&mut self, link: &LinkId, wait: Wait) {
        if let Some(held) = self.held.get_mut(link) {
            held.lost_after = wait;
        }
    }

    /// Finishes what is under way and closes.
    pub(super) async fn stop(&mut self) {
        let mut ending = tokio::task::JoinSet::new();
        for (link, held) in std::mem::take(&mut self.held) {
            self.rack.take(name(&link));
            if let Some(modem) = held.modem {
                ending.spawn(modem.stop(STOP_WITHIN));
            }
        }
        while ending.join_next().await.is_some() {}
    }

    pub(super) fn views(&self, today: i64) -> Vec<ModemView> {
        let view = |(link, held): (&LinkId, &Held)| {
            let state = &held.state;
            ModemView {
                name: link.to_string(),
                operator: state.operator.clone(),
                signal: state.signal,
                weak: state.signal.is_some_and(|signal| signal < SIGNAL_WEAK),
                sim: sim_word(state).to_owned(),
                store: state.store,
                sent_today: if held.sent.0 == today { held.sent.1 } else { 0 },
                last_proof: held.proof,
                last_call: held
                    .last_call
                    .map(|(ended, how)| CallView { ended, how: how.to_owned() }),
                trouble: state.trouble(),
            }
        };
        self.held.iter().map(view).collect()
    }
}

fn sim_word(state: &ModemState) -> &'static str {
    match &state.standing {
        Standing::NoSim => "missing",
        Standing::Locked(_) => "locked",
        Standing::Ready if state.barred => "barred",
        Standing::Ready | Standing::Searching | Standing::Denied | Standing::NoCentre => "ready",
        Standing::Closed(_) | Standing::Mute | Standing::Starting => "unknown",
    }
}

impl Desk {
    /// Something happened to a modem, or came in over it.
    pub(super) fn hear_modem(&mut self, turn: &mut Turn, (link, news): (LinkId, ModemNews)) {
        let (now, wall) = (self.clock.now(), self.clock.wall().wall);
        let today = self.day_of(wall);
        match news {
            ModemNews::Text(text) => self.hear_text(turn, &link, text),
            ModemNews::Unread(why) => {
                self.intake.refused_total += 1;
                info!(%link, why, "a short message could not be read");
            }
            ModemNews::State(state) => {
                let Some(held) = self.modems.held.get_mut(&link) else { return };
                held.since = state.trouble().and(held.since.or(Some(now)));
                held.state = state;
            }
            ModemNews::Called(word) => {
                let Some(held) = self.modems.held.get_mut(&link) else { return };
                held.last_call = Some((wall, word));
            }
            ModemNews::Taken => {
                let Some(held) = self.modems.held.get_mut(&link) else { return };
                let (day, count) = held.sent;
                held.sent = (today, if day == today { count.saturating_add(1) } else { 1 });
                held.proof = Some(wall);
            }
        }
    }

    /// The day by the house's clock, as a number.
    pub(super) fn day_of(&self, wall: Wall) -> i64 {
        let civil = self.settings.roster.civil(wall);
        civil.map_or(0, |civil| i64::from(civil.year()) * 400 + i64::from(civil.day_of_year()))
    }

    /// Looks which modems are lost, and which are back.
    pub(super) fn look_at_modems(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let mut news = Vec::new();
        for (link, held) in &mut self.modems.held {
            let lost = match held.since {
                None => Some(false),
                Some(since) => (now - since >= held.lost_after).then_some(true),
            };
            let Some(lost) = lost else { continue };
            let Some(before) = turned(&mut held.lost, lost) else { continue };
            match lost {
                true => {
                    let why = held.state.trouble().unwrap_or_default();
                    warn!(%link, why, "the modem is lost: nobody is called over it");
                }
                false if before.is_some() => info!(%link, "the modem works again"),
                false => info!(%link, "the modem works"),
            }
            news.push((link.to_string(), lost));
        }
        for (subject, lost) in news {
            self.trouble(turn, Kind::Carrier, subject, lost);
        }
    }
}
