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
}

type Settle = Box<dyn FnOnce(Verdict) + Send>;

/// The acknowledgement owed to a sender. It can be given once; a receipt that is dropped counts as
/// refused, so nothing is ever acknowledged by accident.
pub struct Receipt(Option<Settle>);

impl Receipt {
    /// A receipt that calls `settle` once, from whichever thread settles it.
    pub fn new(settle: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// A receipt nobody waits for: MQTT QoS 0, or a copy from a file.
    pub fn unasked() -> Self {
        Self(None)
    }

    /// Says that what was received is on disk.
    pub fn stored(mut self) {
        if let Some(settle) = self.0.take() {
            settle(Verdict::Stored);
        }
    }

    /// Says that it is not, and will not be soon.
    pub fn refused(self) {
        drop(self);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(Verdict::Refused);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Receipt(owed)" } else { "Receipt(none)" })
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
        receipt().refused();
        drop(receipt());
        Receipt::unasked().stored();
        drop(said);
        let verdicts: Vec<_> = heard.iter().collect();
        assert_eq!(verdicts, [Verdict::Stored, Verdict::Refused, Verdict::Refused]);
    }
}
