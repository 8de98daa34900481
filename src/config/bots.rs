//! `[wecom.NAME]`, `[dingtalk.NAME]`, `[feishu.NAME]`, `[ntfy.NAME]`, `[gotify.NAME]` and `[bark.NAME]` of
//! `notify.toml`: groups that are told what happens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::codes;
use super::notify::{TIME_LIMIT, TIME_LIMITS, url};
use super::problem::{Findings, Said};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::settings::{Bot, BotForm};
use super::values::is_loopback;
use crate::incident::Carrier;

/// Most bots of one kind: see [`crate::notify::group::BOTS_MAX`].
const BOTS_MAX: usize = 3;
/// Longest name of a bot, and longest topic of ntfy, in bytes. The topic's is ntfy's own.
const NAME_MAX: usize = 64;
/// Longest keyword in bytes. Own choice: DingTalk's words are a few characters.
const KEYWORD_MAX: usize = 60;
/// Most telephones of one `[bark.NAME]`. Own choice: a shift many times over.
const DEVICES_MAX: usize = 50;

/// The kinds with the words of their tables, and where each is found unless told.
const KINDS: [(Carrier, &str, Option<&str>); 6] = [
    (Carrier::Wecom, "wecom", Some("https://qyapi.weixin.qq.com")),
    (Carrier::Dingtalk, "dingtalk", Some("https://oapi.dingtalk.com")),
    (Carrier::Feishu, "feishu", Some("https://open.feishu.cn")),
    (Carrier::Ntfy, "ntfy", None),
    (Carrier::Gotify, "gotify", None),
    (Carrier::Bark, "bark", Some("https://api.day.app")),
];

pub(super) fn read(
    top: &mut Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> BTreeMap<Carrier, Vec<Bot>> {
    let mut all = BTreeMap::new();
    for (carrier, key, found_at) in KINDS {
        let named = top.named(out, key);
        if let Some((name, _)) = named.get(BOTS_MAX) {
            let message = format!("more than {BOTS_MAX} tables of {carrier}");
            let help = "they take over from each other, and are not told all: keep the first";
            out.add(&codes::OUT_OF_RANGE, &name.at, message, help);
        }
        let one = |(name, section)| bot(&name, section, (carrier, found_at), out, secrets);
        let bots: Vec<Bot> = named.into_iter().filter_map(one).collect();
        if !bots.is_empty() {
            all.insert(carrier, bots);
        }
    }
    all
}

fn bot(
    name: &Said<&str>,
    mut section: Section<'_>,
    (carrier, found_at): (Carrier, Option<&str>),
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<Bot> {
    if !is_plain(name.value) {
        let message = format!("not a name: {:?}", name.value);
        out.add(&codes::BAD_ID, &name.at, message, "use letters, digits and dashes");
    }
    let said = match found_at {
        Some(_) => section.text(out, "url"),
        None => section.need_text(out, "url", "add url = \"https://…\", the server's address"),
    };
    let parsed = said.as_ref().and_then(|said| url(said, out));
    if let (Some(said), Some(parsed)) = (&said, &parsed)
        && parsed.scheme() != "https"
        && !is_loopback(parsed.host_str().unwrap_or_default())
    {
        let message = "what is posted, and the key, would go over the network in clear";
        out.add(&codes::SECRET_IN_CLEAR, &said.at, message, "use https");
    }
    let form = form(&mut section, carrier, out, secrets);
    let names = section.flag(out, "names", false).value;
    let time_limit = section.wait(out, "time_limit", TIME_LIMITS, TIME_LIMIT);
    let ca_file = section.text(out, "ca_file").map(|said| PathBuf::from(said.value));
    section.end(out);
    let url = said.map(|said| said.value).or(found_at)?.to_owned();
    Some(Bot { name: name.value.to_owned(), url, form: form?, names, time_limit, ca_file })
}

fn form(
    section: &mut Section<'_>,
    carrier: Carrier,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<BotForm> {
    let mut need = |section: &mut Section<'_>, help: &str, out: &mut Findings<'_>| {
        let said = section.need_text(out, "secret", help);
        secret_name(said, out, secrets)
    };
    let token = "add secret = \"…\", the name of the file that holds its token";
    Some(match carrier {
        Carrier::Wecom => {
            let key = "add secret = \"…\", the name of the file that holds its key";
            BotForm::Wecom { key: need(section, key, out)? }
        }
        Carrier::Gotify => BotForm::Gotify { token: need(section, token, out)? },
        Carrier::Dingtalk | Carrier::Feishu => {
            let token = need(section, token, out);
            let sign = section.text(out, "sign");
            let sign = secret_name(sign, out, secrets);
            let keyword = keyword(section, out);
            match carrier {
                Carrier::Dingtalk => BotForm::Dingtalk { token: token?, sign, keyword },
                _ => BotForm::Feishu { token: token?, sign, keyword },
            }
        }
        Carrier::Ntfy => {
            let said =
                section.need_text(out, "topic", "add topic = \"…\", as its readers wrote it");
            let token = section.text(out, "secret");
            let token = secret_name(token, out, secrets);
            let said = said?;
            if !is_plain(said.value) {
                let message = format!("not a topic: {:?}", said.value);
                let help = "use letters, digits, - and _, at most 64";
                out.add(&codes::BAD_ID, &said.at, message, help);
            }
            BotForm::Ntfy { topic: said.value.to_owned(), token }
        }
        _ => BotForm::Bark { device_keys: device_keys(section, out, secrets)? },
    })
}

fn keyword(section: &mut Section<'_>, out: &mut Findings<'_>) -> Option<String> {
    let said = section.text(out, "keyword")?;
    if said.value.trim().is_empty() || said.value.len() > KEYWORD_MAX {
        let message = format!("not a keyword: {:?}", said.value);
        let help = "write one of the words that the bot's settings name, such as \"安铃\"";
        out.add(&codes::TOO_LONG, &said.at, message, help);
        return None;
    }
    Some(said.value.to_owned())
}

fn device_keys(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<Vec<String>> {
    let help = "add device_keys = [\"…\"], the names of the files that hold the telephones' keys";
    let Some(list) = section.words(out, "device_keys") else {
        if !section.has("device_keys") {
            section.missing(out, "device_keys", help);
        }
        return None;
    };
    if list.value.is_empty() || list.value.len() > DEVICES_MAX {
        let message = format!("device_keys names none, or more than {DEVICES_MAX}");
        out.add(&codes::EMPTY_LIST, &list.at, message, help);
    }
    let keys = list.value.into_iter().filter_map(|said| secret_name(Some(said), out, secrets));
    Some(keys.collect())
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(plain)
}
