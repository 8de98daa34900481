//! Orders: what the engine wants said, to whom and by what. They are derived from facts, named by
//! the fact that caused them, and handed out again after a restart under the same name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::registry::Person;
use crate::terms::{Class, Command, EndpointId, IncidentId, PersonId, Phone, Seq, Wait};

/// A way to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The screen in the duty room.
    Screen,
    /// E-mail.
    Mail,
    /// A short message to a telephone.
    Sms,
    /// A call that is heard and answered with a key.
    Voice,
    /// A group bot of WeCom (企业微信).
    Wecom,
    /// A group bot of DingTalk (钉钉).
    Dingtalk,
    /// A group bot of Feishu (飞书).
    Feishu,
    /// A topic of an ntfy server.
    Ntfy,
    /// An application of a Gotify server.
    Gotify,
    /// Telephones with Bark.
    Bark,
}

impl Carrier {
    /// All carriers.
    pub const ALL: [Self; 10] = [
        Self::Screen,
        Self::Mail,
        Self::Sms,
        Self::Voice,
        Self::Wecom,
        Self::Dingtalk,
        Self::Feishu,
        Self::Ntfy,
        Self::Gotify,
        Self::Bark,
    ];

    /// The word in `by = [...]` and in the table of `notify.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Mail => "mail",
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Wecom => "wecom",
            Self::Dingtalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::Ntfy => "ntfy",
            Self::Gotify => "gotify",
            Self::Bark => "bark",
        }
    }

    /// The carrier of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.word() == word)
    }
}

/// What a way to a person hangs on; two ways are independent when they need different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Somebody in the building sees or hears it.
    Building,
    /// The line to the internet.
    Internet,
    /// The mobile network.
    Mobile,
}

impl Carrier {
    /// What it hangs on.
    pub fn needs(self) -> Needs {
        match self {
            Self::Screen => Needs::Building,
            Self::Mail => Needs::Internet,
            Self::Sms | Self::Voice => Needs::Mobile,
            Self::Wecom
            | Self::Dingtalk
            | Self::Feishu
            | Self::Ntfy
            | Self::Gotify
            | Self::Bark => Needs::Internet,
        }
    }

    /// Whether it reaches a group of the house's people at once, and nobody else: what is said by it is
    /// said to all of them, and a refusal says nothing about one of them.
    pub fn is_group(self) -> bool {
        match self {
            Self::Screen | Self::Mail | Self::Sms | Self::Voice => false,
            Self::Wecom
            | Self::Dingtalk
            | Self::Feishu
            | Self::Ntfy
            | Self::Gotify
            | Self::Bark => true,
        }
    }

    /// Those that reach one person: what they need is in the person's row, and not in the config alone.
    pub fn of_people() -> Vec<Self> {
        Self::ALL.into_iter().filter(|carrier| !carrier.is_group()).collect()
    }

    /// Whether it says this: a telephone rings when somebody is to come, and for nothing else.
    pub fn says(self, notice: &Notice) -> bool {
        self != Self::Voice || notice.is_call()
    }

    /// Whether a person's row has what it needs to reach them.
    pub fn can_reach(self, person: &Person) -> bool {
        match self {
            Self::Screen => true,
            Self::Mail => !person.email.trim().is_empty(),
            Self::Sms | Self::Voice => Phone::parse(&person.phone).is_some(),
            // Whoever belongs to the house is in its group.
            _ => true,
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The name of an order. Never random, so a restart hands it out under the same one. The cause
/// comes first: all orders of one fact lie side by side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderId {
    /// The sequence of the fact that caused it.
    pub cause: Seq,
    /// The incident.
    pub incident: IncidentId,
    /// To whom.
    pub person: PersonId,
    /// By what.
    pub carrier: Carrier,
    /// Which try, from 1.
    pub attempt: u8,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, incident, person, carrier, attempt } = self;
        write!(f, "{incident}-{cause}-{person}-{carrier}-{attempt}")
    }
}

/// Why somebody is told something; each has its own text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A first call.
    Called,
    /// A later step calls: nobody has accepted so far.
    Escalated,
    /// The resident pressed again and nobody has accepted.
    PressedAgain,
    /// Everybody is called: nobody has accepted.
    AllHands,
    /// The accepting person did not arrive in time: the call starts again.
    NotArrived,
    /// The accepting person gave it back.
    Declined,
    /// It was closed, and then pressed again.
    Reopened,
    /// A person on scene asks for help.
    Reinforce,
    /// A hazard is repeated.
    HazardGoesOn,
    /// To the accepting person: registered, with what to do next.
    YouAccepted,
    /// To the others: somebody has it.
    Taken {
        /// Who.
        by: PersonId,
    },
    /// To the accepting person and the lead: not arrived so far.
    ArrivalReminder,
    /// To the responders: pressed again meanwhile.
    PressedMeanwhile,
    /// The resident pressed the cancel key: verify.
    ResidentCancelled,
    /// To the responder: still on scene?
    StillOnScene,
    /// To those who were called: over.
    Closed,
    /// To the lead: a person could not be reached by a carrier.
    CannotReach {
        /// Who.
        person: PersonId,
        /// By what.
        by: Carrier,
    },
    /// To the lead: a follow-up is due.
    FollowUpDue,
    /// To everybody: the hub's battery is nearly empty, and nobody is heard then.
    RunningLow {
        /// Whole minutes left, where known.
        minutes: Option<u32>,
    },
    /// To those who were called: the mains are back.
    MainsBack {
        /// For how many minutes they were gone, rounded up.
        minutes: u32,
    },
}

impl Notice {
    /// Whether it asks somebody to come, so that it is pointless once somebody has the incident.
    pub fn is_call(&self) -> bool {
        matches!(
            self,
            Self::Called
                | Self::Escalated
                | Self::PressedAgain
                | Self::AllHands
                | Self::NotArrived
                | Self::Declined
                | Self::Reopened
                | Self::Reinforce
                | Self::HazardGoesOn
        )
    }
}

/// One message to one person by one carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// What it is about.
    pub notice: Notice,
    /// The class of its incident: the lane it waits in.
    pub class: Class,
    /// The epoch of the incident when it was given.
    pub epoch: u32,
    /// Where it stands.
    pub state: OrderState,
    /// An earlier try may have arrived all the same: its answer was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_sent: bool,
}

/// Where an order stands between being given and being settled; a settled one is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// To be sent.
    Pending,
    /// To be sent again, as the next attempt, not before this.
    Later(crate::terms::At),
}

/// What became of an order, as its carrier says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The next machine took it. Handed over is not heard.
    HandedOver,
    /// The person's device has it.
    Arrived,
    /// The person has seen it. Still no answer.
    Seen,
    /// Not now: the carrier may work later.
    TryLater {
        /// Why, in a few words without names.
        why: String,
        /// Not before, if the other side said so.
        after: Option<Wait>,
    },
    /// Never, for this person by this carrier.
    Refused {
        /// Why, in a few words without names.
        why: String,
    },
    /// Nobody can say: the answer was lost. Counted as not handed over.
    Unknown {
        /// Why, in a few words without names.
        why: String,
    },
    /// It was to be tried again, and something newer says it or nobody needs it: not sent. Said by
    /// the engine, never by a carrier.
    Superseded,
}

/// What a turn of the desk has to send out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new order to a person waits under this name.
    Order(OrderId),
    /// The event with this sequence is owed to this endpoint.
    Story(Seq, EndpointId),
    /// An order no longer applies: whoever holds it must not send it.
    Withdrawn(OrderId),
    /// A device is to be told how far its call has come.
    Feedback(Command),
}
