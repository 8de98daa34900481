//! Tells one endpoint the story over HTTP: one task per endpoint, so a slow one delays no other.
//!
//! - Taken (2xx) is settled. An answer that blames this very event ([`BLAMES_THE_EVENT`]) is settled
//!   as refused and never blocks. Everything else (no connection, no answer in time, 5xx, a
//!   redirect, and a wrong token or path: 401, 403, 404) stays owed and is sent again under the same
//!   id: what a technician can mend must lose nothing meanwhile.
//! - The desk owns what is owed. This task holds at most [`HELD_MAX`] beside the [`OFFERS_MAX`] of
//!   its channel; when both are full the desk keeps the rest, and offers it as reports come back.
//!   Alarms have a channel and room of their own ([`ALARMS_MAX`]), so that somebody who presses now
//!   does not wait for what an outage has left.
//!   Reports are sent in batches and never block the sending, so the two cannot wait for each other.
//! - Repeating is done here and not in the desk, because only here is it known that the line is
//!   back; a journaled attempt per event and try would write the disk full in a long outage.
//!
//! Which event may leave when is decided in `lanes`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::contained::contained;
use super::endpoint::{
    BLAMES_THE_EVENT, DOWN_AFTER, EndpointHandle, EndpointReport, Health, LifeSign, Settled,
    StoryLetter,
};
use super::lanes::Lanes;
pub use super::lanes::{PROBE_WAITS, RETRY_AFTER_MAX, WINDOW};
use super::rest::{HURRIED_MAX, Rest};
pub use super::wire::WireError;
use super::wire::{Reply, TlsFiles, Wire};
use crate::terms::{EndpointId, IncidentId, Secret, Seq, Wait};

/// Events waiting in the channel to one endpoint.
pub const OFFERS_MAX: usize = 1024;

/// Alarms waiting in their own channel to one endpoint. Own choice: the presses of a quarter second
/// at the rate of the worst storm.
pub const ALARMS_MAX: usize = 256;

/// Events one endpoint's task holds beside its channel, those settled and not yet reported included.
pub const HELD_MAX: usize = 1024;

/// Time limit of one request where the config names none.
pub const TIME_LIMIT: Wait = Wait::secs(10);

/// Idle connections are closed by many servers after a minute: leave first.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// Why an endpoint cannot be opened. Both are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its address or its TLS.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The bearer token holds characters that no header can.
    #[error("the webhook's secret holds characters that no HTTP header can carry: replace it")]
    Secret,
}

/// One endpoint, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Its name.
    pub endpoint: EndpointId,
    /// Where to, `http://` or `https://`.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// How long one request may take, [`TIME_LIMIT`] unless told.
    pub time_limit: Wait,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// What it is told in.
    pub form: HookForm,
}

/// What is posted to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookForm {
    /// CloudEvents.
    CloudEvents,
    /// Alertmanager's webhook; what is open is said again, and that again is owed to nobody.
    Alerts,
}

/// Opens an endpoint and begins to serve it. Call it on the runtime.
pub fn open(
    settings: WebhookSettings,
    reports: mpsc::Sender<EndpointReport>,
) -> Result<EndpointHandle, WebhookError> {
    let (offer, offers) = mpsc::channel(OFFERS_MAX);
    let (alarms, raised) = mpsc::channel(ALARMS_MAX);
    let (stop, stopped) = oneshot::channel();
    let (again, said_again) = watch::channel(None);
    let is_said_again = settings.form == HookForm::Alerts;
    let endpoint = settings.endpoint.clone();
    let wire = Arc::new(wire(&settings)?);
    let serving = Endpoint {
        endpoint: settings.endpoint,
        wire,
        lanes: Lanes::new(),
        flights: JoinSet::new(),
        rests: JoinSet::new(),
        again: said_again,
        repeats: JoinSet::new(),
        probe: None,
        urgent: BTreeSet::new(),
        settled: Vec::new(),
        health: None,
        said: None,
        refusing: None,
        reports,
    };
    let task = tokio::spawn(serving.serve(offers, raised, stopped));
    let mut handle = EndpointHandle::by_incident(endpoint, offer, alarms, stop, task);
    handle.life = is_said_again.then_some(again);
    Ok(handle)
}

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Settled(Settled),
    /// The endpoint answered that it cannot now.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// No answer: whether it was taken nobody knows.
    Lost {
        why: &'static str,
    },
}

fn wire(settings: &WebhookSettings) -> Result<Wire, WebhookError> {
    let mut headers = HeaderMap::new();
    let json = match settings.form {
        HookForm::CloudEvents => "application/cloudevents+json; charset=utf-8",
        HookForm::Alerts => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(json));
    if let Some(secret) = &settings.bearer {
        let line = [b"Bearer ", secret.expose()].concat();
        let mut bearer = HeaderValue::from_bytes(&line).map_err(|_| WebhookError::Secret)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let limit = settings.time_limit.std();
    let files = TlsFiles { ca_file: settings.ca_file.clone(), client: None };
    Ok(Wire::new(&settings.url, headers, limit, &files)?)
}

fn judge(reply: Reply) -> Answer {
    let (status, after) = match reply {
        Reply::Answered { status, retry_after, .. } => (status, retry_after),
        Reply::NoConnection => return Answer::Lost { why: "no connection" },
        Reply::Broken => return Answer::Lost { why: "the connection broke" },
        Reply::NoAnswer => return Answer::Lost { why: "no answer in time" },
    };
    if status.is_success() {
        return Answer::Settled(Settled::HandedOver);
    }
    let why = format!("answered {}", status.as_u16());
    if BLAMES_THE_EVENT.contains(&status) {
        return Answer::Settled(Settled::DeadLetter { why });
    }
    Answer::Later { why, after }
}

/// How an endpoint was said to stand, without the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Up,
    HeldBack,
    Down,
}

/// One endpoint being served.
struct Endpoint {
    endpoint: EndpointId,
    wire: Arc<Wire>,
    lanes: Lanes<StoryLetter>,
    flights: JoinSet<(IncidentId, Seq, Answer)>,
    rests: JoinSet<IncidentId>,
    /// What is open, to be said again: the newest is enough.
    again: watch::Receiver<Option<LifeSign>>,
    /// The one that is under way.
    repeats: JoinSet<()>,
    probe: Option<Rest>,
    /// Alarms that are held and not settled.
    urgent: BTreeSet<Seq>,
    settled: Vec<(Seq, Settled)>,
    health: Option<Health>,
    /// How it was last said to stand; none before the first word.
    said: Option<Said>,
    refusing: Option<String>,
    reports: mpsc::Sender<EndpointReport>,
}

impl Endpoint {
    async fn serve(
        mut self,
        mut offers: mpsc::Receiver<StoryLetter>,
        mut raised: mpsc::Receiver<StoryLetter>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let reports = self.reports.clone();
        let mut batch = Vec::new();
        let mut open = true;
        while open || self.lanes.held() > 0 || self.has_news() {
            self.take_off();
            let held = self.lanes.held() + self.settled.len();
            let room = HELD_MAX.saturating_sub(held);
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(done) = self.flights.join_next() => self.land_all(done),
                Some(Ok(incident)) = self.rests.join_next() => self.lanes.rested(incident),
                () = Rest::over(&mut self.probe) => {
                    self.probe = None;
                    self.lanes.probe_due();
                }
                permit = reports.reserve(), if self.has_news() => {
                    let Ok(permit) = permit else { return };
                    permit.send(EndpointReport {
                        endpoint: self.endpoint.clone(),
                        settled: std::mem::take(&mut self.settled),
                        health: self.health.take(),
                        hearing: None,
                    });
                }
                Some(_) = self.repeats.join_next() => {}
                Ok(()) = self.again.changed(), if self.repeats.is_empty() => self.say_again(),
                () = sleep(IDLE_LIMIT), if self.lanes.held() == 0 => self.wire.hang_up(),
                Some(letter) = raised.recv(), if held < HELD_MAX + ALARMS_MAX => {
                    self.look_at(&letter);
                    self.lanes.add_alarm(letter.incident, letter);
                    self.take_alarms(&mut raised);
                }
                taken = offers.recv_many(&mut batch, room), if open && room > 0 => {
                    open = taken > 0;
                    // An incident's first event may have come in beside its second.
                    self.take_alarms(&mut raised);
                    for letter in batch.drain(..) {
                        self.look_at(&letter);
                        self.lanes.add(letter.incident, letter);
                    }
                }
            }
        }
        self.finish().await;
    }

    /// Says again what is open. Nobody waits for the answer: it is said again in time.
    fn say_again(&mut self) {
        let Some(sign) = self.again.borrow_and_update().clone() else { return };
        let wire = self.wire.clone();
        self.repeats.spawn(async move {
            contained(wire.post(sign.body)).await;
        });
    }

    fn has_news(&self) -> bool {
        !self.settled.is_empty() || self.health.is_some()
    }

    /// Everything in the alarms' channel, which is at most [`ALARMS_MAX`].
    fn take_alarms(&mut self, raised: &mut mpsc::Receiver<StoryLetter>) {
        for _ in 0..ALARMS_MAX {
            let Ok(letter) = raised.try_recv() else { return };
            self.look_at(&letter);
            self.lanes.add_alarm(letter.incident, letter);
        }
    }

    /// An alarm cuts a pause short.
    fn look_at(&mut self, letter: &StoryLetter) {
        if letter.urgent {
            self.urgent.insert(letter.seq);
            self.probe.iter_mut().for_each(Rest::hurry);
        }
    }

    fn take_off(&mut self) {
        while let Some((incident, letter)) = self.lanes.next() {
            let wire = self.wire.clone();
            self.flights.spawn(async move {
                let answer = contained(async { judge(wire.post(letter.body).await) }).await;
                let broken = Answer::Lost { why: "the request could not be made" };
                (incident, letter.seq, answer.unwrap_or(broken))
            });
        }
    }

    fn land_all(&mut self, first: Result<(IncidentId, Seq, Answer), tokio::task::JoinError>) {
        let mut next = Some(first);
        while let Some(done) = next {
            if let Ok((incident, seq, answer)) = done {
                self.land(incident, seq, answer);
            }
            next = self.flights.try_join_next();
        }
    }

    fn land(&mut self, incident: IncidentId, seq: Seq, answer: Answer) {
        let (by_status, why, after) = match answer {
            Answer::Settled(settled) => {
                self.note_refusal(&settled);
                self.lanes.settled(incident);
                self.urgent.remove(&seq);
                self.settled.push((seq, settled));
                self.probe = None;
                // The first word too: an earlier run may have left it as down.
                self.say(Said::Up, Health::Up);
                return;
            }
            Answer::Later { why, after } => (true, why, after),
            Answer::Lost { why } => (false, why.to_owned(), None),
        };
        tracing::debug!(endpoint = %self.endpoint, %seq, why, "event stays owed");
        let setback = self.lanes.failed(incident, by_status, after);
        let mut pause = setback.probe_after;
        if !self.urgent.is_empty() {
            pause = pause.map(|pause| pause.min(HURRIED_MAX));
        }
        self.probe = pause.map(Rest::new).or_else(|| self.probe.take());
        if let Some(rest) = setback.rest {
            self.rests.spawn(async move {
                sleep(rest).await;
                incident
            });
        }
        if self.lanes.failures() >= DOWN_AFTER {
            self.say(Said::Down, Health::Down { why });
        } else if let Some(pause) = pause.filter(|_| after.is_some()) {
            self.say(Said::HeldBack, Health::HeldBack { why, pause });
        }
    }

    /// Reports how it stands, when that is another way than before.
    fn say(&mut self, said: Said, health: Health) {
        if self.said.replace(said) != Some(said) {
            self.health = Some(health);
        }
    }

    /// Logs when refusing begins, changes or ends, and not every event.
    fn note_refusal(&mut self, settled: &Settled) {
        let now = match settled {
            Settled::HandedOver => None,
            Settled::DeadLetter { why } => Some(why),
        };
        if now == self.refusing.as_ref() {
            return;
        }
        match now {
            Some(why) => tracing::warn!(endpoint = %self.endpoint, why, "events refused for good"),
            None => tracing::info!(endpoint = %self.endpoint, "events taken again"),
        }
        self.refusing = now.cloned();
    }

    /// Waits for what is under way and reports it; whoever stops this sets the limit.
    async fn finish(mut self) {
        while let Some(done) = self.flights.join_next().await {
            self.land_all(done);
        }
        if self.has_news() {
            let report = EndpointReport {
                endpoint: self.endpoint,
                settled: self.settled,
                health: self.health,
                hearing: None,
            };
            let _ = self.reports.send(report).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> WebhookSettings {
        WebhookSettings {
            endpoint: EndpointId::new("county").unwrap(),
            url: url.to_owned(),
            bearer: None,
            time_limit: TIME_LIMIT,
            ca_file: None,
            form: HookForm::CloudEvents,
        }
    }

    #[test]
    fn an_address_that_cannot_be_sent_to_is_told_before_anything_is_owed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for wrong in
            ["", "county", "ftp://county/", "file:///etc/passwd", "http://", "http://a:b@county/"]
        {
            let refused = wire(&settings(wrong));
            assert!(matches!(refused, Err(WebhookError::Wire(WireError::Url))), "{wrong}");
        }
        let mut broken = settings("https://county.example.org/events");
        broken.bearer = Some(Secret::new("two\nlines"));
        assert!(matches!(wire(&broken), Err(WebhookError::Secret)));
        broken.bearer = None;
        broken.ca_file = Some("/nowhere/ca.pem".into());
        assert!(matches!(wire(&broken), Err(WebhookError::Wire(WireError::CaFile { .. }))));
    }
}
