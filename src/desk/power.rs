//! What the box runs on, at the desk: readings become stimuli, and who would be unheard is named.

use std::collections::BTreeSet;

use tokio::sync::watch;
use tracing::{info, warn};

use super::{Desk, Turn};
use crate::config::settings::Power as Wanted;
use crate::counter::PowerView;
use crate::incident::{IncidentBook, Stimulus, Supply};
use crate::link::supply::{Reading, ask};
use crate::terms::Wait;

/// Decisions in one look: the cut, the call, the warning; no more than three have anything to say.
const LOOKS_MAX: usize = 4;

/// The sensor of the mains, where there is one.
#[derive(Default)]
pub(super) struct Power(Option<(watch::Receiver<Reading>, Wait)>);

impl Power {
    /// Begins to ask.
    pub(super) fn watch(wanted: Option<&Wanted>) -> Self {
        Self(wanted.map(|wanted| (ask(wanted.source.clone()), wanted.patience)))
    }
}

impl Desk {
    /// Looks at what the box runs on.
    pub(super) fn look_at_power(&mut self, turn: &mut Turn) {
        let Some((heard, patience)) = &mut self.supervision.power.0 else { return };
        let is_news = heard.has_changed().unwrap_or(false);
        let reading = heard.borrow_and_update().clone();
        let patience = *patience;
        let (on_battery, battery, runtime, low) = match reading {
            Reading::Known { on_battery, battery, runtime, low } => {
                (on_battery, battery, runtime, low)
            }
            Reading::Unknown(why) => {
                if is_news {
                    warn!(%why, "nobody knows whether the mains are there");
                }
                return;
            }
        };
        let supply = Supply { on_battery, battery, runtime, low, patience };
        if !on_battery && self.book.cut().is_none() {
            return;
        }
        for _ in 0..LOOKS_MAX {
            let before = self.book.last_seq();
            self.decide(turn, &Stimulus::Supply(supply));
            if self.book.last_seq() == before {
                return;
            }
            info!(on_battery, battery, "the mains");
        }
    }

    /// How the mains are; none where nothing watches them.
    pub(super) fn power_view(&self) -> Option<PowerView> {
        let (heard, _) = self.supervision.power.0.as_ref()?;
        let cut = self.book.cut();
        let gone = cut.map(|cut| (self.clock.now() - cut.since).0);
        Some(match heard.borrow().clone() {
            Reading::Unknown(why) => {
                PowerView { gone_ms: gone, trouble: Some(why), ..PowerView::default() }
            }
            Reading::Known { on_battery, battery, runtime, .. } => PowerView {
                on_battery,
                gone_ms: gone,
                battery,
                left_ms: runtime.map(|left| left.0),
                trouble: None,
                unheard: match on_battery {
                    true => homes_that_call(&self.book),
                    false => Vec::new(),
                },
            },
        })
    }
}

/// The homes with a resident and a device, in the shortest words staff use, sorted: whom nobody hears
/// when the hub is off.
pub(super) fn homes_that_call(book: &IncidentBook) -> Vec<String> {
    let registry = book.registry();
    let lived_in: BTreeSet<_> = registry.residents().filter_map(|one| one.home.as_ref()).collect();
    let with_device = registry.devices().filter_map(|device| {
        let of_resident = || registry.resident(device.resident.as_ref()?)?.home.as_ref();
        device.home.as_ref().or_else(of_resident)
    });
    let homes: BTreeSet<_> = with_device.filter(|home| lived_in.contains(home)).collect();
    let words = |id: &&crate::terms::HomeId| match registry.home(id).map(|home| home.short.trim()) {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => id.to_string(),
    };
    homes.iter().map(words).collect()
}
