//! A group as a carrier: one post for everybody who is called at once, by the first bot that takes it.
//!
//! - Orders are for one person each, and a group hears every post. So the letters of one fact (one cause,
//!   incident, epoch and notice: a step that calls five people) that come within [`FOLD`] become one post
//!   that mentions all five, and its outcome is the outcome of each. Folded here and not in the engine:
//!   there one order a person is what lets any of them be withdrawn, tried again or called otherwise.
//! - What is tried again comes person by person, each at its own time. The first to come posts for all
//!   who were in the post that failed; the others then hear that it is done.
//! - Bots are tried in the order of the config. One that was told to be silent is left alone until then,
//!   one that posts too often waits its turn (`pace`), the highest class first. A post that nobody
//!   wants any more is not made.
//! - A refusal speaks of the bot and never of a person. Who is a contact and not of the house is not
//!   mentioned, and not called here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::bot::{Bot, Mention, Posting, Verdict};
pub use super::bot::{BotError, BotSettings, Form, Moment, TellTime};
use super::contained::contained;
use super::pace::{Pace, Word};
use super::post::Carry;
use super::{Letter, text};
use crate::incident::{Carrier, Notice, Outcome};
use crate::terms::{At, Class, IncidentId, PersonId, Phone, Seq, Wait, Wall};

/// How long letters are gathered. The desk hands out all of one fact in one go; own choice: many times
/// what that takes, and little beside what a provider takes.
const FOLD: Duration = Duration::from_millis(150);
/// Letters that wait side by side. Own choice: as many as the desk hands out at once.
pub const PARALLEL: usize = super::post::URGENT_MAX;
/// Most bots of one kind. Own choice: with more, the last would be tried half a minute late.
pub const BOTS_MAX: usize = 3;
/// Longest wait for a place in a bot's window. Own choice: a few windows; then the engine decides anew.
const PATIENCE: Wait = Wait::mins(5);
/// How long a letter may take: [`PATIENCE`], and all bots to their limits.
const LETTER_LIMIT: Duration = Duration::from_secs(900);
/// How often one that waits looks whether it is wanted still.
const LOOK_AGAIN: Wait = Wait::secs(2);
/// Rounds that are remembered, so that what is tried again is posted once. Own choice: the steps of
/// a few hundred incidents; of a forgotten one a post may come twice.
const ROUNDS_MAX: usize = 512;

/// How the bots stand, for whoever shows it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Standings(Arc<Mutex<Vec<Standing>>>);

/// How one bot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What kind of bot.
    pub carrier: Carrier,
    /// Its name.
    pub name: String,
    /// When it last took a post.
    pub last: Option<Wall>,
    /// Why it did not take the last one.
    pub trouble: Option<String>,
}

impl Standings {
    fn all(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All bots, by carrier in the order of the config.
    pub fn list(&self) -> Vec<Standing> {
        self.all().clone()
    }

    /// The bots of a carrier are these from now on; whoever was there before keeps what is known.
    pub fn set(&self, carrier: Carrier, names: &[String]) {
        let mut all = self.all();
        let of_it = |standing: &Standing| standing.carrier == carrier;
        let before: Vec<Standing> = all.iter().filter(|one| of_it(one)).cloned().collect();
        all.retain(|standing| !of_it(standing));
        all.extend(names.iter().map(|name| {
            let known = before.iter().find(|standing| standing.name == *name).cloned();
            let new = || Standing { carrier, name: name.clone(), last: None, trouble: None };
            known.unwrap_or_else(new)
        }));
        all.sort_by_key(|standing| standing.carrier);
    }

    fn note(&self, bot: &Bot, verdict: &Verdict) {
        let mut all = self.all();
        let carrier = bot.form.carrier();
        let is = |one: &&mut Standing| one.carrier == carrier && one.name == bot.name;
        let Some(standing) = all.iter_mut().find(is) else { return };
        standing.trouble = why(verdict).map(str::to_owned);
        if standing.trouble.is_none() {
            standing.last = Some(bot.wall());
        }
    }
}

fn why(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Taken => None,
        Verdict::Hold { why, .. }
        | Verdict::Refused { why, .. }
        | Verdict::Later { why }
        | Verdict::Lost { why } => Some(why),
    }
}

/// What one post is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    cause: Seq,
    incident: IncidentId,
    epoch: u32,
    notice: Notice,
}

/// One who waits for a post.
struct Joined {
    letter: Letter,
    done: oneshot::Sender<Outcome>,
}

/// The letters of one fact.
#[derive(Default)]
struct Round {
    /// Those that wait.
    joined: Vec<Joined>,
    /// Whether somebody sees to them.
    runs: bool,
    /// Who was to be mentioned in a post that was not made.
    failed: Vec<(PersonId, Mention)>,
    /// Who was mentioned in one that was.
    posted: BTreeSet<PersonId>,
}

#[derive(Default)]
struct State {
    rounds: VecDeque<(Key, Round)>,
    /// Who waits for a place: its class, and the order of coming.
    waiting: BTreeSet<(Class, u64)>,
    came: u64,
    paces: Vec<Pace>,
}

impl State {
    fn round(&mut self, key: &Key) -> &mut Round {
        let place = self.rounds.iter().position(|(other, _)| other == key);
        let place = place.unwrap_or_else(|| {
            if self.rounds.len() >= ROUNDS_MAX
                && let Some(oldest) = self.rounds.iter().position(|(_, round)| !round.runs)
            {
                self.rounds.remove(oldest);
            }
            self.rounds.push_back((key.clone(), Round::default()));
            self.rounds.len() - 1
        });
        &mut self.rounds[place].1
    }
}

/// What the bots have come to.
#[derive(Default)]
struct Tries {
    tried: Vec<usize>,
    lost: Option<String>,
    whys: Vec<String>,
    refused: usize,
    /// How long until one that is silent may be asked.
    held: Option<Wait>,
}

impl Tries {
    fn holds(&mut self, wait: Wait) {
        self.held = Some(self.held.map_or(wait, |held| held.min(wait)));
    }

    /// One has answered; whether it took it.
    fn ended(&mut self, name: &str, verdict: &Verdict) -> bool {
        let Some(why) = why(verdict) else { return true };
        let why = format!("{name}: {why}");
        match verdict {
            Verdict::Lost { .. } => self.lost = Some(why.clone()),
            Verdict::Refused { .. } => self.refused += 1,
            Verdict::Hold { wait, .. } => self.holds(*wait),
            Verdict::Taken | Verdict::Later { .. } => {}
        }
        self.whys.push(why);
        false
    }

    fn verdict(self) -> Outcome {
        let why = self.whys.join("; ");
        match self.lost {
            Some(why) => Outcome::Unknown { why },
            None if self.refused > 0 && self.refused == self.whys.len() => Outcome::Refused { why },
            None => Outcome::TryLater { why, after: self.held },
        }
    }
}

/// The next thing to do for a post.
enum Next {
    Post(usize),
    Wait(Wait),
    End,
}

/// The carrier.
pub struct Group {
    office: Arc<Office>,
    /// Those who see to rounds; they end with the carrier.
    at_work: Mutex<JoinSet<()>>,
}

struct Office {
    bots: Vec<Bot>,
    state: Mutex<State>,
    changed: Notify,
    standings: Standings,
}

impl Group {
    /// Opens a carrier over bots of one kind, tried in this order. Call it on the runtime.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(
        bots: Vec<BotSettings>,
        time: TellTime,
        standings: &Standings,
    ) -> Result<Self, BotError> {
        let open = |bot| Bot::open(bot, Arc::clone(&time));
        let bots = bots.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = bots.iter().map(|bot| bot.name.clone()).collect();
        if let Some(first) = bots.first() {
            standings.set(first.form.carrier(), &names);
        }
        let paces = bots.iter().map(|bot| Pace::new(bot.form.limits())).collect();
        let state = Mutex::new(State { paces, ..State::default() });
        let (changed, standings) = (Notify::new(), standings.clone());
        let office = Arc::new(Office { bots, state, changed, standings });
        Ok(Self { office, at_work: Mutex::default() })
    }

    fn see_to(&self, key: Key) {
        let office = Arc::clone(&self.office);
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        while at_work.try_join_next().is_some() {}
        at_work.spawn(async move {
            sleep(FOLD).await;
            while contained(office.serve(&key)).await == Some(true) {}
        });
    }
}

impl Carry for Group {
    const LIMIT: Duration = LETTER_LIMIT;

    async fn carry(&self, letter: &Letter) -> Outcome {
        if !letter.to.of_the_house {
            return Outcome::Refused { why: "contacts are not in the group".to_owned() };
        }
        let key = Key {
            cause: letter.id.cause,
            incident: letter.id.incident,
            epoch: letter.epoch,
            notice: letter.notice.clone(),
        };
        let (done, heard) = oneshot::channel();
        let begins = {
            let mut state = self.office.state();
            let round = state.round(&key);
            if round.posted.contains(&letter.to.id) {
                return Outcome::HandedOver;
            }
            round.joined.push(Joined { letter: letter.clone(), done });
            !std::mem::replace(&mut round.runs, true)
        };
        if begins {
            self.see_to(key);
        }
        let broken = |_| Outcome::Unknown { why: "the carrier broke down".to_owned() };
        heard.await.unwrap_or_else(broken)
    }
}

impl Office {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one post of a round; whether others have joined meanwhile.
    async fn serve(&self, key: &Key) -> bool {
        // Whatever breaks down here, the next letter finds somebody to see to it.
        let mut runs = Runs { office: self, key, done: false };
        let (outcome, mentioned) = self.post(key).await;
        let mut state = self.state();
        let round = state.round(key);
        let all = std::mem::take(&mut round.joined);
        let (ended, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|joined| {
            let wanted = joined.letter.still.applies();
            !wanted || mentioned.iter().any(|(person, _)| *person == joined.letter.to.id)
        });
        if outcome.is_handed_over() {
            round.posted.extend(mentioned.into_iter().map(|(person, _)| person));
            round.failed.clear();
        } else {
            round.failed = mentioned;
        }
        round.runs = !left.is_empty();
        round.joined = left;
        let more = round.runs;
        drop(state);
        runs.done = true;
        for joined in ended {
            let _ = joined.done.send(outcome.clone());
        }
        more
    }

    /// The one whose letter is written, with everybody who is to be mentioned; none when nobody wants it.
    fn wanted(&self, key: &Key) -> Option<(Letter, Vec<(PersonId, Mention)>)> {
        let mut state = self.state();
        let round = state.round(key);
        let wanted: Vec<&Letter> =
            round.joined.iter().map(|j| &j.letter).filter(|l| l.still.applies()).collect();
        let mut first = (*wanted.first()?).clone();
        first.resent = wanted.iter().any(|letter| letter.resent);
        let mut called: Vec<(PersonId, Mention)> =
            wanted.iter().map(|letter| (letter.to.id.clone(), mention(letter))).collect();
        called.extend(round.failed.iter().cloned());
        called.sort_by(|(one, _), (other, _)| one.cmp(other));
        called.dedup_by(|(one, _), (other, _)| one == other);
        Some((first, called))
    }

    /// Posts by the first bot that takes it; who was mentioned, or would have been.
    async fn post(&self, key: &Key) -> (Outcome, Vec<(PersonId, Mention)>) {
        let mut tries = Tries::default();
        let mut place = None;
        let mut mentioned = Vec::new();
        let Some(began) = self.bots.first().map(Bot::now) else {
            return (Outcome::Refused { why: "no bot is set up".to_owned() }, mentioned);
        };
        loop {
            let Some((letter, called)) = self.wanted(key) else {
                return (Outcome::Superseded, mentioned);
            };
            mentioned.clone_from(&called);
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let held = place.get_or_insert_with(|| Place::take(self, letter.class));
            match self.next(&mut tries, held.at, began) {
                Next::End => return (tries.verdict(), mentioned),
                Next::Wait(wait) => drop(timeout(wait.min(LOOK_AGAIN).std(), changed).await),
                Next::Post(index) => {
                    place = None;
                    let bot = &self.bots[index];
                    let verdict = bot.post(&posting(&letter, called, bot.names)).await;
                    if let Verdict::Hold { wait, .. } = &verdict {
                        self.state().paces[index].hold(*wait, bot.now());
                    }
                    debug!(bot = bot.name, ?verdict, "a post");
                    if let Some(why) = why(&verdict) {
                        warn!(carrier = %bot.form.carrier(), bot = bot.name, why, "a post was not taken");
                    }
                    self.standings.note(bot, &verdict);
                    tries.tried.push(index);
                    if tries.ended(&bot.name, &verdict) {
                        return (Outcome::HandedOver, mentioned);
                    }
                }
            }
        }
    }

    /// Takes a place at the first bot that has one; before all others whoever is in more danger.
    fn next(&self, tries: &mut Tries, place: (Class, u64), began: At) -> Next {
        let now = self.bots[0].now();
        let mut state = self.state();
        let is_first = state.waiting.first() == Some(&place);
        let mut full = None;
        for index in 0..self.bots.len() {
            if tries.tried.contains(&index) {
                continue;
            }
            match state.paces[index].word(place.0, now) {
                Word::Go if is_first => {
                    state.paces[index].sent(now);
                    return Next::Post(index);
                }
                Word::Go => full = Some(LOOK_AGAIN),
                Word::Full(wait) => full = Some(full.map_or(wait, |full: Wait| full.min(wait))),
                Word::Held(wait) => {
                    tries.holds(wait);
                    tries.tried.push(index);
                    tries.whys.push(format!("{}: told to be silent", self.bots[index].name));
                }
            }
        }
        match full {
            Some(wait) if now - began < PATIENCE => Next::Wait(wait),
            Some(_) => {
                tries.whys.push("too many posts wait".to_owned());
                Next::End
            }
            None => Next::End,
        }
    }
}

/// A place among those who wait; given back when it is dropped.
struct Place<'o> {
    office: &'o Office,
    at: (Class, u64),
}

impl<'o> Place<'o> {
    fn take(office: &'o Office, class: Class) -> Self {
        let mut state = office.state();
        state.came += 1;
        let at = (class, state.came);
        state.waiting.insert(at);
        Self { office, at }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.office.state().waiting.remove(&self.at);
        self.office.changed.notify_waiters();
    }
}

/// One round being seen to; broken off, those who wait are let go.
struct Runs<'o> {
    office: &'o Office,
    key: &'o Key,
    done: bool,
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.office.state();
            let round = state.round(self.key);
            round.joined.clear();
            round.runs = false;
        }
    }
}

fn mention(letter: &Letter) -> Mention {
    let name = text::plain(&letter.to.name);
    let name = if name.is_empty() { letter.to.id.to_string() } else { name };
    Mention { name, phone: Phone::parse(&letter.to.phone) }
}

fn posting(letter: &Letter, called: Vec<(PersonId, Mention)>, names: bool) -> Posting {
    let (title, text) = text::group(letter, names);
    let called = called.into_iter().map(|(_, mention)| mention).collect();
    Posting { title, text, called, class: letter.class }
}
