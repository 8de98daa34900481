//! How incidents and the hub look from outside: plain data for pages, commands and `--json`.

use serde::{Deserialize, Serialize};

use super::{ArchiveView, BoardView, LifeView, ResponseView, SilentView, WorkView};
use crate::incident::{Carrier, Responder, StageName, StageTimes};
use crate::roster::DutyBy;
use crate::terms::{
    Class, Code, DeviceId, HubId, IncidentId, Kind, LineId, PersonId, Seq, StationId, Wall,
};

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Its number on this hub.
    pub id: IncidentId,
    /// Its code.
    pub code: Code,
    /// Its class.
    pub class: Class,
    /// Its kind: the newest danger.
    pub kind: Kind,
    /// Every danger or fault of it that is on, the oldest first; its kind alone where it is over.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Its stage.
    pub stage: StageName,
    /// Counts the times a call started anew.
    pub epoch: u32,
    /// The rung reached, from 0.
    pub rung: u8,
    /// The lap after the ladder's end; 0 before it.
    pub lap: u32,
    /// The ladder's end was reached.
    pub exhausted: bool,
    /// The resident pressed the cancel key.
    pub cancelled: bool,
    /// The level is back to normal.
    pub back_to_normal: bool,
    /// How often it was pressed.
    pub presses: u32,
    /// The device.
    pub device: DeviceId,
    /// Where to go.
    pub place: String,
    /// The residents, in words; empty when unknown.
    pub residents: String,
    /// When each stage was first reached.
    pub times: StageTimes,
    /// How long ago it was raised, in ms of hub time.
    pub age_ms: u64,
    /// What happens next by itself.
    pub next: Option<NextStep>,
    /// How it ended, in words.
    pub ending: Option<String>,
    /// The name of the person who said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// Everybody who has to do with it.
    pub people: Vec<PersonView>,
    /// The name of the person whose page this is, where it is somebody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// Notes, oldest first.
    pub notes: Vec<String>,
    /// The wall clock could be trusted when it was raised.
    pub clock_trusted: bool,
    /// It has left memory, and this is what the archive keeps of it. A list of those leaves out the
    /// words of their notes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filed: bool,
    /// Everything shown here is on disk; false while the disk fails and some of it is held in memory
    /// only.
    pub on_disk: bool,
}

impl IncidentView {
    /// What it is about, in words of the field.
    pub fn about(&self) -> String {
        let kinds = if self.kinds.is_empty() { &[self.kind] } else { self.kinds.as_slice() };
        kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join("+")
    }
}

/// What an incident does by itself when nobody says anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// What, in words.
    pub what: String,
    /// In how many ms of hub time.
    pub in_ms: u64,
}

/// One person and what they have to do with an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    /// Who.
    pub id: PersonId,
    /// Their name; the id where none is known.
    pub name: String,
    /// What they have to do with it.
    pub is: Responder,
}

/// How the record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RecordView {
    /// Everything is on disk.
    Safe,
    /// The disk fails: calls are held in memory only.
    Volatile {
        /// Why, in one sentence.
        why: String,
    },
}

/// How one carrier stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierView {
    /// Which.
    pub carrier: Carrier,
    /// When it last handed a message over.
    pub last_handed_over: Option<Wall>,
    /// Why the last try failed, if it did.
    pub trouble: Option<String>,
    /// Messages waiting for it, those that wait for another try included.
    pub waiting: usize,
    /// The bots behind it, in the order they are tried; left out where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bots: Vec<BotView>,
}

/// How one bot of a group stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotView {
    /// Its name.
    pub name: String,
    /// When it last took a post.
    pub last_handed_over: Option<Wall>,
    /// Why it did not take the last one.
    pub trouble: Option<String>,
}

/// How one serial line, or one broker that others run, stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireView {
    /// Its name: `serial.front`, `mqtt.home`.
    pub name: String,
    /// What is wrong with it at the moment.
    pub trouble: Option<String>,
    /// Whether a whole frame has come since it was opened; of a broker, whether every subscription
    /// stands.
    pub heard: bool,
}

/// How one modem stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemView {
    /// Its name: `modem.front`.
    pub name: String,
    /// The network's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The signal, 0 to 31.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// Whether that is so weak that messages may be late or lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weak: bool,
    /// Its SIM: `ready`, `missing`, `locked`, `barred`, or `unknown`.
    pub sim: String,
    /// Places of its message store that are taken, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<(u16, u16)>,
    /// Messages that the network took today.
    pub sent_today: u32,
    /// When it last took one, since the start.
    pub last_proof: Option<Wall>,
    /// Its last call, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call: Option<CallView>,
    /// Why it cannot send or hear at the moment.
    pub trouble: Option<String>,
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// When.
    pub ended: Wall,
    /// How, in a few words.
    pub how: String,
}

/// How one endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its name.
    pub name: String,
    /// Whether it is a district platform; else a webhook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub platform: bool,
    /// Events it has not taken.
    pub owed: usize,
    /// Events it was never told, because too many were owed.
    pub dropped: u64,
    /// Events it has refused for good since the hub's start.
    #[serde(default)]
    pub refused: u64,
    /// Why it takes nothing at the moment.
    pub trouble: Option<String>,
    /// The topic that its broker does not let us hear: nothing that it says comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard: Option<String>,
    /// It asked for a pause: what is owed waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
}

/// How long an endpoint asked to be left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// Until when; an alarm that waits is told earlier.
    pub until: Wall,
    /// The same as `HH:MM` at the centre.
    pub clock: String,
}

/// Who stands on one line now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// The line.
    pub line: LineId,
    /// The labels of the stations whose own line it is; empty where all share it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stations: Vec<String>,
    /// Their names.
    pub people: Vec<String>,
    /// By what.
    pub by: DutyBy,
}

/// How many incidents of a class are open; a class without any is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCount {
    /// The class.
    pub class: Class,
    /// How many, at least one.
    pub count: usize,
}

/// How many devices there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCount {
    /// In the registry.
    pub registered: usize,
    /// Of those, heard since the start.
    pub heard: usize,
    /// Of those, never heard as far as anybody remembers.
    #[serde(default)]
    pub never: usize,
    /// Heard since the start and in no registry, the latest few hundred.
    #[serde(default)]
    pub strangers: usize,
}

/// What the box runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerView {
    /// On its battery.
    pub on_battery: bool,
    /// For how long the mains have been gone, in ms; absent while they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_ms: Option<u64>,
    /// What is left in the battery in percent, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// How long that lasts in ms, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// Why nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The homes that nobody hears when the battery is empty; named while the box runs on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<String>,
}

/// One of several stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationView {
    /// Its name in `gateway.toml`.
    pub id: StationId,
    /// What staff call it.
    pub label: String,
    /// How many devices hang in its homes.
    pub devices: usize,
    /// How many of them are silent.
    pub silent: usize,
}

/// How the hub is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The hub's id.
    pub hub: String,
    /// The centre's name.
    pub site: String,
    /// Our version.
    pub version: String,
    /// How long it has been up, in ms.
    pub up_ms: u64,
    /// The wall clock now.
    pub wall: Wall,
    /// Whether it can be trusted.
    pub clock_trusted: bool,
    /// The record.
    pub record: RecordView,
    /// The last entry on disk that this answer knows of.
    pub last_seq: Seq,
    /// How many entries stand in the record; numbers that were left out or retired are not counted.
    #[serde(default)]
    pub entries: u64,
    /// Open incidents by class.
    pub open: Vec<OpenCount>,
    /// The oldest open urgent incident nobody has accepted.
    pub unanswered: Option<Code>,
    /// Where devices connect.
    pub broker: Option<String>,
    /// Where they connect behind TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_tls: Option<String>,
    /// Serial lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial: Vec<WireView>,
    /// Brokers that others run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brokers: Vec<WireView>,
    /// Modems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modems: Vec<ModemView>,
    /// Who outside is told that the hub lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WireView>,
    /// Its devices.
    pub devices: DeviceCount,
    /// Its registered devices that have been silent longest, at most [`SILENT_SHOWN`], the longest
    /// first. Signs of life between two turns of a device are telemetry: after the loss of the
    /// archive a device is as old as the last turn that was written down.
    #[serde(default)]
    pub silent: Vec<SilentView>,
    /// How far the archive is.
    #[serde(default)]
    pub archive: ArchiveView,
    /// How fast people came; absent where nobody was called.
    #[serde(default)]
    pub response: Option<ResponseView>,
    /// Signals that could not be read since the start.
    pub refused: u64,
    /// Free space for the record, in bytes.
    pub disk_free: Option<u64>,
    /// Carriers.
    pub carriers: Vec<CarrierView>,
    /// Endpoints.
    pub endpoints: Vec<EndpointView>,
    /// Wall boards that have said that they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boards: Vec<BoardView>,
    /// What work is being done on devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub works: Vec<WorkView>,
    /// How signs of life stand, rule by rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub life: Vec<LifeView>,
    /// What the box runs on, where something says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerView>,
    /// Its stations, where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stations: Vec<StationView>,
    /// Who is on duty.
    pub on_duty: Vec<LineView>,
    /// The config on disk cannot be used, and the last accepted one runs.
    pub old_config: bool,
    /// The hub whose record this is, where the hub was started as another: see [`Status::hub`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_of: Option<HubId>,
    /// What of the config has changed and waits for a restart, in config words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_for: Vec<String>,
}
