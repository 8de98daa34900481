//! `[link.broker.json.NAME]`, `[link.mqtt.NAME.json.NAME]` and `[signals.NAME.json]` of `links.toml`: JSON
//! of any form, by the paths where its values stand.

use jiff::tz::TimeZoneDatabase;

use super::codes;
use super::devices::bad_word;
use super::links::is_filter;
use super::problem::{Findings, Said};
use super::section::Section;
use crate::terms::{JsonSource, TimeForm};

/// Longest name of a source in bytes. Own choice: it stands before each of its devices' names.
const NAME_MAX: usize = 32;

/// Whether a name can stand before those of a source's devices; if not, that is said.
pub(super) fn is_source_name(name: &Said<&str>, out: &mut Findings<'_>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_word = !name.value.is_empty() && name.value.len() <= NAME_MAX;
    let fits = is_word && name.value.chars().all(plain);
    if !fits {
        let message = format!("not a source's name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as mats");
    }
    fits
}

/// Reads one source on a broker; with its topic where it is named.
pub(super) fn read_source(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
) -> Option<JsonSource> {
    is_source_name(name, out);
    let topic = section.need_text(out, "topic", "add topic = \"…\", such as \"info/+/alarm\"");
    if let Some(bad) = topic.as_ref().filter(|said| !is_filter(said.value)) {
        let message = format!("not a topic filter: {:?}", bad.value);
        let help = "+ stands for one whole level, # for all that follow and only at the end";
        out.add(&codes::BAD_FILTER, &bad.at, message, help);
    }
    let source = read_paths(name, topic.as_ref().map_or("", |said| said.value), section, out);
    if let Some(said) =
        topic.as_ref().filter(|said| source.device.is_none() && !said.value.contains('+'))
    {
        let message = "nothing says which device a message is from";
        let help = "add device = \"…\", its path in the message, or a + to the topic";
        out.add(&codes::SOURCE_NAMELESS, &said.at, message, help);
    }
    topic.map(|_| source)
}

/// Reads where the values of a source stand.
pub(super) fn read_paths(
    name: &Said<&str>,
    topic: &str,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
) -> JsonSource {
    let text = |section: &mut Section<'_>, out: &mut Findings<'_>, key| {
        section.text(out, key).map(|said| said.value.to_owned())
    };
    let records = text(&mut section, out, "records");
    let device = text(&mut section, out, "device");
    let keys = section.words(out, "keys").map_or_else(Vec::new, |list| list.value);
    let battery = text(&mut section, out, "battery");
    let count = text(&mut section, out, "count");
    let boot = text(&mut section, out, "boot");
    let time = text(&mut section, out, "time");
    let form = section.text(out, "time_form");
    let known = |said: &Said<&str>| TimeForm::ALL.into_iter().find(|f| f.word() == said.value);
    if let Some(said) = form.as_ref().filter(|said| known(said).is_none()) {
        bad_word(said, "form of a time", &TimeForm::ALL.map(TimeForm::word), out);
    }
    let zone = section.text(out, "zone");
    let is_zone = |name: &str| TimeZoneDatabase::bundled().get(name).is_ok();
    if let Some(said) = zone.as_ref().filter(|said| !is_zone(said.value)) {
        let message = format!("no time zone is called {:?}", said.value);
        out.add(&codes::UNKNOWN_ZONE, &said.at, message, "write it as \"Asia/Shanghai\"");
    }
    section.end(out);
    JsonSource {
        name: name.value.to_owned(),
        topic: topic.to_owned(),
        records,
        device,
        keys: keys.into_iter().map(|said| said.value.to_owned()).collect(),
        battery,
        count,
        boot,
        time,
        time_form: form.as_ref().and_then(known).unwrap_or(TimeForm::Iso),
        zone: zone.map_or("Asia/Shanghai", |said| said.value).to_owned(),
    }
}
