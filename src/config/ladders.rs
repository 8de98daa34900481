//! `ladders.toml`: how people are called for each class, and the waits common to all.
//!
//! The limits stand in oncall.md 3.3 where it has one; the others are own choices, each wide enough
//! for any centre and narrow enough that a slip of a unit is caught.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::codes;
use super::devices::bad_word;
use super::problem::{Findings, Said, Spot};
use super::section::Section;
use super::voice;
use crate::incident::{Carrier, Ladder, Rung, Waits, Who};
use crate::registry::Relation;
use crate::terms::{Class, LineId, PersonId, Wait};

/// What stands in the file, with a place for every name that another file must know.
pub(super) struct Ladders {
    pub(super) ladders: BTreeMap<Class, Ladder>,
    pub(super) waits: Waits,
    /// Whom and by what; `None` when the file does not say.
    pub(super) lead: Option<(Vec<Who>, Vec<Carrier>)>,
    pub(super) second: Option<Vec<Who>>,
    /// Every step, the lead's and the second's lists included.
    pub(super) calls: Vec<Call>,
}

/// One list of people and the carriers they are called by.
pub(super) struct Call {
    pub(super) who: Vec<Said<Who>>,
    pub(super) by: Vec<Said<Carrier>>,
    pub(super) at: Spot,
}

/// Ways to people that the design names and no file here implements yet.
pub(super) const LATER_CARRIERS: [(&str, &str); 1] = [("siren", "the siren comes")];

/// Shortest step and lap: the engine must come to rest between two calls. Own choice.
const STEP_MIN: Wait = Wait(500);
/// Most steps of one ladder. Own choice: nobody can follow more.
const STEPS_MAX: usize = 20;
/// Longest step of an emergency: oncall.md 3.3.
const EMERGENCY_STEP_MAX: Wait = Wait::secs(120);
/// Longest span between two calls to everybody of an urgent class: oncall.md 3.3.
const LAP_MAX: Wait = Wait::secs(300);
/// Longest span from acceptance until the call begins again: oncall.md 3.3.
const ARRIVAL_MAX: Wait = Wait::mins(45);
/// Longest wait of what is not urgent. Own choice: the longest run of holidays.
const QUIET_MAX: Wait = Wait::hours(24 * 9);

/// Longest step of a class; beyond emergencies own choices, after oncall.md 3.3's rows W, H and D.
fn step_max(class: Class) -> Wait {
    match class {
        Class::Emergency | Class::Hazard => EMERGENCY_STEP_MAX,
        Class::Coverage => Wait::mins(10),
        Class::Welfare => Wait::mins(30),
        Class::Fault | Class::Service | Class::Test => QUIET_MAX,
    }
}

pub(super) fn read(mut top: Section<'_>, out: &mut Findings<'_>) -> Ladders {
    let mut calls = Vec::new();
    let mut ladders = BTreeMap::new();
    let whole = out.is_whole(top.at.file);
    if let Some(mut section) = top.section(out, "ladder") {
        for class in Class::ALL {
            if let Some(part) = section.section(out, class.word()) {
                ladders.insert(class, ladder(class, part, out, &mut calls));
            }
        }
        section.end(out);
    }
    for class in Class::ALL {
        if class.is_urgent() && whole && !ladders.contains_key(&class) {
            out.add_to_file(
                &codes::NO_LADDER,
                top.at.file,
                format!("{class} has no ladder"),
                format!("everybody is called at once; add [ladder.{class}] for steps"),
            );
        }
    }
    let waits = top.section(out, "waits").map_or_else(Waits::default, |part| waits(part, out));
    let lead = top.section(out, "lead").map(|mut part| {
        let call = call(&mut part, out);
        voice::check(&call.by, None, out);
        part.end(out);
        let lists = (plain(&call.who), plain(&call.by));
        calls.push(call);
        lists
    });
    let second = top.section(out, "second").map(|mut part| {
        let at = part.at.clone();
        let who = who(&mut part, out);
        part.end(out);
        let list = plain(&who);
        calls.push(Call { who, by: Vec::new(), at });
        list
    });
    if lead.is_none() && whole {
        let message = "nobody is named who is told when a call goes wrong";
        let help = "everybody is told; add [lead] with who and by";
        out.add_to_file(&codes::NO_LEAD, top.at.file, message, help);
    }
    if second.is_none() && whole {
        let message = "nobody is named whom repeated presses add";
        let help = "everybody is called; add [second] with who";
        out.add_to_file(&codes::NO_SECOND, top.at.file, message, help);
    }
    top.end(out);
    Ladders { ladders, waits, lead, second, calls }
}

fn ladder(
    class: Class,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    calls: &mut Vec<Call>,
) -> Ladder {
    let mut ladder = Ladder::with_defaults(class);
    if !section.has("rungs") {
        section.missing(out, "rungs", "add rungs = [{ who = […], by = […], wait = \"60s\" }]");
    }
    let day = section.list(out, "rungs", "a step");
    if let Some(day) = &day {
        if day.value.is_empty() {
            let help = "add a step, or take the whole ladder out: then everybody is called";
            out.add(&codes::EMPTY_LIST, &day.at, format!("{} has no step", section.title), help);
        }
        if class == Class::Hazard && day.value.len() > 1 {
            let help = "put everybody into one step: smoke does not wait for a second one";
            out.add(&codes::HAZARD_HAS_STEPS, &day.at, "a hazard calls everybody at once", help);
        }
    }
    ladder.rungs = rungs(class, day, out, calls);
    let night = section.list(out, "night", "a step");
    if let Some(night) = night.as_ref().filter(|_| class != Class::Coverage) {
        out.add(
            &codes::NIGHT_NOT_FOR_CLASS,
            &night.at,
            format!("{class} is called alike by day and by night"),
            "take night out; who stands there at night is for roster.toml to say",
        );
    }
    ladder.night = rungs(class, night, out, calls);
    laps(class, &mut section, out, &mut ladder);
    arrival(class, &mut section, out, &mut ladder);
    let needs = section.number(out, "needs", 1..=9, u64::from(ladder.needs));
    ladder.needs = u8::try_from(needs).unwrap_or(1);
    turns(class, &mut section, out, &mut ladder);
    section.end(out);
    ladder
}

fn rungs(
    class: Class,
    list: Option<Said<Vec<Section<'_>>>>,
    out: &mut Findings<'_>,
    calls: &mut Vec<Call>,
) -> Vec<Rung> {
    let Some(list) = list else { return Vec::new() };
    if list.value.len() > STEPS_MAX {
        let message = format!("{} steps are more than {STEPS_MAX}", list.value.len());
        out.add(&codes::OUT_OF_RANGE, &list.at, message, "join steps that call the same people");
    }
    let mut rungs = Vec::new();
    for mut part in list.value.into_iter().take(STEPS_MAX) {
        let call = call(&mut part, out);
        voice::check(&call.by, Some(class), out);
        let wait = step_wait(class, &mut part, out);
        part.end(out);
        rungs.push(Rung { who: plain(&call.who), by: plain(&call.by), wait });
        calls.push(call);
    }
    rungs
}

fn step_wait(class: Class, part: &mut Section<'_>, out: &mut Findings<'_>) -> Wait {
    let help = "add wait = \"60s\": how long until the next step";
    if !part.has("wait") {
        part.missing(out, "wait", help);
    }
    let Some(said) = part.duration(out, "wait") else { return EMERGENCY_STEP_MAX };
    let most = step_max(class);
    if said.value < STEP_MIN {
        let message = format!("a step of {} waits for nobody", said.value);
        let help = format!("use at least {STEP_MIN}; 60 s is one call that rings and is heard");
        out.add(&codes::RUNG_WITHOUT_WAIT, &said.at, message, help);
    } else if said.value > most {
        let message = format!("a step of {} is too long for {class}", said.value);
        out.add(&codes::STEP_TOO_LONG, &said.at, message, format!("use at most {most}"));
    }
    said.value
}

fn laps(class: Class, section: &mut Section<'_>, out: &mut Findings<'_>, ladder: &mut Ladder) {
    let most = if class.is_urgent() { LAP_MAX } else { QUIET_MAX };
    for (key, wait) in [("lap", &mut ladder.lap), ("lap_later", &mut ladder.lap_later)] {
        let Some(said) = section.duration(out, key) else { continue };
        if said.value > most {
            let message = format!("{key} of {} is too long for {class}", said.value);
            let help = format!("use at most {most}: nothing may fall silent");
            out.add(&codes::LAP_TOO_LONG, &said.at, message, help);
        } else if said.value < STEP_MIN {
            let message = format!("{key} of {} is too short", said.value);
            out.add(&codes::OUT_OF_RANGE, &said.at, message, format!("use at least {STEP_MIN}"));
        }
        *wait = said.value;
    }
    let settles = section.wait(
        out,
        "lap_settles_after",
        Wait::ZERO..=Wait::hours(24),
        ladder.lap_settles_after,
    );
    ladder.lap_settles_after = settles;
}

fn arrival(class: Class, section: &mut Section<'_>, out: &mut Findings<'_>, ladder: &mut Ladder) {
    let most = if class.is_urgent() { ARRIVAL_MAX } else { QUIET_MAX };
    let pairs = [
        (("remind", "arrive"), &mut ladder.remind, &mut ladder.arrive),
        (
            ("remind_on_site", "arrive_on_site"),
            &mut ladder.remind_on_site,
            &mut ladder.arrive_on_site,
        ),
    ];
    for ((remind_key, arrive_key), remind, arrive) in pairs {
        let remind_said = section.duration(out, remind_key);
        let arrive_said = section.duration(out, arrive_key);
        *remind = remind_said.as_ref().map_or(*remind, |said| said.value);
        *arrive = arrive_said.as_ref().map_or(*arrive, |said| said.value);
        let said = [&remind_said, &arrive_said].into_iter().flatten();
        for short in said.filter(|said| said.value < STEP_MIN) {
            let message = format!("{} is too short for anybody", short.value);
            out.add(&codes::OUT_OF_RANGE, &short.at, message, format!("use at least {STEP_MIN}"));
        }
        if let Some(late) = arrive_said.as_ref().filter(|said| said.value > most) {
            let message = format!("{arrive_key} of {} is too late for {class}", late.value);
            out.add(&codes::ARRIVAL_TOO_LATE, &late.at, message, format!("use at most {most}"));
        }
        if let Some(said) = remind_said.or(arrive_said)
            && *remind >= *arrive
        {
            let message = format!("{remind_key} ({remind}) is not before {arrive_key} ({arrive})");
            let help = "remind first, then call again";
            out.add(&codes::REMIND_AFTER_ARRIVE, &said.at, message, help);
        }
    }
}

fn turns(class: Class, section: &mut Section<'_>, out: &mut Findings<'_>, ladder: &mut Ladder) {
    let work = section.flag(out, "work_hours_only", ladder.work_hours_only);
    if work.value && class.is_urgent() {
        let message = format!("{class} cannot wait for working hours");
        let help = "take work_hours_only out";
        out.add(&codes::URGENT_WAITS_FOR_WORK, &work.at, message, help);
    }
    ladder.work_hours_only = work.value;
    let all = section.flag(out, "all_hands", ladder.all_hands);
    if !all.value && class.is_urgent() {
        let message = format!("the end of {class} calls only its last step again");
        let help = "take all_hands out: then everybody is called";
        out.add(&codes::URGENT_NOT_ALL_HANDS, &all.at, message, help);
    }
    ladder.all_hands = all.value;
    let Some(said) = section.text(out, "becomes") else { return };
    match Class::from_word(said.value) {
        Some(next) if next < class => ladder.becomes = Some(next),
        Some(next) => {
            let message = format!("{class} would turn into {next}, which is not louder");
            let help = "name a higher class: hazard, emergency, welfare, coverage, in this order";
            out.add(&codes::BECOMES_QUIETER, &said.at, message, help);
        }
        None => bad_word(&said, "class", &Class::ALL.map(Class::word), out),
    }
}

fn call(part: &mut Section<'_>, out: &mut Findings<'_>) -> Call {
    let who = who(part, out);
    let by = list(part, out, "by", "name a way, such as by = [\"screen\"]");
    let by = by.into_iter().filter_map(|said| carrier(&said, out)).collect();
    Call { who, by, at: part.at.clone() }
}

fn who(part: &mut Section<'_>, out: &mut Findings<'_>) -> Vec<Said<Who>> {
    let list = list(part, out, "who", "name somebody, such as who = [\"line:first\"]");
    list.into_iter().filter_map(|said| one_of(said, out)).collect()
}

fn list<'a>(
    part: &mut Section<'a>,
    out: &mut Findings<'_>,
    key: &'static str,
    help: &str,
) -> Vec<Said<&'a str>> {
    if !part.has(key) {
        part.missing(out, key, help);
    }
    let Some(list) = part.words(out, key) else { return Vec::new() };
    if list.value.is_empty() {
        out.add(&codes::EMPTY_LIST, &list.at, format!("{key} is empty"), help);
    }
    list.value
}

fn one_of(said: Said<&str>, out: &mut Findings<'_>) -> Option<Said<Who>> {
    let named = match said.value.split_once(':') {
        None if said.value == "everyone" => Some(Ok(Who::Everyone)),
        Some(("line", id)) => Some(LineId::new(id).map(Who::Line)),
        Some(("person", id)) => Some(PersonId::new(id).map(Who::Person)),
        Some(("contact", word)) => Relation::from_word(word).map(|one| Ok(Who::Contact(one))),
        _ => None,
    };
    match named {
        Some(Ok(value)) => Some(Said { value, at: said.at }),
        Some(Err(error)) => {
            out.bad_id(&said.at, "name", &error, "write it as in roster.toml or people.csv");
            None
        }
        None => {
            let message = format!("nobody can be found by {:?}", said.value);
            let help = match said.value.starts_with("contact:") {
                true => {
                    let words = Relation::ALL.map(Relation::word).join(", ");
                    format!("write \"contact:\" and one of {words}")
                }
                false => format!(
                    "write \"line:{0}\", \"person:{0}\" or \"everyone\"",
                    said.value.rsplit(':').next().filter(|id| !id.is_empty()).unwrap_or("NAME")
                ),
            };
            out.add(&codes::BAD_WHO, &said.at, message, help);
            None
        }
    }
}

fn carrier(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Said<Carrier>> {
    if let Some(value) = Carrier::from_word(said.value) {
        return Some(Said { value, at: said.at.clone() });
    }
    match LATER_CARRIERS.into_iter().find(|(word, _)| *word == said.value) {
        Some((word, what)) => out.add(
            &codes::NOT_IN_THIS_VERSION,
            &said.at,
            format!("this version cannot call people by {word}"),
            format!("{what} with a later version; take it out until then"),
        ),
        None => bad_word(said, "carrier", &Carrier::ALL.map(Carrier::word), out),
    }
    None
}

fn plain<T: Clone>(said: &[Said<T>]) -> Vec<T> {
    said.iter().map(|said| said.value.clone()).collect()
}

/// Waits and their ranges. The most for `hazard_repeat` is the 90 s of oncall.md 3.3; the others are
/// own choices around the defaults.
fn waits(mut section: Section<'_>, out: &mut Findings<'_>) -> Waits {
    let mut waits = Waits::default();
    let ranges: [(&'static str, &mut Wait, RangeInclusive<Wait>); 10] = [
        ("bounce", &mut waits.bounce, Wait::ZERO..=Wait::secs(10)),
        ("press_again", &mut waits.press_again, STEP_MIN..=Wait::secs(120)),
        ("reopen", &mut waits.reopen, Wait::ZERO..=Wait::mins(60)),
        ("scene_remind", &mut waits.scene_remind, STEP_MIN..=Wait::hours(2)),
        ("scene_lead", &mut waits.scene_lead, STEP_MIN..=Wait::hours(6)),
        ("scene_district", &mut waits.scene_district, STEP_MIN..=Wait::hours(12)),
        ("hazard_repeat", &mut waits.hazard_repeat, STEP_MIN..=Wait::secs(90)),
        ("silence", &mut waits.silence, Wait::ZERO..=Wait::mins(10)),
        ("follow_up", &mut waits.follow_up, STEP_MIN..=Wait::hours(24 * 7)),
        ("keep", &mut waits.keep, Wait::hours(1)..=Wait::hours(24 * 90)),
    ];
    for (key, wait, range) in ranges {
        *wait = section.wait(out, key, range, *wait);
    }
    let rest = Wait::hours(1)..=Wait::hours(24 * 30);
    waits.code_rest = section.wait(out, "code_rest", rest, waits.code_rest);
    let on_scene = u64::from(waits.hazard_on_scene);
    let on_scene = section.number(out, "hazard_on_scene", 1..=9, on_scene);
    waits.hazard_on_scene = u8::try_from(on_scene).unwrap_or(2);
    section.end(out);
    waits
}
