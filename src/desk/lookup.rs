//! Looking up: what memory does not hold is asked of the archive, and answered once it has answered.
//!
//! The desk asks and goes on; the answer comes back as a message like any other, and is put into
//! words with the names of that moment. An archive that is being rebuilt, is off or does not answer
//! in time is part of the answer and no error: what memory holds is shown all the same.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::answers::{no_incident, refused};
use super::vitals::turned;
use super::{Desk, Turn};
use crate::archive::{
    Answer, Figures, Found, Past, Question, ResponseTimes, Source, State, Trace, TraceEvent,
};
use crate::counter::{
    Amiss, ArchiveView, Ask, DeviceCount, HistoryView, IncidentView, PAST_DAYS, PAST_MAX, PastView,
    RaisedView, Reply, ResponseView, SILENT_SHOWN, SilentView, TRACES_MAX, TraceView, When,
};
use crate::incident::Entry;
use crate::journal::{Disk, follow};
use crate::terms::{At, DeviceId, Kind, Seq, Wait, Wall};

/// How long the archive may take to answer; then the rest is answered without it. Own choice: a
/// person still waits for it, and a socket gives up after 10 s.
const WITHIN: Wait = Wait::secs(3);
/// How often the archive is told who was heard.
const HEARD_EVERY: Wait = Wait::mins(5);
/// A device that was heard within this is not silent.
const SILENT_AFTER: Wait = Wait::hours(1);
const DAY_MS: i64 = 24 * 3_600_000;

/// The record as the archive reads it.
pub(super) struct Record {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
}

impl Source for Record {
    fn read(
        &self,
        after: Seq,
        upto: Seq,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut each = |record: crate::journal::Record| {
            match Entry::from_body(record.seq, record.at, record.wall, &record.body) {
                Ok(entry) => each(entry),
                // The start has counted it and raised the trouble.
                Err(_) => ControlFlow::Continue(()),
            }
        };
        Ok(follow(self.disk.as_ref(), &self.dir, after, upto, &mut each)?)
    }
}

/// A question that has come back from the archive.
pub(super) struct Sought {
    ask: Ask,
    reply: oneshot::Sender<Reply>,
    /// None when it did not answer in time.
    answer: Option<Answer>,
}

/// What the desk remembers of its dealings with the archive.
pub(super) struct Lookup {
    tell: mpsc::Sender<Sought>,
    heard_told: At,
    damaged: u32,
    /// What people were last told; none before its standing is known.
    broken: Option<bool>,
}

impl Lookup {
    pub(super) fn new(tell: mpsc::Sender<Sought>, now: At) -> Self {
        Self { tell, heard_told: now, damaged: 0, broken: None }
    }
}

impl Desk {
    /// Asks the archive; the answer comes back as a [`Sought`].
    pub(super) fn seek(&mut self, turn: &mut Turn, ask: Ask, reply: oneshot::Sender<Reply>) {
        let question = match self.question(&ask) {
            Ok(question) => question,
            Err(why) => {
                turn.replies.push((self.shown(turn), (reply, refused(why))));
                return;
            }
        };
        let (tell, told) = oneshot::channel();
        let taken = self.archive.ask(question, move |answer| {
            // Nobody may be waiting any more.
            let _ = tell.send(answer);
        });
        if !taken {
            return self.found(turn, Sought { ask, reply, answer: None });
        }
        let back = self.lookup.tell.clone();
        tokio::spawn(async move {
            let answer = timeout(WITHIN.std(), told).await.ok().and_then(Result::ok);
            // A stopping desk answers no more.
            let _ = back.send(Sought { ask, reply, answer }).await;
        });
    }

    fn question(&self, ask: &Ask) -> Result<Question, &'static str> {
        match ask {
            Ask::Past { from, to, days } => {
                let (from, to) = self.span(*from, *to, *days)?;
                Ok(Question::Span { from, to, most: PAST_MAX })
            }
            Ask::History { device, most } => {
                let most = most.unwrap_or(TRACES_MAX).min(TRACES_MAX);
                Ok(Question::History { device: device.clone(), most })
            }
            Ask::Incident { code } => Ok(Question::Code(*code)),
            Ask::IncidentById { id, .. } => Ok(Question::Id(*id)),
            _ => Err("the archive is not asked about this"),
        }
    }

    /// The span asked about: from the first moment to before the second.
    fn span(
        &self,
        from: Option<When>,
        to: Option<When>,
        days: Option<u16>,
    ) -> Result<(Wall, Wall), &'static str> {
        let moment = |when| match when {
            When::Moment(wall) => Some(wall),
            When::Civil(time) => self.settings.roster.moment(time),
        };
        const OUT: &str = "that time is out of range: name one nearer to today";
        let to = match to {
            Some(to) => moment(to).ok_or(OUT)?,
            // What a clock that has since been set back has dated later counts as well.
            None => Wall(i64::MAX),
        };
        let from = match from {
            Some(from) => moment(from).ok_or(OUT)?,
            None => {
                let now = self.clock.wall().wall.0.min(to.0);
                Wall(now.saturating_sub(i64::from(days.unwrap_or(PAST_DAYS)) * DAY_MS))
            }
        };
        Ok((from, to))
    }

    /// Puts into words what the archive has found.
    pub(super) fn found(&mut self, turn: &mut Turn, sought: Sought) {
        let Sought { ask, reply, answer } = sought;
        let (state, found) = match answer {
            Some(Answer { state, found }) => (archive_view(&state), found),
            None => (silent_archive(), Found::Nothing),
        };
        let told = match ask {
            Ask::Past { from, to, days } => match self.span(from, to, days) {
                Ok(span) => {
                    let named = from.is_some() || to.is_some() || days.is_some();
                    Reply::Past(Box::new(self.past(named.then_some(span), found, state)))
                }
                Err(why) => refused(why),
            },
            Ask::History { device, .. } => {
                let traces = match found {
                    Found::Traces(traces) => traces.into_iter().map(trace_view).collect(),
                    _ => Vec::new(),
                };
                Reply::History(Box::new(HistoryView { device, traces, archive: state }))
            }
            Ask::Incident { code } => match self.only(found) {
                Some(view) => Reply::Incident(Box::new(view)),
                None => unknown(&code.to_string(), &state),
            },
            Ask::IncidentById { id, reader } => match self.only(found) {
                Some(mut view) => {
                    if let Some(reader) = reader {
                        self.narrow_to(&mut view, None, &reader);
                    }
                    Reply::Incident(Box::new(view))
                }
                None => unknown(&id.to_string(), &state),
            },
            _ => refused("the archive is not asked about this"),
        };
        turn.replies.push((self.shown(turn), (reply, told)));
    }

    /// What an answer shows at the most: see the head of [`super::held`].
    fn shown(&self, turn: &Turn) -> Seq {
        turn.newest_urgent().unwrap_or(self.held.newest_urgent)
    }

    /// What memory holds, and from the archive what it no longer does.
    fn past(&self, span: Option<(Wall, Wall)>, found: Found, archive: ArchiveView) -> PastView {
        let asked = |began: Wall| span.is_none_or(|(from, to)| (from..to).contains(&began));
        let held = self.book.incidents().filter(|i| asked(i.raised_wall)).map(|i| self.view(i));
        let mut incidents: Vec<IncidentView> = held.collect();
        let mut older = false;
        if let Found::Incidents { incidents: found, more } = found {
            older = more;
            let gone =
                found.iter().filter(|past| self.book.incident(past.sheet.incident.id).is_none());
            incidents.extend(gone.map(|past| self.past_view(past)));
        }
        incidents.sort_by_key(|view| view.id);
        PastView { incidents, more: older, archive }
    }

    fn only(&self, found: Found) -> Option<IncidentView> {
        match found {
            Found::Incidents { incidents, .. } => incidents.first().map(|one| self.past_view(one)),
            _ => None,
        }
    }

    fn past_view(&self, past: &Past) -> IncidentView {
        let mut view = self.view(&past.sheet.incident);
        view.notes.clone_from(&past.notes);
        view.next = None;
        view.filed = true;
        view.on_disk = true;
        view
    }

    /// How many devices are heard, and those that have been silent longest.
    pub(super) fn heard_devices(&self, figures: &Figures) -> (DeviceCount, Vec<SilentView>) {
        let (now, wall) = (self.clock.now(), self.clock.wall().wall);
        let strangers = self.intake.strangers.len();
        let mut count = DeviceCount { strangers, ..DeviceCount::default() };
        let mut silent: Vec<(Wall, &DeviceId)> = Vec::new();
        let (registry, today) = (self.book.registry(), self.settings.roster.day(self.clock.wall()));
        for device in registry.devices() {
            count.registered += 1;
            let Some(heard) = (match self.intake.heard.get(&device.id) {
                Some(at) => {
                    count.heard += 1;
                    Some(before(wall, now - *at))
                }
                None => figures.heard.get(&device.id).copied(),
            }) else {
                count.never += 1;
                continue;
            };
            let is_watched = || !registry.is_out_of_contract(device, today);
            if heard < before(wall, SILENT_AFTER) && is_watched() {
                silent.push((heard, &device.id));
                silent.sort_unstable();
                silent.truncate(SILENT_SHOWN);
            }
        }
        let view = |(heard, id): (Wall, &DeviceId)| SilentView {
            device: id.clone(),
            place: self.place_of(id),
            heard,
        };
        (count, silent.into_iter().map(view).collect())
    }

    /// Tells the archive who was heard, and people when it was damaged or cannot be used.
    pub(super) fn look_at_archive(&mut self, turn: &mut Turn, now: At) {
        if now - self.lookup.heard_told >= HEARD_EVERY {
            self.tell_last_heard(self.lookup.heard_told);
            self.lookup.heard_told = now;
        }
        let figures = self.archive.figures();
        let off = matches!(figures.state, State::Off { .. });
        let broken = off || figures.damaged > self.lookup.damaged;
        let settled = matches!(figures.state, State::Level);
        if (broken || settled) && turned(&mut self.lookup.broken, broken).is_some() {
            self.trouble(turn, Kind::Record, "archive".to_owned(), broken);
        }
        self.lookup.damaged = figures.damaged;
    }

    /// Tells the archive which registered devices were heard after `since`.
    pub(super) fn tell_last_heard(&self, since: At) {
        let (now, wall) = (self.clock.now(), self.clock.wall().wall);
        let heard = self.intake.heard.iter().filter(|(_, at)| **at >= since);
        let heard: Vec<_> = heard.map(|(id, at)| (id.clone(), before(wall, now - *at))).collect();
        if !heard.is_empty() {
            self.archive.hear(heard);
        }
    }
}

fn before(wall: Wall, wait: Wait) -> Wall {
    Wall(wall.0.saturating_sub(i64::try_from(wait.0).unwrap_or(i64::MAX)))
}

fn silent_archive() -> ArchiveView {
    ArchiveView::Off { why: "the archive does not answer: ask again in a moment".to_owned() }
}

/// Nobody knows of it; or nobody knows of it so far.
fn unknown(asked: &str, archive: &ArchiveView) -> Reply {
    let so_far = match archive {
        ArchiveView::Level => return no_incident(asked),
        ArchiveView::Opening => "the archive is being opened: ask again in a moment".to_owned(),
        ArchiveView::Rebuilding { percent } => {
            format!("the archive is being rebuilt, {percent} %: ask again in a moment")
        }
        ArchiveView::Off { why } => why.clone(),
    };
    let why = format!("{asked} is not in memory, and {so_far}");
    Reply::Refused { why, amiss: Amiss::NotNow }
}

fn trace_view(trace: Trace) -> TraceView {
    let Trace { seq, wall, event, .. } = trace;
    let (said, battery, test) = (None, None, false);
    let bare = TraceView { seq, wall, said, battery, test, missed: None, raised: None };
    match event {
        TraceEvent::Said { what, battery, test } => {
            TraceView { said: Some(what), battery, test, ..bare }
        }
        TraceEvent::Missed { count } => TraceView { missed: Some(count), ..bare },
        TraceEvent::Raised { incident, code, class, kind } => {
            TraceView { raised: Some(RaisedView { incident, code, class, kind }), ..bare }
        }
    }
}

pub(super) fn archive_view(state: &State) -> ArchiveView {
    match state {
        State::Opening => ArchiveView::Opening,
        State::Rebuilding { percent } => ArchiveView::Rebuilding { percent: *percent },
        State::Level => ArchiveView::Level,
        State::Off { why } => ArchiveView::Off { why: why.clone() },
    }
}

pub(super) fn response_view(times: ResponseTimes) -> ResponseView {
    ResponseView {
        days: times.days,
        incidents: times.incidents,
        to_accept_ms: times.to_accept.map(|wait| wait.0),
        to_scene_ms: times.to_scene.map(|wait| wait.0),
    }
}
