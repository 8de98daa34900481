//! District platforms as the desk sees them: what they are opened with, the signs of life they hear,
//! and what they say.
//!
//! A platform speaks as one registered operator of the district, whom its table names, and takes the
//! same way as any other person: the engine judges what an operator may say, and knows a repeated
//! message by its id, also after a restart. What cannot be meant (malformed, too long, another hub's,
//! an incident nobody knows, nobody named to speak) is recorded with a limit a minute and never acted
//! on. A sign of life is made here, because only here the chain's head is known; it is not journaled,
//! waits for nobody, and a newer one replaces one that was not sent.

use std::collections::BTreeMap;

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
use crate::incident::{Answer, Incident, Stimulus, Via};
use crate::notify::endpoint::Hearing;
use crate::notify::wire::TlsFiles;
use crate::registry::Role;
use crate::terms::{At, EndpointId, HubId, Kind, Receipt, Secret, Wait};

/// Messages of one platform that mean nothing and are recorded in one minute; further ones are only
/// counted, and acknowledged, or they would come for ever.
const MISFITS_MAX: u32 = 6;
/// What counts as a minute of them.
const MISFITS_PER: Wait = Wait::mins(1);

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
    /// Since when messages that mean nothing are counted, and how many came.
    misfits: BTreeMap<EndpointId, (At, u32)>,
}

impl Platforms {
    /// A platform is opened anew: it hears at once that the hub lives.
    pub(super) fn forget(&mut self, platform: &EndpointId) {
        self.alive.remove(platform);
    }

    /// Counts a message that means nothing: how many came in this minute, and in the last one beyond
    /// what was recorded, if this begins another.
    fn count(&mut self, platform: &EndpointId, now: At) -> (u32, u32) {
        let (since, count) = self.misfits.entry(platform.clone()).or_insert((now, 0));
        let mut beyond = 0;
        if now - *since >= MISFITS_PER {
            beyond = count.saturating_sub(MISFITS_MAX);
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        (*count, beyond)
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
        let Heard { platform, message, receipt } = heard;
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
            Err(why) => return self.hear_misfit(turn, &platform, &why, receipt),
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
        let incident = incident.map(|incident: &Incident| incident.id);
        let incident = incident.ok_or("names an incident that is not known here")?;
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
    fn hear_misfit(&mut self, turn: &mut Turn, platform: &EndpointId, why: &str, receipt: Receipt) {
        let (count, beyond) = self.platforms.count(platform, self.clock.now());
        let before = turn.newest();
        if beyond > 0 {
            let finding = format!(
                "platform {platform} said {beyond} more in a minute that meant nothing; they were \
                 not recorded one by one"
            );
            self.decide(turn, &Stimulus::Found(finding));
        }
        let mut recorded = true;
        if count <= MISFITS_MAX {
            warn!(%platform, why, "what the platform said means nothing");
            let finding = format!("platform {platform} said something that {why}: not acted on");
            recorded = self.decide(turn, &Stimulus::Found(finding));
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

    #[test]
    fn messages_that_mean_nothing_are_counted_by_the_minute() {
        let mut platforms = Platforms::default();
        let county = EndpointId::new("county").unwrap();
        for n in 1..=40 {
            assert_eq!(platforms.count(&county, At(1_000 + u64::from(n))), (n, 0));
        }
        assert_eq!(platforms.count(&county, At(90_000)), (1, 40 - MISFITS_MAX));
        assert_eq!(platforms.count(&county, At(90_001)), (2, 0));
    }
}
