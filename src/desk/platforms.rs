//! District platforms as the desk sees them: what they are opened with, the signs of life they hear,
//! and what they say.
//!
//! A platform speaks as one registered operator of the district, whom its table names, and takes the
//! same way as any other person: the engine judges what an operator may say, and knows a repeated
//! message by its id, also after a restart. What cannot be meant (malformed, too long, another hub's,
//! an incident nobody knows, an epoch to come, nobody named to speak) is recorded with a limit a minute,
//! each once by its id or, where it has none, by its content, and never acted on. A sign of life is made
//! here, because only here the chain's head is known; it is not journaled, waits for nobody, and a newer
//! one replaces one that was not sent.

use std::collections::{BTreeMap, VecDeque};

use tracing::{info, warn};

use super::answers::cut;
use super::{Desk, Turn};
use crate::config::Secrets;
use crate::config::settings::{self, PlatformWay, TlsPaths};
use crate::counter::NOTE_MAX_BYTES;
use crate::district::down::Meant;
use crate::district::https::BATCH_MAX;
use crate::district::life::Life;
use crate::district::{
    Accepted, Heard, HttpsSettings, Message, MqttSettings, PlatformSettings, Way,
};
use crate::incident::{Answer, Incident, Stimulus, Via, WordId};
use crate::notify::endpoint::Hearing;
use crate::notify::wire::TlsFiles;
use crate::registry::Role;
use crate::terms::{At, EndpointId, HubId, Kind, Receipt, Secret, Wait};

/// Messages of one platform that mean nothing and are recorded in one minute; further ones are only
/// counted, and acknowledged, or they would come for ever.
const MISFITS_MAX: u32 = 6;
/// What counts as a minute of them.
const MISFITS_PER: Wait = Wait::mins(1);
/// Messages of one platform that meant nothing and are known again, the newest: said again, they are
/// acknowledged and take no other's place in the record. Twice what one answer over HTTPS may bring.
const MISFITS_KNOWN: usize = 64;

/// Everything an opened platform needs, its secret included, or why it cannot be opened.
pub(super) fn settings(
    id: &EndpointId,
    platform: &settings::Platform,
    hub: &HubId,
    secrets: &Secrets,
) -> Result<PlatformSettings, String> {
    let find = |name: &String| secrets.find(name).map_err(|why| why.to_string());
    let way = match &platform.way {
        PlatformWay::Mqtt(mqtt) => {
            let login = match &mqtt.login {
                Some(login) => Some((login.user.clone(), find(&login.secret)?)),
                None => None,
            };
            let tls = mqtt.tls.as_ref().map(files);
            Way::Mqtt(MqttSettings { host: mqtt.host.clone(), port: mqtt.port, login, tls })
        }
        PlatformWay::Https(https) => {
            let bearer: Option<Secret> = https.secret.as_ref().map(find).transpose()?;
            let accepted = https.accepted.as_ref();
            Way::Https(HttpsSettings {
                url: https.url.clone(),
                bearer,
                tls: files(&https.tls),
                batch: https.batch.then_some(BATCH_MAX),
                accepted: accepted
                    .map(|test| Accepted { pointer: test.pointer.clone(), is: test.is.clone() }),
                time_limit: https.time_limit,
            })
        }
    };
    let may_speak = platform.person.is_some();
    Ok(PlatformSettings { platform: id.clone(), hub: hub.clone(), may_speak, way })
}

fn files(paths: &TlsPaths) -> TlsFiles {
    TlsFiles { ca_file: paths.ca_file.clone(), client: paths.client.clone() }
}

/// What the desk remembers of its dealings with platforms.
#[derive(Default)]
pub(super) struct Platforms {
    /// When each heard that the hub lives.
    alive: BTreeMap<EndpointId, At>,
    misfits: BTreeMap<EndpointId, Misfits>,
}

/// Messages of one platform that meant nothing.
struct Misfits {
    /// Since when they are counted, and how many came.
    since: At,
    count: u32,
    /// Those that can be known again, and why they meant nothing.
    known: VecDeque<(Name, String)>,
}

/// By what a message is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// The platform's own name for it.
    Id(WordId),
    /// What it says, as its SHA-256.
    Content([u8; 32]),
}

/// What becomes of a message that means nothing.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It was recorded before.
    Known,
    /// It is the so-manyth of this minute; in the last one so many came beyond what was recorded, if
    /// this begins another.
    Counted { nth: u32, beyond: u32 },
}

impl Misfits {
    fn take(&mut self, name: Option<&Name>, why: &str, now: At) -> Fate {
        let is_it = |name: &Name| self.known.iter().any(|(it, then)| it == name && then == why);
        if name.is_some_and(is_it) {
            return Fate::Known;
        }
        let mut beyond = 0;
        if now - self.since >= MISFITS_PER {
            beyond = self.count.saturating_sub(MISFITS_MAX);
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        if let Some(name) = name.filter(|_| self.count <= MISFITS_MAX) {
            self.known.push_back((name.clone(), why.to_owned()));
            if self.known.len() > MISFITS_KNOWN {
                self.known.pop_front();
            }
        }
        Fate::Counted { nth: self.count, beyond }
    }
}

impl Platforms {
    /// A platform is opened anew: it hears at once that the hub lives.
    pub(super) fn forget(&mut self, platform: &EndpointId) {
        self.alive.remove(platform);
    }

    fn misfit(&mut self, platform: &EndpointId, name: Option<&Name>, why: &str, now: At) -> Fate {
        let new = || Misfits { since: now, count: 0, known: VecDeque::new() };
        self.misfits.entry(platform.clone()).or_insert_with(new).take(name, why, now)
    }
}

impl Desk {
    /// A platform's broker refuses to let us hear it, or does let us.
    pub(super) fn note_hearing(
        &mut self,
        turn: &mut Turn,
        platform: &EndpointId,
        subject: String,
        hearing: Hearing,
    ) {
        let Some(out) = self.outbox.endpoints.get_mut(platform).filter(|out| out.next.is_none())
        else {
            // The last words of one that is replaced say nothing of the next.
            return;
        };
        out.unheard = match hearing {
            Hearing::Granted => None,
            Hearing::Refused { topic } => {
                warn!(%platform, topic, "the broker does not let us hear what the platform says: see its access rules");
                Some(topic)
            }
        };
        let refused = out.unheard.is_some();
        self.trouble(turn, Kind::Access, subject, refused);
    }

    /// A platform said something.
    pub(super) fn hear_platform(&mut self, turn: &mut Turn, heard: Heard) {
        let Heard { platform, id, digest, message, receipt } = heard;
        let answer = match &message {
            Ok(message) => self.meant(&platform, message),
            Err(misfit) => Err(misfit.to_string()),
        };
        let before = turn.newest();
        let recorded = match answer {
            Ok((answer, words)) => {
                info!(%platform, "the platform says something");
                self.decide(turn, &Stimulus::Answered(answer, words))
            }
            Err(why) => {
                let name = id.map(Name::Id).or(digest.map(Name::Content));
                return self.hear_misfit(turn, (&platform, name.as_ref()), &why, receipt);
            }
        };
        // A repeat makes no fact; its first copy may still be on its way to disk.
        turn.acknowledge(receipt, before, true, recorded);
    }

    /// What a message means, or why it means nothing.
    fn meant(
        &self,
        platform: &EndpointId,
        message: &Message,
    ) -> Result<(Answer, Option<String>), String> {
        let settings = self.settings.platforms.get(platform);
        let by = settings.and_then(|platform| platform.person.clone());
        let by = by.ok_or("is heard from a platform for which nobody may speak")?;
        let person = self.book.registry().person(&by);
        if person.is_none_or(|person| person.role != Role::District) {
            return Err(format!("is said as {by}, who is no operator of the district"));
        }
        let incident = match message.incident {
            Meant::Code(code) => self.book.by_code(code),
            Meant::Number(id) => self.book.incident(id),
        };
        let incident: &Incident = incident.ok_or("names an incident that is not known here")?;
        if message.epoch.is_some_and(|epoch| epoch > incident.epoch) {
            return Err("names an epoch that its incident has not reached".to_owned());
        }
        let incident = incident.id;
        let before = self.book.heard_word(&by, &message.id);
        if before.is_some_and(|heard| (heard.incident, heard.says) != (incident, message.says)) {
            return Err(format!("uses the id {} again for something else", message.id));
        }
        let answer = Answer {
            incident,
            by,
            via: Via::District,
            epoch: message.epoch,
            says: message.says,
            note: None,
            word: Some(message.id.clone()),
        };
        let words = message.text.as_deref().map(|text| cut(text, NOTE_MAX_BYTES));
        Ok((answer, words))
    }

    /// Records what means nothing, the first few in a minute.
    fn hear_misfit(
        &mut self,
        turn: &mut Turn,
        (platform, name): (&EndpointId, Option<&Name>),
        why: &str,
        receipt: Receipt,
    ) {
        let before = turn.newest();
        let (nth, beyond) = match self.platforms.misfit(platform, name, why, self.clock.now()) {
            // Its first copy may still be on its way to disk.
            Fate::Known => return turn.acknowledge(receipt, before, true, true),
            Fate::Counted { nth, beyond } => (nth, beyond),
        };
        if beyond > 0 {
            let finding = format!(
                "platform {platform} said {beyond} more in a minute that meant nothing; they were \
                 not recorded one by one"
            );
            self.decide(turn, &Stimulus::Found(finding));
        }
        let mut recorded = true;
        if nth <= MISFITS_MAX {
            warn!(%platform, why, "what the platform said means nothing");
            let finding = format!("platform {platform} said something that {why}: not acted on");
            recorded = self.decide(turn, &Stimulus::Found(finding));
        }
        if !recorded {
            self.platforms.misfits.remove(platform);
        }
        turn.acknowledge(receipt, before, false, recorded);
    }

    /// Tells platforms that the hub lives, each when it is time.
    pub(super) fn say_alive(&mut self) {
        if self.settings.platforms.is_empty() {
            return;
        }
        let now = self.clock.now();
        let settings = std::sync::Arc::clone(&self.settings);
        for (platform, wants) in &settings.platforms {
            let last = self.platforms.alive.get(platform);
            if last.is_some_and(|at| now - *at < wants.life_sign) {
                continue;
            }
            let Some(life) = self.outbox.life(platform) else { continue };
            self.platforms.alive.insert(platform.clone(), now);
            let durable = self.ears.durable.borrow().clone();
            let sign = Life {
                hub: &settings.gateway.hub,
                boot: self.book.boot().map_or("", |(boot, _)| boot.id.as_str()),
                number: now.0,
                wall: self.clock.wall(),
                head: durable.head.seq,
                chain: &durable.head.hash.to_string(),
                safe: self.vitals.is_safe(),
                open: self.book.open_count(),
                urgent: self.book.open().filter(|incident| incident.class.is_urgent()).count(),
                owed: self.book.owed_to(platform),
                version: env!("CARGO_PKG_VERSION"),
            };
            // A newer one takes the place of one that waits there.
            life.send_replace(Some(sign.sign()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn county() -> EndpointId {
        EndpointId::new("county").unwrap()
    }

    #[test]
    fn messages_that_mean_nothing_are_counted_by_the_minute() {
        let mut platforms = Platforms::default();
        let mut came = |at: u64| platforms.misfit(&county(), None, "is no JSON object", At(at));
        for nth in 1..=40 {
            assert_eq!(came(1_000 + u64::from(nth)), Fate::Counted { nth, beyond: 0 });
        }
        assert_eq!(came(90_000), Fate::Counted { nth: 1, beyond: 40 - MISFITS_MAX });
        assert_eq!(came(90_001), Fate::Counted { nth: 2, beyond: 0 });
    }

    #[test]
    fn one_that_is_said_again_and_again_takes_no_others_place() {
        let mut platforms = Platforms::default();
        let name = |text: &str| match text.parse::<u8>() {
            Ok(n) if n < 10 => Name::Content([n; 32]),
            _ => Name::Id(WordId::new(text).unwrap()),
        };
        let mut came = |id: &str, why: &str, at: u64| {
            platforms.misfit(&county(), Some(&name(id)), why, At(at))
        };
        assert_eq!(came("1", "is for another hub", 0), Fate::Counted { nth: 1, beyond: 0 });
        for at in 1..200_000 {
            assert_eq!(came("1", "is for another hub", at), Fate::Known);
        }
        assert_eq!(came("2", "is for another hub", 200_000), Fate::Counted { nth: 1, beyond: 0 });
        let other = came("1", "is a note without `text`", 200_001);
        assert_eq!(other, Fate::Counted { nth: 2, beyond: 0 }, "it is something else by now");
        // What was not recorded is not known either.
        for n in 3..=20 {
            came(&n.to_string(), "is for another hub", 200_002);
        }
        assert!(matches!(came("20", "is for another hub", 200_003), Fate::Counted { .. }));
        // Only so many are remembered.
        for n in 100..200_u64 {
            came(&n.to_string(), "is for another hub", 300_000 + n * 60_000);
        }
        assert!(matches!(came("1", "is for another hub", 90_000_000), Fate::Counted { .. }));
    }
}
