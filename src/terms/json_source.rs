//! Where in a JSON message of any form the device, its words and its time stand, so that the next such
//! device needs lines in `links.toml` and no code.

/// One source of such messages. Paths are names with dots between them, `params.state`; a number is a
/// place in a list, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonSource {
    /// The name in the file; it stands before the device's own, `mats/201906078`.
    pub name: String,
    /// The topic filter. Without a path for the device, its first `+` is the device.
    pub topic: String,
    /// The list of records, where one message tells of several devices.
    pub records: Option<String>,
    /// The device's name, within its record.
    pub device: Option<String>,
    /// Values that are events each time; all others are states.
    pub keys: Vec<String>,
    /// Percent of the battery.
    pub battery: Option<String>,
    /// The device's own number of the message.
    pub count: Option<String>,
    /// The device's restart, in which the number counts.
    pub boot: Option<String>,
    /// The device's own time.
    pub time: Option<String>,
    /// How the time is written.
    pub time_form: TimeForm,
    /// The time zone of a time that names none: `Asia/Shanghai`, `UTC`.
    pub zone: String,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// Seconds since 1970, a part of one allowed.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Date and time, with or without a zone.
    Iso,
}

impl TimeForm {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Seconds, Self::Millis, Self::Iso];

    /// The word in `links.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "millis",
            Self::Iso => "iso",
        }
    }
}
