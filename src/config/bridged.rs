//! The tables of bridged families in a link of `links.toml`: `[link.broker.chirpstack]`,
//! `[link.mqtt.home.tasmota]`. Two families on one link that claim the same topics are a problem: a
//! press would be read by the wrong one.

use std::collections::BTreeMap;

use super::codes;
use super::links::base_topic;
use super::problem::Findings;
use super::section::Section;
use crate::registry::{Family, roots_meet};

/// Reads the tables of one link.
pub(super) fn read_families(
    link: &mut Section<'_>,
    zigbee: Option<&str>,
    out: &mut Findings<'_>,
) -> BTreeMap<Family, String> {
    let mut claimed: Vec<(Family, String)> =
        vec![(Family::NativeMqtt, Family::NativeMqtt.usual_base().to_owned())];
    claimed.extend(zigbee.map(|base| (Family::Zigbee2mqtt, base.to_owned())));
    let mut families = BTreeMap::new();
    for family in Family::BRIDGED {
        let Some(section) = link.section(out, family.word()) else { continue };
        let at = section.at.clone();
        let base = base_topic(section, out, family.usual_base());
        let roots = family.roots(&base);
        let meets = |claim: &&(Family, String)| roots.iter().any(|root| roots_meet(root, &claim.1));
        if let Some((other, root)) = claimed.iter().find(meets) {
            let message = format!(
                "{} and {} on one broker claim the same topics below {root}",
                other.word(),
                family.word()
            );
            let help = "give each of them first topic levels of its own, base_topic = \"…\"";
            out.add(&codes::FAMILY_TOPICS, &at, message, help);
        }
        claimed.extend(roots.into_iter().map(|root| (family, root)));
        families.insert(family, base);
    }
    families
}
