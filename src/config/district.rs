//! `district.toml`: the platforms that are told the story and may answer.
//!
//! `[platform.NAME]` says what it is told and who speaks for it, as a webhook's table does; the kind
//! stands in the name of the one table inside it, `[platform.NAME.mqtt]` or `[platform.NAME.https]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::broker_address::BrokerAddress;
use super::codes;
use super::notify::{TIME_LIMIT, TIME_LIMITS, subscription, url, warn_in_clear};
use super::problem::{Findings, Said, Spot};
use super::secrets::{SecretUse, secret_name};
use super::section::Section;
use super::settings::{
    Platform, PlatformAnswer, PlatformHttps, PlatformMqtt, PlatformWay, TlsPaths, Webhook,
};
use crate::incident::Subscription;
use crate::terms::{EndpointId, PersonId, Wait};

/// Default of how often a platform hears that the hub lives: facts of the field ask for once a minute.
const LIFE_SIGN: Wait = Wait::secs(60);

/// What stands in the file.
#[derive(Default)]
pub(super) struct DistrictRead {
    pub(super) platforms: BTreeMap<EndpointId, Platform>,
    /// What each platform asks for.
    pub(super) endpoints: BTreeMap<EndpointId, Subscription>,
    /// Who speaks for which platform, where that is named.
    pub(super) people: Vec<(EndpointId, Said<PersonId>)>,
}

pub(super) fn read(
    mut top: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    webhooks: &BTreeMap<EndpointId, Webhook>,
) -> DistrictRead {
    let mut read = DistrictRead::default();
    for (name, section) in top.named(out, "platform") {
        platform(&name, section, out, secrets, (&mut read, webhooks));
    }
    top.later(out, "mapping", "mappings to a county's own fields come");
    top.end(out);
    read
}

fn platform(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    (read, webhooks): (&mut DistrictRead, &BTreeMap<EndpointId, Webhook>),
) {
    let help = "use letters, digits and dashes";
    let id = EndpointId::new(name.value)
        .map_err(|error| out.bad_id(&name.at, "platform's name", &error, help))
        .ok();
    if id.as_ref().is_some_and(|id| webhooks.contains_key(id)) {
        let message = format!("a webhook in notify.toml is called {} as well", name.value);
        let help = "give one of them another name: what is owed is kept by it";
        out.add(&codes::NAME_TWICE, &name.at, message, help);
    }
    let at = section.at.clone();
    let names = section.flag(out, "names", false).value;
    let person = person(&mut section, out);
    let life_sign = section.wait(out, "life_sign", Wait::secs(10)..=Wait::mins(10), LIFE_SIGN);
    let wants = subscription(&mut section, out);
    let ways = (section.section(out, "mqtt"), section.section(out, "https"));
    section.end(out);
    let way = match ways {
        (Some(mqtt), None) => read_mqtt(name, mqtt, out, secrets, names).map(PlatformWay::Mqtt),
        (None, Some(https)) => read_https(https, out, secrets, names).map(PlatformWay::Https),
        _ => {
            let message = format!("platform {} has not exactly one way to it", name.value);
            let help = "add [platform.NAME.mqtt] or [platform.NAME.https], not both";
            out.add(&codes::PLATFORM_WAY, &at, message, help);
            None
        }
    };
    let (Some(id), Some(way)) = (id, way) else { return };
    read.endpoints.insert(id.clone(), wants);
    let speaks = person.as_ref().map(|said| said.value.clone());
    read.people.extend(person.map(|said| (id.clone(), said)));
    read.platforms.insert(id, Platform { way, names, person: speaks, life_sign });
}

fn person(section: &mut Section<'_>, out: &mut Findings<'_>) -> Option<Said<PersonId>> {
    let said = section.text(out, "person")?;
    match PersonId::new(said.value) {
        Ok(value) => Some(Said { value, at: said.at }),
        Err(error) => {
            out.bad_id(&said.at, "person's id", &error, "write it as in registry/people.csv");
            None
        }
    }
}

fn read_mqtt(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    names: bool,
) -> Option<PlatformMqtt> {
    let at = section.at.clone();
    let help = "add host = \"…\", the district's broker";
    let address = BrokerAddress::read(name, &mut section, out, secrets, help);
    let files = tls_paths(&mut section, out);
    if files != TlsPaths::default() && !address.tls {
        let message = "certificates are named and TLS is off";
        out.add(&codes::CA_WITHOUT_TLS, &at, message, "add tls = true");
    }
    section.end(out);
    if let Some(host) = address.in_clear() {
        clear(&host.at, (names, address.login.is_some()), out);
    }
    Some(PlatformMqtt {
        host: address.host?.value.to_owned(),
        port: address.port,
        login: address.login,
        tls: address.tls.then_some(files),
    })
}

/// What would go over the network in clear.
fn clear(at: &Spot, (names, login): (bool, bool), out: &mut Findings<'_>) {
    if names {
        let message = "residents' names would go over the network in clear";
        out.add(&codes::NAMES_IN_CLEAR, at, message, "add tls = true, or use names = false");
    }
    if login {
        let message = "the password would go over the network in clear";
        out.add(&codes::SECRET_IN_CLEAR, at, message, "add tls = true");
    }
}

fn read_https(
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    secrets: &mut Vec<SecretUse>,
    names: bool,
) -> Option<PlatformHttps> {
    let said = section.need_text(out, "url", "add url = \"https://…\"");
    let parsed = said.as_ref().and_then(|said| url(said, out));
    let has_secret = section.has("secret");
    let secret = section.text(out, "secret");
    let secret = secret_name(secret, out, secrets);
    let tls = tls_paths(&mut section, out);
    let batch = section.flag(out, "batch", true).value;
    let accepted = section.section(out, "accepted").and_then(|part| answer(part, out));
    let time_limit = section.wait(out, "time_limit", TIME_LIMITS, TIME_LIMIT);
    section.end(out);
    let (said, parsed) = (said?, parsed?);
    warn_in_clear(&parsed, &said.at, (names, has_secret), out);
    let url = said.value.to_owned();
    Some(PlatformHttps { url, secret, tls, batch, accepted, time_limit })
}

fn answer(mut section: Section<'_>, out: &mut Findings<'_>) -> Option<PlatformAnswer> {
    let help = "add pointer = \"/code\", the place in the answer";
    let pointer = section.need_text(out, "pointer", help);
    if let Some(bad) = pointer.as_ref().filter(|said| !said.value.starts_with('/')) {
        let message = format!("not a JSON pointer: {:?}", bad.value);
        out.add(&codes::BAD_POINTER, &bad.at, message, "begin it with /, such as \"/code\"");
    }
    if !section.has("is") {
        section.missing(out, "is", "add is = 0, what must stand there");
    }
    let is = section.literal(out, "is");
    section.end(out);
    Some(PlatformAnswer { pointer: pointer?.value.to_owned(), is: is? })
}

fn tls_paths(section: &mut Section<'_>, out: &mut Findings<'_>) -> TlsPaths {
    let mut path = |section: &mut Section<'_>, key| {
        section.text(out, key).map(|said: Said<&str>| PathBuf::from(said.value))
    };
    let ca_file = path(section, "ca_file");
    let (cert, key) = (path(section, "client_cert"), path(section, "client_key"));
    if cert.is_some() != key.is_some() {
        let message = format!("{} has only half of a certificate", section.title);
        let help = "give it client_cert and client_key, or neither";
        out.add(&codes::CERTIFICATE_HALF, &section.at, message, help);
    }
    TlsPaths { ca_file, client: cert.zip(key) }
}
