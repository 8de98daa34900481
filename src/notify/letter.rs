//! A letter: everything one message to one person needs, with names in place of ids.
//!
//! The desk writes it from an order, the registry and the roster, at the moment it hands the order
//! out; this room sees neither. It is plain data, so a carrier can be tested without a desk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::incident::{Notice, OrderId};
use crate::terms::{Class, Code, Kind, PersonId};

/// Whether an order still applies. The desk keeps one half and takes it back when somebody accepts;
/// the carrier asks the other half right before sending.
#[derive(Debug, Clone)]
pub struct Still(Arc<AtomicBool>);

impl Still {
    /// An order that applies.
    pub fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Takes it back: from now on it is not sent. What is already on the wire cannot be stopped.
    pub fn take_back(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether it applies now.
    pub fn applies(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Default for Still {
    fn default() -> Self {
        Self::new()
    }
}

/// To whom a letter goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Who.
    pub id: PersonId,
    /// Full name; may be empty.
    pub name: String,
    /// E-mail address; may be empty.
    pub email: String,
    /// Telephone as dialled; may be empty.
    pub phone: String,
    /// Whether they belong to the house: a contact has no computer of it to answer at.
    pub of_the_house: bool,
}

/// A person a letter speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub id: PersonId,
    /// Full name; may be empty, then the id is said.
    pub name: String,
}

/// Where the hub stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The centre's name, 幸福里驿站.
    pub name: String,
    /// The duty room's telephone; may be empty.
    pub duty_phone: String,
}

/// How an incident ended, in civil times like `16:05`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When it was raised.
    pub raised: String,
    /// When somebody was on scene, if anybody was.
    pub on_scene: Option<String>,
    /// When it was closed.
    pub closed: String,
    /// The outcome in a few words: 误报, 已送医.
    pub outcome: String,
}

/// One message to one person by one carrier.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The order it carries out; the carrier is in it.
    pub id: OrderId,
    /// Whether the order still applies.
    pub still: Still,
    /// What it is about.
    pub notice: Notice,
    /// The incident's class: the lane it waits in.
    pub class: Class,
    /// What happened.
    pub kind: Kind,
    /// Every danger or fault of it that is on, the oldest first; the kind alone where there is one.
    pub kinds: Vec<Kind>,
    /// The incident's code.
    pub code: Code,
    /// The incident's epoch.
    pub epoch: u32,
    /// A drill or a test: marked 测试, and nobody is told to dial 119.
    pub test: bool,
    /// It may have been sent before, marked 重发: handed out again after a restart, or tried again
    /// because the answer to an earlier try was lost. A try that surely failed is no repeat.
    pub resent: bool,
    /// To whom.
    pub to: Addressee,
    /// Where the hub stands.
    pub site: Site,
    /// The place in full, 3号楼2单元501; may be empty.
    pub place: String,
    /// The place in the shortest form staff use, 3-2-501; may be empty.
    pub place_short: String,
    /// The names of the residents it may be about; may be empty.
    pub residents: Vec<String>,
    /// Age in years, where exactly one resident is meant.
    pub age: Option<u8>,
    /// What staff call the device; for an unregistered one the address it was heard under.
    pub device: String,
    /// Whether the device stands in no list, so that its place is unknown.
    pub unregistered: bool,
    /// Civil time of the first press, `16:05`.
    pub time: String,
    /// Civil date of the first press, `8月22日`.
    pub date: String,
    /// Whether the clock could be trusted then.
    pub clock_trusted: bool,
    /// Nobody else was called who has not said that they cannot come.
    pub alone: bool,
    /// How often it was pressed.
    pub presses: u32,
    /// Whole minutes since it was raised.
    pub minutes: u32,
    /// The person the notice speaks of: who has it, who did not arrive, gave it back, asks for help,
    /// closed it or could not be reached.
    pub about: Option<Named>,
    /// Whole minutes the accepting person has left to arrive.
    pub arrive_within: Option<u32>,
    /// How it ended, for [`Notice::Closed`] and [`Notice::FollowUpDue`].
    pub closing: Option<Closing>,
    /// What staff must know of the contract of a home-care bed that does not run; mostly empty.
    pub contract: String,
    /// Whether it was on already when the hub could hear it again: nobody knows since when.
    pub found: bool,
    /// The homes that nobody hears when the hub is off, for [`Notice::RunningLow`].
    pub unheard: Vec<String>,
    /// How many devices nobody hears while a trouble of the hub lasts, 0 where none, or not known; and
    /// what is broken, in the words of the config, which may be empty.
    pub silenced: (usize, String),
    /// The one-tap page for this incident, epoch and person, where the site has a public address.
    pub link: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Carrier;
    use crate::terms::{IncidentId, Seq};

    impl Letter {
        /// The first call for a press in 3号楼2单元501.
        pub(in crate::notify) fn sample(class: Class, incident: u64) -> Self {
            let to = PersonId::new("P001").unwrap();
            Self {
                id: OrderId {
                    cause: Seq(41),
                    incident: IncidentId(incident),
                    person: to.clone(),
                    carrier: Carrier::Mail,
                    attempt: 1,
                },
                still: Still::new(),
                notice: Notice::Called,
                class,
                kind: Kind::Sos,
                kinds: vec![Kind::Sos],
                code: Code::new(class.letter(), 17).unwrap(),
                epoch: 1,
                test: false,
                resent: false,
                to: Addressee {
                    id: to,
                    name: "李建国".into(),
                    email: "lijianguo@example.org".into(),
                    phone: String::new(),
                    of_the_house: true,
                },
                site: Site { name: "幸福里驿站".into(), duty_phone: "010-55550117".into() },
                place: "3号楼2单元501".into(),
                place_short: "3-2-501".into(),
                residents: vec!["王桂芳".into()],
                age: Some(82),
                device: "呼叫器B-14".into(),
                unregistered: false,
                time: "16:05".into(),
                date: "8月22日".into(),
                clock_trusted: true,
                alone: false,
                presses: 3,
                minutes: 12,
                about: Some(Named { id: PersonId::new("P002").unwrap(), name: "张敏".into() }),
                arrive_within: Some(10),
                closing: Some(Closing {
                    raised: "16:05".into(),
                    on_scene: Some("16:13".into()),
                    closed: "16:25".into(),
                    outcome: "误报".into(),
                }),
                contract: String::new(),
                found: false,
                unheard: vec!["3-2-501".into(), "3-2-302".into(), "5-1-102".into()],
                silenced: (0, String::new()),
                link: None,
            }
        }
    }
}
