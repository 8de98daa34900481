//! What an incident is about: its kind, and the class that says how loudly people are called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How loudly and in which way people are called. The order is the order of precedence: a higher
/// class is never delayed by, merged into or masked by a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Smoke, gas, carbon monoxide: everybody at once, no steps, no quotas.
    Hazard,
    /// A resident in need: the ladder, step by step.
    Emergency,
    /// A resident not heard of: a slower ladder that becomes an emergency when nobody is reached.
    Welfare,
    /// The hub can no longer hear or call: an emergency by day, the duty lead by night.
    Coverage,
    /// Something to mend in working hours.
    Fault,
    /// Something ordered with the second key.
    Service,
    /// A drill or a call test, marked 测试 everywhere.
    Test,
}

impl Class {
    /// All classes, highest first.
    pub const ALL: [Self; 7] = [
        Self::Hazard,
        Self::Emergency,
        Self::Welfare,
        Self::Coverage,
        Self::Fault,
        Self::Service,
        Self::Test,
    ];

    /// The word used in config, topics and events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hazard => "hazard",
            Self::Emergency => "emergency",
            Self::Welfare => "welfare",
            Self::Coverage => "coverage",
            Self::Fault => "fault",
            Self::Service => "service",
            Self::Test => "test",
        }
    }

    /// The class of a word, the inverse of [`Class::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// The letter its codes begin with: no two classes share one, and none looks like a digit.
    pub fn letter(self) -> char {
        match self {
            Self::Hazard => 'F',
            Self::Emergency => 'A',
            Self::Welfare => 'P',
            Self::Coverage => 'H',
            Self::Fault => 'D',
            Self::Service => 'S',
            Self::Test => 'T',
        }
    }

    /// Whether lives may hang on it: these never wait for working hours, quotas or other orders.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Hazard | Self::Emergency | Self::Welfare | Self::Coverage)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What happened, in the field's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The emergency key, pendant or pull cord.
    Sos,
    /// A confirmed fall.
    Fall,
    /// Smoke or fire.
    Smoke,
    /// Combustible gas.
    Gas,
    /// Carbon monoxide.
    Co,
    /// Water where none should be.
    Water,
    /// No sign of life within the daily window.
    Inactivity,
    /// No sign of life within one daily window: somebody asks, nobody runs.
    NoSign,
    /// Out of bed too long.
    BedExit,
    /// The service key.
    Service,
    /// A signal of a life-safety device that could not be read.
    Unreadable,
    /// A device opened or torn off.
    Tamper,
    /// A device's battery is nearly empty.
    LowBattery,
    /// A device or machine says that something is wrong with it.
    Fault,
    /// A device not heard of for too long.
    Silent,
    /// A transmitter that sends more alarms than anybody presses.
    Stuck,
    /// A device that called for nothing again and again.
    Suspect,
    /// A device that was swapped out and is still heard.
    OldDevice,
    /// A device whose messages get lost again and again.
    Missed,
    /// The contract of a home-care bed is about to end.
    BedEnds,
    /// It is over.
    BedOver,
    /// The table of holidays and make-up workdays lacks a year that is here or comes.
    DayTypes,
    /// The hub's own disk cannot be written: calls are held in memory only.
    Memory,
    /// Part of the record is damaged or missing.
    Record,
    /// The disk of the record is nearly full.
    DiskSpace,
    /// The hub runs on its battery: the mains are gone.
    Mains,
    /// A link into the hub is down.
    Link,
    /// A carrier cannot reach people.
    Carrier,
    /// An endpoint cannot be told the story.
    Endpoint,
    /// An endpoint refuses events for good.
    EndpointRefuses,
    /// A broker's access rules keep part of what is said from the hub.
    Access,
    /// Nobody stands on the roster.
    NobodyOnDuty,
    /// The wall clock cannot be trusted.
    Clock,
    /// The config on disk cannot be used; the last accepted one runs.
    Config,
    /// The hub was started with another id than its record has.
    HubId,
    /// A source sent something that no contract can read.
    Garbage,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 36] = [
        Self::Sos,
        Self::Fall,
        Self::Smoke,
        Self::Gas,
        Self::Co,
        Self::Water,
        Self::Inactivity,
        Self::NoSign,
        Self::BedExit,
        Self::Service,
        Self::Unreadable,
        Self::Tamper,
        Self::LowBattery,
        Self::Fault,
        Self::Silent,
        Self::Stuck,
        Self::Suspect,
        Self::OldDevice,
        Self::Missed,
        Self::BedEnds,
        Self::BedOver,
        Self::DayTypes,
        Self::Memory,
        Self::Record,
        Self::DiskSpace,
        Self::Mains,
        Self::Link,
        Self::Carrier,
        Self::Endpoint,
        Self::EndpointRefuses,
        Self::Access,
        Self::NobodyOnDuty,
        Self::Clock,
        Self::Config,
        Self::HubId,
        Self::Garbage,
    ];

    /// The class a report of this kind starts in.
    pub fn class(self) -> Class {
        match self {
            Self::Sos | Self::Fall | Self::Unreadable => Class::Emergency,
            Self::Smoke | Self::Gas | Self::Co => Class::Hazard,
            Self::Water | Self::Inactivity | Self::BedExit => Class::Welfare,
            Self::Memory
            | Self::Mains
            | Self::Link
            | Self::Carrier
            | Self::NobodyOnDuty
            | Self::HubId => Class::Coverage,
            // A question to the duty room, without siren and without night steps.
            Self::Service | Self::NoSign => Class::Service,
            Self::Tamper
            | Self::LowBattery
            | Self::Fault
            | Self::Silent
            | Self::Stuck
            | Self::Suspect
            | Self::OldDevice
            | Self::Missed
            | Self::BedEnds
            | Self::BedOver
            | Self::DayTypes
            | Self::Record
            | Self::DiskSpace
            | Self::Endpoint
            | Self::EndpointRefuses
            | Self::Access
            | Self::Clock
            | Self::Config
            | Self::Garbage => Class::Fault,
        }
    }

    /// The word used in config, payloads and events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sos => "sos",
            Self::Fall => "fall",
            Self::Smoke => "smoke",
            Self::Gas => "gas",
            Self::Co => "co",
            Self::Water => "water",
            Self::Inactivity => "inactivity",
            Self::NoSign => "no_sign",
            Self::BedExit => "bed_exit",
            Self::Service => "service",
            Self::Unreadable => "unreadable",
            Self::Tamper => "tamper",
            Self::LowBattery => "low_battery",
            Self::Fault => "fault",
            Self::Silent => "silent",
            Self::Stuck => "stuck",
            Self::Suspect => "suspect",
            Self::OldDevice => "old_device",
            Self::Missed => "missed",
            Self::BedEnds => "bed_ends",
            Self::BedOver => "bed_over",
            Self::DayTypes => "day_types",
            Self::Memory => "memory",
            Self::Record => "record",
            Self::DiskSpace => "disk_space",
            Self::Mains => "mains",
            Self::Link => "link",
            Self::Carrier => "carrier",
            Self::Endpoint => "endpoint",
            Self::EndpointRefuses => "endpoint_refuses",
            Self::Access => "access",
            Self::NobodyOnDuty => "nobody_on_duty",
            Self::Clock => "clock",
            Self::Config => "config",
            Self::HubId => "hub_id",
            Self::Garbage => "garbage",
        }
    }

    /// The kind of a word, the inverse of [`Kind::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether it is a state with an end, and not something that happens and is over.
    pub fn lasts(self) -> bool {
        matches!(
            self,
            Self::Smoke
                | Self::Gas
                | Self::Co
                | Self::Water
                | Self::Tamper
                | Self::LowBattery
                | Self::Fault
        )
    }

    /// Whether a device may say it; the others are the hub's own.
    pub fn is_a_devices(self) -> bool {
        self.lasts()
            || matches!(
                self,
                Self::Sos | Self::Fall | Self::Inactivity | Self::BedExit | Self::Service
            )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_has_its_own_letter_and_word() {
        let letters: BTreeSet<char> = Class::ALL.iter().map(|c| c.letter()).collect();
        assert_eq!(letters.len(), Class::ALL.len());
        for class in Class::ALL {
            assert_eq!(Class::from_word(class.word()), Some(class));
        }
    }

    #[test]
    fn a_kind_is_written_alike_in_words_and_in_json() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn an_emergency_outranks_everything_but_a_hazard() {
        assert!(Class::Hazard < Class::Emergency && Class::Emergency < Class::Welfare);
        assert!(Class::Fault > Class::Coverage);
    }
}
