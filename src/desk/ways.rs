//! The ways in and out of a hub that starts: opened once, handed to the desk, replaced by reloads.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tracing::error;

use super::letters::Writer;
use super::modems::Modems;
use super::outbox::Outbox;
use super::outside::{self, Outside};
use super::ports::Ports;
use super::reload::{Gone, Wires};
use super::wiring::{LineEnds, OutEars, Parts, WaysOut};
use super::{DeskError, INBOX_MAX, NEWS_MAX, wiring};
use crate::clock::Clock;
use crate::config::{Secrets, Settings};
use crate::incident::Carrier;
use crate::link::broker::SessionNews;
use crate::link::modem::ModemNews;
use crate::link::mqtt::MqttNews;
use crate::link::plug::PortNews;
use crate::registry::Registry;
use crate::terms::{Inbound, LinkId};

/// The ways in and out, opened, with the desk's ends of their channels.
pub(super) struct Ways {
    pub(super) outbox: Outbox,
    pub(super) out_ears: OutEars,
    pub(super) ports: Ports,
    pub(super) port_news: mpsc::Receiver<(LinkId, PortNews)>,
    pub(super) outside: Outside,
    pub(super) outside_news: mpsc::Receiver<(LinkId, MqttNews)>,
    pub(super) modems: Modems,
    pub(super) modems_heard: mpsc::Receiver<(LinkId, ModemNews)>,
    pub(super) broker: Option<wiring::Opened>,
    pub(super) news: mpsc::Receiver<SessionNews>,
    pub(super) heard: mpsc::Receiver<Inbound>,
    pub(super) wires: Wires,
    pub(super) gone: mpsc::Receiver<Gone>,
}

/// Opens them all. What stays closed is told as a trouble; only a broker that cannot listen ends the start.
pub(super) async fn open_ways(
    settings: &Settings,
    secrets: &Secrets,
    state_dir: &std::path::Path,
    clock: &Clock,
    registry: &Registry,
) -> Result<Ways, DeskError> {
    let parts = Parts::of(settings, secrets);
    let (ways_out, out_ears) = WaysOut::new(clock.clone());
    let mut out = BTreeSet::new();
    let outbox = open_ways_out(&ways_out, &parts, wiring::page_key(state_dir), &mut out);
    let (inbox, heard) = mpsc::channel(INBOX_MAX);
    let (tell_port, port_news) = mpsc::channel(NEWS_MAX);
    let (tell_outside, outside_news) = mpsc::channel(NEWS_MAX);
    let (modem_news, modems_heard) = mpsc::channel(NEWS_MAX);
    let lines = LineEnds {
        inbox,
        port_news: tell_port,
        outside_news: tell_outside,
        modem_news,
        clock: clock.clone(),
    };
    let modems = lines.keep_modems(settings, &parts, ways_out.rack());
    let ports = lines.keep_all(settings);
    let outside = lines.keep_outside(&parts, &outside::bridged(settings, registry));
    let (broker, news) = wiring::broker(settings, &parts, &lines, &mut out).await?;
    let (wires, gone) = Wires::new(parts, ways_out, lines, out);
    Ok(Ways {
        outbox,
        out_ears,
        ports,
        port_news,
        outside,
        outside_news,
        modems,
        modems_heard,
        broker,
        news,
        heard,
        wires,
        gone,
    })
}

/// Opens the ways out; the subjects of those that stay closed go to `out`.
fn open_ways_out(
    ways_out: &WaysOut,
    parts: &Parts,
    page_key: crate::terms::Secret,
    out: &mut BTreeSet<String>,
) -> Outbox {
    let mut stays_out = |subject: String, why: String| {
        error!(subject, why, "this way out stays closed");
        out.insert(subject);
    };
    let mut carriers = Vec::new();
    for carrier in Carrier::ALL {
        let Some(handle) = ways_out.carrier(parts, carrier) else { continue };
        let handle = handle.map_err(|why| stays_out(carrier.word().to_owned(), why)).ok();
        carriers.push((carrier, handle));
    }
    let mut endpoints = Vec::new();
    for (endpoint, settings) in &parts.endpoints {
        let handle = ways_out.endpoint(settings);
        let handle = handle.map_err(|why| stays_out(parts.subject(endpoint), why)).ok();
        endpoints.push((endpoint.clone(), handle));
    }
    Outbox::new(carriers, endpoints, Writer { page_key, silenced: Default::default() })
}
