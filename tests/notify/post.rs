//! The people's side: lanes, ends, taking back, stopping.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anling::incident::{Carrier, OrderId, Outcome};
use anling::notify::Letter;
use anling::notify::post::{CarrierHandle, Carry, Ended, open};
use anling::terms::Class;
use tokio::sync::{Semaphore, mpsc};

use super::letters::{letter, soon};

/// A carrier that notes what it carries, one per permit.
#[derive(Clone)]
struct Noting {
    carried: Arc<Mutex<Vec<u64>>>,
    gate: Arc<Semaphore>,
}

impl Noting {
    fn new(permits: usize) -> Self {
        Self { carried: Arc::default(), gate: Arc::new(Semaphore::new(permits)) }
    }

    fn carried(&self) -> Vec<u64> {
        self.carried.lock().unwrap().clone()
    }
}

impl Carry for Noting {
    async fn carry(&self, letter: &Letter) -> Outcome {
        self.carried.lock().unwrap().push(letter.id.incident.0);
        assert_ne!(letter.id.incident.0, 666, "a letter that breaks its carrier");
        self.gate.acquire().await.unwrap().forget();
        Outcome::HandedOver
    }
}

type Ends = mpsc::Receiver<(OrderId, Ended)>;

fn start(noting: &Noting, parallel: usize) -> (CarrierHandle, Ends) {
    let (sender, ends) = mpsc::channel(1024);
    (open(Carrier::Mail, noting.clone(), parallel, sender), ends)
}

async fn hand_in(handle: &CarrierHandle, class: Class, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        let letter = letter(Carrier::Mail, class, n);
        handle.lane(&letter).send(letter).await.unwrap();
    }
}

#[tokio::test]
async fn every_letter_has_exactly_one_end() {
    let noting = Noting::new(1000);
    let (handle, mut ends) = start(&noting, 4);
    hand_in(&handle, Class::Emergency, 1..=100).await;
    hand_in(&handle, Class::Service, 101..=150).await;
    let mut ended = Vec::new();
    while ended.len() < 150 {
        let (order, end) = soon("an end", ends.recv()).await.unwrap();
        assert_eq!(end, Ended::Tried(Outcome::HandedOver));
        ended.push(order.incident.0);
    }
    soon("the stop", handle.stop(Duration::from_secs(5))).await;
    assert!(ends.recv().await.is_none(), "and no second one");
    ended.sort_unstable();
    assert_eq!(ended, (1..=150).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_urgent_letter_goes_before_every_quiet_one_that_waits() {
    let noting = Noting::new(0);
    let (handle, mut ends) = start(&noting, 1);
    hand_in(&handle, Class::Service, 1..=5).await;
    soon("the first letter", async {
        while noting.carried().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hand_in(&handle, Class::Emergency, 90..=92).await;
    noting.gate.add_permits(100);
    for _ in 0..8 {
        soon("an end", ends.recv()).await.unwrap();
    }
    assert_eq!(noting.carried(), [1, 90, 91, 92, 2, 3, 4, 5]);
}

#[tokio::test]
async fn slow_quiet_letters_leave_a_place_for_an_urgent_one() {
    let noting = Noting::new(0);
    let (handle, _ends) = start(&noting, 3);
    hand_in(&handle, Class::Service, 1..=10).await;
    hand_in(&handle, Class::Emergency, [90]).await;
    soon("the urgent letter", async {
        while !noting.carried().contains(&90) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(noting.carried().len() <= 3);
}

#[tokio::test]
async fn an_order_that_was_taken_back_is_not_sent() {
    let noting = Noting::new(0);
    let (handle, mut ends) = start(&noting, 1);
    let (first, second) =
        (letter(Carrier::Mail, Class::Emergency, 1), letter(Carrier::Mail, Class::Emergency, 2));
    let still = second.still.clone();
    handle.urgent.send(first).await.unwrap();
    handle.urgent.send(second).await.unwrap();
    still.take_back();
    noting.gate.add_permits(2);
    soon("the first end", ends.recv()).await.unwrap();
    let (order, end) = soon("the second end", ends.recv()).await.unwrap();
    assert_eq!((order.incident.0, end), (2, Ended::Superseded));
    assert_eq!(noting.carried(), [1]);
}

#[tokio::test]
async fn a_letter_that_breaks_its_carrier_ends_as_unknown_and_the_next_goes_out() {
    let noting = Noting::new(10);
    let (handle, mut ends) = start(&noting, 1);
    hand_in(&handle, Class::Emergency, [666, 1]).await;
    let (_, end) = soon("an end", ends.recv()).await.unwrap();
    assert!(matches!(end, Ended::Tried(Outcome::Unknown { .. })), "{end:?}");
    let (order, end) = soon("an end", ends.recv()).await.unwrap();
    assert_eq!((order.incident.0, end), (1, Ended::Tried(Outcome::HandedOver)));
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_leaves_the_rest_outstanding() {
    let noting = Noting::new(1);
    let (handle, mut ends) = start(&noting, 1);
    hand_in(&handle, Class::Emergency, 1..=3).await;
    soon("the first end", ends.recv()).await.unwrap();
    soon("the stop", handle.stop(Duration::from_millis(50))).await;
    assert!(soon("the end of ends", ends.recv()).await.is_none());
    assert!(noting.carried().len() <= 2);
}
