//! What a wire hands in: bytes, where they came from, and the acknowledgement still owed for them.

use std::fmt;
use std::sync::Arc;

use super::{At, LinkId};

/// How a receipt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What was received is on disk, or needs no disk: acknowledge it.
    Stored,
    /// Not stored: acknowledge nothing, so that the sender repeats.
    Refused,
    /// It has not the form that was agreed on: where the wire has a word for that, ask for it again;
    /// else acknowledge it, since it will not be better the next time.
    Unread,
}

type Settle = Box<dyn FnOnce(Verdict) + Send>;

/// The acknowledgement owed to a sender. It can be given once; a receipt that is dropped counts as
/// refused, so nothing is ever acknowledged by accident.
pub struct Receipt {
    settle: Option<Settle>,
    again: bool,
}

impl Receipt {
    /// A receipt that calls `settle` once, from whichever thread settles it.
    pub fn new(settle: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self { settle: Some(Box::new(settle)), again: false }
    }

    /// The same for what the wire knows to be the sender's repeat of what came just before it, because
    /// that was not acknowledged.
    pub fn owed_again(settle: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self { settle: Some(Box::new(settle)), again: true }
    }

    /// A receipt nobody waits for: MQTT QoS 0, or a copy from a file.
    pub fn unasked() -> Self {
        Self { settle: None, again: false }
    }

    /// Whether the wire knows that this is the sender's repeat of what came just before it.
    pub fn is_owed_again(&self) -> bool {
        self.again
    }

    /// Says that what was received is on disk.
    pub fn stored(mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Verdict::Stored);
        }
    }

    /// Says that nothing could be read of it.
    pub fn unread(mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Verdict::Unread);
        }
    }

    /// Says that it is not, and will not be soon.
    pub fn refused(self) {
        drop(self);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Verdict::Refused);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.settle.is_some() { "Receipt(owed)" } else { "Receipt(none)" })
    }
}

/// One message as a wire received it, without meaning.
#[derive(Debug)]
pub struct Inbound {
    /// The wire.
    pub link: LinkId,
    /// The topic, or the port's own name for its only topic.
    pub topic: Arc<str>,
    /// Whether this is the broker's kept copy of an earlier message.
    pub retained: bool,
    /// When it was received.
    pub received: At,
    /// The payload, at most the link's packet limit.
    pub bytes: Vec<u8>,
    /// The acknowledgement owed.
    pub receipt: Receipt,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_receipt_is_given_once_and_a_lost_one_refuses() {
        let (said, heard) = mpsc::channel();
        let receipt = || {
            let said = said.clone();
            Receipt::new(move |verdict| said.send(verdict).unwrap())
        };
        receipt().stored();
        receipt().unread();
        receipt().refused();
        drop(receipt());
        Receipt::unasked().stored();
        drop(said);
        let verdicts: Vec<_> = heard.iter().collect();
        let expected = [Verdict::Stored, Verdict::Unread, Verdict::Refused, Verdict::Refused];
        assert_eq!(verdicts, expected);
    }
}
