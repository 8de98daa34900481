//! The directory that is shipped: a small centre that could open tomorrow.

use anling::config::accepted;
use anling::registry::{Change, Family, Registry};
use anling::roster::DutyBy;
use anling::terms::Wall;

use super::*;

fn shipped() -> Files {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"))
}

#[test]
fn the_shipped_directory_has_nothing_to_say_about() {
    let checked = check(&shipped());
    assert_eq!(render(&checked.problems, &shipped(), Look::Plain, WIDTH), "");
}

#[test]
fn the_shipped_directory_is_a_small_centre() {
    let settings = check(&shipped()).settings.unwrap();
    let count = |is: fn(&Row) -> bool| settings.rows.iter().filter(|row| is(row)).count();
    assert_eq!(count(|row| matches!(row, Row::Resident(_))), 8);
    assert_eq!(count(|row| matches!(row, Row::Device(_))), 12);
    assert_eq!(count(|row| matches!(row, Row::Person(_))), 5);
    assert_eq!(count(|row| matches!(row, Row::Contact(_))), 4);
    assert_eq!(count(|row| matches!(row, Row::Bed(_))), 2);
    assert_eq!(settings.gateway.hub.as_str(), "zs-yunjian");
    assert_eq!(settings.policy.ladders.len(), Class::ALL.len());
    let broker = settings.broker.unwrap();
    assert_eq!(broker.accounts.len(), 8);
    assert_eq!(broker.zigbee_base_topic.as_deref(), Some("zigbee2mqtt"));
}

#[test]
fn what_the_shipped_ladders_say_is_what_the_engine_gets() {
    let settings = check(&shipped()).settings.unwrap();
    let emergency = &settings.policy.ladders[&Class::Emergency];
    assert_eq!(emergency.rungs.len(), 3);
    assert_eq!(emergency.rungs[0].who, [Who::Line(LineId::new("first").unwrap())]);
    assert_eq!(emergency.rungs[0].wait, Wait::secs(60));
    assert_eq!(emergency.lap, Wait::secs(120));
    // What the file does not say is the engine's own default.
    let hazard = &settings.policy.ladders[&Class::Hazard];
    let expected = Ladder { rungs: hazard.rungs.clone(), ..Ladder::with_defaults(Class::Hazard) };
    assert_eq!(*hazard, expected);
    assert_eq!(settings.policy.ladders[&Class::Coverage].night.len(), 1);
}

#[test]
fn every_hour_of_the_shipped_plan_is_somebodys() {
    let settings = check(&shipped()).settings.unwrap();
    let mut registry = Registry::default();
    settings.rows.iter().for_each(|row| registry.apply(&Change::Set(row.clone())));
    // Monday, 5 January 2026, 00:00 in Shanghai.
    let monday = Wall(1_767_542_400_000);
    let shifts = settings.roster.plan(&registry, monday, 7);
    for line in ["first", "second", "lead"] {
        let mut shifts = shifts.iter().filter(|shift| shift.line.as_str() == line).peekable();
        assert!(shifts.peek().is_some(), "{line} stands in no plan");
        assert!(shifts.all(|shift| shift.duty.by == DutyBy::Rule), "{line} has a gap");
    }
}

#[test]
fn a_kept_copy_of_the_shipped_directory_can_be_started_on() {
    let state = tempfile::tempdir().unwrap();
    accepted::save(state.path(), &shipped()).unwrap();
    let checked = check(&accepted::load(state.path()).unwrap().unwrap());
    assert_eq!(codes_of(&checked), ["registry-file-missing"; 4]);
    let settings = checked.settings.unwrap();
    let whole = check(&shipped()).settings.unwrap();
    assert_eq!((settings.policy, settings.roster), (whole.policy, whole.roster));
}

/// A file with everything in it that is commented out for the technician.
fn turned_on(shipped: &Files, file: &str) -> Files {
    let text = shipped.text(file).unwrap();
    let on: Vec<String> = text
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").filter(|rest| {
                rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
            });
            key.unwrap_or(line).to_owned()
        })
        .collect();
    edited(shipped, &[(file.into(), "*".into(), on.join("\n"))])
}

#[test]
fn the_platform_that_is_commented_out_can_be_turned_on() {
    let files = turned_on(&shipped(), "district.toml");
    let checked = check(&files);
    assert_eq!(render(&checked.problems, &files, Look::Plain, WIDTH), "");
    let settings = checked.settings.unwrap();
    assert_eq!(settings.platforms.len(), 2);
    assert!(settings.platforms.keys().all(|id| settings.policy.endpoints.contains_key(id)));
}

#[test]
fn what_is_commented_out_for_the_technician_can_be_turned_on() {
    let shipped = shipped();
    let files = turned_on(&shipped, "notify.toml");
    let links = shipped.text("links.toml").unwrap();
    let (before, modem) = links.split_once("# [link.modem.front]").unwrap();
    let (modem, after) = modem.split_once("\n\n").unwrap();
    let modem = modem.replace("\n# ", "\n");
    let links = format!("{before}[link.modem.front]{modem}\n\n{after}");
    let files = edited(&files, &[("links.toml".to_owned(), "*".to_owned(), links)]);
    let checked = check(&files);
    assert_eq!(render(&checked.problems, &files, Look::Plain, WIDTH), "");
    let settings = checked.settings.unwrap();
    assert_eq!(settings.modems.len(), 1);
    let notify = settings.notify;
    assert_eq!(notify.sms.unwrap().modems, ["front"]);
    let voice = notify.voice.unwrap();
    assert_eq!((voice.ring, voice.wav_dir.as_deref()), (Wait::secs(28), Some("E:/")));
    assert_eq!(notify.mail.unwrap().relays.len(), 1);
    assert_eq!(notify.bots.values().flatten().count(), 6);
    assert_eq!(notify.webhooks.len(), 2);
}

#[test]
fn the_bridged_families_that_are_commented_out_can_be_turned_on() {
    let shipped = shipped();
    let turned_on = |line: &str| {
        let rest = line.strip_prefix("# ").filter(|rest| {
            rest.starts_with('[')
                || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        });
        rest.unwrap_or(line).to_owned()
    };
    let links = shipped.text("links.toml").unwrap();
    let (before, families) = links.split_once("# [link.broker.chirpstack]").unwrap();
    let (families, after) = families.split_once("\n\n").unwrap();
    let families: Vec<String> = families.lines().skip(1).map(turned_on).collect();
    let families = families.join("\n");
    let links = format!("{before}[link.broker.chirpstack]\n{families}\n\n{after}");
    let types: Vec<String> = shipped.text("devices.toml").unwrap().lines().map(turned_on).collect();
    let whole = |file: &str, text: String| (file.to_owned(), "*".to_owned(), text);
    let edits = [whole("links.toml", links), whole("devices.toml", types.join("\n"))];
    let files = edited(&shipped, &edits);
    let checked = check(&files);
    assert_eq!(render(&checked.problems, &files, Look::Plain, WIDTH), "");
    let bridged = checked.settings.unwrap().broker.unwrap().bridged;
    assert_eq!((bridged.families.len(), bridged.sources.len()), (Family::BRIDGED.len(), 1));
}

#[test]
fn the_panels_that_are_commented_out_can_be_turned_on() {
    let shipped = shipped();
    let links = shipped.text("links.toml").unwrap();
    let (before, panels) = links.split_once("# [link.modbus.ward]").unwrap();
    let (panels, after) = panels.split_once("\n\n").unwrap();
    let panels: Vec<&str> =
        panels.lines().skip(1).map(|line| line.strip_prefix("# ").unwrap()).collect();
    let links = format!("{before}[link.modbus.ward]\n{}\n\n{after}", panels.join("\n"));
    let files = edited(&shipped, &[("links.toml".into(), "*".into(), links)]);
    let checked = check(&files);
    assert_eq!(codes_of(&checked), ["point-unregistered"; 2], "nobody has registered them yet");
    let modbus = checked.settings.unwrap().modbus;
    let line = modbus.values().next().unwrap();
    assert_eq!((line.points.len(), line.panels[&1].as_str()), (2, "三楼护理站"));
    assert_eq!(line.points[0].lamp, Some(2));
}
