//! The examination: what is asked of the device, and what each clause makes of what it does.
//!
//! Three presses. The first is not answered until its third sending, while answers that are another's go
//! by; then it gets every stage. The second's first answer is "lost". The third comes after the battery
//! was out. A clause that an earlier failure keeps from being seen is said to be unseen, not failed.

use std::time::Duration;

use serde::Serialize;

use super::wire::{Event, Heard, Wire};
use crate::cli::{Failure, print_text};
use crate::clock::Stopwatch;
use crate::terms::{FeedbackStage, Mark, Wait};

/// The contract's first pauses: after the first and the second sending.
const PAUSES: [Wait; 2] = [Wait::secs(2), Wait::secs(4)];
/// The pause that would follow.
const NEXT_PAUSE: Wait = Wait::secs(8);
/// What a repeat may be early or late: a quarter, and half a second for the way. Own choice.
const LEEWAY_PERCENT: u64 = 25;
const LEEWAY: Wait = Wait(500);
/// How often a receiver says that it is there, by the contract, and half as much again.
const ALIVE_WITHIN: Wait = Wait::secs(15);
/// Between two stages of one call.
const STAGE_EVERY: Duration = Duration::from_millis(300);

/// What became of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(super) enum Verdict {
    Passed,
    Failed { why: String },
    Unseen { why: String },
}

/// One clause of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Clause {
    pub(super) name: &'static str,
    /// What the contract asks.
    pub(super) says: &'static str,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
}

/// Every clause, in the order of the examination.
const CLAUSES: [(&str, &str); 11] = [
    ("well-formed", "every message can be read"),
    ("counts", "an event carries boot and seq"),
    ("repeats-unanswered", "an unanswered event comes again after 2 and 4 s, with its number"),
    ("passes-over-others", "an answer to another number or device ends no repeats"),
    ("answered-is-quiet", "once answered, an event is not sent again"),
    ("stages-are-quiet", "accepted, on_scene and closed make it send nothing"),
    ("new-press-new-number", "another press has the same boot and a higher seq"),
    ("lost-answer", "after a lost answer any later stage ends the repeats"),
    ("restart-raises-boot", "after the battery was out, boot is higher"),
    ("says-its-battery", "an event says what is left in the battery"),
    ("receiver-is-alive", "the receiver says every 10 s that it is there"),
];

pub(super) struct Exam {
    wire: Wire,
    within: Wait,
    watch: Stopwatch,
    verdicts: Vec<Option<Verdict>>,
    /// The device under examination: the first that presses.
    device: Option<String>,
    alive: Vec<Duration>,
    battery: Option<u8>,
}

impl Exam {
    pub(super) fn new(wire: Wire, within: Wait) -> Self {
        Self {
            wire,
            within,
            watch: Stopwatch::start(),
            verdicts: vec![None; CLAUSES.len()],
            device: None,
            alive: Vec::new(),
            battery: None,
        }
    }

    /// Holds all of it; every clause with what became of it.
    pub(super) async fn hold(mut self) -> Result<Vec<Clause>, Failure> {
        self.first_press().await?;
        self.all_in_all();
        let unseen = || Verdict::Unseen { why: "an earlier clause failed".to_owned() };
        let verdicts = self.verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(unseen));
        let clauses = CLAUSES.into_iter().zip(verdicts);
        Ok(clauses.map(|((name, says), verdict)| Clause { name, says, verdict }).collect())
    }

    /// Unanswered until its third sending, then told every stage.
    async fn first_press(&mut self) -> Result<(), Failure> {
        let Some(first) = self.press("Press its call key once.").await? else { return Ok(()) };
        let Some(mark) = first.mark else {
            self.fail("counts", "it carries none: presses cannot be told from repeats");
            return Ok(());
        };
        self.pass("counts");
        if !self.comes_again("repeats-unanswered", &first, PAUSES[0]).await? {
            return Ok(());
        }
        // Answers that are another's: a number that was never sent, and a neighbour.
        let device = first.device.clone();
        let other = Mark { seq: mark.seq.wrapping_add(1_000), ..mark };
        self.wire.tell(&device, other, FeedbackStage::Stored).await?;
        self.wire.tell(&neighbour(&device), mark, FeedbackStage::Stored).await?;
        if !self.comes_again("passes-over-others", &first, PAUSES[1]).await? {
            return Ok(());
        }
        self.pass("repeats-unanswered");
        self.pass("passes-over-others");
        self.wire.tell(&device, mark, FeedbackStage::Stored).await?;
        let quiet = Wait(NEXT_PAUSE.0 * (100 + LEEWAY_PERCENT) / 100);
        if !self.is_quiet("answered-is-quiet", &first, quiet).await? {
            return Ok(());
        }
        for stage in [FeedbackStage::Accepted, FeedbackStage::OnScene, FeedbackStage::Closed] {
            self.wire.tell(&device, mark, stage).await?;
            tokio::time::sleep(STAGE_EVERY).await;
        }
        if self.is_quiet("stages-are-quiet", &first, Wait::secs(1)).await? {
            self.second_press(&device, mark).await?;
        }
        Ok(())
    }

    /// Its first answer is lost.
    async fn second_press(&mut self, device: &str, before: Mark) -> Result<(), Failure> {
        let Some(second) = self.press("Press it once more.").await? else { return Ok(()) };
        let Some(mark) = second.mark else {
            self.fail("new-press-new-number", "it carries none this time");
            return Ok(());
        };
        if mark.boot != before.boot || mark.seq <= before.seq {
            let why = format!("{before} was followed by {mark}: the second press would be lost");
            self.fail("new-press-new-number", &why);
            return Ok(());
        }
        self.pass("new-press-new-number");
        if !self.comes_again("lost-answer", &second, PAUSES[0]).await? {
            return Ok(());
        }
        self.wire.tell(device, mark, FeedbackStage::Accepted).await?;
        let quiet = Wait(PAUSES[1].0 * (100 + LEEWAY_PERCENT) / 100);
        if self.is_quiet("lost-answer", &second, quiet).await? {
            self.third_press(device, mark).await?;
        }
        Ok(())
    }

    /// After the battery was out.
    async fn third_press(&mut self, device: &str, before: Mark) -> Result<(), Failure> {
        let asked = "Take its battery out, put it back, and press it once.";
        let Some(third) = self.press(asked).await? else { return Ok(()) };
        match third.mark {
            Some(mark) if mark.boot > before.boot => {
                self.pass("restart-raises-boot");
                self.wire.tell(device, mark, FeedbackStage::Stored).await?;
                self.wire.tell(device, mark, FeedbackStage::Closed).await?;
            }
            Some(mark) => {
                let (was, is) = (before.boot, mark.boot);
                let why =
                    format!("boot was {was} and is {is}: its first presses are taken for old ones");
                self.fail("restart-raises-boot", &why);
            }
            None => self.fail("restart-raises-boot", "it carries none this time"),
        }
        Ok(())
    }

    /// What is judged over all of it.
    fn all_in_all(&mut self) {
        if self.verdict("well-formed").is_none() && self.device.is_some() {
            self.pass("well-formed");
        }
        match self.battery {
            Some(_) => self.pass("says-its-battery"),
            None if self.device.is_some() => {
                self.fail("says-its-battery", "no event said it: its end would come unannounced");
            }
            None => {}
        }
        if !self.wire.has_receiver() {
            let why = "no receiver: the broker says it".to_owned();
            return self.set("receiver-is-alive", Verdict::Unseen { why });
        }
        let mut ends: Vec<Duration> = vec![Duration::ZERO];
        ends.extend(self.alive.iter().copied());
        ends.push(self.watch.elapsed());
        let longest = ends.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        match longest {
            Some(gap) if gap > ALIVE_WITHIN.std() => {
                let why =
                    format!("nothing for {} s: the line would be held for lost", gap.as_secs());
                self.fail("receiver-is-alive", &why);
            }
            _ => self.pass("receiver-is-alive"),
        }
    }

    /// Asks for a press and waits for it; `None` when none comes.
    async fn press(&mut self, asked: &str) -> Result<Option<Event>, Failure> {
        print_text(&format!("{asked}\n"))?;
        let watch = Stopwatch::start();
        loop {
            let left = self.within.std().saturating_sub(watch.elapsed());
            match self.event(left).await? {
                Some(event) if event.calls() => {
                    self.device.get_or_insert_with(|| event.device.clone());
                    return Ok(Some(event));
                }
                Some(_) => {}
                None => {
                    let why = "no press was heard in time".to_owned();
                    let place = self.verdicts.iter().position(Option::is_none).unwrap_or(0);
                    self.verdicts[place].get_or_insert(Verdict::Failed { why });
                    return Ok(None);
                }
            }
        }
    }

    /// The next event of the device under examination; others are passed over.
    async fn event(&mut self, within: Duration) -> Result<Option<Event>, Failure> {
        let watch = Stopwatch::start();
        loop {
            let left = within.saturating_sub(watch.elapsed());
            let Some(heard) = self.wire.hear(left).await? else { return Ok(None) };
            let is_its = |device: &str| self.device.as_deref().is_none_or(|own| own == device);
            match heard {
                Heard::Alive => self.alive.push(self.watch.elapsed()),
                Heard::Refused { device, reason } => {
                    if device.as_deref().is_none_or(is_its) {
                        let why = format!("the hub would refuse a message: {}", reason.word());
                        self.fail("well-formed", &why);
                    }
                }
                Heard::Event(event) if is_its(&event.device) => {
                    self.battery = event.battery.or(self.battery);
                    return Ok(Some(event));
                }
                Heard::Event(_) => {}
            }
        }
    }

    /// Whether an event comes again after a pause; says why not.
    async fn comes_again(
        &mut self,
        clause: &'static str,
        sent: &Event,
        pause: Wait,
    ) -> Result<bool, Failure> {
        let spare = Wait(pause.0 * LEEWAY_PERCENT / 100 + LEEWAY.0);
        let watch = Stopwatch::start();
        loop {
            let left = Wait(pause.0 + spare.0).std().saturating_sub(watch.elapsed());
            let Some(event) = self.event(left).await? else {
                let secs = pause.0 / 1_000;
                self.fail(clause, &format!("nothing came {secs} s after the sending before"));
                return Ok(false);
            };
            if !event.calls() {
                continue;
            }
            if event.mark != sent.mark || event.what != sent.what {
                self.fail(clause, "what came is another event: a repeat has the number it repeats");
                return Ok(false);
            }
            if event.bytes != sent.bytes {
                self.fail(clause, "the repeat is not the same bytes");
                return Ok(false);
            }
            let early = Wait(pause.0.saturating_sub(spare.0)).std();
            if watch.elapsed() < early {
                let ms = watch.elapsed().as_millis();
                self.fail(clause, &format!("it came again after {ms} ms: too soon for its air"));
                return Ok(false);
            }
            return Ok(true);
        }
    }

    /// Whether an event does not come again within a time.
    async fn is_quiet(
        &mut self,
        clause: &'static str,
        sent: &Event,
        within: Wait,
    ) -> Result<bool, Failure> {
        let watch = Stopwatch::start();
        loop {
            let left = within.std().saturating_sub(watch.elapsed());
            match self.event(left).await? {
                None => {
                    self.pass(clause);
                    return Ok(true);
                }
                Some(event) if event.calls() && event.mark == sent.mark => {
                    self.fail(clause, "it was sent again");
                    return Ok(false);
                }
                Some(_) => {}
            }
        }
    }

    fn place(name: &str) -> Option<usize> {
        CLAUSES.iter().position(|(known, _)| *known == name)
    }

    fn verdict(&self, name: &str) -> Option<&Verdict> {
        self.verdicts.get(Self::place(name)?)?.as_ref()
    }

    /// The first failure of a clause stays.
    fn set(&mut self, name: &str, verdict: Verdict) {
        let Some(place) = Self::place(name) else { return };
        if !matches!(self.verdicts[place], Some(Verdict::Failed { .. })) {
            self.verdicts[place] = Some(verdict);
        }
    }

    fn pass(&mut self, name: &str) {
        self.set(name, Verdict::Passed);
    }

    fn fail(&mut self, name: &str, why: &str) {
        self.set(name, Verdict::Failed { why: why.to_owned() });
    }
}

/// The address of a device that is not this one.
fn neighbour(device: &str) -> String {
    let mut name: Vec<char> = device.chars().collect();
    match name.last_mut() {
        Some(last) if *last == '1' => *last = '2',
        Some(last) => *last = '1',
        None => {}
    }
    name.into_iter().collect()
}
