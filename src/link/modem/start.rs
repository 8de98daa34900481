//! What a modem is told when it begins, and what it is asked from then on: SIM, network, signal.

use std::time::Duration;

use tracing::{debug, error, info};

use super::line::{Keeper, MISSES_MAX};
use super::parts::Parts;
use super::talk::{End, Reply};
use super::wire::{Lost, Wire};
use super::{FAILING_FOR, Standing};
use crate::terms::Secret;

/// How often a modem is asked at first, and how long it is waited for each time.
const HELLO_TRIES: u32 = 10;
const HELLO_WITHIN: Duration = Duration::from_millis(500);
/// How long a plain command may take.
pub(super) const REPLY_WITHIN: Duration = Duration::from_secs(5);
/// The same for what asks the SIM or the network: manuals name up to 9 s for a list of a full store.
pub(super) const SLOW_WITHIN: Duration = Duration::from_secs(20);
/// How long a look's first question may take.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// Looks from one reading of signal, network and store to the next: a minute of looks.
const SELDOM: u64 = 6;
/// No SIM (27.007, 9.2).
const SIM_MISSING: u16 = 10;

impl Keeper {
    /// Tells the modem how it is to be, after a start of its own or ours.
    pub(super) async fn begin(&mut self, wire: &mut Wire, reset: bool) -> Result<(), Lost> {
        let profile = self.settings.profile;
        if reset {
            wire.tell(profile.reset).await?;
        }
        let tries = match reset {
            true => profile.boots_within.as_millis() / HELLO_WITHIN.as_millis(),
            false => u128::from(HELLO_TRIES),
        };
        let mut answered = false;
        for _ in 0..tries {
            match wire.ask("AT", "", HELLO_WITHIN).await {
                Ok(_) => {
                    answered = true;
                    break;
                }
                Err(Lost::Mute) => {}
                Err(lost) => return Err(lost),
            }
        }
        if !answered {
            return Err(Lost::Mute);
        }
        for command in ["ATE0", "AT+CMEE=1"].into_iter().chain(profile.init.iter().copied()) {
            let reply = wire.ask(command, "", REPLY_WITHIN).await?;
            debug!(link = %self.link(), command, end = ?reply.end, "the modem is set up");
        }
        self.sim_is_up = false;
        self.look(wire).await
    }

    /// Asks whether the modem lives, has its SIM and its network.
    pub(super) async fn look(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        match self.looked(wire).await {
            Err(Lost::Mute) => {
                self.misses += 1;
                if self.misses >= MISSES_MAX {
                    self.misses = 0;
                    return Err(Lost::Mute);
                }
                debug!(link = %self.link(), misses = self.misses, "no answer");
                Ok(())
            }
            other => {
                self.misses = 0;
                other
            }
        }
    }

    async fn looked(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        wire.ask("AT", "", PROBE_WITHIN).await?;
        self.looks += 1;
        if self.failed_at.is_some_and(|at| self.now() - at >= FAILING_FOR) {
            self.failed_at = None;
            self.turns(|state| state.failing = None).await;
        }
        if let Some(standing) = self.sim_stands(wire).await? {
            self.sim_is_up = false;
            if self.state().standing != standing {
                info!(link = %self.link(), ?standing, "the modem has no use of its SIM");
            }
            self.stands(standing).await;
            return Ok(());
        }
        let mut fresh = false;
        if !self.sim_is_up {
            fresh = true;
            if !self.sets_up(wire).await? {
                self.stands(Standing::NoCentre).await;
                return Ok(());
            }
            self.sim_is_up = true;
            // What kept a message back is gone with the SIM or the start that it was.
            self.failed_at = None;
            self.turns(|state| state.failing = None).await;
        }
        let standing = self.network(wire).await?;
        let news = self.state().standing != standing;
        if news {
            info!(link = %self.link(), ?standing, "the modem");
        }
        if fresh || news || self.looks.is_multiple_of(SELDOM) {
            self.signal(wire).await?;
        }
        // What came in is read before anything is sent: a full store may not send either.
        if fresh || self.looks.is_multiple_of(SELDOM) {
            self.sweeps(wire).await?;
        }
        self.stands(standing).await;
        Ok(())
    }

    /// Where the modem stands with its SIM; `None` where nothing is in the way.
    async fn sim_stands(&mut self, wire: &mut Wire) -> Result<Option<Standing>, Lost> {
        let reply = wire.ask("AT+CPIN?", "+CPIN:", REPLY_WITHIN).await?;
        let word = value(&reply, "+CPIN:").unwrap_or_default().to_owned();
        let asks = word == "SIM PIN";
        let pin = self.settings.pin.clone().filter(|_| asks && !self.pin_was_tried);
        if let Some(pin) = pin {
            return self.unlocks(wire, &pin).await;
        }
        Ok(match (word.as_str(), reply.end) {
            ("READY", _) => None,
            ("SIM PIN", _) if self.pin_was_tried => {
                Some(Standing::Locked("its SIM's PIN is wrong: correct the secret, then reload"))
            }
            ("SIM PIN", _) => {
                Some(Standing::Locked("its SIM asks for a PIN: name it as pin in links.toml"))
            }
            ("SIM PUK" | "SIM PUK2" | "PH-SIM PIN", _) => {
                Some(Standing::Locked("its SIM is locked: unlock it in a telephone with its PUK"))
            }
            (_, End::Cme(SIM_MISSING) | End::Error) => Some(Standing::NoSim),
            ("NOT READY" | "NOT INSERTED", _) => Some(Standing::NoSim),
            // A SIM that is busy, or any other word: asked again at the next look.
            _ => Some(Standing::Starting),
        })
    }

    /// Gives the PIN, once: a third wrong one would lock the SIM for good.
    async fn unlocks(&mut self, wire: &mut Wire, pin: &Secret) -> Result<Option<Standing>, Lost> {
        self.pin_was_tried = true;
        let digits = pin.expose_text().map(str::trim).unwrap_or_default();
        let fits = (4..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !fits {
            return Ok(Some(Standing::Locked("its PIN is not 4 to 8 digits: correct the secret")));
        }
        let reply = wire.ask(&format!("AT+CPIN=\"{digits}\""), "+CPIN:", SLOW_WITHIN).await?;
        if reply.end == End::Ok {
            // Another start may need it again.
            self.pin_was_tried = false;
            info!(link = %self.link(), "the SIM is unlocked");
            return Ok(Some(Standing::Starting));
        }
        error!(link = %self.link(), "the SIM's PIN is wrong and is not tried again");
        Ok(Some(Standing::Locked("its SIM's PIN is wrong: correct the secret, then reload")))
    }

    /// Sets up messages; false where no service centre is known.
    async fn sets_up(&mut self, wire: &mut Wire) -> Result<bool, Lost> {
        // It may be another SIM: what lies where is learned anew, and known again by what it says.
        self.at_the_desk.clear();
        self.parts = Parts::default();
        if self.settings.centre.is_none() {
            let reply = wire.ask("AT+CSCA?", "+CSCA:", SLOW_WITHIN).await?;
            let centre = value(&reply, "+CSCA:").unwrap_or_default();
            if reply.end == End::Ok && centre.starts_with("\"\"") {
                return Ok(false);
            }
        }
        wire.ask("AT+CMGF=0", "", REPLY_WITHIN).await?;
        for store in self.settings.profile.stores {
            let command = format!("AT+CPMS=\"{store}\",\"{store}\",\"{store}\"");
            if wire.ask(&command, "+CPMS:", SLOW_WITHIN).await?.end == End::Ok {
                break;
            }
        }
        // Messages are stored and told of; reports come at once, or are stored as well.
        for command in ["AT+CNMI=2,1,0,1,0", "AT+CNMI=2,1,0,2,0", "AT+CNMI=2,1"] {
            if wire.ask(command, "", REPLY_WITHIN).await?.end == End::Ok {
                break;
            }
        }
        Ok(true)
    }

    /// Whether a network is there: over LTE, or over what came before it.
    async fn network(&mut self, wire: &mut Wire) -> Result<Standing, Lost> {
        let mut denied = false;
        for (command, wants) in [("AT+CEREG?", "+CEREG:"), ("AT+CREG?", "+CREG:")] {
            let reply = wire.ask(command, wants, REPLY_WITHIN).await?;
            match reply.lines.iter().filter_map(|line| registration(line, wants)).next_back() {
                Some(1 | 5) => return Ok(Standing::Ready),
                Some(3) => denied = true,
                _ => {}
            }
        }
        Ok(if denied { Standing::Denied } else { Standing::Searching })
    }

    async fn signal(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let reply = wire.ask("AT+CSQ", "+CSQ:", REPLY_WITHIN).await?;
        let first = value(&reply, "+CSQ:").and_then(|value| value.split(',').next());
        let signal = first.and_then(|digits| digits.trim().parse().ok()).filter(|s| *s <= 31);
        let reply = wire.ask("AT+COPS?", "+COPS:", SLOW_WITHIN).await?;
        let named = value(&reply, "+COPS:").and_then(|value| value.split('"').nth(1));
        let operator = named.map(crate::terms::plain).filter(|name| !name.is_empty());
        self.turns(|state| (state.signal, state.operator) = (signal, operator)).await;
        Ok(())
    }
}

/// What stands behind the word in the reply's first line that has it.
pub(super) fn value<'r>(reply: &'r Reply, word: &str) -> Option<&'r str> {
    reply.lines.iter().find_map(|line| line.strip_prefix(word)).map(str::trim)
}

/// The state of `+CREG: 2,1,"…"`; unasked, it comes without the first number.
fn registration(line: &str, word: &str) -> Option<u8> {
    let mut fields = line.strip_prefix(word)?.split(',').map(str::trim);
    let first = fields.next()?;
    let state = fields.next().filter(|field| !field.starts_with('"')).unwrap_or(first);
    state.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_network_is_read_in_all_its_forms() {
        for (line, state) in [
            ("+CEREG: 0,1", Some(1)),
            ("+CEREG: 2,5,\"1A2B\",\"01234567\",7", Some(5)),
            ("+CEREG: 1,\"1A2B\",\"01234567\",7", Some(1)),
            ("+CEREG: 3", Some(3)),
            ("+CEREG:", None),
            ("+CREG: 0,1", None),
        ] {
            assert_eq!(registration(line, "+CEREG:"), state, "{line}");
        }
    }
}
