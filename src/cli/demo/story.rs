//! The story: each step is done as its person would do it and looked for where it must show.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::button::{Button, ButtonError, Heard};
use super::super::press::boot_mark;
use super::super::{Failure, Outcome, print_text};
use super::district::District;
use super::house::DemoHouse;
use super::receiver::Receiver;
use crate::clock::Stopwatch;
use crate::counter::{About, Ask, Asked, IncidentView, Reply};
use crate::desk::{House, JOURNAL_DIR};
use crate::exit;
use crate::incident::{Ending, Move, Responder, Via};
use crate::journal::{OsDisk, tail, verify};
use crate::terms::{Code, FeedbackStage, HubId, Mark, PersonId, Secret};

/// How long one step may take before it counts as not seen. A hang guard: the steps take 2 s.
pub(super) const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// The device whose key is pressed, and what its light would show.
const DEVICE: &str = "B-02";
/// Entries looked through for the press.
const TAIL: usize = 200;

/// One step and whether it was seen.
struct Step {
    what: &'static str,
    seen: bool,
}

/// The story being told.
pub(super) struct Story<'d> {
    demo: &'d DemoHouse,
    pub(super) district: &'d District,
    asks: tokio::sync::mpsc::Sender<Asked>,
    broker: Option<std::net::SocketAddr>,
    hub: HubId,
    steps: Vec<Step>,
    lines: usize,
    began: Stopwatch,
}

impl<'d> Story<'d> {
    pub(super) fn new(
        demo: &'d DemoHouse,
        district: &'d District,
        house: &House,
        hub: HubId,
    ) -> Self {
        Self {
            demo,
            district,
            asks: house.asks.clone(),
            broker: house.broker,
            hub,
            steps: Vec::new(),
            lines: 0,
            began: Stopwatch::start(),
        }
    }

    /// Tells it all; the first step that is not seen ends it.
    pub(super) async fn tell(&mut self, receiver: &mut Receiver) -> Outcome {
        self.say("安铃 demo: a small centre with steps of 2 s instead of 60 s.")?;
        self.say("The hub runs; its broker, its record and its pages are real.")?;
        let mut button = self.connect().await?;
        let mark = Mark { boot: boot_mark(), seq: 1 };
        self.press(&mut button, mark).await?;
        let code = self.calls().await?;
        let person = self.last_called(code).await?;
        self.person_comes(&mut button, code, &person).await?;
        self.tell_on_line(receiver, boot_mark()).await?;
        self.copies()
    }

    async fn connect(&mut self) -> Result<Button, Failure> {
        let Some(broker) = self.broker else {
            return Err(Failure::new(exit::CONFIG, "the demo's hub has no broker"));
        };
        let password = Secret::new("demo");
        let devices = [DEVICE.to_owned()];
        Button::connect(broker, &self.hub, "press", &password, &devices)
            .await
            .map_err(|error| Failure::of(exit::UNREACHABLE, &error))
    }

    /// The press: on disk before anything says so, then the light.
    async fn press(&mut self, button: &mut Button, mark: Mark) -> Outcome {
        self.say("陈秀英, 88, presses the button in her bathroom.")?;
        let watch = Stopwatch::start();
        button.press(DEVICE, "sos", mark);
        let first = button.hear(SEEN_WITHIN).await.map_err(no_answer)?;
        let took = watch.elapsed();
        let on_disk = self.is_on_disk(mark);
        self.step("stored before it was acknowledged", on_disk)?;
        if first != (Heard::Stage { mark: Some(mark), stage: FeedbackStage::Stored }) {
            self.light(button, FeedbackStage::Stored).await?;
        }
        self.step("her light: stored", true)?;
        self.say(&format!("  on disk and answered after {:.1} ms", took.as_secs_f64() * 1e3))
    }

    pub(super) fn is_on_disk(&self, mark: Mark) -> bool {
        let dir = self.demo.state().join(JOURNAL_DIR);
        let Ok(records) = tail(&OsDisk, &dir, TAIL) else { return false };
        let wanted = format!("\"mark\":{{\"boot\":{},\"seq\":{}}}", mark.boot, mark.seq);
        records.iter().any(|record| {
            let body = String::from_utf8_lossy(&record.body);
            body.contains("\"reported\"") && body.contains(&wanted)
        })
    }

    /// The ladder: first line, then, since nobody answers, the second.
    async fn calls(&mut self) -> Result<Code, Failure> {
        self.event("the district hears of it", |event, _| event == "raised").await?;
        self.event("first line called", |event, rung| event == "notified" && rung == 0).await?;
        let code = self.incident_of(DEVICE).await?.code;
        self.say("Nobody answers.")?;
        let second = |event: &str, rung| event == "escalated" && rung == 1;
        self.event("second line called", second).await?;
        self.event("second line reached", |event, rung| event == "notified" && rung == 1).await?;
        Ok(code)
    }

    /// Whoever was called last.
    pub(super) async fn last_called(&self, code: Code) -> Result<(PersonId, String), Failure> {
        let view = self.incident(|view| view.code == code).await?;
        let called = view.people.iter().rev().find(|p| p.is == Responder::Called);
        called
            .map(|p| (p.id.clone(), p.name.clone()))
            .ok_or_else(|| Failure::new(exit::NOT_RIGHT, "nobody was called"))
    }

    async fn person_comes(
        &mut self,
        button: &mut Button,
        code: Code,
        (person, name): &(PersonId, String),
    ) -> Outcome {
        self.say(&format!("{name} accepts."))?;
        self.answer(code, person, Move::Accept, None).await?;
        self.step("a person accepted", true)?;
        self.light(button, FeedbackStage::Accepted).await?;
        self.step("her light: somebody is coming", true)?;
        self.answer(code, person, Move::OnTheWay, None).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.say(&format!("{name} is at the door."))?;
        self.answer(code, person, Move::Arrive, None).await?;
        self.light(button, FeedbackStage::OnScene).await?;
        self.step("a person is at her side, and her light says so", true)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let words = "已扶起，无外伤，量过血压。".to_owned();
        let helped = Move::Resolve { ending: Ending::Helped, contact: None };
        self.answer(code, person, helped, Some(words)).await?;
        self.light(button, FeedbackStage::Closed).await?;
        self.step("closed by that person", true)?;
        self.event("the district has the whole story", |event, _| event == "resolved").await?;
        let follow_up = Move::FollowUp { score: Some(5), complaint: false };
        self.answer(code, person, follow_up, None).await
    }

    /// The district's copy, and the record.
    fn copies(&mut self) -> Outcome {
        self.screen_lines()?;
        self.say("The district's copy:")?;
        let mut copy = String::new();
        for told in self.district.told() {
            let people = told.people.join(", ");
            let _ = writeln!(copy, "    {:<9} {:<11} {people}", told.id, told.event);
        }
        print_text(&copy)?;
        let sound = self.record_is_sound();
        self.step("the record is whole", sound.is_some())?;
        Ok(())
    }

    fn record_is_sound(&self) -> Option<u64> {
        let report = verify(&OsDisk, &self.demo.state().join(JOURNAL_DIR)).ok()?;
        report.is_sound().then_some(report.entries)
    }

    /// After the stop: the record was closed in order.
    pub(super) fn closing(&self) -> Outcome {
        let entries = self.record_is_sound().ok_or_else(|| {
            Failure::new(exit::NOT_RIGHT, "the record is not whole after the stop")
        })?;
        print_text(&format!("Stopped in order; the record holds {entries} entries, chain whole.\n"))
    }

    /// What was seen and what was not.
    pub(super) fn verdict(&self) -> String {
        let missed: Vec<&str> = self.steps.iter().filter(|s| !s.seen).map(|s| s.what).collect();
        match missed.is_empty() {
            true => format!("All {} steps were seen.\n", self.steps.len()),
            false => format!("NOT SEEN: {}\n", missed.join(", ")),
        }
    }

    async fn event(&mut self, what: &'static str, is_it: impl Fn(&str, u64) -> bool) -> Outcome {
        let told = self.district.until(SEEN_WITHIN, |told| is_it(&told.event, told.rung)).await;
        self.screen_lines()?;
        self.step(what, told.is_some())
    }

    async fn light(&mut self, button: &mut Button, wanted: FeedbackStage) -> Outcome {
        loop {
            match button.hear(SEEN_WITHIN).await.map_err(no_answer)? {
                Heard::Stage { stage, .. } if stage == wanted => return Ok(()),
                _ => {}
            }
        }
    }

    pub(super) async fn answer(
        &self,
        code: Code,
        by: &PersonId,
        says: Move,
        words: Option<String>,
    ) -> Outcome {
        let about = About::Code(code);
        let via = Via::Command;
        let ask = Ask::Say { about, by: by.clone(), via, epoch: None, says, words, word: None };
        match self.ask(ask).await? {
            Reply::Moved(moved) => match (moved.ignored, moved.stored_at) {
                (None, Some(_)) => Ok(()),
                (Some(why), _) => Err(Failure::new(exit::NOT_RIGHT, why)),
                (None, None) => Err(Failure::new(exit::STORAGE, "the answer is not on disk")),
            },
            _ => Err(super::super::loading::odd_answer()),
        }
    }

    /// The newest incident of a device.
    pub(super) async fn incident_of(&self, device: &str) -> Result<IncidentView, Failure> {
        self.incident(|view| view.device.as_str() == device).await
    }

    async fn incident(
        &self,
        is_it: impl Fn(&IncidentView) -> bool,
    ) -> Result<IncidentView, Failure> {
        let Reply::Incidents(views) = self.ask(Ask::Incidents { all: true }).await? else {
            return Err(super::super::loading::odd_answer());
        };
        let found = views.into_iter().rev().find(is_it);
        found.ok_or_else(|| Failure::new(exit::NOT_RIGHT, "the press raised no incident"))
    }

    pub(super) async fn ask(&self, ask: Ask) -> Result<Reply, Failure> {
        let (reply, told) = oneshot::channel();
        let gone = || Failure::new(exit::UNREACHABLE, "the demo's hub does not answer");
        self.asks.send(Asked { ask, reply }).await.map_err(|_| gone())?;
        tokio::time::timeout(SEEN_WITHIN, told).await.map_err(|_| gone())?.map_err(|_| gone())
    }

    /// New lines on the duty room's screen, as staff see them.
    fn screen_lines(&mut self) -> Outcome {
        let text = std::fs::read_to_string(self.demo.screen()).unwrap_or_default();
        let mut shown = String::new();
        for line in text.lines().skip(self.lines) {
            self.lines += 1;
            let _ = writeln!(shown, "    值班室屏幕 │ {line}");
        }
        print_text(&shown)
    }

    pub(super) fn say(&mut self, what: &str) -> Outcome {
        self.screen_lines()?;
        let at = self.began.elapsed().as_secs_f64();
        print_text(&format!("{at:>5.1} s  {what}\n"))
    }

    pub(super) fn step(&mut self, what: &'static str, seen: bool) -> Outcome {
        self.steps.push(Step { what, seen });
        let sign = if seen { "✓" } else { "✗ NOT SEEN:" };
        self.say(&format!("{sign} {what}"))?;
        match seen {
            true => Ok(()),
            false => Err(Failure::new(exit::NOT_RIGHT, format!("not seen: {what}"))),
        }
    }
}

fn no_answer(error: ButtonError) -> Failure {
    Failure::of(exit::NOT_RIGHT, &error)
}
