//! The way in behind TLS, with the tool people have at hand and certificates made here.

use std::path::Path;
use std::process::{Command, Stdio};

use anling::link::broker::TlsSettings;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::house::{B14_EVENT, House};

/// A CA in a folder, with what it has signed.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a CA of this test");
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.crt"), own.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// Signs a certificate; `NAME.crt` and `NAME.key` are in the folder.
    pub fn sign(&self, file: &str, name: &str) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{file}.crt")), cert.pem()).unwrap();
        std::fs::write(self.file(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, client_ca: bool) -> TlsSettings {
        TlsSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            cert: self.file("hub.crt"),
            key: self.file("hub.key"),
            client_ca: client_ca.then(|| self.file("ca.crt")),
        }
    }

    async fn open(&self, client_ca: bool) -> (House, u16) {
        self.sign("hub", "hub");
        let mut house = House::open().await;
        let address = house.broker.open_tls(&self.settings(client_ca)).await.unwrap();
        (house, address.port())
    }
}

/// Presses once; whether it was acknowledged.
async fn presses(port: u16, ca: &Path, more: Vec<String>) -> bool {
    let mut command = Command::new("timeout");
    command.args(["20", "mosquitto_pub", "-h", "localhost", "-p", &port.to_string(), "--cafile"]);
    command.arg(ca).args(["-i", "b14", "-q", "1", "-t", B14_EVENT, "-m", "x"]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    tokio::task::spawn_blocking(move || command.status().unwrap().success()).await.unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn a_password_opens_behind_tls_and_a_foreign_ca_finds_no_hub() {
    let authority = Authority::new();
    let (mut house, port) = authority.open(false).await;
    let mut heard = house.store_all();
    let login = words(&["-u", "b14", "-P", "b14-password"]);
    assert!(presses(port, &authority.file("ca.crt"), login.clone()).await);
    assert_eq!(heard.recv().await.unwrap().0, B14_EVENT);
    let foreign = Authority::new();
    assert!(!presses(port, &foreign.file("ca.crt"), login).await, "another hub's CA");
    assert!(heard.try_recv().is_err());
    house.close().await;
}

#[tokio::test]
async fn a_certificate_is_its_account_and_no_other() {
    let authority = Authority::new();
    let (mut house, port) = authority.open(true).await;
    let mut heard = house.store_all();
    authority.sign("b14", "b14");
    authority.sign("b15", "b15");
    let ca = authority.file("ca.crt");
    let shown = |name: &str, more: &[&str]| {
        let file = |end: &str| authority.file(&format!("{name}.{end}")).display().to_string();
        let mut shown = vec!["--cert".to_owned(), file("crt"), "--key".to_owned(), file("key")];
        shown.extend(words(more));
        shown
    };
    assert!(presses(port, &ca, shown("b14", &["-u", "b14"])).await, "no password is asked for");
    assert_eq!(heard.recv().await.unwrap().0, B14_EVENT);
    let of_another = shown("b15", &["-u", "b14", "-P", "b14-password"]);
    assert!(!presses(port, &ca, of_another).await, "another's certificate");
    assert!(
        presses(port, &ca, words(&["-u", "b14", "-P", "b14-password"])).await,
        "none is needed"
    );
    house.close().await;
}

#[tokio::test]
async fn new_files_count_from_the_next_connection_and_bad_ones_never() {
    let authority = Authority::new();
    let (mut house, port) = authority.open(false).await;
    let mut heard = house.store_all();
    let login = words(&["-u", "b14", "-P", "b14-password"]);
    let next = Authority::new();
    next.sign("hub", "hub");
    for file in ["hub.crt", "hub.key"] {
        let now = std::fs::read(next.file(file)).unwrap();
        std::fs::write(authority.file(file), &now[..now.len() / 2]).unwrap();
    }
    assert!(house.broker.renew_tls(&authority.settings(false)).is_err(), "half a file");
    assert!(presses(port, &authority.file("ca.crt"), login.clone()).await, "the former ones go on");
    for file in ["hub.crt", "hub.key"] {
        std::fs::copy(next.file(file), authority.file(file)).unwrap();
    }
    house.broker.renew_tls(&authority.settings(false)).unwrap();
    assert!(presses(port, &next.file("ca.crt"), login.clone()).await);
    assert!(!presses(port, &authority.file("ca.crt"), login).await, "the former CA");
    assert_eq!((heard.recv().await.is_some(), heard.recv().await.is_some()), (true, true));
    house.close().await;
}
