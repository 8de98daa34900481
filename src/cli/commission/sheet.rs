//! The sheet of a home that was commissioned: a page to print and to sign, in the words of the house.

use std::collections::BTreeMap;

use askama::Template;

use super::super::Failure;
use super::{Seen, step_line};
use crate::counter::{Status, WorkView};
use crate::exit;
use crate::registry::Registry;
use crate::terms::{DeviceId, HomeId, plain};

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet<'a> {
    site: &'a str,
    home: String,
    place: String,
    residents: String,
    day: String,
    trusted: bool,
    technician: &'a str,
    passed: bool,
    points: Vec<Line>,
}

/// One point on it.
struct Line {
    device: String,
    label: String,
    place: String,
    heard: String,
    text: String,
    steps: Vec<String>,
    verdict: &'static str,
}

/// The page.
///
/// # Errors
/// When it cannot be written, which is a bug.
pub(super) fn page(
    status: &Status,
    home: &HomeId,
    registry: &Registry,
    work: &WorkView,
    seen: &BTreeMap<DeviceId, Seen>,
) -> Result<String, Failure> {
    let points: Vec<Line> = work
        .points
        .iter()
        .map(|point| {
            let seen = seen.get(&point.device);
            let heard: Vec<&str> = point.heard.iter().map(|kind| kind.word()).collect();
            Line {
                device: point.device.to_string(),
                label: point.label.clone(),
                place: plain(&point.place),
                heard: heard.join("、"),
                text: seen.map(|seen| plain(&seen.dry_run.text)).unwrap_or_default(),
                steps: seen
                    .map(|seen| seen.dry_run.steps.iter().map(step_line).collect())
                    .unwrap_or_default(),
                verdict: match seen {
                    None => "未收到",
                    Some(seen) if !seen.words_right => "内容未确认",
                    Some(seen) if !seen.dry_run.reaches_somebody() => "第一步叫不到人",
                    Some(_) => "合格",
                },
            }
        })
        .collect();
    let names: Vec<String> = registry
        .residents_of(home)
        .filter_map(|id| registry.resident(id))
        .map(|row| plain(&row.name))
        .collect();
    let day = jiff::Timestamp::from_millisecond(status.wall.0)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default();
    let sheet = Sheet {
        site: &status.site,
        home: home.to_string(),
        place: registry.home(home).map(|row| plain(&row.place)).unwrap_or_default(),
        residents: names.join("、"),
        day,
        trusted: status.clock_trusted,
        technician: &work.name,
        passed: work.points.iter().all(|point| seen.get(&point.device).is_some_and(Seen::passes)),
        points,
    };
    sheet.render().map_err(|error| Failure::of(exit::BUG, &error))
}
