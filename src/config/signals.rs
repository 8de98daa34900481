//! `[signals.NAME]` of `links.toml`: who may hand in signals over HTTP, and in which form.

use super::codes;
use super::json_sources::{is_source_name, read_paths};
use super::problem::{Findings, Said};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::settings::{Signal, SignalForm};
use crate::terms::LinkId;

/// Reads one source.
pub(super) fn read_signal(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<(LinkId, Signal)> {
    let at = section.at.clone();
    let secret = secret_name(
        section.need_text(out, "secret", "add secret = \"NAME\": the token stands in that file"),
        out,
        secrets,
    );
    let json = section.section(out, "json");
    let alertmanager = section.section(out, "alertmanager");
    section.end(out);
    let is_named = is_source_name(name, out);
    let form = match (json, alertmanager) {
        (Some(json), None) => {
            let source = read_paths(name, &format!("signals/{}", name.value), json, out);
            if source.device.is_none() {
                let message = "nothing says which device a message is from";
                let help = "add device = \"…\", its path in the body, to [signals.NAME.json]";
                out.add(&codes::SOURCE_NAMELESS, &at, message, help);
            }
            SignalForm::Json(source)
        }
        (None, Some(empty)) => {
            empty.end(out);
            SignalForm::Alertmanager
        }
        _ => {
            let message = format!("source {} must be exactly one thing", name.value);
            let help = "add [signals.NAME.json] with its paths, or [signals.NAME.alertmanager]";
            out.add(&codes::SIGNAL_FORM, &at, message, help);
            return None;
        }
    };
    let link = LinkId::new(&format!("signals.{}", name.value)).ok().filter(|_| is_named)?;
    Some((link, Signal { secret: secret?, form }))
}
