//! The outside witnesses at the desk: each coming around is a beat, and one that is not told is a fault.

use std::collections::BTreeMap;

use tracing::{error, info, warn};

use super::vitals::turned;
use super::{Desk, Turn};
use crate::counter::WireView;
use crate::notify::witness::{Witness, WitnessSettings};
use crate::terms::Kind;

/// What a witness's trouble is called by: `witness.NAME`.
pub(super) const WITNESS: &str = "witness.";

/// What a witness is opened with, or why it cannot be.
pub(super) type WitnessParts = BTreeMap<String, Result<WitnessSettings, String>>;

struct Kept {
    settings: Result<WitnessSettings, String>,
    open: Result<Witness, String>,
    said: Option<bool>,
}

/// All of them, by name.
#[derive(Default)]
pub(super) struct Witnesses(BTreeMap<String, Kept>);

impl Witnesses {
    /// Begins to tell all of them.
    pub(super) fn open(parts: &WitnessParts) -> Self {
        let mut all = Self::default();
        all.renew(parts);
        all
    }

    /// Opens those that are new or changed, and lets go of those that are gone; which those are.
    pub(super) fn renew(&mut self, parts: &WitnessParts) -> Vec<String> {
        let gone = self.0.keys().filter(|name| !parts.contains_key(*name)).cloned().collect();
        self.0.retain(|name, kept| parts.get(name) == Some(&kept.settings));
        for (name, settings) in parts {
            self.0.entry(name.clone()).or_insert_with(|| {
                let open = settings
                    .clone()
                    .and_then(|settings| Witness::keep(&settings).map_err(|why| why.to_string()));
                if let Err(why) = &open {
                    error!(witness = name, why, "this witness is not told");
                }
                Kept { settings: settings.clone(), open, said: None }
            });
        }
        gone
    }

    /// How they stand.
    pub(super) fn views(&self) -> Vec<WireView> {
        let view = |(name, kept): (&String, &Kept)| WireView {
            name: format!("{WITNESS}{name}"),
            trouble: kept.trouble(),
            heard: true,
        };
        self.0.iter().map(view).collect()
    }
}

impl Kept {
    fn trouble(&self) -> Option<String> {
        match &self.open {
            Ok(witness) => witness.trouble(),
            Err(why) => Some(why.clone()),
        }
    }
}

impl Desk {
    /// Says to the witnesses that the desk came around, and notes which are not told.
    pub(super) fn look_at_witnesses(&mut self, turn: &mut Turn) {
        let mut news = Vec::new();
        for (name, kept) in &mut self.witnesses.0 {
            if let Ok(witness) = &kept.open {
                witness.beat();
            }
            let why = kept.trouble();
            if turned(&mut kept.said, why.is_some()).is_some() {
                match &why {
                    Some(why) => warn!(witness = name, why, "an outside witness is not told"),
                    None => info!(witness = name, "the outside witness is told"),
                }
                news.push((format!("{WITNESS}{name}"), why.is_some()));
            }
        }
        for (subject, broken) in news {
            self.trouble(turn, Kind::Endpoint, subject, broken);
        }
    }

    /// Takes changed witnesses into use; one that is gone is no trouble any more.
    pub(super) fn renew_witnesses(&mut self, turn: &mut Turn, parts: &WitnessParts) {
        for name in self.witnesses.renew(parts) {
            self.trouble(turn, Kind::Endpoint, format!("{WITNESS}{name}"), false);
        }
    }
}
