//! What differs from one make of modem to the next, as data.
//!
//! A third make is a table more. The numbers are those of the makers' manuals where the field notes
//! name them, and own choices that both families keep; no real module was at hand.

use std::time::Duration;

use super::voice::{self, Voice};

/// One make.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word in `profile = "…"`.
    pub word: &'static str,
    /// Said after the common beginning, before the SIM is looked at; one that is refused is no harm,
    /// because firmware differs.
    pub init: &'static [&'static str],
    /// Unasked lines by which the module says that it has just started: all settings are gone.
    pub started: &'static [&'static str],
    /// Unasked lines that tell of another state of the SIM.
    pub sim: &'static [&'static str],
    /// Stores of messages in the order they are tried.
    pub stores: [&'static str; 2],
    /// The restart that a module answers which answers anything.
    pub reset: &'static str,
    /// How long a restart takes until the module answers again: manuals say 15 to 20 s.
    pub boots_within: Duration,
    /// How long the prompt for a message may take.
    pub prompt_within: Duration,
    /// How long a network may take to accept a message: the notes' 35 to 120 s.
    pub sent_within: Duration,
    /// How it calls.
    pub voice: &'static Voice,
}

const STARTED: [&str; 8] = [
    "RDY",
    "PB DONE",
    "SMS DONE",
    "START",
    "APP RDY",
    "*ATREADY",
    "NORMAL POWER DOWN",
    "POWERED DOWN",
];

/// The makes that are known.
pub static PROFILES: [Profile; 2] = [
    Profile {
        word: "sim7600",
        // No sleep while the line is quiet.
        init: &["AT+CSCLK=0"],
        started: &STARTED,
        sim: &["+CPIN:", "+SIMCARD:"],
        stores: ["ME", "SM"],
        reset: "AT+CFUN=1,1",
        boots_within: Duration::from_secs(40),
        prompt_within: Duration::from_secs(5),
        sent_within: Duration::from_secs(60),
        voice: &voice::SIM7600,
    },
    Profile {
        word: "ec20",
        // What comes unasked comes on this port; a SIM that is pulled out or put in is told.
        init: &["AT+QSCLK=0", "AT+QURCCFG=\"urcport\",\"usbat\"", "AT+QSIMSTAT=1"],
        started: &STARTED,
        sim: &["+CPIN:", "+QSIMSTAT:", "+QUSIM:"],
        stores: ["ME", "SM"],
        reset: "AT+CFUN=1,1",
        boots_within: Duration::from_secs(40),
        prompt_within: Duration::from_secs(5),
        sent_within: Duration::from_secs(60),
        voice: &voice::EC20,
    },
];

impl Profile {
    /// The make of a word; `ec25` is the same as `ec20`.
    pub fn of(word: &str) -> Option<&'static Self> {
        let word = if word == "ec25" { "ec20" } else { word };
        PROFILES.iter().find(|profile| profile.word == word)
    }
}
