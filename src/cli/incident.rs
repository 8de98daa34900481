//! `anling incident CODE …`: see an incident, in memory or in the archive, and move it as a named
//! person.

use std::fmt::Write as _;

use clap::Subcommand;

use super::loading::{ask, load_or_accepted, odd_answer};
use super::{Dirs, Failure, Outcome, print_json, print_text};
use crate::counter::{About, Ask, IncidentView, Moved, NOTE_MAX_BYTES, NextStep, Reply};
use crate::exit;
use crate::incident::{Contact, Ending, Move, Responder, Via};
use crate::terms::{Code, PersonId, Wall, plain};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The incident's code: A17
    code: String,
    /// Who is speaking: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON", global = true)]
    by: Option<String>,
    /// A note with it
    #[arg(long, global = true, value_name = "TEXT")]
    with_note: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    says: Option<Says>,
}

#[derive(Debug, Subcommand)]
enum Says {
    /// I am coming
    Accept,
    /// I cannot come
    Decline,
    /// I have set out
    OnTheWay,
    /// I am there
    Arrive,
    /// I am still there, and well
    StillHere,
    /// I need one more person
    NeedHelp,
    /// It is over
    Resolve {
        /// How it ended
        #[arg(long, default_value = "helped", value_parser = ending)]
        ending: Ending,
        /// I spoke with the resident and nobody had to be there
        #[arg(long)]
        by_phone: bool,
    },
    /// It was nothing
    FalseAlarm {
        /// I spoke with the resident
        #[arg(long, conflicts_with = "visit")]
        by_phone: bool,
        /// I was there
        #[arg(long)]
        visit: bool,
    },
    /// Afterwards: how the resident is
    FollowUp {
        /// The resident's score
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
        score: Option<u8>,
        /// There was a complaint
        #[arg(long)]
        complaint: bool,
    },
    /// A note and nothing else
    Note {
        /// The words
        text: String,
    },
    /// Be quiet in the duty room for two minutes
    Silence,
    /// I take it from whoever has it
    TakeOver,
}

fn ending(word: &str) -> Result<Ending, String> {
    Ending::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Ending::ALL.iter().map(|e| e.word()).collect();
        format!("choose one of {}", words.join(", "))
    })
}

/// What an open incident's own device has said since: it calls on until a person has looked.
pub(super) fn told_since(view: &IncidentView) -> Option<&'static str> {
    match (view.ending.is_none(), view.cancelled, view.back_to_normal) {
        (true, true, _) => Some("the resident cancelled: verify"),
        (true, false, true) => Some("back to normal"),
        _ => None,
    }
}

/// What stands below calls that no disk has taken.
pub(super) const AT_RISK: &str = "IN MEMORY ONLY, the disk fails: see `anling status`\n";

pub(super) fn incident(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let Some(code) = Code::parse(&args.code) else {
        let says = format!("{} is no incident code: write it like A17", args.code);
        return Err(Failure::new(exit::USAGE, says));
    };
    let Some(says) = &args.says else {
        if args.by.is_some() || args.with_note.is_some() {
            let says = format!("{code}: say what you do, or leave out --as and --with-note");
            return Err(Failure::new(exit::USAGE, format!("{says}: see `anling incident --help`")));
        }
        let Reply::Incident(view) = ask(dirs, &Ask::Incident { code })? else {
            return Err(odd_answer());
        };
        return if args.json { print_json(&view) } else { print_text(&card(dirs, &view)) };
    };
    let Some(by) = &args.by else {
        let says = "say who you are: --as PERSON, an id or a name of people.csv";
        return Err(Failure::new(exit::USAGE, says));
    };
    let words = words(says, args.with_note.as_deref())?;
    let by = person(dirs, by)?;
    let about = About::Code(code);
    let says = moved(says);
    let asked = Ask::Say { about, by, via: Via::Command, epoch: None, says, words, word: None };
    let Reply::Moved(moved) = ask(dirs, &asked)? else { return Err(odd_answer()) };
    if args.json {
        print_json(&moved)?;
    } else if moved.ignored.is_none() {
        print_text(&taken(&moved))?;
    }
    match &moved.ignored {
        Some(why) => Err(Failure::new(exit::NOT_RIGHT, format!("{code}: nothing changed: {why}"))),
        None => Ok(()),
    }
}

/// The person meant, by the hub's own registry: the files may say otherwise.
pub(super) fn person(dirs: Dirs<'_>, said: &str) -> Result<PersonId, Failure> {
    if said.trim().is_empty() {
        return Err(Failure::new(exit::USAGE, "--as is empty: give a person's id or name"));
    }
    match ask(dirs, &Ask::Person { said: said.to_owned() })? {
        Reply::Person(id) => Ok(id),
        _ => Err(odd_answer()),
    }
}

/// The note that goes with a move. Nothing of it is dropped in silence: a second text, one of blanks
/// and one that the hub would cut are refused.
fn words(says: &Says, with_note: Option<&str>) -> Result<Option<String>, Failure> {
    let text = match (says, with_note) {
        (Says::Note { .. }, Some(_)) => {
            let says = "a note has one text: leave out --with-note, or give two notes";
            return Err(Failure::new(exit::USAGE, says));
        }
        (Says::Note { text }, None) => text.as_str(),
        (_, Some(text)) => text,
        (_, None) => return Ok(None),
    };
    if text.trim().is_empty() {
        return Err(Failure::new(exit::USAGE, "the note is empty: write what there is to say"));
    }
    if text.len() > NOTE_MAX_BYTES {
        let says = format!("a note has at most {NOTE_MAX_BYTES} bytes, this one {}", text.len());
        return Err(Failure::new(exit::USAGE, format!("{says}: shorten it, or give two notes")));
    }
    Ok(Some(text.to_owned()))
}

fn moved(says: &Says) -> Move {
    match says {
        Says::Accept => Move::Accept,
        Says::Decline => Move::Decline,
        Says::OnTheWay => Move::OnTheWay,
        Says::Arrive => Move::Arrive,
        Says::StillHere => Move::StillHere,
        Says::NeedHelp => Move::NeedHelp,
        Says::Resolve { ending, by_phone } => {
            Move::Resolve { ending: *ending, contact: by_phone.then_some(Contact::Voice) }
        }
        Says::FalseAlarm { by_phone, visit } => Move::FalseAlarm {
            contact: match (by_phone, visit) {
                (_, true) => Some(Contact::Visit),
                (true, false) => Some(Contact::Voice),
                (false, false) => None,
            },
        },
        Says::FollowUp { score, complaint } => {
            Move::FollowUp { score: *score, complaint: *complaint }
        }
        Says::Note { .. } => Move::Note,
        Says::Silence => Move::Silence,
        Says::TakeOver => Move::TakeOver,
    }
}

fn taken(moved: &Moved) -> String {
    let (code, stage) = (moved.code, moved.stage.word().replace('_', " "));
    match moved.stored_at {
        Some(_) => format!("{code}: taken down and on disk; the incident is {stage}\n"),
        None => format!(
            "{code}: taken down in memory only, because the disk fails: see `anling status`; the \
             incident is {stage}\n"
        ),
    }
}

/// One incident as a person reads it.
fn card(dirs: Dirs<'_>, view: &IncidentView) -> String {
    let roster = load_or_accepted(dirs).ok().map(|loaded| loaded.settings.roster);
    // Of an incident that has left memory the day matters as much as the hour.
    let day = if view.filed { "%Y-%m-%d %H:%M:%S" } else { "%H:%M:%S" };
    let time = |wall: Option<Wall>| {
        wall.and_then(|wall| roster.as_ref()?.civil(wall)).map(|c| c.strftime(day).to_string())
    };
    let stage = view.stage.word().replace('_', " ");
    let mut card = format!("{} {} ({}), {stage}\n", view.code, view.about(), view.class);
    let _ = writeln!(card, "  where     {}", view.place);
    if !view.residents.is_empty() {
        let _ = writeln!(card, "  who       {}", view.residents);
    }
    let pressed = match view.presses {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    let _ = writeln!(card, "  device    {}, heard {pressed}", view.device);
    if let Some(said) = told_since(view) {
        let _ = writeln!(card, "  since     {said}; it is open until a person closes it");
    }
    let times = &view.times;
    for (word, at) in [
        ("raised", times.raised),
        ("accepted", times.accepted),
        ("on the way", times.on_the_way),
        ("on scene", times.on_scene),
        ("closed", times.resolved),
        ("followed up", times.followed_up),
    ] {
        if let Some(at) = time(at) {
            let _ = writeln!(card, "  {at}  {word}");
        }
    }
    for person in &view.people {
        let _ = writeln!(card, "  {:<9} {} ({})", is(person.is), person.name, person.id);
    }
    if let Some(NextStep { what, in_ms }) = &view.next {
        let _ = writeln!(card, "  next      {what}, in {}", ago(*in_ms));
    }
    if let Some(ending) = &view.ending {
        let by = view.closed_by.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let _ = writeln!(card, "  ended     {ending}{by}");
    }
    for note in &view.notes {
        let _ = writeln!(card, "  note      {}", plain(note));
    }
    if !view.on_disk {
        let _ = write!(card, "  record    {AT_RISK}");
    }
    card
}

fn is(what: Responder) -> &'static str {
    match what {
        Responder::Called => "called",
        Responder::Accepted => "accepted",
        Responder::OnTheWay => "under way",
        Responder::OnScene => "on scene",
        Responder::Declined => "declined",
        Responder::TimedOut => "late",
        Responder::Done => "released",
    }
}

/// A span as people say it.
pub(super) fn ago(ms: u64) -> String {
    let secs = ms / 1000;
    match secs {
        0..=99 => format!("{secs} s"),
        100..=5_999 => format!("{} min", secs / 60),
        6_000..=172_799 => format!("{} h", secs / 3600),
        _ => format!("{} d", secs / 86_400),
    }
}
