//! One mail relay: its connections, and what an error of its means.
//!
//! A connection is used again only after a whole dialogue. One that was cut could still hold an
//! answer that the next letter would take for its own, and be told "handed over" for a message that
//! never left. This is why connections are kept here and not in lettre's pool, which takes a
//! connection back even when its send was given up half-way.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::{sleep, timeout};

use super::mail::{MailError, PARALLEL};
use crate::terms::Secret;

/// Limit of connecting and of one command's answer.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// How long a relay that did not answer is left alone. Own choice: short against the engine's own
/// repeats, long against the time a dead relay costs.
pub const RELAY_REST: Duration = Duration::from_secs(5);

/// An idle connection is closed after this. RFC 5321 lets a server close after 5 min, busy ones do
/// much sooner.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How long a kept connection may take to say that it still works.
const PROOF_LIMIT: Duration = Duration::from_secs(3);

/// How a relay is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Plain first, then required to change to TLS; port 587 unless told.
    StartTls,
    /// TLS from the first byte; port 465 unless told.
    Implicit,
    /// None: only to this machine; port 25 unless told.
    None,
}

/// One relay, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Host name or address.
    pub host: String,
    /// Port, where it is not the usual one.
    pub port: Option<u16>,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Login, where it wants one.
    pub user: Option<String>,
    /// Its password, or the authorisation code of a free mail service.
    pub password: Option<Secret>,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// Why a relay did not take a message, in a few words without names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It did not answer a moment ago and is left alone.
    Resting,
    /// It cannot be used, or not now; the message did not reach it.
    Relay(String),
    /// It refuses this message for good.
    Message(String),
    /// It has the whole message, and its answer was lost.
    Lost(String),
}

impl Trouble {
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Resting => "the relay does not answer",
            Self::Relay(why) | Self::Message(why) | Self::Lost(why) => why,
        }
    }
}

/// How far a dialogue has come.
#[derive(Debug, Default)]
struct Progress {
    greeted: AtomicBool,
    told: AtomicBool,
}

type Idle = Arc<Mutex<Vec<(u64, AsyncSmtpConnection)>>>;

/// One relay with its kept connections.
pub(super) struct Relay {
    host: String,
    port: u16,
    tls: MailTls,
    trust: Option<TlsParameters>,
    login: Option<Credentials>,
    idle: Idle,
    kept: AtomicU64,
    resting: Arc<AtomicBool>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relay({}:{})", self.host, self.port)
    }
}

impl Relay {
    pub(super) fn open(settings: RelaySettings) -> Result<Self, MailError> {
        let host = settings.host;
        let login = match (settings.user, &settings.password) {
            (None, None) => None,
            (Some(user), Some(password)) => match password.expose_text() {
                Some(text) => Some(Credentials::new(user, text.to_owned())),
                None => return Err(MailError::Login { host }),
            },
            _ => return Err(MailError::Login { host }),
        };
        let (trust, usual) = match settings.tls {
            MailTls::None if !is_own(&host) => return Err(MailError::PlainText { host }),
            MailTls::None => (None, 25),
            MailTls::StartTls => (Some(trust(&host, settings.ca_file)?), 587),
            MailTls::Implicit => (Some(trust(&host, settings.ca_file)?), 465),
        };
        Ok(Self {
            port: settings.port.unwrap_or(usual),
            host,
            tls: settings.tls,
            trust,
            login,
            idle: Idle::default(),
            kept: AtomicU64::new(0),
            resting: Arc::default(),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Hands one message over, within `limit`.
    pub(super) async fn send(
        &self,
        envelope: &Envelope,
        message: &[u8],
        limit: Duration,
    ) -> Result<(), Trouble> {
        if self.resting.load(Ordering::Acquire) {
            return Err(Trouble::Resting);
        }
        let progress = Progress::default();
        let done = timeout(limit, self.dialogue(envelope, message, &progress)).await;
        let (trouble, silent) = match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => (classed(&error, &progress), error.is_timeout()),
            Err(_) if progress.told.load(Ordering::Relaxed) => {
                (Trouble::Lost("the relay did not answer the message".to_owned()), true)
            }
            Err(_) => (Trouble::Relay("the relay does not answer".to_owned()), true),
        };
        if silent {
            self.rest();
        }
        Err(trouble)
    }

    async fn dialogue(
        &self,
        envelope: &Envelope,
        message: &[u8],
        progress: &Progress,
    ) -> Result<(), Error> {
        let mut connection = match self.kept_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        progress.greeted.store(true, Ordering::Relaxed);
        connection.command(Mail::new(envelope.from().cloned(), vec![])).await?;
        for to in envelope.to() {
            connection.command(Rcpt::new(to.clone(), vec![])).await?;
        }
        connection.command(Data).await?;
        progress.told.store(true, Ordering::Relaxed);
        connection.message(message).await?;
        self.keep(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::default();
        let at_once = self.trust.clone().filter(|_| self.tls == MailTls::Implicit);
        let server = (self.host.as_str(), self.port);
        let limit = Some(COMMAND_LIMIT);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, limit, &hello, at_once, None).await?;
        if let Some(trust) = self.trust.clone().filter(|_| self.tls == MailTls::StartTls) {
            connection.starttls(trust, &hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }

    async fn kept_connection(&self) -> Option<AsyncSmtpConnection> {
        while let Some((_, mut connection)) = taken(&self.idle, None) {
            if let Ok(true) = timeout(PROOF_LIMIT, connection.test_connected()).await {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let name = self.kept.fetch_add(1, Ordering::Relaxed);
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() >= PARALLEL {
                return;
            }
            idle.push((name, connection));
        }
        let idle = self.idle.clone();
        tokio::spawn(async move {
            sleep(IDLE_LIMIT).await;
            if let Some((_, mut connection)) = taken(&idle, Some(name)) {
                let _ = timeout(PROOF_LIMIT, connection.quit()).await;
            }
        });
    }

    fn rest(&self) {
        if !self.resting.swap(true, Ordering::AcqRel) {
            let resting = self.resting.clone();
            tokio::spawn(async move {
                sleep(RELAY_REST).await;
                resting.store(false, Ordering::Release);
            });
        }
    }
}

/// Takes a kept connection: the named one if it is still there, or the one used last.
fn taken(idle: &Idle, name: Option<u64>) -> Option<(u64, AsyncSmtpConnection)> {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    match name {
        None => idle.pop(),
        Some(name) => {
            let at = idle.iter().position(|(kept, _)| *kept == name)?;
            Some(idle.remove(at))
        }
    }
}

fn trust(host: &str, ca_file: Option<PathBuf>) -> Result<TlsParameters, MailError> {
    let tls = |source| MailError::Tls { host: host.to_owned(), source };
    let mut trust = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let pem = std::fs::read(path)
            .map_err(|source| MailError::CaFile { host: host.to_owned(), source })?;
        trust = trust.add_root_certificate(Certificate::from_pem(&pem).map_err(tls)?);
    }
    trust.build_rustls().map_err(tls)
}

fn is_own(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What an error means. Before the relay has greeted us and taken our login, and for the answers
/// that speak of us or of its own state, it is the relay's trouble; after that a 5xx is about the
/// message.
fn classed(error: &Error, progress: &Progress) -> Trouble {
    let greeted = progress.greeted.load(Ordering::Relaxed);
    let told = progress.told.load(Ordering::Relaxed);
    if let Some(code) = error.status() {
        let why = format!("the relay answered {code}");
        let about_us = ["521", "530", "534", "535", "538"].contains(&code.to_string().as_str());
        return if error.is_permanent() && greeted && !about_us {
            Trouble::Message(why)
        } else {
            Trouble::Relay(why)
        };
    }
    if told {
        return Trouble::Lost("the answer to the message was lost".to_owned());
    }
    Trouble::Relay(if error.is_timeout() {
        "the relay does not answer".to_owned()
    } else if error.is_tls() {
        "no TLS with the relay".to_owned()
    } else if error.is_client() {
        "the relay lacks TLS or a login we know".to_owned()
    } else {
        "no connection to the relay".to_owned()
    })
}
