//! Lines of text of any other form: patterns say where the device and its words stand, and the device's
//! type says what the words mean, so that the next such device needs data and no code. The contract is
//! written down in `firmware-contracts/lines/v1/frame.md`.
//!
//! The first pattern that matches reads a line; none may take more than time in proportion to the line,
//! which the engine of expressions promises, and their size has a limit. A pattern's own name is a word,
//! too, `line=call`, so that a panel that prints nothing but a channel's number can be read. Every word
//! is an event each time. A line that matches nothing names nobody: it is counted, not guessed at.

use regex::{Captures, Regex, RegexBuilder};

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings};
use crate::terms::{At, Decoded, Decoder, Inbound, LinePattern, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "lines";
/// Longest line in bytes. Own choice: what fits into a wide screen's row, four times.
pub const TEXT_LINE_MAX: usize = 512;
/// Groups that are no words: who it is in parts, and what is known of the device beside its words.
const BATTERY: &str = "battery";
const SIGNAL: &str = "signal";

/// Reads the lines of one port.
#[derive(Debug, Clone)]
pub struct TextLines {
    field: Field,
    patterns: Vec<(LinePattern, Regex)>,
}

impl TextLines {
    /// A reader with nothing remembered. A pattern that cannot be compiled matches nothing.
    pub fn new(patterns: &[LinePattern], settings: FieldSettings) -> Self {
        let compiled = |pattern: &LinePattern| {
            let built = RegexBuilder::new(&pattern.pattern)
                .size_limit(LinePattern::SIZE_MAX)
                .build()
                .ok()?;
            Some((pattern.clone(), built))
        };
        let patterns = patterns.iter().filter_map(compiled).collect();
        Self { field: Field::new(FAMILY, settings), patterns }
    }
}

/// What a line says that a pattern matches.
fn matched(
    field: &mut Field,
    heard: Heard<'_>,
    (pattern, regex): &(LinePattern, Regex),
    found: &Captures<'_>,
) -> Vec<Decoded> {
    if pattern.ignore {
        let line = field.id(&heard.inbound.topic);
        return vec![Decoded::Report(heard.report(line, What::Telemetry))];
    }
    let group = |name: &str| found.name(name).map(|said| said.as_str());
    let Some(name) = filled(&pattern.device, group).filter(|name| !name.is_empty()) else {
        return vec![heard.refusal(None, RefusalReason::Malformed)];
    };
    let mut told = field.told(heard, &name, None);
    told.battery(group(BATTERY).and_then(|said| said.trim().parse().ok()));
    let of_device = |name: &&str| pattern.device.contains(&format!("{{{name}}}"));
    let names = regex.capture_names().flatten();
    let words = names.filter(|name| ![BATTERY, SIGNAL].contains(name) && !of_device(name));
    let words = words.filter_map(|name| Some((name, group(name)?)));
    let mut is_known = false;
    for (path, value) in [("line", pattern.name.as_str())].into_iter().chain(words) {
        let means = told.find(path, value);
        is_known |= means.is_some();
        means.into_iter().for_each(|means| told.means(means));
    }
    if !is_known && told.is_life_safety() {
        told.refuse(RefusalReason::UnknownKind);
    }
    told.end()
}

fn by((_, regex): &(LinePattern, Regex)) -> &Regex {
    regex
}

/// A device's name with what the groups hold in place of `{group}`; `None` where one holds nothing.
fn filled<'t>(template: &str, group: impl Fn(&str) -> Option<&'t str>) -> Option<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (wanted, after) = after.split_once('}')?;
        name.push_str(before);
        name.push_str(group(wanted)?.trim());
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

impl Decoder for TextLines {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        if inbound.bytes.len() > TEXT_LINE_MAX {
            return vec![heard.refusal(None, RefusalReason::TooLong)];
        }
        let text = String::from_utf8_lossy(&inbound.bytes);
        let text = text.trim();
        let Self { field, patterns } = self;
        let read = |pattern| Some((pattern, by(pattern).captures(text)?));
        match patterns.iter().find_map(read) {
            Some((pattern, found)) => matched(field, heard, pattern, &found),
            None => vec![heard.refusal(None, RefusalReason::UnknownKind)],
        }
    }
}

impl FieldReader for TextLines {
    fn claims(&self, _topic: &str) -> bool {
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        self.field.set(settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_filled_from_groups_and_is_none_where_one_holds_nothing() {
        let group = |name: &str| (name == "channel").then_some(" 12 ");
        assert_eq!(filled("ward-{channel}", group).as_deref(), Some("ward-12"));
        assert_eq!(filled("{channel}/{channel}", group).as_deref(), Some("12/12"));
        assert_eq!(filled("hall", group).as_deref(), Some("hall"));
        assert_eq!(filled("{bed}", group), None);
        assert_eq!(filled("{channel", group), None);
    }
}
