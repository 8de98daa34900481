//! One platform's task, whichever protocol it speaks: what it holds, and the loop that feeds it.
//!
//! The loop takes events and signs of life from the desk as long as there is room, and gives it reports
//! and what the platform says as soon as there is any; none of it waits for the line. What leaves when,
//! and what an answer means, is the protocol's: it is asked to send, hears what comes, and is told what
//! came.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;

use bytes::Bytes;
use tokio::time::sleep;

use super::down::{Heard, Told};
use super::ledger::Ledger;
use super::pace::Pace;
use super::window::Window;
use super::{Ears, Ends, HELD_MAX, PlatformSettings, REPORT_AFTER, UNSTORED_MAX};
use crate::notify::endpoint::{LifeSign, Settled};
use crate::terms::{EndpointId, HubId, Receipt, Seq};

/// What a platform's task holds.
pub(super) struct Held {
    pub(super) platform: EndpointId,
    pub(super) hub: HubId,
    /// Whether anybody speaks for it.
    pub(super) may_speak: bool,
    pub(super) window: Window<Bytes, LifeSign>,
    pub(super) ledger: Ledger,
    pub(super) pace: Pace,
    /// Alarms that are held and not settled.
    urgent: BTreeSet<Seq>,
    /// What it said, on its way to the desk.
    heard: VecDeque<Heard>,
}

/// How a platform is spoken to.
pub(super) trait Protocol: Send {
    /// What a line brings next.
    type Turn: Send;
    /// Sends what may leave now. Never waits.
    fn send_out(&mut self, held: &mut Held);
    /// Waits for what comes next; may be given up at any moment, and loses nothing by that.
    fn next(&mut self) -> impl Future<Output = Self::Turn> + Send;
    /// Does what follows from it.
    fn take(&mut self, held: &mut Held, turn: Self::Turn);
    /// An alarm has come: a pause that was asked for is cut short.
    fn hurry(&mut self) {}
    /// Sends nothing more and waits for the answers under way; whoever stops this sets the limit.
    fn finish(&mut self, held: &mut Held) -> impl Future<Output = ()> + Send;
}

impl Held {
    pub(super) fn new(settings: &PlatformSettings, width: usize) -> Self {
        Self {
            platform: settings.platform.clone(),
            hub: settings.hub.clone(),
            may_speak: settings.may_speak,
            window: Window::new(width),
            ledger: Ledger::new(settings.platform.clone()),
            pace: Pace::default(),
            urgent: BTreeSet::new(),
            heard: VecDeque::new(),
        }
    }

    /// Whether an alarm waits to be told.
    pub(super) fn has_alarm(&self) -> bool {
        !self.urgent.is_empty()
    }

    pub(super) fn works(&mut self) {
        self.pace.well();
        self.ledger.works();
    }

    pub(super) fn settle(&mut self, seq: Seq, how: Settled) {
        if self.window.settle(seq) {
            self.urgent.remove(&seq);
            self.ledger.settle(seq, how);
        }
    }

    /// Whether another message may go to the desk.
    pub(super) fn has_room_to_hear(&self) -> bool {
        self.heard.len() < UNSTORED_MAX
    }

    /// The platform said something; without room it is left out.
    pub(super) fn heed(&mut self, told: Told, receipt: Receipt) {
        if self.has_room_to_hear() {
            let Told { id, digest, message } = told;
            let platform = self.platform.clone();
            self.heard.push_back(Heard { platform, id, digest, message, receipt });
        }
    }

    /// Events that may still be taken from the desk.
    fn room(&self) -> usize {
        HELD_MAX.saturating_sub(self.window.held() + self.ledger.waiting())
    }
}

/// Serves a platform until it is stopped, or until the desk is gone and all is settled.
pub(super) async fn serve<P: Protocol>(mut protocol: P, mut held: Held, ends: Ends, ears: Ears) {
    let Ears { mut offers, mut life, mut stopped } = ears;
    let mut batch = Vec::new();
    let mut open = true;
    let mut report = Box::pin(sleep(REPORT_AFTER));
    while open || held.window.held() > 0 || held.ledger.has_news() {
        protocol.send_out(&mut held);
        let room = held.room();
        tokio::select! {
            _ = &mut stopped => break,
            turn = protocol.next() => protocol.take(&mut held, turn),
            () = &mut report, if held.ledger.has_news() => {
                let Ok(permit) = ends.reports.reserve().await else { return };
                permit.send(held.ledger.report());
                report = Box::pin(sleep(REPORT_AFTER));
            }
            permit = ends.heard.reserve(), if !held.heard.is_empty() => {
                let Ok(permit) = permit else { return };
                if let Some(message) = held.heard.pop_front() {
                    permit.send(message);
                }
            }
            taken = offers.recv_many(&mut batch, room), if open && room > 0 => {
                open = taken > 0;
                for letter in batch.drain(..) {
                    if letter.urgent {
                        held.urgent.insert(letter.seq);
                        protocol.hurry();
                    }
                    held.window.add(letter.seq, letter.body);
                }
            }
            Ok(()) = life.changed() => {
                if let Some(sign) = life.borrow_and_update().clone() {
                    held.window.put_life(sign);
                }
            }
        }
    }
    protocol.finish(&mut held).await;
    held.ledger.close(&ends.reports).await;
}
