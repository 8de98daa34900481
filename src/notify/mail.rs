//! E-mail: one letter, one message, through the first relay that takes it.
//!
//! - Relays are tried in their order, each within its share of [`MAIL_LIMIT`]. Any trouble with one
//!   means the next. A letter is refused only when every relay refused this very message for good:
//!   a relay that refuses *us* (its greeting, our login) may be mended, whatever digit its answer
//!   begins with, and a dead one says nothing about the person.
//! - Where the answer to a whole message was lost, the next relay gets it all the same: the
//!   Message-ID is made of the order's name, so a mailbox shows a repeat once.
//! - A relay that does not answer rests for [`RELAY_REST`], so that a dead server costs a few letters
//!   their time and not every letter in the queue.
//! - TLS is required where it is configured. There is no falling back to plain text, and plain text
//!   is accepted only to the box itself.

use std::fmt::Write;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::{Address, message};
use sha2::{Digest, Sha256};

use super::post::Carry;
pub use super::relay::{COMMAND_LIMIT, MailTls, RELAY_REST, RelaySettings};
use super::relay::{Relay, Trouble};
use super::{Letter, text};
use crate::incident::{OrderId, Outcome};
use crate::terms::Wait;

/// Limit of one letter over all relays.
pub const MAIL_LIMIT: Duration = Duration::from_secs(25);

/// Most relays: with more, none would have time to answer within [`MAIL_LIMIT`].
pub const RELAYS_MAX: usize = 3;

/// Letters sent side by side. Own choice: relays for free mail allow few connections.
pub const PARALLEL: usize = 4;

/// Why mail cannot be sent at all. All are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender's address.
    #[error("the sender's address cannot be read: write it as name@host or 安铃 <name@host>")]
    From(#[source] lettre::address::AddressError),
    /// None, or too many.
    #[error("mail needs one to {RELAYS_MAX} relays, and {0} are given")]
    Relays(usize),
    /// Plain text to another machine.
    #[error("relay {host} is not this machine: choose starttls or implicit TLS for it")]
    PlainText {
        /// The relay.
        host: String,
    },
    /// A user without a password, or the other way round, or a password that is not text.
    #[error("relay {host} needs both a user and a password of UTF-8 text, or neither")]
    Login {
        /// The relay.
        host: String,
    },
    /// The extra CA file cannot be read.
    #[error("the CA file of relay {host} cannot be read: check its path and mode")]
    CaFile {
        /// The relay.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its certificates cannot be used.
    #[error("TLS to relay {host} cannot be set up: check its CA file")]
    Tls {
        /// The relay.
        host: String,
        /// Why.
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

/// Mail, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Who it comes from, `安铃 <anling@example.org>`; with Chinese free mail the login itself.
    pub from: String,
    /// The relays in the order they are tried, one to [`RELAYS_MAX`].
    pub relays: Vec<RelaySettings>,
}

/// The mail carrier.
#[derive(Debug)]
pub struct Mail {
    from: Mailbox,
    relays: Vec<Relay>,
}

impl Mail {
    /// Checks the settings and reads the CA files. Nothing is connected yet.
    pub fn open(settings: MailSettings) -> Result<Self, MailError> {
        let from: Mailbox = settings.from.parse().map_err(MailError::From)?;
        let relays = settings.relays;
        if relays.is_empty() || relays.len() > RELAYS_MAX {
            return Err(MailError::Relays(relays.len()));
        }
        let relays = relays.into_iter().map(Relay::open).collect::<Result<_, _>>()?;
        Ok(Self { from, relays })
    }

    fn write(&self, letter: &Letter) -> Result<(Envelope, Vec<u8>), &'static str> {
        let address = letter.to.email.trim();
        if address.is_empty() {
            return Err("no e-mail address");
        }
        let bad = "the e-mail address cannot be used";
        let to: Address = address.parse().map_err(|_| bad)?;
        if !address.is_ascii() {
            return Err(bad);
        }
        let (subject, body) = text::mail(letter);
        let name = Some(text::plain(&letter.to.name)).filter(|name| !name.is_empty());
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, to.clone()))
            .subject(subject)
            .message_id(Some(message_id(&letter.id, self.from.email.domain())))
            .raw_header(header("Auto-Submitted", "auto-generated"));
        if letter.class.is_urgent() {
            message = message
                .raw_header(header("X-Priority", "1"))
                .raw_header(header("Importance", "high"));
        }
        let message = message
            .header(message::header::ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|_| "the message cannot be written")?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to]).map_err(|_| bad)?;
        Ok((envelope, message.formatted()))
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// The same for the same order for ever, so that a mailbox shows a repeat once. Hashed, because an
/// order's name may hold Chinese characters, which no Message-ID may.
fn message_id(order: &OrderId, domain: &str) -> String {
    let mut id = format!("<{}-{}-{}.", order.incident, order.cause, order.attempt);
    for byte in Sha256::digest(order.to_string()).iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    id + "@" + domain + ">"
}

impl Carry for Mail {
    async fn carry(&self, letter: &Letter) -> Outcome {
        let (envelope, message) = match self.write(letter) {
            Ok(written) => written,
            Err(why) => return Outcome::Refused { why: why.to_owned() },
        };
        let share = MAIL_LIMIT / u32::try_from(self.relays.len()).unwrap_or(u32::MAX).max(1);
        let mut troubles = Vec::with_capacity(self.relays.len());
        for relay in &self.relays {
            match relay.send(&envelope, &message, share).await {
                Ok(()) => return Outcome::HandedOver,
                Err(trouble) => {
                    tracing::debug!(order = %letter.id, relay = relay.host(), ?trouble, "not sent");
                    troubles.push(trouble);
                }
            }
            if !letter.still.applies() {
                break;
            }
        }
        verdict(troubles)
    }
}

/// What the troubles with all relays come to.
fn verdict(troubles: Vec<Trouble>) -> Outcome {
    let why = troubles.iter().map(Trouble::why).collect::<Vec<_>>().join("; ");
    if troubles.iter().any(|trouble| matches!(trouble, Trouble::Lost(_))) {
        return Outcome::Unknown { why };
    }
    if troubles.iter().all(|trouble| matches!(trouble, Trouble::Message(_))) {
        return Outcome::Refused { why };
    }
    let after = troubles
        .iter()
        .all(|trouble| matches!(trouble, Trouble::Resting))
        .then_some(Wait(u64::try_from(RELAY_REST.as_millis()).unwrap_or(u64::MAX)));
    Outcome::TryLater { why, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Carrier;
    use crate::terms::{IncidentId, PersonId, Secret, Seq};

    fn relay(host: &str, tls: MailTls) -> RelaySettings {
        RelaySettings {
            host: host.to_owned(),
            port: None,
            tls,
            user: None,
            password: None,
            ca_file: None,
        }
    }

    fn open(from: &str, relays: Vec<RelaySettings>) -> Result<Mail, MailError> {
        Mail::open(MailSettings { from: from.to_owned(), relays })
    }

    #[test]
    fn settings_that_cannot_work_are_told_before_the_first_letter() {
        let from = "安铃 <anling@example.org>";
        let none = |host| relay(host, MailTls::None);
        assert!(matches!(open("anling", vec![none("localhost")]), Err(MailError::From(_))));
        assert!(matches!(open(from, vec![]), Err(MailError::Relays(0))));
        let plain = open(from, vec![none("smtp.example.org")]);
        assert!(matches!(plain, Err(MailError::PlainText { .. })));
        for own in ["localhost", "127.0.0.1", "::1"] {
            assert!(open(from, vec![none(own)]).is_ok(), "{own}");
        }
        let mut half = none("localhost");
        half.password = Some(Secret::new("x"));
        assert!(matches!(open(from, vec![half]), Err(MailError::Login { .. })));
        let mut lost = relay("smtp.example.org", MailTls::StartTls);
        lost.ca_file = Some("/nowhere/ca.pem".into());
        assert!(matches!(open(from, vec![lost]), Err(MailError::CaFile { .. })));
    }

    #[test]
    fn an_order_has_one_message_id_and_its_next_attempt_another() {
        let order = |attempt| OrderId {
            cause: Seq(41),
            incident: IncidentId(7),
            person: PersonId::new("张敏").unwrap(),
            carrier: Carrier::Mail,
            attempt,
        };
        let id = message_id(&order(1), "example.org");
        assert_eq!(id, message_id(&order(1), "example.org"));
        assert_ne!(id, message_id(&order(2), "example.org"));
        assert!(id.is_ascii() && id.starts_with("<7-41-1.") && id.ends_with("@example.org>"));
    }

    #[test]
    fn a_letter_is_refused_only_when_every_relay_refused_the_message() {
        let refused = || Trouble::Message("550".into());
        let relay = || Trouble::Relay("no connection".into());
        let lost = || Trouble::Lost("no answer".into());
        assert!(matches!(verdict(vec![refused(), refused()]), Outcome::Refused { .. }));
        assert!(matches!(verdict(vec![refused(), relay()]), Outcome::TryLater { after: None, .. }));
        assert!(matches!(verdict(vec![lost(), refused()]), Outcome::Unknown { .. }));
        let resting = verdict(vec![Trouble::Resting, Trouble::Resting]);
        assert!(matches!(resting, Outcome::TryLater { after: Some(_), .. }));
    }
}
