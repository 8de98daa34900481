//! Calls over a scripted modem on a real pseudo-terminal: what each turn of a call comes to, and that the
//! modem hangs up after each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::line_tests::{Fake, HANG_GUARD, House};
use super::{Call, Called, Says, Sent};
use crate::terms::Phone;

/// Said by the fake's "other end" once the modem has done what leads to it.
const RINGS: &str = "\r\n+CLCC: 1,0,3,0,0,\"13800138000\",129\r\n";
const TAKEN: &str = "\r\nVOICE CALL: BEGIN\r\n";

struct Line {
    house: House,
    fake: Fake,
    still: Arc<AtomicBool>,
}

impl Line {
    async fn open() -> Self {
        let mut house = House::open(|_| {});
        let fake = Fake::at(&house.path());
        house.ready().await;
        Self { house, fake, still: Arc::new(AtomicBool::new(true)) }
    }

    fn calls(&self, ring: u64) -> mpsc::Receiver<(usize, Called)> {
        let (done, ends) = mpsc::channel(1);
        let still = Arc::clone(&self.still);
        let call = Call {
            to: Phone::parse("13800138000").unwrap(),
            says: Says::Text("急".to_owned()),
            ring: Duration::from_millis(ring),
            still: Box::new(move || still.load(Ordering::Acquire)),
            done,
            tag: 0,
        };
        self.house.modem.line().call(call).unwrap();
        ends
    }

    async fn told(&self, command: &str, times: usize) {
        let waited = timeout(HANG_GUARD, async {
            while self.fake.told(command) < times {
                sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{command} was said {}", self.fake.told(command)));
    }

    /// The other end does this once its telephone was dialled for the so many-th time.
    async fn after_dialling(&self, times: usize, says: &str) {
        self.told("ATD13800138000;", times).await;
        self.fake.says(says);
    }
}

async fn end(mut ends: mpsc::Receiver<(usize, Called)>) -> Called {
    timeout(HANG_GUARD, ends.recv()).await.expect("the call's end").unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_an_answer_two_is_the_menu_again_and_others_are_nothing() {
    let line = Line::open().await;
    let ends = line.calls(20_000);
    line.after_dialling(1, RINGS).await;
    line.fake.says("\r\n+RXDTMF: 1\r\n");
    line.fake.says(TAKEN);
    line.told("AT+CTTS=1,\"6025\"", 1).await;
    line.fake.says("\r\n+CTTS: 0\r\n\r\n+RXDTMF: 7\r\n\r\n+RXDTMF: 2\r\n");
    line.told("AT+CTTS=1,\"6025\"", 2).await;
    // In the middle of the menu, and twice: once counts.
    line.fake.says("\r\nRING\r\n\r\n+RXDTMF: 1\r\n\r\n+RXDTMF: 1\r\n");
    assert_eq!(end(ends).await, Called::Accepted);
    line.told("AT+CHUP", 1).await;
    let ends = line.calls(20_000);
    line.after_dialling(2, TAKEN).await;
    line.told("AT+CTTS=1", 3).await;
    line.fake.says("\r\n+DTMF: 0,160\r\n");
    assert_eq!(end(ends).await, Called::Declined);
    line.told("AT+CHUP", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_box_hears_the_menu_three_times_and_is_nobody() {
    let line = Line::open().await;
    line.fake.answers("AT+CTTS", "OK|+CTTS: 0");
    let ends = line.calls(20_000);
    line.after_dialling(1, TAKEN).await;
    assert_eq!(end(ends).await, Called::NoKey);
    assert_eq!(line.fake.told("AT+CTTS=1"), 3);
    line.told("AT+CHUP", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_never_says_that_it_has_spoken_is_not_waited_for_without_end() {
    let line = Line::open().await;
    let ends = line.calls(20_000);
    line.after_dialling(1, TAKEN).await;
    line.told("AT+CTTS=1", 2).await;
    line.fake.says("\r\n+RXDTMF: 1\r\n");
    assert_eq!(end(ends).await, Called::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_nobody_was_reached_is_told_apart_and_the_modem_hangs_up_each_time() {
    let line = Line::open().await;
    let mut times = 0;
    for (says, called) in [
        ("\r\nBUSY\r\n", Called::Busy),
        ("\r\nNO ANSWER\r\n", Called::NoAnswer),
        ("\r\nNO CARRIER\r\n", Called::NotConnected),
        // It rings until it is enough.
        (RINGS, Called::NoAnswer),
        // Nothing is heard of it at all.
        ("", Called::NotConnected),
        ("\r\nVOICE CALL: BEGIN\r\n\r\nVOICE CALL: END: 000002\r\n", Called::HungUp),
    ] {
        times += 1;
        let ends = line.calls(300);
        line.after_dialling(times, says).await;
        assert_eq!(end(ends).await, called, "{says:?}");
        line.told("AT+CHUP", times).await;
    }
    // One that says it in place of an answer to the dialling.
    line.fake.answers("ATD", "NO CARRIER");
    let ends = line.calls(300);
    assert_eq!(end(ends).await, Called::NotConnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_call_before_does_not_end_this_one() {
    let line = Line::open().await;
    line.fake.answers("AT+CLCC", "+CLCC: 1,0,3,0,0,\"13800138000\",129|OK");
    let ends = line.calls(20_000);
    line.after_dialling(1, "\r\nVOICE CALL: END: 000017\r\n\r\nNO CARRIER\r\n").await;
    line.told("AT+CLCC", 3).await;
    line.fake.answers("AT+CLCC", "+CLCC: 1,0,0,0,0,\"13800138000\",129|OK");
    // The modem says nothing unasked of the answer: its list does.
    line.told("AT+CTTS=1", 1).await;
    line.fake.says("\r\n+RXDTMF: 1\r\n");
    assert_eq!(end(ends).await, Called::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_needs_is_not_dialled_and_one_that_rings_stops() {
    let line = Line::open().await;
    line.still.store(false, Ordering::Release);
    assert_eq!(end(line.calls(20_000)).await, Called::TakenBack);
    assert_eq!(line.fake.told("ATD"), 0);
    line.still.store(true, Ordering::Release);
    let ends = line.calls(20_000);
    line.after_dialling(1, RINGS).await;
    line.still.store(false, Ordering::Release);
    assert_eq!(end(ends).await, Called::TakenBack);
    line.told("AT+CHUP", 1).await;
    assert_eq!(line.fake.told("AT+CTTS"), 0, "nothing was said into it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_goes_right_after_the_call() {
    let line = Line::open().await;
    let ends = line.calls(20_000);
    line.after_dialling(1, RINGS).await;
    let sends = line.house.sends();
    let keys = async {
        sleep(Duration::from_millis(300)).await;
        assert_eq!(line.fake.told("AT+CMGS"), 0, "not in the middle of the call");
        line.fake.says("\r\nBUSY\r\n");
    };
    let ((sent, _), ()) = tokio::join!(sends, keys);
    assert_eq!((sent, end(ends).await), (Sent::Taken, Called::Busy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_that_cannot_speak_or_dial_says_so_and_one_that_is_lost_gives_the_call_back() {
    let line = Line::open().await;
    line.fake.answers("AT+CTTS", "ERROR");
    let ends = line.calls(20_000);
    line.after_dialling(1, TAKEN).await;
    assert!(matches!(end(ends).await, Called::Not { why } if why.contains("cannot say")));
    line.told("AT+CHUP", 1).await;
    line.fake.answers("ATD", "+CME ERROR: 3");
    assert!(matches!(end(line.calls(20_000)).await, Called::Not { why } if why.contains("dial")));
    line.fake.answers("ATD", "OK");
    let ends = line.calls(20_000);
    line.told("ATD", 3).await;
    drop(line.fake);
    assert!(matches!(end(ends).await, Called::Not { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_calls_the_hub_is_rejected_once_in_a_while() {
    let line = Line::open().await;
    for _ in 0..3 {
        line.fake.says("\r\nRING\r\n");
        sleep(Duration::from_millis(20)).await;
    }
    line.told("AT+CHUP", 1).await;
    let (sent, _) = line.house.sends().await;
    assert_eq!(sent, Sent::Taken);
    assert_eq!(line.fake.told("AT+CHUP"), 1);
}
