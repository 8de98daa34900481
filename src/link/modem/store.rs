//! The modem's message store: read, handed in, and emptied of what is on disk.

use tracing::{debug, info, warn};

use super::line::Keeper;
use super::parts::Whole;
use super::pdu::{self, Received};
use super::start::{SLOW_WITHIN, value};
use super::talk::Reply;
use super::wire::{Lost, Wire};
use super::{ModemNews, Text};
use crate::terms::{Receipt, Verdict, masked};

/// Store of delivery reports, where a modem keeps them apart.
const REPORT_STORE: &str = "SR";

/// One message as it lies in the store.
#[derive(Debug, PartialEq, Eq)]
struct Stored {
    place: u16,
    /// 0 and 1 came in, 2 and 3 were to go out (27.005).
    status: u8,
    length: Option<usize>,
    digits: String,
}

impl Keeper {
    /// Something was said unasked that is about messages.
    pub(super) async fn heeds_message(
        &mut self,
        wire: &mut Wire,
        line: &str,
        digits: Option<&str>,
    ) -> Result<(), Lost> {
        match (line.split(':').next().unwrap_or_default(), digits) {
            ("+CMTI", _) => self.sweep = true,
            ("+CDS" | "+CMT", Some(digits)) => {
                let length = line.rsplit([',', ':']).next().and_then(|n| n.trim().parse().ok());
                self.takes(digits, length, None).await;
            }
            ("+CDSI", _) => {
                let place = line.rsplit(',').next().and_then(|n| n.trim().parse::<u16>().ok());
                match place {
                    Some(place) if line.contains(REPORT_STORE) => {
                        self.fetches_report(wire, place).await?;
                    }
                    _ => self.sweep = true,
                }
            }
            _ => debug!(link = %self.link(), "the modem says something that is not needed"),
        }
        Ok(())
    }

    /// Reads a report out of a store of its own, and goes back to the usual one.
    async fn fetches_report(&mut self, wire: &mut Wire, place: u16) -> Result<(), Lost> {
        wire.ask(&format!("AT+CPMS=\"{REPORT_STORE}\""), "+CPMS:", SLOW_WITHIN).await?;
        let reply = wire.ask(&format!("AT+CMGR={place}"), "+CMGR:", SLOW_WITHIN).await?;
        if let Some(digits) = reply.lines.get(1) {
            let digits = digits.clone();
            self.takes(&digits, None, None).await;
        }
        wire.ask(&format!("AT+CMGD={place}"), "", SLOW_WITHIN).await?;
        for store in self.settings.profile.stores {
            let command = format!("AT+CPMS=\"{store}\"");
            if wire.ask(&command, "+CPMS:", SLOW_WITHIN).await?.end == super::talk::End::Ok {
                break;
            }
        }
        Ok(())
    }

    /// Reads all that lies in the store and hands in what the desk does not have.
    pub(super) async fn sweeps(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let reply = wire.ask("AT+CMGL=4", "+CMGL:", SLOW_WITHIN).await?;
        for Stored { place, status, length, digits } in listed(&reply) {
            if self.at_the_desk.contains(&place) || self.parts.holds(place) {
                continue;
            }
            let waits = status <= 1 && self.takes(&digits, length, Some(place)).await;
            if !waits {
                self.deletes(wire, place).await?;
            }
        }
        for whole in self.parts.due(self.now()) {
            self.hands_in(whole).await;
        }
        let reply = wire.ask("AT+CPMS?", "+CPMS:", SLOW_WITHIN).await?;
        let store = used(&reply);
        self.turns(|state| state.store = store).await;
        Ok(())
    }

    /// Takes a message that lies at `place`, or nowhere; whether it must stay there for now.
    async fn takes(&mut self, digits: &str, length: Option<usize>, place: Option<u16>) -> bool {
        let read = match pdu::read(digits, length) {
            Ok(read) => read,
            Err(why) => {
                warn!(link = %self.link(), %why, "a message cannot be read and is deleted");
                debug!(link = %self.link(), digits, "this one");
                self.say(ModemNews::Unread(why.to_string())).await;
                return false;
            }
        };
        let now = self.now();
        match read {
            Received::Report(report) => {
                let to = masked(&report.to);
                let (reference, fate) = (report.reference, report.fate);
                let known = self.reports.heard(report, now);
                debug!(link = %self.link(), to, reference, ?fate, known, "a delivery report");
                false
            }
            Received::Deliver(message) => {
                info!(link = %self.link(), from = masked(&message.from), "a message came in");
                let whole = match place {
                    Some(place) => self.parts.take(message, place, now),
                    None => {
                        let (from, text, sent) = (message.from, message.text, message.sent);
                        vec![Whole { from, text, sent, places: Vec::new() }]
                    }
                };
                for whole in whole {
                    self.hands_in(whole).await;
                }
                true
            }
        }
    }

    async fn hands_in(&mut self, whole: Whole) {
        let Whole { from, text, sent, places } = whole;
        self.at_the_desk.extend(&places);
        let settle = self.settle.clone();
        let receipt = Receipt::new(move |verdict| {
            // A line that has ended looks into the store anew when it begins.
            let _ = settle.try_send((places, verdict));
        });
        let received = self.now();
        self.say(ModemNews::Text(Text { from, text, sent, received, receipt })).await;
    }

    /// The desk has settled a message: what is on disk is deleted, all else is read again.
    pub(super) async fn settled(
        &mut self,
        wire: &mut Wire,
        places: Vec<u16>,
        verdict: Verdict,
    ) -> Result<(), Lost> {
        for place in places {
            let known = self.at_the_desk.remove(&place);
            if known && verdict != Verdict::Refused {
                self.deletes(wire, place).await?;
            }
        }
        Ok(())
    }

    async fn deletes(&mut self, wire: &mut Wire, place: u16) -> Result<(), Lost> {
        wire.ask(&format!("AT+CMGD={place}"), "", SLOW_WITHIN).await?;
        Ok(())
    }
}

/// The messages of `AT+CMGL`: a line with place, status and length, then the digits.
fn listed(reply: &Reply) -> Vec<Stored> {
    let mut found = Vec::new();
    let mut lines = reply.lines.iter().peekable();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("+CMGL:") else { continue };
        let fields: Vec<&str> = head.split(',').map(str::trim).collect();
        let [place, status, .., length] = fields[..] else { continue };
        let (Ok(place), Ok(status)) = (place.parse(), status.parse()) else { continue };
        let is_digits = |line: &&String| !line.starts_with('+');
        // A message without digits is one that cannot be read.
        let digits = lines.next_if(is_digits).cloned().unwrap_or_default();
        found.push(Stored { place, status, length: length.parse().ok(), digits });
    }
    found
}

/// Places used and all of `+CPMS: "ME",2,50,…`.
fn used(reply: &Reply) -> Option<(u16, u16)> {
    let mut fields = value(reply, "+CPMS:")?.split(',').map(str::trim);
    let first = fields.next()?;
    // Unasked-for, some leave the store's name out.
    let used = if first.starts_with('"') { fields.next()? } else { first };
    Some((used.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::modem::talk::End;

    fn reply(lines: &[&str]) -> Reply {
        Reply { end: End::Ok, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_list_is_read_with_whatever_stands_between() {
        let list = [
            "noise",
            "+CMGL: 0,1,,26",
            "07AB",
            "+CMGL: 3,0,\"x\",30",
            "+CMGL: x,y",
            "+CMGL: 7,3,,1",
            "0A",
        ];
        let found = listed(&reply(&list));
        let places: Vec<(u16, u8, &str)> =
            found.iter().map(|s| (s.place, s.status, s.digits.as_str())).collect();
        assert_eq!(places, [(0, 1, "07AB"), (3, 0, ""), (7, 3, "0A")]);
        assert_eq!(found[0].length, Some(26));
    }

    #[test]
    fn how_full_the_store_is_stands_in_two_forms() {
        assert_eq!(used(&reply(&["+CPMS: \"ME\",2,50,\"ME\",2,50"])), Some((2, 50)));
        assert_eq!(used(&reply(&["+CPMS: 2,50,2,50,2,50"])), Some((2, 50)));
        assert_eq!(used(&reply(&["+CPMS: \"ME\""])), None);
    }
}
