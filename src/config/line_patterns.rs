//! `[link.serial.NAME.lines.CALL]` of `links.toml`: patterns of lines of text, with named groups for the
//! device and its words.

use regex::{Regex, RegexBuilder};

use super::codes;
use super::problem::{Findings, Said};
use super::section::Section;
use crate::terms::LinePattern;

/// Patterns of one line. Own choice: a panel prints a handful of forms.
const PATTERNS_MAX: usize = 32;
/// Longest pattern in bytes. Own choice: more than anybody can read.
const PATTERN_MAX: usize = 512;
/// What the device is called where the pattern does not say.
const DEVICE: &str = "{device}";

/// Reads all patterns of a line, in the order of the file.
pub(super) fn read_patterns(section: &mut Section<'_>, out: &mut Findings<'_>) -> Vec<LinePattern> {
    let at = section.at.clone();
    let tables = section.named(out, "lines");
    if tables.is_empty() {
        let help = "add [link.serial.NAME.lines.call] with pattern = '…'";
        section.missing(out, "lines", help);
    }
    if tables.len() > PATTERNS_MAX {
        let message = format!("{} patterns on one line", tables.len());
        let help = format!("join some of them: a line has at most {PATTERNS_MAX}");
        out.add(&codes::BAD_PATTERN, &at, message, help);
    }
    let tables = tables.into_iter().take(PATTERNS_MAX);
    tables.filter_map(|(name, table)| read_pattern(&name, table, out)).collect()
}

fn read_pattern(
    name: &Said<&str>,
    mut table: Section<'_>,
    out: &mut Findings<'_>,
) -> Option<LinePattern> {
    let said = table.need_text(out, "pattern", "add pattern = '…', a regular expression");
    let device = table.text(out, "device");
    let ignore = table.flag(out, "ignore", false).value;
    table.end(out);
    let said = said?;
    let regex = compiled(&said, out)?;
    let template = device.as_ref().map_or(DEVICE, |said| said.value);
    let at = device.as_ref().map_or(&said.at, |said| &said.at);
    let missing = groups(template).find(|wanted| {
        wanted.is_none_or(|wanted| !regex.capture_names().flatten().any(|name| name == wanted))
    });
    if let Some(wanted) = missing.filter(|_| !ignore) {
        let message = match wanted {
            Some(wanted) => format!("the pattern has no group {wanted}"),
            None => format!("a brace of {template:?} is not closed"),
        };
        let help = "write (?P<device>…) around the device's name, or device = \"ward-{channel}\" \
                    with (?P<channel>…)";
        out.add(&codes::PATTERN_NAMELESS, at, message, help);
    }
    Some(LinePattern {
        name: name.value.to_owned(),
        pattern: said.value.to_owned(),
        device: template.to_owned(),
        ignore,
    })
}

fn compiled(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Regex> {
    let help = "see the syntax of Rust's regex crate; single quotes keep a backslash as it is";
    if said.value.len() > PATTERN_MAX {
        let message = format!("the pattern is longer than {PATTERN_MAX} bytes");
        out.add(&codes::BAD_PATTERN, &said.at, message, help);
        return None;
    }
    match RegexBuilder::new(said.value).size_limit(LinePattern::SIZE_MAX).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let why = last.trim_start_matches("error: ");
            out.add(&codes::BAD_PATTERN, &said.at, format!("not a pattern: {why}"), help);
            None
        }
    }
}

/// The groups in a device's name; `None` for a brace that is not closed.
fn groups(template: &str) -> impl Iterator<Item = Option<&str>> {
    template.split('{').skip(1).map(|rest| rest.split_once('}').map(|(group, _)| group))
}
