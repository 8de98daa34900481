//! `[station.NAME]` of `gateway.toml`: the stations of a hub that serves several.

use std::collections::BTreeMap;

use super::codes;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::SITE_MAX_UNITS;
use super::values::utf16_len;
use crate::roster::Station;
use crate::terms::{LineId, StationId};

/// Most stations of one hub. Own choice: a hub is made for 500 residents.
const STATIONS_MAX: usize = 20;

/// What stands in the file, with a place for every line that it names.
#[derive(Default)]
pub(super) struct Stations {
    pub(super) stations: BTreeMap<StationId, Station>,
    pub(super) lines: Vec<Said<LineId>>,
}

pub(super) fn read(top: &mut Section<'_>, out: &mut Findings<'_>) -> Stations {
    let mut read = Stations::default();
    for (name, mut section) in top.named(out, "station") {
        let id = StationId::new(name.value)
            .map_err(|error| {
                out.bad_id(&name.at, "station's name", &error, "use letters and dashes")
            })
            .ok();
        let label = section.need_text(out, "label", "write what staff call it, such as 河畔驿站");
        let label = label.map_or_else(String::new, |said| {
            if utf16_len(said.value) > SITE_MAX_UNITS {
                let message = format!("the label is longer than {SITE_MAX_UNITS} characters");
                out.add(&codes::TOO_LONG, &said.at, message, "shorten it: it stands in messages");
            }
            said.value.trim().to_owned()
        });
        let mut lines = BTreeMap::new();
        for (shared, own) in section.pairs(out, "lines") {
            let [shared, own] = [shared, own].map(|said| line(&said, out));
            if let (Some(shared), Some(own)) = (shared, own) {
                read.lines.extend([shared.clone(), own.clone()]);
                lines.insert(shared.value, own.value);
            }
        }
        if read.stations.len() == STATIONS_MAX {
            let message = format!("more than {STATIONS_MAX} stations");
            out.add(&codes::OUT_OF_RANGE, &name.at, message, "give them a hub of their own");
        } else if let Some(id) = id {
            read.stations.insert(id, Station { label, lines });
        }
        section.end(out);
    }
    read
}

fn line(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Said<LineId>> {
    match LineId::new(said.value) {
        Ok(value) => Some(Said { value, at: said.at.clone() }),
        Err(error) => {
            out.bad_id(&said.at, "line", &error, "write it as in roster.toml");
            None
        }
    }
}
