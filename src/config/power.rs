//! `[power]` of `gateway.toml`: who says what the box runs on.

use super::codes;
use super::problem::Findings;
use super::section::Section;
use super::settings::Power;
use crate::terms::{SupplySource, Wait};

/// How long the mains may be gone before people are called (field notes, 8: power).
const PATIENCE: Wait = Wait::mins(5);
/// Own choice: longer than a switch over takes, shorter than small batteries last.
const PATIENCE_RANGE: std::ops::RangeInclusive<Wait> = Wait::secs(10)..=Wait::hours(1);

pub(super) fn read(top: &mut Section<'_>, out: &mut Findings<'_>) -> Option<Power> {
    let mut section = top.section(out, "power")?;
    let file = section.text(out, "file");
    let ups = section.text(out, "nut");
    let patience = section.wait(out, "call_after", PATIENCE_RANGE, PATIENCE);
    section.later(out, "gpio", "a pin of the board is read");
    let help = "name file = \"/sys/class/power_supply/AC/online\", or nut = \"ups@localhost:3493\"";
    let source = match (file, ups) {
        (Some(file), None) if file.value.starts_with('/') => {
            Some(SupplySource::File(file.value.into()))
        }
        (Some(file), None) => {
            out.add(&codes::POWER_WAY, &file.at, "the file has no whole path", help);
            None
        }
        (None, Some(said)) => {
            let source = SupplySource::nut(said.value);
            if source.is_none() {
                let message = format!("no supply and its server: {:?}", said.value);
                out.add(&codes::POWER_WAY, &said.at, message, help);
            }
            source
        }
        (Some(_), Some(said)) => {
            out.add(&codes::POWER_WAY, &said.at, "[power] has a file and a supply", help);
            None
        }
        (None, None) => {
            if !section.has("gpio") {
                section.missing(out, "file", help);
            }
            None
        }
    };
    section.end(out);
    Some(Power { source: source?, patience })
}
