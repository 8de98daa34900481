//! `notify.toml`: the ways to people and the machines that are told the story.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use url::Url;

use super::bots;
use super::codes;
use super::devices::bad_word;
use super::modem::read_sms;
use super::problem::{Findings, Said, Spot};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::settings::{HookForm, Login, Mail, Notify, Relay, Screen, Tls, Webhook, Witness};
use super::values::{is_host, is_loopback};
use super::voice::read_voice;
use crate::incident::{StoryKind, Subscription};
use crate::terms::{Class, EndpointId, Wait};

/// What stands in the file.
#[derive(Default)]
pub(super) struct NotifyRead {
    pub(super) notify: Notify,
    /// What each webhook asks for.
    pub(super) endpoints: BTreeMap<EndpointId, Subscription>,
    /// The modems that `[sms]` and `[voice]` name, where they name them, with the table's name.
    pub(super) modems: Vec<(&'static str, Said<String>)>,
}

/// Protections by their words, with the port each uses by default (RFC 6409, RFC 8314, RFC 5321).
const TLS: [(&str, Tls, u16); 3] =
    [("starttls", Tls::Starttls, 587), ("implicit", Tls::Implicit, 465), ("none", Tls::None, 25)];

/// Default of one request's time limit: most receivers answer in well under a second.
pub(super) const TIME_LIMIT: Wait = Wait::secs(10);

/// How long one request may take.
pub(super) const TIME_LIMITS: RangeInclusive<Wait> = Wait::secs(1)..=Wait::secs(60);

/// After how long a receiver lets go of an alert: Alertmanager's own default (oncall.md 4.5).
const RESOLVE_TIMEOUT: Wait = Wait::mins(5);
const RESOLVE_TIMEOUTS: RangeInclusive<Wait> = Wait::secs(30)..=Wait::hours(24);

pub(super) fn read(
    mut top: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> NotifyRead {
    let mut read = NotifyRead::default();
    if let Some(mut section) = top.section(out, "screen") {
        let path =
            section.need_text(out, "path", "use \"-\" for the standard output, or \"/dev/tty1\"");
        section.end(out);
        read.notify.screen = Some(Screen { path: path.map_or("-", |said| said.value).to_owned() });
    }
    if let Some(section) = top.section(out, "mail") {
        read.notify.mail = Some(mail(section, out, secrets));
    }
    if let Some(section) = top.section(out, "sms") {
        read_sms(section, out, &mut read);
    }
    if let Some(section) = top.section(out, "voice") {
        read_voice(section, out, &mut read);
    }
    read.notify.bots = bots::read(&mut top, out, secrets);
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for (name, section) in top.named(out, "webhook") {
        webhook(&name, section, out, secrets, (&mut read, &mut told, false));
    }
    for (name, section) in top.named(out, "alertmanager") {
        webhook(&name, section, out, secrets, (&mut read, &mut told, true));
    }
    for (name, section) in top.named(out, "witness") {
        let witness = witness(section, out, secrets);
        read.notify.witnesses.extend(witness.map(|witness| (name.value.to_owned(), witness)));
    }
    top.later(out, "template", "own texts come");
    for (carrier, what) in super::ladders::LATER_CARRIERS {
        top.later(out, carrier, what);
    }
    if read.notify.carriers().is_empty() && out.is_whole(top.at.file) {
        out.add_to_file(
            &codes::NO_CARRIER,
            top.at.file,
            "no way to people is set up",
            "add [screen] with path = \"-\"",
        );
    }
    top.end(out);
    read
}

fn mail(mut section: Section<'_>, out: &mut Findings<'_>, secrets: &mut Vec<SecretUse>) -> Mail {
    let from = section.need_text(out, "from", "add from = \"anling@…\"");
    if let Some(bad) =
        from.as_ref().filter(|from| from.value.parse::<lettre::message::Mailbox>().is_err())
    {
        let message = format!("not a mail address: {:?}", bad.value);
        out.add(&codes::BAD_MAIL_ADDRESS, &bad.at, message, "write it as \"anling@example.org\"");
    }
    let at = section.at.clone();
    let relays: Vec<Relay> = section
        .named(out, "relay")
        .into_iter()
        .filter_map(|(name, part)| relay(name.value, part, out, secrets))
        .collect();
    if relays.is_empty() && !section.has("relay") {
        out.add(
            &codes::MAIL_WITHOUT_RELAY,
            &at,
            "[mail] has no server to hand mail to",
            "add [mail.relay.NAME] with host and tls",
        );
    }
    section.end(out);
    Mail { from: from.map_or("", |said| said.value).to_owned(), relays }
}

fn relay(
    name: &str,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<Relay> {
    let at = section.at.clone();
    let host = section.need_text(out, "host", "add host = \"…\", the mail server's name");
    if let Some(bad) = host.as_ref().filter(|host| !is_host(host.value)) {
        let message = format!("not a host's name: {:?}", bad.value);
        out.add(&codes::BAD_ADDRESS, &bad.at, message, "write the name or address without a port");
    }
    let said = section.need_text(out, "tls", "add tls = \"starttls\", \"implicit\" or \"none\"");
    let found =
        said.as_ref().and_then(|said| TLS.into_iter().find(|(word, ..)| *word == said.value));
    if let (Some(said), None) = (&said, found) {
        bad_word(said, "tls", &TLS.map(|(word, ..)| word), out);
    }
    if let (Some(host), Some((_, Tls::None, _))) = (&host, found)
        && !is_loopback(host.value)
    {
        out.add(
            &codes::PLAIN_MAIL,
            &host.at,
            format!("mail to {} would go in clear", host.value),
            "use tls = \"starttls\" or \"implicit\"; \"none\" is for this machine only",
        );
    }
    let default_port = found.map_or(25, |(.., port)| port);
    let port = section.number(out, "port", 1..=65_535, u64::from(default_port));
    let user = section.text(out, "user");
    let secret = section.text(out, "secret");
    if user.is_some() != secret.is_some() {
        out.add(
            &codes::LOGIN_HALF,
            &at,
            format!("relay {name} has only half of a login"),
            "give it user and secret, or neither",
        );
    }
    let secret = secret_name(secret, out, secrets);
    let login =
        user.zip(secret).map(|(user, secret)| Login { user: user.value.to_owned(), secret });
    let ca_file = section.text(out, "ca_file").map(|said| PathBuf::from(said.value));
    section.end(out);
    Some(Relay {
        name: name.to_owned(),
        host: host?.value.to_owned(),
        port: u16::try_from(port).unwrap_or(default_port),
        tls: found?.1,
        login,
        ca_file,
    })
}

fn webhook(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    (read, told, alerts): (&mut NotifyRead, &mut BTreeMap<String, String>, bool),
) {
    let id = EndpointId::new(name.value)
        .map_err(|error| {
            let help = "use letters, digits and dashes";
            out.bad_id(&name.at, "webhook's name", &error, help);
        })
        .ok();
    if let Some(id) = id.as_ref().filter(|id| read.notify.webhooks.contains_key(*id)) {
        let message = format!("{id} is the name of a webhook as well");
        let help = "give one of them another name: what is owed to each is kept under it";
        out.add(&codes::NAME_TWICE, &name.at, message, help);
    }
    let said = section.need_text(out, "url", "add url = \"https://…\"");
    let parsed = said.as_ref().and_then(|said| url(said, out));
    let names = section.flag(out, "names", false).value;
    let has_secret = section.has("secret");
    let secret = section.text(out, "secret");
    let secret = secret_name(secret, out, secrets);
    let time_limit = section.wait(out, "time_limit", TIME_LIMITS, TIME_LIMIT);
    let ca_file = section.text(out, "ca_file").map(|said| PathBuf::from(said.value));
    let (wants, form) = match alerts {
        true => alerts_wanted(&mut section, out),
        false => (subscription(&mut section, out), HookForm::CloudEvents),
    };
    section.end(out);
    let (Some(id), Some(said), Some(parsed)) = (id, said, parsed) else { return };
    warn_in_clear(&parsed, &said.at, (names, has_secret), out);
    if let Some(other) = told.insert(parsed.to_string(), id.to_string()) {
        let message = format!("{id} and {other} tell the same address");
        out.add(&codes::SAME_URL_TWICE, &said.at, message, "join them, or change one url");
    }
    read.endpoints.insert(id.clone(), wants);
    let url = said.value.to_owned();
    read.notify.webhooks.insert(id, Webhook { url, secret, names, time_limit, ca_file, form });
}

/// What an Alertmanager's receiver asks for: what concerns machines, unless told.
fn alerts_wanted(section: &mut Section<'_>, out: &mut Findings<'_>) -> (Subscription, HookForm) {
    let known = Class::ALL.map(Class::word);
    let mut classes = words(section, out, ("classes", "class"), (Class::from_word, &known));
    if classes.is_empty() {
        classes = BTreeSet::from([Class::Coverage, Class::Fault]);
    }
    let resolve_timeout = section.wait(out, "resolve_timeout", RESOLVE_TIMEOUTS, RESOLVE_TIMEOUT);
    let events = [StoryKind::Raised, StoryKind::Reopened, StoryKind::Resolved];
    let wants = Subscription { classes, events: BTreeSet::from(events) };
    (wants, HookForm::Alerts { resolve_timeout })
}

/// How often a witness may be told. Own choice: what waits outside should not call for one lost word,
/// and should not wait for half a day.
const WITNESS_EVERY: std::ops::RangeInclusive<Wait> = Wait::secs(30)..=Wait::hours(1);

fn witness(
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
) -> Option<Witness> {
    let said = section.need_text(out, "url", "add url = \"https://…\"");
    let parsed = said.as_ref().and_then(|said| url(said, out));
    let has_secret = section.has("secret");
    let secret = section.text(out, "secret");
    let secret = secret_name(secret, out, secrets);
    let every = section.wait(out, "every", WITNESS_EVERY, Wait::secs(60));
    let ca_file = section.text(out, "ca_file").map(|said| PathBuf::from(said.value));
    section.end(out);
    let (said, parsed) = said.zip(parsed)?;
    warn_in_clear(&parsed, &said.at, (false, has_secret), out);
    Some(Witness { url: said.value.to_owned(), secret, every, ca_file })
}

/// What a machine asks to be told.
pub(super) fn subscription(section: &mut Section<'_>, out: &mut Findings<'_>) -> Subscription {
    let known = Class::ALL.map(Class::word);
    let classes = words(section, out, ("classes", "class"), (Class::from_word, &known));
    let known = StoryKind::ALL.map(StoryKind::word);
    let events = words(section, out, ("events", "event"), (StoryKind::from_word, &known));
    Subscription { classes, events }
}

pub(super) fn warn_in_clear(
    url: &Url,
    at: &Spot,
    (names, secret): (bool, bool),
    out: &mut Findings<'_>,
) {
    if url.scheme() == "https" || is_loopback(url.host_str().unwrap_or_default()) {
        return;
    }
    if names {
        let help = "use https, or names = false";
        out.add(
            &codes::NAMES_IN_CLEAR,
            at,
            "residents' names would go over the network in clear",
            help,
        );
    }
    if secret {
        let help = "use https, or take secret out";
        out.add(&codes::SECRET_IN_CLEAR, at, "the secret would go over the network in clear", help);
    }
}

/// A set of words of a closed list.
fn words<T: Ord>(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    (key, one): (&'static str, &str),
    (read, known): (impl Fn(&str) -> Option<T>, &[&str]),
) -> BTreeSet<T> {
    let Some(list) = section.words(out, key) else { return BTreeSet::new() };
    if list.value.is_empty() {
        let help = "take the line out for everything, or name some";
        out.add(&codes::EMPTY_LIST, &list.at, format!("{key} is empty"), help);
    }
    let mut set = BTreeSet::new();
    for said in list.value {
        match read(said.value) {
            Some(word) => drop(set.insert(word)),
            None => bad_word(&said, one, known, out),
        }
    }
    set
}

/// An http or https address with a host.
pub(super) fn url(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Url> {
    let parsed = Url::parse(said.value).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
    });
    if parsed.is_none() {
        out.add(
            &codes::BAD_URL,
            &said.at,
            format!("not an address a message can be sent to: {:?}", said.value),
            "write it as \"https://host/path\", without user and password",
        );
    }
    parsed
}
