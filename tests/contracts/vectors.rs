//! The form of the vector files, as `firmware-contracts/README.md` describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anling::contract::{
    Alertmanager, ChirpStack, ContactId, EspHome, FieldDevice, FieldReader, FieldSettings, JsonAny,
    Meaning, Modbus, Mr24fdb1, NativeMqtt, NativeSerial, R60afd1, Radio433, Receiver433, Rtl433,
    SerialEvent, SerialFrame, Shelly, Tasmota, TextLines, Words, Z2mDevice, Z2mSettings,
    Zigbee2Mqtt,
};
use anling::registry::{Family, FieldModel};
use anling::terms::{
    At, CodeForm, ContactIdForm, Decoded, Decoder, DeviceId, Dialect, FeedbackStage, HubId,
    Inbound, JsonSource, Kind, LinePattern, LinkId, Mark, Means, ModbusOn, ModbusPoint,
    ModbusTable, Radio, Receipt, Refusal, RefusalReason, Report, TimeForm, Wall, What,
};
use serde::Deserialize;

/// When every vector is heard.
pub const NOW: At = At(1_000_000);

/// A file of vectors of any kind; the parts that a family does not use stay empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    pub hub: Option<String>,
    pub base_topic: Option<String>,
    #[serde(default)]
    pub registered: Vec<Registered>,
    /// What the reader took before it is asked for commands.
    #[serde(default)]
    pub heard: Vec<Earlier>,
    /// Where the values of a JSON source stand.
    #[serde(default)]
    pub source: Vec<SourceRow>,
    /// The patterns of a line of text.
    #[serde(default)]
    pub pattern: Vec<PatternRow>,
    /// The points of a Modbus line.
    #[serde(default)]
    pub point: Vec<PointRow>,
    /// Whose way of writing a Contact ID file is about.
    pub dialect: Option<String>,
    #[serde(default)]
    pub vector: Vec<Vector>,
    #[serde(default)]
    pub command: Vec<CommandVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    pub name: String,
    pub id: String,
    #[serde(default)]
    pub meaning: Meaning,
    /// Of a bridged family other than Zigbee.
    #[serde(default)]
    pub words: Words,
    /// The model whose words stand in the table of models.
    pub model: Option<String>,
}

/// `[link.serial.NAME.lines.CALL]` as it stands in `links.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternRow {
    pub name: String,
    pub pattern: String,
    pub device: Option<String>,
    #[serde(default)]
    pub ignore: bool,
}

impl PatternRow {
    fn meant(&self) -> LinePattern {
        LinePattern {
            name: self.name.clone(),
            pattern: self.pattern.clone(),
            device: self.device.clone().unwrap_or_else(|| "{device}".to_owned()),
            ignore: self.ignore,
        }
    }
}

/// One point of a Modbus panel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointRow {
    name: String,
    slave: u8,
    function: u8,
    address: u16,
    bit: Option<u8>,
    value: Option<u16>,
    means: String,
}

impl PointRow {
    fn meant(&self) -> ModbusPoint {
        ModbusPoint {
            name: self.name.clone(),
            slave: self.slave,
            table: ModbusTable::of_function(self.function).unwrap(),
            address: self.address,
            on: match (self.bit, self.value) {
                (Some(bit), _) => ModbusOn::Bit(bit),
                (None, Some(value)) => ModbusOn::Value(value),
                (None, None) => ModbusOn::Set,
            },
            means: Means::from_word(&self.means).unwrap(),
            lamp: None,
        }
    }
}

/// `[link.broker.json.NAME]` as it stands in `links.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRow {
    pub name: String,
    pub topic: String,
    pub records: Option<String>,
    pub device: Option<String>,
    #[serde(default)]
    pub keys: Vec<String>,
    pub battery: Option<String>,
    pub count: Option<String>,
    pub boot: Option<String>,
    pub time: Option<String>,
    pub time_form: Option<String>,
    pub zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    pub name: String,
    #[serde(default)]
    pub topic: String,
    pub payload: Option<String>,
    pub bytes_hex: Option<String>,
    /// The fields that give these bytes, where the family has a codec for both directions.
    pub frame: Option<Frame>,
    /// The payload is this text, so many times.
    pub repeated: Option<usize>,
    #[serde(default)]
    pub retained: bool,
    /// Messages the same reader took before.
    #[serde(default)]
    pub before: Vec<Earlier>,
    #[serde(default)]
    pub reports: Vec<Said>,
    pub refusal: Option<Refused>,
}

/// An event on a serial line, field by field; without a kind it is an alive frame.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    pub address: u32,
    pub boot: u32,
    pub seq: u32,
    pub kind: Option<u8>,
    #[serde(default)]
    pub flags: u8,
    #[serde(default)]
    pub battery: u8,
    #[serde(default)]
    pub signal: i8,
}

impl Frame {
    pub fn meant(&self) -> SerialFrame {
        let (address, mark) = (self.address, Mark { boot: self.boot, seq: self.seq });
        let Self { flags, battery, signal, .. } = *self;
        match self.kind {
            None => SerialFrame::Alive { address, mark },
            Some(kind) => {
                SerialFrame::Event(SerialEvent { address, mark, kind, flags, battery, signal })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    pub ms_earlier: u64,
    #[serde(default)]
    pub topic: String,
    pub payload: Option<String>,
    pub bytes_hex: Option<String>,
    #[serde(default)]
    pub retained: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub device: String,
    pub says: String,
    pub mark: Option<String>,
    #[serde(default)]
    pub test: bool,
    /// It was so when the hub came to look.
    #[serde(default)]
    pub found: bool,
    pub hold_ms: Option<u32>,
    pub battery: Option<u8>,
    /// The device's own time, milliseconds since 1970.
    pub said_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub reason: String,
    pub device: Option<String>,
    pub sample: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandVector {
    pub name: String,
    pub device: String,
    pub mark: Option<String>,
    pub stage: FeedbackStage,
    pub idempotent: bool,
    #[serde(default)]
    pub topic: String,
    pub payload: Option<String>,
    pub bytes_hex: Option<String>,
}

impl Earlier {
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.bytes_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => from_hex(hex),
            _ => panic!("give either payload or bytes_hex"),
        }
    }
}

impl CommandVector {
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.bytes_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => from_hex(hex),
            _ => panic!("{}: give either payload or bytes_hex", self.name),
        }
    }
}

pub fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The contracts' folder, also from the packages in a folder of this one.
pub fn folder() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find_map(|at| Some(at.join("firmware-contracts")).filter(|at| at.is_dir())).unwrap()
}

/// Every file below the folder, as `<family>/<version>/<file>` or `<file>`.
pub fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&folder(), "", &mut found);
    found
}

/// The vector files whose name begins with `stem`, with their family.
pub fn vector_files(stem: &str) -> Vec<(String, VectorFile)> {
    let is_wanted = |name: &str| {
        let file = name.rsplit('/').next().unwrap();
        name.contains('/') && file.starts_with(stem) && file.ends_with(".toml")
    };
    let found: Vec<_> = files()
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, text)| {
            let file = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, file)
        })
        .collect();
    assert!(!found.is_empty(), "no {stem} vectors");
    found
}

pub fn decoder(name: &str, file: &VectorFile) -> Box<dyn Decoder> {
    match name.split('/').next() {
        Some("native-mqtt") => {
            Box::new(NativeMqtt::new(HubId::new(file.hub.as_deref().unwrap()).unwrap()))
        }
        Some("native-serial") => Box::new(NativeSerial),
        Some("zigbee2mqtt") => Box::new(Zigbee2Mqtt::new(z2m_settings(file))),
        Some("json") => Box::new(Sources::new(file)),
        Some("modbus") => {
            let points = file.point.iter().map(PointRow::meant).collect();
            Box::new(Modbus::new("ward", points, field_settings(Family::Modbus, file)))
        }
        Some("alertmanager") => {
            Box::new(Alertmanager::new("monitor", field_settings(Family::Json, file)))
        }
        _ => line_reader(name, file)
            .map(|reader| reader as Box<dyn Decoder>)
            .or_else(|| field_reader(name, file).map(|reader| reader as Box<dyn Decoder>))
            .unwrap_or_else(|| panic!("no decoder for the family of {name}: name it here")),
    }
}

/// The reader of a contract on a serial line, by its folder.
fn line_reader(name: &str, file: &VectorFile) -> Option<Box<dyn FieldReader>> {
    let dialect = || {
        let word = file.dialect.as_deref().unwrap_or_else(|| panic!("{name} names no dialect"));
        Dialect::ALL.into_iter().find(|known| known.word() == word).unwrap()
    };
    let radio = |receiver| -> Box<dyn FieldReader> {
        let settings = field_settings(Family::Ev1527, file);
        Box::new(Radio433::new(receiver, Radio::default().frames, settings))
    };
    Some(match name.split('/').next()? {
        "contact-id" => Box::new(ContactId::new(
            ContactIdForm::of(dialect()),
            field_settings(Family::ContactId, file),
        )),
        "ev1527" => radio(Receiver433::Module(CodeForm::default())),
        "rf-bridge" => radio(Receiver433::Bridge),
        "rflink" => radio(Receiver433::Rflink),
        "lines" => {
            let patterns: Vec<LinePattern> = file.pattern.iter().map(PatternRow::meant).collect();
            Box::new(TextLines::new(&patterns, field_settings(Family::Lines, file)))
        }
        "r60afd1" => Box::new(R60afd1::new(field_settings(Family::R60afd1, file))),
        "mr24fdb1" => Box::new(Mr24fdb1::new(field_settings(Family::Mr24fdb1, file))),
        _ => return None,
    })
}

/// The reader of a bridged family, after what it heard before.
pub fn field_reader(name: &str, file: &VectorFile) -> Option<Box<dyn FieldReader>> {
    let family = name.split('/').next()?;
    let family = Family::BRIDGED.into_iter().find(|known| known.word() == family)?;
    let settings = field_settings(family, file);
    let mut reader: Box<dyn FieldReader> = match family {
        Family::Chirpstack => Box::new(ChirpStack::new(settings)),
        Family::Tasmota => Box::new(Tasmota::new(settings)),
        Family::Shelly => Box::new(Shelly::new(settings)),
        Family::Esphome => Box::new(EspHome::new(settings)),
        Family::Rtl433 => Box::new(Rtl433::new(settings)),
        _ => return None,
    };
    for earlier in &file.heard {
        let at = At(NOW.0 - earlier.ms_earlier);
        let bytes = earlier.bytes();
        reader.take(at, &inbound(&earlier.topic, bytes, earlier.retained, at));
    }
    Some(reader)
}

/// The sources of a file, as the desk asks them: the first that claims a topic.
struct Sources(Vec<JsonAny>);

impl Sources {
    fn new(file: &VectorFile) -> Self {
        let source = |said: &SourceRow| JsonSource {
            name: said.name.clone(),
            topic: said.topic.clone(),
            records: said.records.clone(),
            device: said.device.clone(),
            keys: said.keys.clone(),
            battery: said.battery.clone(),
            count: said.count.clone(),
            boot: said.boot.clone(),
            time: said.time.clone(),
            time_form: TimeForm::ALL
                .into_iter()
                .find(|form| Some(form.word()) == said.time_form.as_deref())
                .unwrap_or(TimeForm::Iso),
            zone: said.zone.clone().unwrap_or_else(|| "Asia/Shanghai".to_owned()),
        };
        let settings = field_settings(Family::Json, file);
        let reader = |said| JsonAny::new(source(said), settings.clone());
        Self(file.source.iter().map(reader).collect())
    }
}

impl Decoder for Sources {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let claims = self.0.iter().position(|reader| reader.claims(&inbound.topic));
        self.0[claims.unwrap_or(0)].take(at, inbound)
    }
}

fn field_settings(family: Family, file: &VectorFile) -> FieldSettings {
    let add = |words: &mut Words, model: &FieldModel| {
        words.life_safety |= model.life_safety;
        words.codec = model.codec.map(str::to_owned);
        words.strangers = model.strangers;
        for (word, means) in model.words {
            words.add_of_model(word, Means::from_word(means).unwrap());
        }
    };
    let device = |row: &Registered| {
        let mut words = row.words.clone();
        if let Some(model) = &row.model {
            add(&mut words, FieldModel::find(family, model).unwrap());
        }
        (row.name.clone(), FieldDevice { id: DeviceId::new(&row.id).unwrap(), words })
    };
    let model = |model: &FieldModel| {
        let mut words = Words::default();
        add(&mut words, model);
        (model.name.to_owned(), words)
    };
    FieldSettings {
        base_topic: file.base_topic.clone().unwrap_or_default(),
        names: file.registered.iter().map(device).collect(),
        models: FieldModel::of(family).map(model).collect(),
    }
}

pub fn z2m_settings(file: &VectorFile) -> Z2mSettings {
    let device = |row: &Registered| {
        let id = DeviceId::new(&row.id).unwrap();
        (row.name.clone(), Z2mDevice { id, meaning: row.meaning.clone() })
    };
    let base_topic = file.base_topic.clone().unwrap_or_else(|| "zigbee2mqtt".to_owned());
    Z2mSettings { base_topic, names: file.registered.iter().map(device).collect() }
}

pub fn inbound(topic: &str, bytes: Vec<u8>, retained: bool, received: At) -> Inbound {
    let link = LinkId::new("broker").unwrap();
    Inbound {
        link,
        topic: Arc::from(topic),
        retained,
        received,
        bytes,
        receipt: Receipt::unasked(),
    }
}

impl Vector {
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.bytes_hex) {
            (Some(text), None) => text.repeat(self.repeated.unwrap_or(1)).into_bytes(),
            (None, Some(hex)) => from_hex(hex),
            _ => panic!("{}: give either payload or bytes_hex", self.name),
        }
    }

    pub fn decode(&self, decoder: &mut dyn Decoder, bytes: Vec<u8>) -> Vec<Decoded> {
        for earlier in &self.before {
            let at = At(NOW.0 - earlier.ms_earlier);
            let bytes = earlier.bytes();
            decoder.take(at, &inbound(&earlier.topic, bytes, earlier.retained, at));
        }
        decoder.take(NOW, &inbound(&self.topic, bytes, self.retained, NOW))
    }

    /// The sample is compared only where the vector states one.
    pub fn expected(&self, got: &[Decoded]) -> Vec<Decoded> {
        let mut expected: Vec<Decoded> =
            self.reports.iter().map(|said| Decoded::Report(said.report(self.retained))).collect();
        if let Some(refused) = &self.refusal {
            let heard = got.iter().find_map(|decoded| match decoded {
                Decoded::Refusal(refusal) => Some(refusal.sample.clone()),
                Decoded::Report(_) => None,
            });
            expected.push(Decoded::Refusal(Refusal {
                device: refused.device.as_deref().map(device),
                reason: reason(&refused.reason),
                sample: refused.sample.clone().or(heard).unwrap_or_default(),
                heard_at: NOW,
            }));
        }
        expected
    }
}

impl Said {
    pub fn report(&self, retained: bool) -> Report {
        Report {
            device: device(&self.device),
            mark: self.mark.as_deref().map(mark),
            what: what(&self.says),
            test: self.test,
            retained,
            found: self.found,
            hold_ms: self.hold_ms,
            battery: self.battery,
            said_at: self.said_at.map(Wall),
            heard_at: NOW,
        }
    }
}

/// A registered id, or `family:name`.
pub fn device(text: &str) -> DeviceId {
    match text.split_once(':') {
        Some((family, heard_as)) => DeviceId::unregistered(family, heard_as),
        None => DeviceId::new(text).unwrap(),
    }
}

pub fn mark(text: &str) -> Mark {
    let (boot, seq) = text.split_once('/').unwrap();
    Mark { boot: boot.parse().unwrap(), seq: seq.parse().unwrap() }
}

pub fn reason(word: &str) -> RefusalReason {
    serde_json::from_value(word.into()).unwrap()
}

pub fn what(says: &str) -> What {
    let kind = |word: &str| Kind::from_word(word).unwrap_or_else(|| panic!("no kind {word}"));
    match says.split(' ').collect::<Vec<_>>()[..] {
        ["pulse", word] => What::Pulse(kind(word)),
        ["level", word, turn @ ("on" | "off")] => {
            What::Level { kind: kind(word), on: turn == "on" }
        }
        ["cancel"] => What::Cancel,
        ["presence", turn @ ("online" | "offline")] => What::Presence { online: turn == "online" },
        ["sign", word] => {
            let sign = serde_json::from_value(word.into());
            What::Sign(sign.unwrap_or_else(|_| panic!("no sign {word}")))
        }
        ["telemetry"] => What::Telemetry,
        _ => panic!("cannot read says = {says:?}"),
    }
}
