//! `gateway.toml`: what the hub is, where it listens, where its things lie, what clock it has; what the
//! box runs on stands in [`super::power`], which stations it serves in [`super::stations`].

use std::net::SocketAddr;
use std::path::PathBuf;

use super::codes;
use super::files::Files;
use super::problem::{Findings, Problem, Said, Spot};
use super::section::Section;
use super::settings::{Gateway, Power, SITE_MAX_UNITS, Settings};
use super::stations::Stations;
use super::values::{is_loopback, utf16_len};
use crate::terms::{BadId, HubId, Wait};

const KIB: u64 = 1 << 10;
const MIB: u64 = KIB << 10;
const GIB: u64 = MIB << 10;

/// Where a hub keeps its state unless told otherwise.
pub const STATE_DIR: &str = "/var/lib/anling";

/// The state directory that `gateway.toml` names, however wrong the rest of it is: by it a hub finds
/// the set that it last accepted, and a command the hub. Where the text is no TOML, the line in
/// `[storage]` that says so is enough. `None` where there is no such file or line.
pub fn state_dir(files: &Files) -> Option<PathBuf> {
    let text = files.text("gateway.toml")?;
    let found = match text.parse::<toml::Table>() {
        Ok(gateway) => match gateway.get("storage").and_then(|storage| storage.get("state")) {
            Some(state) => state.as_str().map(str::to_owned)?,
            None => STATE_DIR.to_owned(),
        },
        Err(_) => state_line(text)?,
    };
    (!found.trim().is_empty()).then(|| found.into())
}

/// Where the hub's id is another than the one whose record it goes on with, which devices know.
pub fn other_hub(files: &Files, settings: &Settings, record: &HubId) -> Option<Problem> {
    let now = &settings.gateway.hub;
    if now == record {
        return None;
    }
    let mut out = Findings::new(files);
    let message = format!("the hub's id is {now}, and its record is {record}'s");
    let help = format!(
        "devices speak to {record}'s topics and are not heard as {now}: write id = \"{record}\", or \
         close the fault of the next start if it is meant"
    );
    let text = files.text("gateway.toml").unwrap_or_default();
    let id = toml::from_str::<Spanned>(text).ok().map(|whole| whole.hub.id.span());
    match id {
        Some(span) => {
            out.add(&codes::HUB_ID_CHANGED, &Spot { file: "gateway.toml", span }, message, help);
        }
        None => out.add_to_file(&codes::HUB_ID_CHANGED, "gateway.toml", message, help),
    }
    out.into_problems().pop()
}

/// The file as far as its id, with its place.
#[derive(serde::Deserialize)]
struct Spanned {
    hub: SpannedHub,
}

#[derive(serde::Deserialize)]
struct SpannedHub {
    id: toml::Spanned<String>,
}

/// The value of `state` in `[storage]`, each line read for itself.
fn state_line(text: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            let name = line.split(']').next().unwrap_or(line);
            inside = name.trim_start_matches('[').trim() == "storage";
        } else if inside && let Ok(said) = line.parse::<toml::Table>() {
            match said.get("state") {
                Some(toml::Value::String(state)) => return Some(state.clone()),
                _ => continue,
            }
        }
    }
    None
}

/// Reads the file; no gateway when the hub has no usable id.
pub(super) fn read(
    mut top: Section<'_>,
    out: &mut Findings<'_>,
) -> (Option<Gateway>, Option<Power>, Stations) {
    let power = super::power::read(&mut top, out);
    let stations = super::stations::read(&mut top, out);
    let gateway = read_hub(&mut top, out);
    top.end(out);
    (gateway, power, stations)
}

fn read_hub(top: &mut Section<'_>, out: &mut Findings<'_>) -> Option<Gateway> {
    let hub = hub(top, out);
    let mut console = Part::of(top, out, "console");
    let listen = console.address(out, "listen");
    if let Some(at) = listen.as_ref().filter(|listen| !listen.value.ip().is_loopback()) {
        out.add(
            &codes::ADDRESS_NOT_LOOPBACK,
            &at.at,
            format!("the console would listen on {}", at.value),
            "use 127.0.0.1: there is no sign-in yet; `lan` opens the one-tap pages to the network",
        );
    }
    let lan = console.address(out, "lan");
    let public_url = console.0.as_mut().and_then(|section| public_url(section, out));
    let link_valid = console.0.as_mut().map_or(LINK_VALID, |section| {
        section.wait(out, "link_valid", Wait::mins(1)..=Wait::hours(24), LINK_VALID)
    });
    console.end(out);
    let mut storage = Part::of(top, out, "storage");
    let state_dir = storage.path(out, "state", STATE_DIR);
    let socket = storage.path(out, "socket", "/run/anling/anling.sock");
    let segment_bytes = storage.bytes(out, "segment", (MIB, GIB), 16 * MIB);
    let ballast_bytes = storage.bytes(out, "ballast", (4 * MIB, GIB), 32 * MIB);
    let min_free_bytes = storage.bytes(out, "min_free", (16 * MIB, 64 * GIB), 64 * MIB);
    let keep = storage.0.as_mut().map_or(KEEP, |section| {
        section.wait(out, "keep", Wait::hours(30 * 24)..=Wait::hours(20 * 366 * 24), KEEP)
    });
    let keep_entries = storage.0.as_mut().map_or(KEEP_ENTRIES, |section| {
        section.number(out, "keep_entries", 1_000..=100_000_000, KEEP_ENTRIES)
    });
    storage.end(out);
    let mut clock = Part::of(top, out, "clock");
    let battery_clock =
        clock.0.as_mut().is_some_and(|section| section.flag(out, "battery_clock", false).value);
    clock.end(out);
    let (hub, site) = hub?;
    Some(Gateway {
        hub,
        site,
        listen: listen.map_or(LISTEN, |said| said.value),
        lan: lan.map(|said| said.value),
        public_url,
        link_valid,
        state_dir,
        socket,
        segment_bytes,
        ballast_bytes,
        min_free_bytes,
        keep,
        keep_entries,
        battery_clock,
    })
}

/// Own choice: one round of staff, and no link that still works the next day.
const LINK_VALID: Wait = Wait::mins(30);

/// Three years with a leap day: as long as a complaint may look back.
const KEEP: Wait = Wait::hours(1_096 * 24);

/// The store's rule: at least so many, however old they are.
const KEEP_ENTRIES: u64 = 100_000;

/// Where the console listens unless told otherwise.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7580);

fn hub(top: &mut Section<'_>, out: &mut Findings<'_>) -> Option<(HubId, String)> {
    let help = "add [hub] with id = \"…\" and site = \"…\"";
    let Some(mut section) = top.section(out, "hub") else {
        if !top.has("hub") {
            top.missing(out, "[hub]", help);
        }
        return None;
    };
    let id = section
        .need_text(out, "id", "the district gave this hub an id, such as \"zs-yunjian\"")
        .and_then(|said| hub_id(&said, out));
    let site = section.need_text(out, "site", "write the centre's name as staff say it");
    if let Some(site) = site.as_ref().filter(|site| utf16_len(site.value) > SITE_MAX_UNITS) {
        out.add(
            &codes::TOO_LONG,
            &site.at,
            format!("the centre's name is longer than {SITE_MAX_UNITS} characters"),
            "shorten it: it stands in every message",
        );
    }
    section.end(out);
    Some((id?, site?.value.to_owned()))
}

fn hub_id(said: &Said<&str>, out: &mut Findings<'_>) -> Option<HubId> {
    let checked = match HubId::new(said.value) {
        Ok(_) if said.value.contains('/') => Err(BadId::Character('/')),
        checked => checked,
    };
    checked
        .map_err(|error| {
            let help = "use letters, digits and dashes: it is one level of every MQTT topic";
            out.bad_id(&said.at, "hub's id", &error, help);
        })
        .ok()
}

fn public_url(section: &mut Section<'_>, out: &mut Findings<'_>) -> Option<String> {
    let said = section.text(out, "public_url")?;
    let url = super::notify::url(&said, out)?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !is_loopback(host) {
        out.add(
            &codes::URL_NOT_HTTPS,
            &said.at,
            "public_url is not https",
            "a link in a message accepts a call: put a TLS proxy before it, or take the line out",
        );
    }
    Some(said.value.trim_end_matches('/').to_owned())
}

/// A table that may be absent.
struct Part<'a>(Option<Section<'a>>);

impl<'a> Part<'a> {
    fn of(top: &mut Section<'a>, out: &mut Findings<'_>, key: &'static str) -> Self {
        Self(top.section(out, key))
    }

    fn address(&mut self, out: &mut Findings<'_>, key: &'static str) -> Option<Said<SocketAddr>> {
        address(self.0.as_mut()?, out, key)
    }

    fn path(&mut self, out: &mut Findings<'_>, key: &'static str, absent: &str) -> PathBuf {
        let said = self.0.as_mut().and_then(|section| section.text(out, key));
        if let Some(empty) = said.as_ref().filter(|said| said.value.trim().is_empty()) {
            let help = format!("name a path, or take the line out for {absent}");
            out.add(&codes::EMPTY_TEXT, &empty.at, format!("{key} is empty"), help);
        }
        PathBuf::from(said.map_or(absent, |said| said.value))
    }

    fn bytes(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        (least, most): (u64, u64),
        absent: u64,
    ) -> u64 {
        self.0.as_mut().map_or(absent, |section| section.bytes(out, key, least..=most, absent))
    }

    fn end(self, out: &mut Findings<'_>) {
        if let Some(section) = self.0 {
            section.end(out);
        }
    }
}

/// An address and a port.
pub(super) fn address(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
) -> Option<Said<SocketAddr>> {
    let said = section.text(out, key)?;
    match said.value.parse() {
        Ok(value) => Some(Said { value, at: said.at }),
        Err(_) => {
            let message = format!("{key} is no address with a port: {:?}", said.value);
            let help = "write it as \"127.0.0.1:7580\" or \"0.0.0.0:1883\"";
            out.add(&codes::BAD_ADDRESS, &said.at, message, help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(gateway: &str) -> Option<String> {
        let dir = state_dir(&Files::of("x", [("gateway.toml", gateway)]))?;
        Some(dir.display().to_string())
    }

    #[test]
    fn the_state_directory_is_found_in_a_gateway_toml_that_is_wrong_elsewhere() {
        for (text, found) in [
            ("[hub]\nid = 7\nwrong = 1\n[storage]\nstate = \"/srv/a\"\n", Some("/srv/a")),
            ("[hub]\nid = \"zs\"\n", Some(STATE_DIR)),
            ("[hub\nid = \"zs\"\n[storage]\nstate = \"/srv/b\"  # here\n", Some("/srv/b")),
            ("id = = 3\n[ storage ] # disk\n  state = '/srv/c'\n[clock]\n", Some("/srv/c")),
            ("[storage]\nstate = \"/srv/d\"\nsegment = 16MiB\n", Some("/srv/d")),
            ("[storage]\nstate = \"/srv/e\nsegment = 1\n", None),
            ("[hub\n[console]\nstate = \"/not/this\"\n", None),
            ("[storage]\nstate = 7\n", None),
            ("[storage]\nstate = \" \"\n", None),
        ] {
            assert_eq!(named(text).as_deref(), found, "{text}");
        }
        assert_eq!(state_dir(&Files::of("x", [])), None);
    }
}
