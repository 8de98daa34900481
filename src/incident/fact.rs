//! Facts: everything that changes state, in the past tense. Facts alone rebuild the state.
//!
//! A fact carries all that config, roster, registry or clock supplied when it was decided: the
//! people a rung called, the waits, the deadline. Applying one reads nothing else, so a new version
//! or a new config never rewrites what happened. Facts hold ids; names, numbers and the words of
//! notes stand only in the rows that explain the ids.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    Answer, BedEnd, CallBed, Carrier, Contact, Ending, Ignored, LifePlan, LifeSign, Notice,
    OrderId, Outcome, PolicyHash, Power, Retired, Scope, TakenOver, Trouble, Unjudged, Why,
    WorkKind,
};
use crate::registry::Change;
use crate::roster::DutyChange;
use crate::terms::{
    At, BedId, BootMark, Class, Code, DeviceId, DutyChangeId, EndpointId, HomeId, HubId, ImportId,
    IncidentId, Kind, LinkId, Mark, NoteId, PersonId, Refusal, Report, ResidentId, Resumed, Seq,
    Wait, Wall, WorkId,
};

/// One person to be told, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Who.
    pub person: PersonId,
    /// By what, all at once.
    pub by: Vec<Carrier>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The hub started.
    HubStarted {
        /// Our version.
        version: String,
        /// Whether the last stop was orderly.
        clean: bool,
        /// The id it was started with; earlier versions did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hub: Option<HubId>,
    },
    /// The hub stopped in order.
    HubStopped,
    /// Hub time went on.
    ClockResumed {
        /// How long the hub was away, as far as anybody knows.
        gap: Wait,
        /// How that is known.
        how: Resumed,
        /// Which boot hub time runs on now, and where its boot-time clock stood.
        boot: BootMark,
    },
    /// A policy was taken into use.
    PolicyTaken {
        /// Its JSON.
        text: String,
    },
    /// A roster was taken into use; recorded for looking back, never read by a replay.
    RosterTaken {
        /// Its JSON.
        text: String,
    },
    /// The registry changed.
    RegistryChanged {
        /// How.
        change: Change,
    },
    /// A change of the registry was brought; it counts when its import is taken.
    RegistryBrought {
        /// With which import.
        import: ImportId,
        /// How the registry is to change.
        change: Change,
    },
    /// Everything an import brought was taken into use, at once.
    RegistryTaken {
        /// Which import.
        import: ImportId,
        /// How many changes it brought.
        rows: usize,
    },
    /// The words of a note.
    NoteKept {
        /// The note's number.
        note: NoteId,
        /// The words.
        text: String,
    },
    /// A device said something that must survive.
    Reported {
        /// What.
        report: Report,
    },
    /// A signal could not be read.
    SignalRefused {
        /// On which link.
        link: LinkId,
        /// What was wrong.
        refusal: Refusal,
        /// How many like it came from there in this minute so far; on a serial line, where one fact a
        /// minute stands for all, since the fact before.
        count: u32,
    },
    /// A device counted messages that were never heard.
    MessagesMissed {
        /// The device.
        device: DeviceId,
        /// How many, 1 or more.
        count: u32,
    },
    /// Other rules for signs of life were taken into use.
    LifePlanTaken {
        /// They.
        plan: LifePlan,
    },
    /// A resident gave a sign of life: the first in a window, or after a miss.
    SignOfLife {
        /// Who.
        resident: ResidentId,
        /// Which.
        sign: LifeSign,
    },
    /// A window of signs is over. Who gave none stands in facts that follow.
    WindowJudged {
        /// The rule's name.
        rule: String,
        /// When the window began.
        from: Wall,
        /// Its end.
        until: Wall,
        /// How many residents could not be heard, because all their devices are silent.
        #[serde(default)]
        unheard: u32,
        /// Why nobody was judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unjudged: Option<Unjudged>,
    },
    /// A resident gave no sign in the window of a rule that is judged right before.
    WindowMissed {
        /// The rule's name.
        rule: String,
        /// Who.
        resident: ResidentId,
        /// How many windows in a row by now, 1 or more.
        row: u32,
    },
    /// A person said that a resident is away, or back.
    AwaySaid {
        /// Who.
        resident: ResidentId,
        /// Until when; none when they are back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Wall>,
        /// Who said so.
        by: PersonId,
    },
    /// A device's battery has another level than when it was last written down.
    BatteryLevel {
        /// The device.
        device: DeviceId,
        /// In percent, 0 to 100.
        percent: u8,
    },
    /// The mains of the box were lost or are back, or its battery is nearly empty.
    PowerSaid {
        /// What.
        power: Power,
    },
    /// The contract of a home-care bed nears its end, or is over: an entry of the work list follows.
    BedEnding {
        /// The bed.
        bed: BedId,
        /// Whose.
        resident: ResidentId,
        /// Its last day.
        until: Date,
        /// How near that is.
        end: BedEnd,
    },
    /// A carrier said what became of an order.
    OutcomeHeard {
        /// The order.
        order: OrderId,
        /// What became of it.
        outcome: Outcome,
        /// When it is tried again, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<At>,
    },
    /// An endpoint took events, or will never take them.
    Delivered {
        /// The endpoint.
        endpoint: EndpointId,
        /// The events it took.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        took: Vec<Seq>,
        /// The events it refuses for good, with its reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<(Seq, String)>,
    },
    /// A person answered, and it was taken or it changed nothing.
    AnswerHeard {
        /// The answer.
        answer: Answer,
        /// Why it changed nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ignored: Option<Ignored>,
    },
    /// A deadline passed.
    DeadlineCame {
        /// Of which incident.
        incident: IncidentId,
        /// Which one.
        why: Why,
    },
    /// Something of the hub's own broke or works again.
    HubTrouble {
        /// What.
        trouble: Trouble,
    },
    /// The journal found something about itself when it was read.
    Found {
        /// One sentence.
        finding: String,
    },
    /// The oldest segments were retired: written down before they go.
    SegmentsRetired {
        /// What goes.
        retired: Retired,
    },
    /// A technician's work on devices began.
    WorkBegun {
        /// Its number.
        work: WorkId,
        /// What is done.
        kind: WorkKind,
        /// To which homes and devices.
        scope: Vec<Scope>,
        /// By whom.
        by: PersonId,
        /// When it ends by itself.
        until: At,
        /// Why, where somebody said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<NoteId>,
    },
    /// It is over.
    WorkEnded {
        /// Its number.
        work: WorkId,
        /// Who said so; none when its time was over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<PersonId>,
    },
    /// A person changed the duty plan.
    DutyChanged {
        /// What, for which hours, and who said so.
        change: DutyChange,
    },
    /// A person took a change of the duty plan back.
    DutyUndone {
        /// Its number.
        change: DutyChangeId,
        /// Who.
        by: PersonId,
    },
    /// A device was heard in a walk test: noted, and nobody is called.
    PointTested {
        /// In which.
        work: WorkId,
        /// The device.
        device: DeviceId,
        /// What it said.
        kind: Kind,
    },
    /// What a device said in maintenance was held back: nobody is called.
    HeldBack {
        /// In which.
        work: WorkId,
        /// The device.
        device: DeviceId,
        /// What it said.
        kind: Kind,
    },
    /// A point got another device; its row changes beside this.
    DeviceSwapped {
        /// The point.
        device: DeviceId,
        /// Under which address the old one was heard, where its family is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<DeviceId>,
        /// Who did it.
        by: PersonId,
    },
    /// A person gave up what an endpoint was owed: it will never be told.
    EndpointGivenUp {
        /// The endpoint.
        endpoint: EndpointId,
        /// Who.
        by: PersonId,
        /// How many events.
        events: u64,
    },
    /// The box was replaced: this one goes on with the record of another.
    BoxReplaced {
        /// What was taken over.
        taken: TakenOver,
    },
    /// An incident began.
    Raised {
        /// Its number.
        incident: IncidentId,
        /// Its code.
        code: Code,
        /// Its class.
        class: Class,
        /// Its kind.
        kind: Kind,
        /// The device.
        device: DeviceId,
        /// The home, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        home: Option<HomeId>,
        /// The resident, where exactly one is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resident: Option<ResidentId>,
        /// The device's own count of the press.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Mark>,
        /// The policy it keeps.
        policy: PolicyHash,
        /// Called by the night's steps.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        night: bool,
        /// How many people must accept.
        needs: u8,
        /// Related incidents: the same home, or the one before on this device.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        linked: Vec<IncidentId>,
        /// It was true before the hub started.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        found_at_start: bool,
        /// It waits for working hours until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queued_until: Option<At>,
        /// The home-care bed it belongs to, and how its contract stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bed: Option<CallBed>,
    },
    /// A rung was called: the incident is in `Calling` from here on.
    Called {
        /// The incident.
        incident: IncidentId,
        /// The epoch it is in from here on.
        epoch: u32,
        /// The rung, from 0.
        rung: u8,
        /// The lap, from 0.
        lap: u32,
        /// What the people are told.
        notice: Notice,
        /// Who, by what.
        calls: Vec<Call>,
        /// When the next step is due.
        next: At,
    },
    /// People were told something, or more people were called; the stage stays.
    Told {
        /// The incident.
        incident: IncidentId,
        /// What.
        notice: Notice,
        /// Who, by what.
        to: Vec<Call>,
    },
    /// Calls beside the stage are repeated from here on, or no longer: a hazard, reinforcement.
    RepeatSet {
        /// The incident.
        incident: IncidentId,
        /// When next; none ends them.
        next: Option<At>,
    },
    /// The device of an open incident was pressed again.
    PressedAgain {
        /// The incident.
        incident: IncidentId,
        /// The device's own count of the press.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Mark>,
        /// Whether the ladder moved because of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        moved: bool,
        /// The danger it tells of, where that is another than before: gas, on a smoke alarm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
    },
    /// The end of the ladder was reached for the first time in this epoch.
    Exhausted {
        /// The incident.
        incident: IncidentId,
    },
    /// An incident became one of a higher class.
    ClassChanged {
        /// The incident.
        incident: IncidentId,
        /// What it is now.
        to: Class,
    },
    /// A person accepted.
    Accepted {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
        /// Whether enough people have accepted now: the stage moves.
        enough: bool,
        /// When they are reminded.
        remind: At,
        /// When the call starts again if nobody has arrived.
        arrive_by: At,
        /// Whether those who had it before are released.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        takes_over: bool,
    },
    /// A person is on the way.
    SetOut {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
    },
    /// The reminder before a missed arrival was given.
    ArrivalReminded {
        /// The incident.
        incident: IncidentId,
    },
    /// Nobody arrived in time: those who had accepted are counted out.
    ArrivalMissed {
        /// The incident.
        incident: IncidentId,
    },
    /// A person gave it back, or said they cannot come.
    Declined {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
    },
    /// A person is there.
    Arrived {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
        /// When they are asked whether they still are.
        next: At,
    },
    /// It was asked whether somebody is still there.
    SceneAsked {
        /// The incident.
        incident: IncidentId,
        /// How often by now.
        asked: u32,
        /// When next.
        next: At,
    },
    /// Somebody on scene spoke: the time until they are asked begins anew.
    SceneHeard {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
        /// When they are asked next.
        next: At,
    },
    /// A responder asked for help.
    HelpAsked {
        /// The incident.
        incident: IncidentId,
        /// How many people must be there now.
        needs: u8,
    },
    /// The resident pressed the cancel key; nothing stops.
    ResidentCancelled {
        /// The incident.
        incident: IncidentId,
    },
    /// The level that began it is back to normal, or what was broken works again; nothing stops.
    BackToNormal {
        /// The incident.
        incident: IncidentId,
    },
    /// The local sounder is silenced for a while.
    Silenced {
        /// The incident.
        incident: IncidentId,
        /// By whom.
        by: PersonId,
        /// Until when.
        until: At,
    },
    /// The local sounder is no longer silenced.
    SilenceEnded {
        /// The incident.
        incident: IncidentId,
    },
    /// A person closed it.
    Resolved {
        /// The incident.
        incident: IncidentId,
        /// Who.
        by: PersonId,
        /// How it ended.
        ending: Ending,
        /// How the person knows, when nobody was on scene.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Contact>,
        /// When a follow-up is due; none where none is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        follow_up: Option<At>,
    },
    /// Pressed soon after its end: it is open again.
    Reopened {
        /// The incident.
        incident: IncidentId,
        /// The device's own count of the press.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Mark>,
    },
    /// A follow-up was asked for.
    FollowUpAsked {
        /// The incident.
        incident: IncidentId,
        /// When it is asked for again; none after the second time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<At>,
    },
    /// It was followed up.
    FollowedUp {
        /// The incident.
        incident: IncidentId,
        /// By whom.
        by: PersonId,
        /// The resident's score, 1–5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score: Option<u8>,
        /// Whether there was a complaint.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        complaint: bool,
    },
    /// It left memory; the record keeps it.
    Filed {
        /// The incident.
        incident: IncidentId,
    },
}
