//! The config directory: raw texts → everything that is wrong with them, at once → settings.
//!
//! [`read`] does the I/O and nothing else; [`check`] is pure and goes on after every problem, so
//! that a technician corrects ten mistakes after one run. Each problem has a code that is never
//! renamed ([`codes`]), a place and a line that says what to do; a warning leaves the config usable.
//! A file that cannot be understood whole is not held against the others, since half of "unknown
//! line" messages would only repeat its syntax error. Keys that nobody knows are problems: a
//! misspelt `wait` would otherwise be a ladder with other waits than the one that was proven.
//! The set that last passed is kept in the state directory ([`accepted`]); a start with a broken
//! directory runs on it. Secrets stand elsewhere and are looked up by name ([`Secrets`]).

pub mod accepted;
mod bots;
mod bridged;
mod bridged_types;
mod broker_address;
pub mod codes;
mod cross;
mod devices;
mod district;
mod files;
mod gateway;
mod json_sources;
mod ladders;
mod life;
mod line_patterns;
mod links;
mod modbus;
mod modem;
mod mqtt;
mod notify;
mod power;
mod problem;
mod registry_files;
mod render;
mod roster;
mod secrets;
mod section;
mod serial;
pub mod settings;
mod signals;
mod spoken;
mod stations;
mod values;
mod voice;

pub use files::{FILE_MAX_BYTES, FileText, Files, read};
pub use gateway::{STATE_DIR, other_hub, state_dir};
pub use mqtt::{BrokerConf, look as look_at_brokers};
pub use problem::{Problem, Severity};
pub use registry_files::compare;
pub use render::{Look, SHOWN_MAX, one_line, render};
pub use secrets::{SECRET_MAX_BYTES, SecretError, SecretUse, Secrets};
pub use settings::Settings;
pub use values::duration;

use crate::incident::{Policy, RECORDED_TEXT_MAX, Who, recorded_len};
use crate::terms::Wall;
use problem::Findings;
use section::Document;

/// The TOML files, in the order in which [`check`] names them.
const TOML_NAMES: [&str; 7] = [
    "gateway.toml",
    "links.toml",
    "devices.toml",
    "ladders.toml",
    "notify.toml",
    "roster.toml",
    "district.toml",
];

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The settings; `None` when anything is a [`Severity::Problem`].
    pub settings: Option<Settings>,
    /// Everything that is not right, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// Where secrets are named: see [`Secrets::check`].
    pub secrets: Vec<SecretUse>,
    /// Where the settings of brokers that others run are named: see [`look_at_brokers`].
    pub confs: Vec<BrokerConf>,
}

/// Checks a whole directory. Pure: the same texts always give the same answer.
pub fn check(files: &Files) -> Checked {
    check_at(files, None)
}

/// The same at a moment: what somebody agreed to may be over by then.
pub fn check_at(files: &Files, wall: Option<Wall>) -> Checked {
    let mut out = Findings::new(files);
    files.report(&mut out);
    let [gateway, links, devices, ladders, notify, roster, district] =
        TOML_NAMES.map(|name| Document::parse(name, files.text(name).unwrap_or(""), &mut out));
    let mut secrets = Vec::new();
    let (gateway, power, stations) = gateway::read(gateway.top(), &mut out);
    let links = links::read(links.top(), &mut out, &mut secrets);
    let (types, life) = devices::read(devices.top(), &mut out);
    let ladders = ladders::read(ladders.top(), &mut out);
    let notify = notify::read(notify.top(), &mut out, &mut secrets);
    let mut roster = roster::read(roster.top(), &mut out);
    let district = district::read(district.top(), &mut out, &mut secrets, &notify.notify.webhooks);
    let rows = registry_files::read(files, &mut out);
    let read = cross::Read {
        links: &links,
        types: &types,
        ladders: &ladders,
        notify: &notify.notify,
        roster: &roster,
        rows: &rows,
        district: &district,
        stations: &stations,
        owners: &life.owners,
        wall,
        modems: &notify.modems,
    };
    registry_files::check_types(&rows, &types, files, &mut out);
    cross::check(&read, &mut out);
    roster.roster.stations = stations.stations;
    let settings = gateway.map(|gateway| Settings {
        gateway,
        power,
        policy: policy(ladders, &notify, &district),
        broker: links.broker,
        outside: links.outside.into_iter().map(|(link, said)| (link, said.value)).collect(),
        serial: links.serial.into_iter().map(|(link, said)| (link, said.value)).collect(),
        modbus: links.modbus.into_iter().map(|(link, said)| (link, said.value.line)).collect(),
        modems: links.modems.into_iter().map(|(link, said)| (link, said.value)).collect(),
        signals: links.signals.into_iter().collect(),
        device_types: types,
        life: life.plan,
        notify: notify.notify,
        platforms: district.platforms,
        roster: roster.roster,
        rows: rows.rows.into_iter().map(|said| said.value).collect(),
        hash: files.hash(),
    });
    if let Some(settings) = &settings {
        recordable("ladders.toml", &settings.policy.to_text(), &mut out);
        let roster = serde_json::to_string(&settings.roster).unwrap_or_default();
        recordable("roster.toml", &roster, &mut out);
        let life = serde_json::to_string(&settings.life).unwrap_or_default();
        recordable("devices.toml", &life, &mut out);
    }
    let problems = out.into_problems();
    let usable = problems.iter().all(|problem| problem.severity == Severity::Warning);
    Checked { settings: settings.filter(|_| usable), problems, secrets, confs: links.confs }
}

/// The policy: what the file leaves open is everybody, by everything that is set up.
fn policy(
    ladders: ladders::Ladders,
    notify: &notify::NotifyRead,
    district: &district::DistrictRead,
) -> Policy {
    let everybody = || vec![Who::Everyone];
    let (lead, lead_by) = ladders.lead.unwrap_or_else(|| (everybody(), notify.notify.carriers()));
    Policy {
        ladders: ladders.ladders,
        waits: ladders.waits,
        lead,
        lead_by,
        second: ladders.second.unwrap_or_else(everybody),
        endpoints: [&notify.endpoints, &district.endpoints]
            .into_iter()
            .flatten()
            .map(|(id, wants)| (id.clone(), wants.clone()))
            .collect(),
    }
}

/// What people are called by is a fact, and a fact is one entry of the record: longer than that, it
/// would be refused at the start, and the hub would go on with an older plan.
fn recordable(file: &'static str, text: &str, out: &mut Findings<'_>) {
    let found = recorded_len(text);
    if found > RECORDED_TEXT_MAX {
        let message = format!("the plan takes {found} bytes, the record holds {RECORDED_TEXT_MAX}");
        let help = "write it shorter: fewer rules, or lines instead of long lists of people";
        out.add_to_file(&codes::TOO_LONG_FOR_THE_RECORD, file, message, help);
    }
}
