//! The second, shorter story: a radio button behind a receiver on a serial line.

use super::super::{Failure, Outcome};
use super::district::Told;
use super::receiver::Receiver;
use super::story::{SEEN_WITHIN, Story};
use crate::clock::Stopwatch;
use crate::exit;
use crate::incident::{Ending, Move};
use crate::terms::{FeedbackStage, Mark};

/// The button and its address, as `registry/devices.csv` of the demo's house has them.
pub(super) const DEVICE: &str = "R-01";
pub(super) const ADDRESS: u32 = 0x00A1_B2C3;

impl Story<'_> {
    /// Tells it: pressed, stored, accepted, there, over, each with its light.
    pub(super) async fn tell_on_line(&mut self, receiver: &mut Receiver, boot: u32) -> Outcome {
        let mark = Mark { boot, seq: 1 };
        self.say(
            "何永福, 77, presses the radio button by his bed; its receiver is on a serial line.",
        )?;
        let watch = Stopwatch::start();
        receiver.press(ADDRESS, mark).await.map_err(|error| Failure::of(exit::STORAGE, &error))?;
        self.lamp(receiver, mark, FeedbackStage::Stored, "his light: stored").await?;
        self.say(&format!(
            "  over the line and back in {:.1} ms",
            watch.elapsed().as_secs_f64() * 1e3
        ))?;
        let on_disk = self.is_on_disk(mark);
        self.step("his press is on disk", on_disk)?;
        let code = self.incident_of(DEVICE).await?.code;
        let person = self.last_called(code).await?;
        self.say(&format!("{} accepts.", person.1))?;
        self.answer(code, &person.0, Move::Accept, None).await?;
        self.lamp(receiver, mark, FeedbackStage::Accepted, "his light: somebody is coming").await?;
        self.answer(code, &person.0, Move::Arrive, None).await?;
        self.lamp(receiver, mark, FeedbackStage::OnScene, "his light: a person is there").await?;
        let helped = Move::Resolve { ending: Ending::Helped, contact: None };
        self.answer(code, &person.0, helped, Some("扶到床上，无不适。".to_owned())).await?;
        self.lamp(receiver, mark, FeedbackStage::Closed, "his light: off").await?;
        let is_over = |told: &Told| told.event == "resolved" && told.people.contains(&person.1);
        let told = self.district.until(SEEN_WITHIN, is_over).await;
        self.step("the district has his story, too", told.is_some())?;
        let follow_up = Move::FollowUp { score: Some(5), complaint: false };
        self.answer(code, &person.0, follow_up, None).await
    }

    async fn lamp(
        &mut self,
        receiver: &mut Receiver,
        mark: Mark,
        stage: FeedbackStage,
        what: &'static str,
    ) -> Outcome {
        let seen = receiver.hears(ADDRESS, mark, stage, SEEN_WITHIN).await;
        self.step(what, seen)
    }
}
