//! The broker's second way in: the same MQTT behind TLS, on an address of its own.
//!
//! rustls with ring, TLS 1.2 and 1.3. A client may show a certificate where a `client_ca` is set; its
//! common name then is its account, and no password is asked for. Without one it signs in with its
//! password, as on the plain address: a cheap button can check the hub's certificate and keep none of
//! its own. The files are read at the start and at each reload; when they cannot be used at a reload,
//! the former ones go on, so that a half-copied file locks nobody out. Connections keep what they
//! were opened with.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::LinkError;
use super::certificate::Certificate;
use crate::terms::Wall;

/// What the TLS way in is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The hub's certificate and those between it and its CA, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Who signs the certificates of clients, PEM; without it none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// The files as they were last read.
struct Shown {
    config: Arc<ServerConfig>,
    until: Wall,
}

/// What is shown to clients.
pub(super) struct Tls(RwLock<Shown>);

impl Tls {
    pub(super) fn open(settings: &TlsSettings) -> Result<Self, LinkError> {
        Ok(Self(RwLock::new(shown(settings)?)))
    }

    /// Reads the files anew; the former ones stay when that fails.
    pub(super) fn renew(&self, settings: &TlsSettings) -> Result<(), LinkError> {
        let next = shown(settings)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&shown.config))
    }

    /// The last moment the hub's certificate holds.
    pub(super) fn until(&self) -> Wall {
        self.0.read().unwrap_or_else(PoisonError::into_inner).until
    }
}

/// The account that a client's certificate names. rustls has proven it genuine by then.
pub(super) fn named_by(certificates: Option<&[CertificateDer<'_>]>) -> Option<Named> {
    let first = certificates?.first()?;
    let name = Certificate::read(first).and_then(|certificate| certificate.name);
    Some(name.map_or(Named::Nobody, |name| Named::Account(name.into())))
}

/// Whom a client's certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// This account.
    Account(Arc<str>),
    /// None that could be read: it may not sign in, with whatever password.
    Nobody,
}

fn shown(settings: &TlsSettings) -> Result<Shown, LinkError> {
    let TlsSettings { cert, key, client_ca, .. } = settings;
    let chain = certificates(cert)?;
    let first = chain.first().and_then(|first| Certificate::read(first));
    let until = first.ok_or_else(|| bad(cert, "holds no certificate", "nothing in PEM"))?.until;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|why| bad(key, "holds no key", why))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|why| bad(cert, "cannot be used", why))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for ca in certificates(path)? {
                roots.add(ca).map_err(|why| bad(path, "holds no CA certificate", why))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier
                .allow_unauthenticated()
                .build()
                .map_err(|why| bad(path, "holds no CA certificate", why))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, secret)
        .map_err(|why| bad(key, "is not the certificate's key", why))?;
    Ok(Shown { config: Arc::new(config), until })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LinkError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|why| bad(path, "holds no certificate", why))
}

fn bad(
    path: &Path,
    problem: &'static str,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> LinkError {
    LinkError::Certificate { path: path.to_owned(), problem, cause: cause.into() }
}
