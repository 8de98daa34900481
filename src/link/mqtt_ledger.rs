//! What an outside broker has sent and not yet got an acknowledgement for.
//!
//! A receipt may be settled when the connection it came by is gone. If the broker then sends the
//! message again in the same session, marked as a repeat, under the same number, with the same bytes,
//! and our acknowledgement never left, it is surely the same message: it is acknowledged and not
//! handed on, so that one press of a device that does not count is not two. Where any of this is not
//! sure (the acknowledgement may have arrived and the number be given out anew), it is handed on
//! again: two calls are better than none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::{AsyncClient, Publish, QoS};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::terms::{Receipt, Verdict};

/// What the receipts of one broker's messages are settled against.
#[derive(Default)]
struct Book {
    /// Grows with every connection.
    connection: u64,
    client: Option<AsyncClient>,
    /// By packet identifier: MQTT allows 65,535, and brokers keep 20 to 1,000 under way.
    owed: BTreeMap<u16, Owed>,
    handed: u64,
}

struct Owed {
    /// Which message this is, since numbers come again.
    id: u64,
    digest: [u8; 32],
    /// The connection by which it came last.
    connection: u64,
    stored: bool,
}

/// The acknowledgements owed to one broker.
#[derive(Clone)]
pub(super) struct Ledger {
    book: Arc<Mutex<Book>>,
    /// How many messages could not be stored, or their acknowledgement not be sent.
    refused: Arc<watch::Sender<u64>>,
    /// How many are owed now.
    open: Arc<watch::Sender<usize>>,
}

/// What to do with a message.
pub(super) enum Taken {
    /// Hand it on with this receipt.
    New(Receipt),
    /// It was handed on before.
    Again,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            book: Arc::default(),
            refused: Arc::new(watch::Sender::new(0)),
            open: Arc::new(watch::Sender::new(0)),
        }
    }

    /// A connection stands; `resumed` says whether the broker kept the session.
    pub(super) fn begin(&self, client: AsyncClient, resumed: bool) {
        let mut book = self.book();
        book.connection += 1;
        book.client = Some(client);
        if !resumed {
            book.owed.clear();
        }
        self.count(&book);
    }

    /// The connection is gone; what is owed may still be settled and asked for again.
    pub(super) fn end(&self) {
        self.book().client = None;
    }

    /// Takes a message of QoS 1 or 2.
    pub(super) fn take(&self, publish: &Publish) -> Taken {
        let mut book = self.book();
        let connection = book.connection;
        let digest = digest(publish);
        if publish.dup
            && let Some(owed) = book.owed.get_mut(&publish.pkid)
            && owed.digest == digest
            && owed.connection < connection
        {
            owed.connection = connection;
            if owed.stored {
                self.acknowledge(&mut book, publish.pkid);
            }
            return Taken::Again;
        }
        book.handed += 1;
        let id = book.handed;
        book.owed.insert(publish.pkid, Owed { id, digest, connection, stored: false });
        self.count(&book);
        let (ledger, pkid) = (self.clone(), publish.pkid);
        Taken::New(Receipt::new(move |verdict| ledger.settle(pkid, id, verdict)))
    }

    /// An acknowledgement has left: the broker may give its number out anew.
    pub(super) fn left(&self, pkid: u16) {
        let mut book = self.book();
        book.owed.remove(&pkid);
        self.count(&book);
    }

    /// Grows whenever something has to be asked for again by a new connection.
    pub(super) fn refusals(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }

    /// How many acknowledgements are owed.
    pub(super) fn open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    fn settle(&self, pkid: u16, id: u64, verdict: Verdict) {
        let mut book = self.book();
        let connection = book.connection;
        let Some(owed) = book.owed.get_mut(&pkid).filter(|owed| owed.id == id) else { return };
        let is_here = owed.connection == connection;
        match verdict {
            Verdict::Stored | Verdict::Unread => {
                owed.stored = true;
                if is_here {
                    self.acknowledge(&mut book, pkid);
                }
            }
            Verdict::Refused => {
                book.owed.remove(&pkid);
                self.count(&book);
                if is_here {
                    self.refused.send_modify(|count| *count += 1);
                }
            }
        }
    }

    fn acknowledge(&self, book: &mut Book, pkid: u16) {
        let mut receipt = Publish::new("", QoS::AtLeastOnce, Vec::new());
        receipt.pkid = pkid;
        let Some(client) = &book.client else { return };
        if client.try_ack(&receipt).is_err() {
            self.refused.send_modify(|count| *count += 1);
        }
    }

    fn count(&self, book: &Book) {
        let open = book.owed.len();
        self.open.send_if_modified(|count| std::mem::replace(count, open) != open);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(publish: &Publish) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update((publish.topic.len() as u64).to_be_bytes());
    sum.update(publish.topic.as_bytes());
    sum.update(&publish.payload);
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use rumqttc::{EventLoop, MqttOptions};

    use super::*;

    fn line() -> (AsyncClient, EventLoop) {
        AsyncClient::new(MqttOptions::new("hub", "127.0.0.1", 1), 8)
    }

    fn message(pkid: u16, dup: bool, payload: &str) -> Publish {
        let mut publish = Publish::new("z/B-1", QoS::AtLeastOnce, payload);
        (publish.pkid, publish.dup) = (pkid, dup);
        publish
    }

    fn new(taken: Taken) -> Receipt {
        match taken {
            Taken::New(receipt) => receipt,
            Taken::Again => panic!("it was held for a repeat"),
        }
    }

    #[test]
    fn a_press_stored_after_its_connection_broke_is_acknowledged_and_not_heard_twice() {
        let ledger = Ledger::new();
        let (first, _kept) = line();
        ledger.begin(first, false);
        let receipt = new(ledger.take(&message(3, false, "sos")));
        ledger.end();
        receipt.stored();
        let (second, _kept) = line();
        ledger.begin(second, true);
        assert!(matches!(ledger.take(&message(3, true, "sos")), Taken::Again));
        assert_eq!(*ledger.open().borrow(), 1, "owed until the acknowledgement has left");
        ledger.left(3);
        assert_eq!(*ledger.open().borrow(), 0);
    }

    #[test]
    fn what_may_be_another_press_is_heard() {
        let ledger = Ledger::new();
        let (client, _kept) = line();
        ledger.begin(client.clone(), false);
        new(ledger.take(&message(3, false, "sos"))).stored();
        for (resumed, again) in [
            (true, message(3, false, "sos")),
            (true, message(3, true, "other")),
            (true, message(4, true, "sos")),
            (false, message(3, true, "sos")),
        ] {
            ledger.begin(client.clone(), resumed);
            new(ledger.take(&again)).stored();
        }
        ledger.left(3);
        ledger.begin(client, true);
        let reused = new(ledger.take(&message(3, true, "sos")));
        reused.stored();
    }

    #[test]
    fn a_press_that_could_not_be_stored_is_asked_for_again_and_then_heard() {
        let ledger = Ledger::new();
        let (client, _kept) = line();
        ledger.begin(client.clone(), false);
        let refusals = ledger.refusals();
        new(ledger.take(&message(3, false, "sos"))).refused();
        assert!(refusals.has_changed().unwrap());
        ledger.begin(client, true);
        new(ledger.take(&message(3, true, "sos"))).stored();
    }
}
