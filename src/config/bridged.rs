//! The tables of bridged families in a link of `links.toml`: `[link.broker.chirpstack]`,
//! `[link.mqtt.home.tasmota]`, `[link.broker.json.mats]`. Two on one link that claim the same topics are
//! a problem: a press would be read by the wrong one.

use super::codes;
use super::json_sources::read_source;
use super::links::base_topic;
use super::problem::{Findings, Spot};
use super::section::Section;
use super::settings::Bridged;
use crate::registry::{Family, roots_meet};

/// What is claimed on a link so far: by whom, and below which levels.
struct Claims(Vec<(String, String)>);

impl Claims {
    fn claim(&mut self, who: &str, roots: Vec<String>, at: &Spot, out: &mut Findings<'_>) {
        let meets = |claim: &&(String, String)| roots.iter().any(|root| roots_meet(root, &claim.1));
        if let Some((other, root)) = self.0.iter().find(meets) {
            let message =
                format!("{other} and {who} on one broker claim the same topics below {root}");
            let help = "give each of them first topic levels of its own";
            out.add(&codes::FAMILY_TOPICS, at, message, help);
        }
        self.0.extend(roots.into_iter().map(|root| (who.to_owned(), root)));
    }
}

/// Reads the tables of one link.
pub(super) fn read_bridged(
    link: &mut Section<'_>,
    zigbee: Option<&str>,
    out: &mut Findings<'_>,
) -> Bridged {
    let mut bridged = Bridged::default();
    let native = Family::NativeMqtt;
    let mut claims = Claims(vec![(native.word().to_owned(), native.usual_base().to_owned())]);
    claims.0.extend(zigbee.map(|base| (Family::Zigbee2mqtt.word().to_owned(), base.to_owned())));
    for family in Family::BRIDGED {
        let Some(section) = link.section(out, family.word()) else { continue };
        let at = section.at.clone();
        let base = base_topic(section, out, family.usual_base());
        claims.claim(family.word(), family.roots(&base), &at, out);
        bridged.families.insert(family, base);
    }
    for (name, section) in link.named(out, Family::Json.word()) {
        let at = section.at.clone();
        let Some(source) = read_source(&name, section, out) else { continue };
        claims.claim(&format!("json.{}", name.value), vec![source.topic.clone()], &at, out);
        bridged.sources.push(source);
    }
    bridged
}
