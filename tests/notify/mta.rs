//! One letter through a mail server that is in use all over the world, down to a file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anling::incident::{Carrier, Outcome};
use anling::notify::mail::{Mail, MailSettings, MailTls, RelaySettings};
use anling::notify::post::Carry;
use anling::terms::Class;

use super::letters::{letter, soon};

/// Where Debian's package puts it; another place is named by `ANLING_TEST_EXIM`.
const EXIM: &str = "/usr/sbin/exim4";

/// A server of its own: configuration, spool, log and inbox in one folder, nothing of the system's.
struct Exim(Child);

impl Exim {
    fn start(folder: &Path, port: u16) -> Self {
        let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), cert.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), cert.signing_key.serialize_pem()).unwrap();
        for own in ["", "spool", "log", "inbox"] {
            let path = folder.join(own);
            let _ = std::fs::create_dir(&path);
            // The server gives up root and becomes its own user.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        }
        let at = folder.display();
        let exim = std::env::var("ANLING_TEST_EXIM").unwrap_or_else(|_| EXIM.to_owned());
        let config = format!(
            "primary_hostname = localhost
exim_path = {exim}
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = {at}/spool
log_file_path = {at}/log/%slog
pid_file_path = {at}/pid
tls_advertise_hosts = *
tls_certificate = {at}/cert.pem
tls_privatekey = {at}/key.pem
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
to_file:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  file = {at}/inbox/mail
  mode = 0666
  user = Debian-exim
"
        );
        let path = folder.join("exim.conf");
        std::fs::write(&path, config).unwrap();
        let child = Command::new(exim)
            .args(["-bdf", "-q1h", "-C"])
            .arg(path)
            .stdin(Stdio::null())
            .spawn()
            .expect("this test needs exim: install the Debian package exim4-daemon-light");
        Self(child)
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs root and exim4-daemon-light, which would start a mail server: cargo test --test notify through_exim -- --ignored"]
async fn a_letter_goes_through_exim_into_a_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let port = {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let _exim = Exim::start(folder.path(), port);
    let relay = RelaySettings {
        host: "localhost".into(),
        port: Some(port),
        tls: MailTls::StartTls,
        user: None,
        password: None,
        ca_file: Some(folder.path().join("cert.pem")),
    };
    let from = "安铃 <anling@example.org>".to_owned();
    let mail = Mail::open(MailSettings { from, relays: vec![relay] }).unwrap();
    let call = letter(Carrier::Mail, Class::Emergency, 7);
    soon("the first handing over", async {
        while mail.carry(&call).await != Outcome::HandedOver {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(mail.carry(&call).await, Outcome::HandedOver, "over the kept connection");
    let inbox = folder.path().join("inbox/mail");
    let got = soon("the mails in the file", async {
        loop {
            let text = std::fs::read_to_string(&inbox).unwrap_or_default();
            if text.matches("Message-ID: <7-107-1.").count() == 2 {
                break text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(got.contains("X-Priority: 1") && got.contains("with esmtps"), "{got}");
}
