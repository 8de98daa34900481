//! Stimuli: everything the engine is asked to decide about.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{OrderId, Outcome, WordId};
use crate::registry::{Change, DeviceTypes};
use crate::roster::Roster;
use crate::terms::{
    DeviceId, DutyChangeId, EndpointId, HubId, ImportId, IncidentId, Kind, LinkId, NoteId,
    PersonId, Refusal, Report, ResidentId, Seq, Wait, Wall, WallReading, WorkId,
};

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stimulus {
    /// The hub started; told once, before anything else.
    Started {
        /// Our version.
        version: String,
        /// The id it was started with.
        hub: HubId,
        /// Whether the last stop was orderly.
        clean: bool,
        /// How long it was away.
        gap: Wait,
        /// How that is known.
        how: super::Resumed,
        /// Which boot hub time runs on now.
        boot: super::BootMark,
    },
    /// The hub stops in order.
    Stopping,
    /// The config has this policy.
    Policy(Box<super::Policy>),
    /// The config has this roster.
    Roster(Box<Roster>),
    /// The registry is to change.
    Registry(Vec<Change>),
    /// A part of an import.
    Bring {
        /// Which import: [`super::IncidentBook::next_import`] for its first part.
        import: ImportId,
        /// How the registry is to change.
        changes: Vec<Change>,
    },
    /// The import is whole and is to be taken into use.
    Take {
        /// Which import.
        import: ImportId,
        /// How many changes it has.
        rows: usize,
    },
    /// A device said something.
    Heard(Report),
    /// A signal could not be read.
    Unread {
        /// On which link.
        link: LinkId,
        /// What was wrong.
        refusal: Refusal,
        /// How many like it came from there in this minute so far, this one included.
        count: u32,
    },
    /// Numbers that a device counted were never heard, and are waited for no longer.
    Missed {
        /// The device, registered.
        device: DeviceId,
        /// How many, 1 or more.
        count: u32,
    },
    /// The config has these rules for signs of life.
    LifePlan(super::LifePlan),
    /// A resident gave a sign of life.
    Sign {
        /// Who.
        resident: ResidentId,
        /// Which.
        sign: super::LifeSign,
    },
    /// Windows of signs may be over: judges the one that was over first.
    LifeLook(super::LifeLook),
    /// A person says that a resident is away, or back.
    Away {
        /// Who.
        resident: ResidentId,
        /// Until when; none says that they are back.
        until: Option<Wall>,
        /// Who says so.
        by: PersonId,
    },
    /// A person changes the duty plan.
    Duty(Box<super::DutyAsked>),
    /// A person takes a change of the duty plan back.
    DutyUndone {
        /// Its number.
        change: DutyChangeId,
        /// Who says so.
        by: PersonId,
    },
    /// A device said how full its battery is.
    Battery {
        /// The device.
        device: DeviceId,
        /// In percent, 0 to 100.
        percent: u8,
    },
    /// What the box runs on.
    Supply(super::Supply),
    /// Contracts of home-care beds may be near their end: decides about the first one that is news.
    BedLook,
    /// A person answered.
    Answered(Answer, Option<String>),
    /// A carrier said what became of an order.
    Outcome(OrderId, Outcome),
    /// An endpoint settled events.
    Delivered {
        /// The endpoint.
        endpoint: EndpointId,
        /// The events it took.
        took: Vec<Seq>,
        /// The events it refuses for good.
        refused: Vec<(Seq, String)>,
    },
    /// Something of the hub's own broke or works again.
    Trouble(Trouble),
    /// The journal found something about itself.
    Found(String),
    /// The oldest part of the record may go; told before it goes.
    Retired(Retired),
    /// A person gave up what an endpoint is owed.
    GivenUp {
        /// The endpoint.
        endpoint: EndpointId,
        /// Who.
        by: PersonId,
    },
    /// A technician begins work on devices.
    Work(Box<super::WorkAsked>),
    /// A person says that it is over.
    WorkOver {
        /// Which.
        work: WorkId,
        /// Who.
        by: PersonId,
    },
    /// A point has another device from now on.
    Swapped {
        /// The point.
        device: DeviceId,
        /// The name its family hears the new one under.
        heard_as: String,
        /// Who did it.
        by: PersonId,
    },
    /// Another box goes on with the record of one that is dead; told once, right after the start.
    BoxReplaced(TakenOver),
    /// The earliest deadline has passed; decides about that one only.
    Due,
}

/// What decisions may be based on beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// What the wall clock says.
    pub wall: WallReading,
    /// Who is on duty.
    pub roster: &'a Roster,
    /// What types of device there are.
    pub types: &'a DeviceTypes,
    /// Whether the record can be written: when not, every press calls everybody.
    pub safe: bool,
}

impl Standing<'_> {
    /// The day at the site; none while the clock cannot be trusted.
    pub fn today(&self) -> Option<Date> {
        self.roster.day(self.wall)
    }
}

/// The oldest part of the record, and the rule by which it goes: all of it is older than the limit,
/// delivered or given up, outside the newest entries, and stood for by two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Its newest entry.
    pub through: Seq,
    /// The chain's hash there, in hexadecimal digits: the anchor of what stays.
    pub chain: String,
    /// How old everything in it is at least.
    pub older_than: Wait,
    /// How many entries stay at least.
    pub newest: u64,
}

/// What was taken over from a dead box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// The newest entry there was.
    pub through: Seq,
    /// The chain's hash there, in hexadecimal digits.
    pub chain: String,
    /// How many numbers were left out behind it, because it may be older than the old box's end and
    /// nothing may have one name twice: sequences, and as many numbers of incidents and notes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Something of the hub's own that broke or works again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind: memory, record, link, carrier, config, clock, hub id, nobody on duty.
    pub kind: Kind,
    /// Which one of its kind, in config words: `mail`, `webhook.district`, `broker`.
    pub subject: String,
    /// Whether it is broken now.
    pub broken: bool,
}

impl Trouble {
    /// The device that stands for it in incidents: `hub:carrier.mail`.
    pub fn device(&self) -> DeviceId {
        DeviceId::unregistered(HUB_FAMILY, &format!("{}.{}", self.kind, self.subject))
    }
}

/// The family of the hub's own pretended devices.
pub const HUB_FAMILY: &str = "hub";

/// How an answer reached the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A command on the box, as a named person.
    Command,
    /// The page behind the link in a message.
    Page,
    /// The same after the link's time was over: changes nothing.
    ExpiredPage,
    /// A program on the box, over HTTP, as a named person.
    Http,
    /// The district's platform, as a named person of it.
    District,
    /// A short message from that person's telephone.
    Sms,
    /// A key of that person's telephone, while it was called.
    Voice,
}

/// A person's answer about an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The incident.
    pub incident: IncidentId,
    /// Who.
    pub by: PersonId,
    /// How it came.
    pub via: Via,
    /// The epoch the person was answering to, where the answer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// What they said.
    pub says: Move,
    /// The note they left, whose words stand in a fact of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteId>,
    /// What a program calls this answer, so that a repeat of it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<WordId>,
}

/// What a person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// I am coming.
    Accept,
    /// I cannot come.
    Decline,
    /// I have set out.
    OnTheWay,
    /// I am there.
    Arrive,
    /// I am still there, and well.
    StillHere,
    /// I need one more person.
    NeedHelp,
    /// It is over.
    Resolve {
        /// How it ended.
        ending: Ending,
        /// How that is known, when nobody was on scene.
        contact: Option<Contact>,
    },
    /// It was nothing.
    FalseAlarm {
        /// How that is known; not needed from somebody on scene.
        contact: Option<Contact>,
    },
    /// Afterwards: how the resident is.
    FollowUp {
        /// The resident's score, 1–5.
        score: Option<u8>,
        /// Whether there was a complaint.
        complaint: bool,
    },
    /// Only a note.
    Note,
    /// Be quiet in the duty room for a while.
    Silence,
    /// I take it from whoever has it.
    TakeOver,
}

/// How an incident ended. "Accidental" is only ever said by a person after contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A real emergency.
    Emergency,
    /// Help was needed.
    Helped,
    /// Pressed by accident.
    Accidental,
    /// The device was at fault.
    DeviceFault,
    /// A test.
    Test,
    /// A drill.
    Drill,
    /// The resident declined help.
    Declined,
    /// Nobody was reached: police or ambulance were called.
    Unreachable,
    /// The same as another incident.
    Duplicate,
    /// Mended or delivered.
    Done,
}

impl Ending {
    /// All endings.
    pub const ALL: [Self; 10] = [
        Self::Emergency,
        Self::Helped,
        Self::Accidental,
        Self::DeviceFault,
        Self::Test,
        Self::Drill,
        Self::Declined,
        Self::Unreachable,
        Self::Duplicate,
        Self::Done,
    ];

    /// The word people type.
    pub fn word(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Helped => "helped",
            Self::Accidental => "accidental",
            Self::DeviceFault => "device-fault",
            Self::Test => "test",
            Self::Drill => "drill",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::Duplicate => "duplicate",
            Self::Done => "done",
        }
    }

    /// What staff read.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Emergency => "真实紧急",
            Self::Helped => "已提供帮助",
            Self::Accidental => "误按",
            Self::DeviceFault => "设备故障",
            Self::Test => "测试",
            Self::Drill => "演练",
            Self::Declined => "老人谢绝",
            Self::Unreachable => "联系不上，已报警",
            Self::Duplicate => "重复",
            Self::Done => "已办结",
        }
    }

    /// Whether nobody had needed anybody, by accident or by a fault of the device.
    pub fn was_nothing(self) -> bool {
        matches!(self, Self::Accidental | Self::DeviceFault)
    }

    /// The ending of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.word() == word)
    }
}

/// How a person knows what they say without standing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// Spoke with the resident.
    Voice,
    /// Was there.
    Visit,
}

/// Why an answer changed nothing but the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// Nobody of that name is registered.
    UnknownPerson,
    /// No such incident in memory.
    UnknownIncident,
    /// The link's time was over.
    Expired,
    /// The answer was to an earlier call, which this move may not be.
    EarlierCall,
    /// It is over already.
    AlreadyOver,
    /// It is not over yet.
    NotOver,
    /// That person had said so already.
    AlreadySaid,
    /// Nobody is on scene, and no contact was named.
    NobodyOnScene,
    /// Who spoke is not on scene.
    NotOnScene,
    /// Others are on scene, and who spoke is not and named no contact.
    OthersOnScene,
    /// A false alarm needs a word with the resident or a visit.
    NoContact,
    /// The district may take over and note, nothing else.
    NotTheDistricts,
    /// A contact may come and call for help; the house does the rest.
    NotAContacts,
    /// A contact speaks only of what they were called for.
    NotCalledFor,
    /// Nobody has accepted, so there is nobody to help.
    NobodyToHelp,
    /// A score is 1 to 5.
    BadScore,
}

impl Ignored {
    /// What to do next, for the person who answered.
    pub fn advice(self) -> &'static str {
        match self {
            Self::UnknownPerson => "nobody of that name is registered: see `anling roster`",
            Self::UnknownIncident => "no such incident: see `anling incidents`",
            Self::Expired => "the link's time is over: use the newest message",
            Self::EarlierCall => "that answered an earlier call: accept again first",
            Self::AlreadyOver => "the incident is over already",
            Self::NotOver => "the incident is not over yet: resolve it first",
            Self::AlreadySaid => "that was said already",
            Self::NobodyOnScene => {
                "nobody is on scene: arrive first, or say --by-phone if you spoke with the resident"
            }
            Self::NotOnScene => "you are not on scene: arrive first",
            Self::OthersOnScene => {
                "only who is on scene closes it: arrive first, or say --by-phone if you spoke with \
                 the resident"
            }
            Self::NoContact => {
                "say how you know: --by-phone or --visit; a false alarm needs a word with the resident"
            }
            Self::NotTheDistricts => "the district may take over and note; the house does the rest",
            Self::NotAContacts => {
                "a contact comes, arrives and calls for help; the house closes it: leave a note, or \
                 ring the duty room"
            }
            Self::NotCalledFor => {
                "a contact speaks only of calls they were called for: ring the duty room"
            }
            Self::NobodyToHelp => "nobody has accepted yet: accept first",
            Self::BadScore => "a score is 1 to 5",
        }
    }
}

/// Which deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Working hours begin.
    WorkBegins,
    /// The next step of the ladder, or the next lap.
    NextRung,
    /// Remind the accepting person.
    RemindArrival,
    /// Nobody arrived.
    MissedArrival,
    /// Is the responder still there?
    StillOnScene,
    /// Call beside the stage again.
    Repeat,
    /// The sounder comes back.
    SilenceEnds,
    /// A follow-up is due.
    FollowUp,
    /// Long over: leave memory.
    File,
    /// Try an order again.
    Retry(OrderId),
}
