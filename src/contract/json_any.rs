//! JSON of any other form: a source says where the device, its words, its battery and its time stand, and
//! the device's type says what the words mean. The contract is written down in
//! `firmware-contracts/json/v1/frame.md`.
//!
//! A payload that is no object is one value with an empty path, so that a bare `ON` is read as well. The
//! device's time goes into the record beside the hub's and moves nothing: a clock that stands still must
//! not turn the second press into the first. One that cannot be, or that nobody can read, is none.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, leaves, scalar, within_limit};
use super::json;
use crate::terms::{
    At, Decoded, Decoder, Inbound, JsonSource, Mark, RefusalReason, TimeForm, Wall,
};

/// The family of an unregistered device's address.
const FAMILY: &str = "json";
/// Records read of one message; the rest is passed over. Own choice: a ward of beds.
const RECORDS_MAX: usize = 64;
/// Times that a device may name: from 2000 to 2200, in milliseconds since 1970. Before and after it is a
/// clock that was never set.
const TIMES: std::ops::Range<i64> = 946_684_800_000..7_258_118_400_000;

/// Reads one source.
#[derive(Debug, Clone)]
pub struct JsonAny {
    field: Field,
    source: JsonSource,
    zone: TimeZone,
}

impl JsonAny {
    /// A reader with nothing remembered. A zone that is not known counts as UTC.
    pub fn new(source: JsonSource, settings: FieldSettings) -> Self {
        let zone = TimeZoneDatabase::bundled().get(&source.zone).unwrap_or(TimeZone::UTC);
        Self { field: Field::new(FAMILY, settings), source, zone }
    }

    fn name(&self, topic: &str, record: &Value) -> Option<String> {
        let own = match &self.source.device {
            Some(path) => at(record, path).and_then(scalar)?,
            None => filled(&self.source.topic, topic).flatten()?.to_owned(),
        };
        (!own.is_empty()).then(|| format!("{}/{own}", self.source.name))
    }

    fn record(&mut self, heard: Heard<'_>, record: &Value) -> Vec<Decoded> {
        let Some(name) = self.name(&heard.inbound.topic, record) else {
            return vec![heard.refusal(None, RefusalReason::Malformed)];
        };
        let source = &self.source;
        let find = |path: &Option<String>| path.as_deref().and_then(|path| at(record, path));
        let said_at = find(&source.time).and_then(|time| self.time(time));
        let count = find(&source.count).and_then(Value::as_i64);
        let boot = find(&source.boot).and_then(Value::as_u64);
        let mut told = self.field.told(heard, &name, None);
        told.said_at = said_at;
        told.battery(find(&source.battery).and_then(Value::as_f64));
        let seq = count.and_then(|count| u32::try_from(count).ok());
        let boot = boot.and_then(|boot| u32::try_from(boot).ok());
        told.mark = boot.zip(seq).map(|(boot, seq)| Mark { boot, seq });
        // Without a restart's mark a number says only whether this is the last message again.
        let is_again = told.mark.is_none()
            && told.is_live()
            && count.is_some_and(|count| !told.before.is_another("", count));
        let aside = [&source.device, &source.battery, &source.count, &source.boot, &source.time];
        for (path, word) in leaves(record) {
            if aside.into_iter().flatten().any(|known| *known == path) {
                continue;
            }
            match source.keys.contains(&path) {
                true if is_again => {}
                true => told.tell(Tell::Key, &path, &word),
                false => told.tell(Tell::State, &path, &word),
            }
        }
        let empty = |path: &String| at(record, path).is_some_and(Value::is_null);
        if source.keys.iter().any(empty) && told.is_life_safety() && told.is_live() {
            told.refuse(RefusalReason::EmptySignal);
        }
        told.end()
    }

    fn time(&self, said: &Value) -> Option<Wall> {
        let number = || said.as_f64().or_else(|| said.as_str()?.trim().parse().ok());
        let ms = match self.source.time_form {
            TimeForm::Seconds => whole(number()? * 1000.0)?,
            TimeForm::Millis => whole(number()?)?,
            TimeForm::Iso => {
                let text = said.as_str()?.trim();
                match text.parse::<Timestamp>() {
                    Ok(time) => time.as_millisecond(),
                    Err(_) => {
                        let time: DateTime = text.parse().ok()?;
                        let zoned = time.to_zoned(self.zone.clone()).ok()?;
                        zoned.timestamp().as_millisecond()
                    }
                }
            }
        };
        TIMES.contains(&ms).then_some(Wall(ms))
    }
}

impl Decoder for JsonAny {
    fn take(&mut self, at_hub: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at: at_hub, inbound };
        if !self.claims(&inbound.topic) {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        }
        if inbound.bytes.is_empty() {
            return Vec::new();
        }
        let value = match within_limit(heard).and_then(value) {
            Ok(value) => value,
            Err(reason) => {
                // Whose it is still shows where the topic says so.
                let name = self.name(&inbound.topic, &Value::Null);
                return match name {
                    Some(name) => self.field.refusal(heard, &name, reason),
                    None => vec![heard.refusal(None, reason)],
                };
            }
        };
        match self.source.records.as_deref() {
            None => self.record(heard, &value),
            Some(path) => match at(&value, path).and_then(Value::as_array) {
                Some(records) => {
                    let first = records.iter().take(RECORDS_MAX);
                    first.flat_map(|record| self.record(heard, record)).collect()
                }
                None => vec![heard.refusal(None, RefusalReason::Malformed)],
            },
        }
    }
}

impl FieldReader for JsonAny {
    fn claims(&self, topic: &str) -> bool {
        filled(&self.source.topic, topic).is_some()
    }

    fn set(&mut self, settings: FieldSettings) {
        self.field.set(settings);
    }
}

/// An object or list, or a bare value: a word without quotes is a text.
fn value(bytes: &[u8]) -> Result<Value, RefusalReason> {
    let text = std::str::from_utf8(bytes).map_err(|_| RefusalReason::Malformed)?;
    match json::value(bytes) {
        Err(_) if !text.trim_start().starts_with(['{', '[', '"']) => {
            Ok(Value::String(text.trim().to_owned()))
        }
        read => read,
    }
}

/// The value at a path.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

/// Whether a topic matches a filter, and what stands at its first `+`.
fn filled<'t>(filter: &str, topic: &'t str) -> Option<Option<&'t str>> {
    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    let mut first = None;
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return Some(first),
            (Some("+"), Some(level)) => first = first.or(Some(level)),
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return None,
        }
    }
}

fn whole(number: f64) -> Option<i64> {
    format!("{number:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_matched_by_levels() {
        assert_eq!(filled("info/+/alarm", "info/7/alarm"), Some(Some("7")));
        assert_eq!(filled("info/#", "info/7/alarm"), Some(None));
        assert_eq!(filled("a/+/+", "a/b/c"), Some(Some("b")));
        for other in ["info/7", "info/7/alarm/x", "x/7/alarm"] {
            assert_eq!(filled("info/+/alarm", other), None, "{other}");
        }
    }

    #[test]
    fn a_time_is_read_in_its_form_and_zone_and_an_impossible_one_is_none() {
        let source = |form, zone: &str| JsonSource {
            name: "x".to_owned(),
            topic: "x".to_owned(),
            records: None,
            device: None,
            keys: Vec::new(),
            battery: None,
            count: None,
            boot: None,
            time: None,
            time_form: form,
            zone: zone.to_owned(),
        };
        let time = |form, zone: &str, said: Value| {
            JsonAny::new(source(form, zone), FieldSettings::default()).time(&said)
        };
        let expected = Some(Wall(1_795_221_005_000));
        assert_eq!(time(TimeForm::Seconds, "UTC", 1_795_221_005.into()), expected);
        assert_eq!(time(TimeForm::Seconds, "UTC", "1795221005".into()), expected);
        assert_eq!(time(TimeForm::Millis, "UTC", 1_795_221_005_000_i64.into()), expected);
        let here = "2026-11-21 08:30:05";
        assert_eq!(time(TimeForm::Iso, "Asia/Shanghai", here.into()), expected);
        assert_eq!(time(TimeForm::Iso, "UTC", "2026-11-21T08:30:05+08:00".into()), expected);
        for none in ["2026-13-41T99:99:99", "", "1970-01-01T00:00:07", "9999-12-31T23:59:59Z"] {
            assert_eq!(time(TimeForm::Iso, "UTC", none.into()), None, "{none}");
        }
        assert_eq!(time(TimeForm::Millis, "UTC", f64::MAX.into()), None);
        assert_eq!(time(TimeForm::Seconds, "UTC", Value::Null), None);
    }
}
