//! What people and pages ask, and what they are told.

use std::collections::BTreeMap;

use super::held::record_view;
use super::letters::{hub_subject, other_to_contact, shown_place, whereabouts_of};
use super::lookup::{archive_view, response_view};
use super::{Desk, Turn};
use crate::counter::{
    About, Amiss, Ask, Asked, CarrierView, DutyPlan, EndpointView, HeldView, IncidentView,
    LineView, Moved, NOTE_MAX_BYTES, NextStep, OpenCount, PersonView, RegistryView, Reply, Status,
    When, person_meant,
};
use crate::incident::{
    Answer, Fact, HeardWord, Incident, Move, Stage, StageName, Stimulus, Via, Why, WordId,
};
use crate::registry::Whereabouts;
use crate::terms::{Class, Code, DeviceId, EndpointId, IncidentId, PersonId};

impl Desk {
    /// Answers a question, once what the answer shows is on disk; what a person says is decided about
    /// and answered once that is.
    pub(super) fn answer(&mut self, turn: &mut Turn, asked: Asked) {
        let Asked { ask, reply } = asked;
        let told = match ask {
            Ask::Status => Reply::Status(Box::new(self.status())),
            Ask::Incidents { all } => Reply::Incidents(match all {
                true => self.book.incidents().map(|i| self.view(i)).collect(),
                false => self.book.open().map(|i| self.view(i)).collect(),
            }),
            Ask::Incident { code } => match self.book.by_code(code) {
                Some(incident) => Reply::Incident(Box::new(self.view(incident))),
                None => return self.seek(turn, Ask::Incident { code }, reply),
            },
            Ask::IncidentById { id, reader } => match self.book.incident(id) {
                Some(incident) => {
                    let mut view = self.view(incident);
                    if let Some(reader) = reader {
                        self.narrow_to(&mut view, Some(incident), &reader);
                    }
                    Reply::Incident(Box::new(view))
                }
                None => return self.seek(turn, Ask::IncidentById { id, reader }, reply),
            },
            Ask::List { after, most } => Reply::List(Box::new(self.list(after, most))),
            Ask::Devices { after, most } => {
                Reply::Devices(Box::new(self.devices(after.as_ref(), most)))
            }
            Ask::Entries { after, most } => {
                let on_disk = self.ears.durable.borrow().head.seq;
                return self.programs.readings.read(after, on_disk, most, reply);
            }
            Ask::Beat => Reply::Beat(Box::new(self.beat_now())),
            Ask::Figures => Reply::Figures(Box::new(self.figures())),
            Ask::Board { id, sound } => self.hear_board(id, sound),
            Ask::Past { .. } | Ask::History { .. } => return self.seek(turn, ask, reply),
            Ask::Roster { at, days } => self.duty_plan(at, days),
            Ask::Strangers => Reply::Strangers(self.strangers()),
            Ask::Unregistered { mut heard_as } => {
                heard_as.retain(|name| self.registered(name.clone()).is_unregistered());
                Reply::Unregistered(heard_as)
            }
            Ask::Person { said } => match person_meant(self.book.registry(), &said) {
                Ok(id) => Reply::Person(id),
                Err(why) => Reply::Refused { why, amiss: Amiss::Wrong },
            },
            Ask::Registry => Reply::Registry(Box::new(self.registry_view())),
            Ask::Import(import) => match self.begin_import(import) {
                Err(why) => Reply::Refused { why, amiss: Amiss::Wrong },
                Ok(begun) => {
                    self.importing = Some(begun.answering(reply));
                    return;
                }
            },
            Ask::GiveUp { .. } | Ask::Work(_) | Ask::Life(_) | Ask::Duty(_) | Ask::Say { .. } => {
                let told = self.take_down(turn, ask);
                turn.replies.push((turn.newest(), (reply, told)));
                return;
            }
        };
        let shown = turn.newest_urgent().unwrap_or(self.held.newest_urgent);
        turn.replies.push((shown, (reply, told)));
    }

    fn registry_view(&self) -> RegistryView {
        RegistryView {
            version: self.book.registry_at(),
            hub: self.book.hub().cloned(),
            registry: self.book.registry().clone(),
            types: self.settings.device_types.clone(),
        }
    }

    /// Takes down what a person says or asks to be done.
    fn take_down(&mut self, turn: &mut Turn, ask: Ask) -> Reply {
        match ask {
            Ask::GiveUp { endpoint, by } => self.give_up(turn, endpoint, by),
            Ask::Work(ask) => self.answer_about_work(turn, ask),
            Ask::Life(ask) => self.answer_about_life(turn, ask),
            Ask::Duty(ask) => self.answer_about_duty(turn, ask),
            Ask::Say { about, by, via, epoch, says, words, word } => {
                self.say(turn, about, by, via, epoch, says, words, word)
            }
            _ => refused("that is a question and nothing to take down"),
        }
    }

    fn duty_plan(&self, at: Option<When>, days: Option<u16>) -> Reply {
        let (roster, registry) = (&self.settings.roster, self.book.registry());
        match DutyPlan::of(roster, registry, self.clock.wall(), at, days) {
            Some(plan) => Reply::Roster(Box::new(plan)),
            None => refused("that time is out of range: name one nearer to today"),
        }
    }

    fn give_up(&mut self, turn: &mut Turn, endpoint: EndpointId, by: PersonId) -> Reply {
        if self.book.registry().person(&by).is_none() {
            return refused("nobody of that name is registered: see `anling roster`");
        }
        match self.book.undelivered(&endpoint) {
            0 => refused("nothing is owed to an endpoint of that name: see `anling status`"),
            events => match self.decide(turn, &Stimulus::GivenUp { endpoint, by }) {
                true => Reply::GivenUp { events },
                false => refused("it could not be written down: try again"),
            },
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one question, named where asked")]
    fn say(
        &mut self,
        turn: &mut Turn,
        about: About,
        by: PersonId,
        via: Via,
        epoch: Option<u32>,
        says: Move,
        words: Option<String>,
        word: Option<WordId>,
    ) -> Reply {
        let incident = match about {
            About::Code(code) => self.book.by_code(code),
            About::Id(id) => self.book.incident(id),
        };
        let Some((id, code, reached)) = incident.map(|i| (i.id, i.code, i.epoch)) else {
            return no_incident(&said(about));
        };
        let words = words.map(|text| cut(&text, NOTE_MAX_BYTES));
        if let Some(told) = word.as_ref().and_then(|word| {
            let before = self.book.heard_word(&by, word)?;
            Some(self.said_before(before, id, says, words.as_deref()))
        }) {
            return told;
        }
        // A link of our own may know of a call that a failing disk has forgotten.
        if via == Via::Http
            && let Some(epoch) = epoch.filter(|epoch| *epoch > reached)
        {
            let why = format!(
                "`epoch`: {code} is in epoch {reached} and has not reached {epoch}: read it anew"
            );
            return Reply::Refused { why, amiss: Amiss::Epoch };
        }
        let named = word.clone().map(|word| (by.clone(), word));
        let answer = Answer { incident: id, by, via, epoch, says, note: None, word };
        let before = turn.entries();
        let recorded = self.decide(turn, &Stimulus::Answered(answer, words));
        if !recorded {
            let why = "that is too long to be written down: say it in fewer words";
            return refused(why);
        }
        let ignored = turn.last_ignored(before);
        let stage = self.book.incident(id).map_or(StageName::Resolved, |i| i.stage.name());
        // A named answer's is the time in the record, because a repeat is told that.
        let heard = named.and_then(|(by, word)| self.book.heard_word(&by, &word));
        Reply::Moved(Moved {
            code,
            ignored: ignored.map(|why| why.advice().to_owned()),
            reason: ignored,
            stage,
            stored_at: heard.map(|heard| heard.wall),
            repeated: false,
        })
    }

    /// What a repeat is told: the same as the first time, if it says the same.
    fn said_before(
        &self,
        before: &HeardWord,
        incident: IncidentId,
        says: Move,
        words: Option<&str>,
    ) -> Reply {
        let note = before.note.and_then(|note| self.book.note(note));
        let same_words =
            words.map(str::trim).filter(|text| !text.is_empty()) == note.map(str::trim);
        let held = self.book.incident(before.incident);
        match held.filter(|_| same_words && (before.incident, before.says) == (incident, says)) {
            None => Reply::Refused {
                why: "that key was used for another answer: use a new one for each".to_owned(),
                amiss: Amiss::Taken,
            },
            Some(held) => Reply::Moved(Moved {
                code: held.code,
                ignored: before.ignored.map(|why| why.advice().to_owned()),
                reason: before.ignored,
                stage: held.stage.name(),
                stored_at: Some(before.wall),
                repeated: true,
            }),
        }
    }

    pub(super) fn view(&self, incident: &Incident) -> IncidentView {
        let registry = self.book.registry();
        let now = self.clock.now();
        let place = whereabouts_of(registry, incident, &self.settings);
        let named = registry.names_of(&place, None);
        let (lap, ending) = match &incident.stage {
            Stage::Calling { lap, .. } => (*lap, None),
            Stage::Resolved { ending, .. } | Stage::FollowedUp { ending, .. } => {
                (0, Some(ending.chinese().to_owned()))
            }
            _ => (0, None),
        };
        let closed_by = match &incident.stage {
            Stage::Resolved { by, .. } => Some(self.name_of(by)),
            // Who followed it up has not always closed it.
            _ => None,
        };
        IncidentView {
            id: incident.id,
            code: incident.code,
            class: incident.class,
            kind: incident.kind,
            kinds: self.book.dangers(incident),
            stage: incident.stage.name(),
            epoch: incident.epoch,
            rung: incident.rung(),
            lap,
            exhausted: incident.exhausted.is_some(),
            cancelled: incident.cancelled,
            back_to_normal: incident.back_to_normal,
            presses: incident.presses,
            device: incident.device.clone(),
            place: match hub_subject(&incident.device) {
                Some(subject) => format!("{}({subject})", place.place),
                None => self.shown_place(&incident.device, &place),
            },
            residents: named.names,
            times: incident.times,
            age_ms: (now - incident.raised_at).0,
            next: incident
                .next_deadline()
                .map(|(at, why)| NextStep { what: coming(&why, incident), in_ms: (at - now).0 }),
            ending,
            closed_by,
            people: incident
                .responders
                .iter()
                .map(|(id, is)| PersonView { id: id.clone(), name: self.name_of(id), is: *is })
                .collect(),
            reader: None,
            notes: self.book.notes_of(incident.id).map(str::to_owned).collect(),
            clock_trusted: incident.clock_trusted,
            filed: false,
            // Said when it leaves.
            on_disk: false,
        }
    }

    /// A place as the duty room reads it.
    pub(super) fn shown_place(&self, device: &DeviceId, at: &Whereabouts) -> String {
        let link = self.ports.heard_on(device).or_else(|| self.outside.heard_on(device));
        shown_place(self.book.registry(), &self.settings, device, at, link)
    }

    /// A person's name; the id where none is known.
    pub(super) fn name_of(&self, id: &PersonId) -> String {
        let known = self.book.registry().name_of(id);
        known.filter(|name| !name.is_empty()).map_or_else(|| id.to_string(), str::to_owned)
    }

    /// The page of one person: whoever is not of the house sees those they are called for, and of
    /// everybody else only what they are; of what has left memory no name at all.
    pub(super) fn narrow_to(
        &self,
        view: &mut IncidentView,
        incident: Option<&Incident>,
        reader: &PersonId,
    ) {
        view.reader = Some(self.name_of(reader));
        let registry = self.book.registry();
        if registry.person(reader).is_some() {
            return;
        }
        view.residents.clear();
        if let Some((incident, contact)) = incident.zip(registry.contact(reader)) {
            let mut place = whereabouts_of(registry, incident, &self.settings);
            place.residents.retain(|resident| registry.is_theirs(contact, resident));
            view.residents = registry.names_of(&place, None).names;
        }
        view.notes.clear();
        view.closed_by = None;
        for person in view.people.iter_mut().filter(|person| person.id != *reader) {
            person.name = other_to_contact(registry, &person.id).to_owned();
        }
    }

    pub(super) fn status(&self) -> Status {
        let wall = self.clock.wall();
        let mut open: BTreeMap<Class, usize> = BTreeMap::new();
        for incident in self.book.open() {
            *open.entry(incident.class).or_default() += 1;
        }
        let figures = self.archive.figures();
        let (devices, silent) = self.heard_devices(&figures);
        Status {
            hub: self.settings.gateway.hub.to_string(),
            site: self.settings.gateway.site.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            up_ms: self.vitals.up(self.clock.now()).0,
            wall: wall.wall,
            clock_trusted: wall.trusted,
            // Said anew when it leaves.
            record: record_view(self.vitals.trouble()),
            last_seq: self.book.last_seq(),
            entries: self.book.entries(),
            open: open.into_iter().map(|(class, count)| OpenCount { class, count }).collect(),
            unanswered: self.unanswered(),
            broker: self.settings.broker.as_ref().and(self.broker_address.as_ref()).cloned(),
            broker_tls: self.broker_tls.clone(),
            devices,
            silent,
            archive: archive_view(&figures.state),
            response: figures.times.map(response_view),
            refused: self.intake.refused_total,
            disk_free: self.vitals.disk_free,
            carriers: self
                .outbox
                .carriers
                .iter()
                .map(|(carrier, out)| CarrierView {
                    carrier: *carrier,
                    last_handed_over: out.last_handed_over,
                    trouble: out.trouble.clone(),
                    waiting: out.waiting() + self.book.put_off(*carrier),
                    bots: self.bot_views(*carrier),
                })
                .collect(),
            serial: self.ports.views(self.clock.now()),
            brokers: self.outside.views(),
            witnesses: self.witnesses.views(),
            modems: self.modems.views(self.day_of(wall.wall)),
            endpoints: self
                .book
                .owed_counts()
                .map(|(endpoint, owed)| self.endpoint_view(endpoint, owed))
                .collect(),
            boards: self.programs.boards.views(self.clock.now()),
            works: self.works(),
            life: self.life_views(),
            power: self.power_view(),
            stations: self.station_views(),
            on_duty: self.on_duty(),
            old_config: self.old_config,
            record_of: self.book.hub().filter(|hub| self.is_another(hub)).cloned(),
            restart_for: self.wires.restart_for.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn endpoint_view(&self, endpoint: &EndpointId, owed: usize) -> EndpointView {
        let out = self.outbox.endpoints.get(endpoint);
        EndpointView {
            name: endpoint.to_string(),
            platform: self.settings.platforms.contains_key(endpoint),
            owed,
            dropped: self.book.dropped().get(endpoint).copied().unwrap_or_default(),
            refused: out.map_or(0, |out| out.refused),
            trouble: out.and_then(|out| out.trouble.clone()),
            unheard: out.and_then(|out| out.unheard.clone()),
            held: out.and_then(|out| out.held_until).map(|until| {
                let civil = self.settings.roster.civil(until);
                let clock =
                    civil.map_or_else(|| "?".to_owned(), |c| c.strftime("%H:%M").to_string());
                HeldView { until, clock }
            }),
        }
    }

    fn unanswered(&self) -> Option<Code> {
        let urgent = |i: &&Incident| {
            i.class.is_urgent() && matches!(i.stage, Stage::Calling { .. } | Stage::Queued { .. })
        };
        self.book.open().find(urgent).map(|i| i.code)
    }

    fn on_duty(&self) -> Vec<LineView> {
        let wall = self.clock.wall();
        let registry = self.book.registry();
        let roster = &self.settings.roster;
        roster
            .lines
            .keys()
            .map(|line| {
                let duty = roster.on_duty(registry, line, wall);
                let name = |id: &PersonId| {
                    registry.person(id).map_or_else(|| id.to_string(), |p| p.name.clone())
                };
                LineView {
                    stations: roster.served_by(line).map(str::to_owned).collect(),
                    line: line.clone(),
                    people: duty.people.iter().map(name).collect(),
                    by: duty.by,
                }
            })
            .collect()
    }
}

impl Turn {
    /// Why the answer decided about since `before` changed nothing, if it did not.
    fn last_ignored(&self, before: usize) -> Option<crate::incident::Ignored> {
        self.facts_since(before).find_map(|fact| match fact {
            Fact::AnswerHeard { ignored, .. } => *ignored,
            _ => None,
        })
    }
}

/// Nobody knows of it.
pub(super) fn no_incident(asked: &str) -> Reply {
    let why = format!("there is no incident {asked}: see `anling incidents --all`");
    Reply::Refused { why, amiss: Amiss::NoSuch }
}

pub(super) fn refused(why: &str) -> Reply {
    Reply::Refused { why: why.to_owned(), amiss: Amiss::Wrong }
}

fn said(about: About) -> String {
    match about {
        About::Code(code) => code.to_string(),
        About::Id(id) => id.to_string(),
    }
}

/// What a deadline brings, for people. A hazard has no steps, and neither has what lies beyond the
/// last one.
fn coming(why: &Why, incident: &Incident) -> String {
    let beyond = matches!(incident.stage, Stage::Calling { lap, .. } if lap > 0);
    match why {
        Why::WorkBegins => "working hours begin",
        Why::NextRung | Why::Repeat if incident.class == Class::Hazard => {
            "everybody who has not answered is called again"
        }
        Why::NextRung if beyond => "called again",
        Why::NextRung => "next step is called",
        Why::RemindArrival => "reminder to arrive",
        Why::MissedArrival => "called again if nobody has arrived",
        Why::StillOnScene => "asked whether still on scene",
        Why::Repeat => "called again",
        Why::SilenceEnds => "sounder comes back",
        Why::FollowUp => "follow-up is due",
        Why::File => "leaves memory",
        Why::Retry(_) => "message is tried again",
    }
    .to_owned()
}

/// At most `limit` bytes, cut at a character.
pub(super) fn cut(text: &str, limit: usize) -> String {
    text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= limit).map(|(_, c)| c).collect()
}
