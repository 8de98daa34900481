//! The demo's house: the shipped centre with 2 s steps, on free ports, in a directory of its own.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::{Dirs, loading};
use super::radio;
use crate::clock::Vouch;
use crate::contract::serial_name;
use crate::desk::Options;

/// The shipped centre, so that what is shown is what a technician starts from.
const SHIPPED: [(&str, &str); 8] = [
    ("links.toml", include_str!("../../../config/links.toml")),
    ("devices.toml", include_str!("../../../config/devices.toml")),
    ("ladders.toml", include_str!("../../../config/ladders.toml")),
    ("roster.toml", include_str!("../../../config/roster.toml")),
    ("registry/residents.csv", include_str!("../../../config/registry/residents.csv")),
    ("registry/homes.csv", include_str!("../../../config/registry/homes.csv")),
    ("registry/devices.csv", include_str!("../../../config/registry/devices.csv")),
    ("registry/people.csv", include_str!("../../../config/registry/people.csv")),
];

/// A directory with everything a hub needs; a temporary one is removed with it.
pub(super) struct DemoHouse {
    pub(super) dir: PathBuf,
    temporary: bool,
}

impl Drop for DemoHouse {
    fn drop(&mut self) {
        if self.temporary {
            // What is left behind is a temporary directory.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl DemoHouse {
    /// Lays out the config, the secrets and the state directory.
    pub(super) fn lay(dir: Option<&Path>, district: SocketAddr) -> io::Result<Self> {
        let own = || std::env::temp_dir().join(format!("anling-demo-{}", std::process::id()));
        let house = Self { dir: dir.map_or_else(own, Path::to_owned), temporary: dir.is_none() };
        let config = house.config();
        std::fs::create_dir_all(config.join("registry"))?;
        std::fs::create_dir_all(config.join("secrets"))?;
        std::fs::set_permissions(&house.dir, std::fs::Permissions::from_mode(0o700))?;
        for (name, text) in SHIPPED {
            std::fs::write(config.join(name), house.fitted(name, text))?;
        }
        std::fs::write(config.join("gateway.toml"), house.gateway())?;
        std::fs::write(config.join("notify.toml"), house.notify())?;
        std::fs::write(config.join("district.toml"), house.platform(district))?;
        for secret in secrets_named(SHIPPED[0].1) {
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600);
            io::Write::write_all(&mut file.open(config.join("secrets").join(&secret))?, b"demo")?;
        }
        Ok(house)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Where the serial line's receiver is plugged in.
    pub(super) fn line(&self) -> PathBuf {
        self.dir.join("usb-receiver")
    }

    pub(super) fn screen(&self) -> PathBuf {
        self.dir.join("screen.txt")
    }

    /// The demo's hub, checked like any other.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        let loaded = loading::load(Dirs { config: &self.config(), state: None })?;
        Ok(Options {
            settings: loaded.settings,
            secrets: loaded.secrets,
            state_dir: loaded.state_dir,
            old_config: false,
            // A demonstration runs where nobody may keep the clock.
            vouch: Vouch::Host,
        })
    }

    /// What to try next, while the hub goes on.
    pub(super) fn invitation(&self, console: Option<SocketAddr>) -> String {
        let config = self.config();
        let config = config.display();
        let pages = console.map_or_else(|| "nowhere".to_owned(), |at| format!("http://{at}/"));
        format!(
            "\nThe hub goes on until Ctrl-C. From another terminal:\n\
             \x20 anling press B-04 --config {config}\n\
             \x20 anling status --config {config}\n\
             \x20 anling incidents --config {config}\n\
             Its pages are at {pages} (readyz, and the page behind each link).\n"
        )
    }

    /// The shipped file with the demo's ports, steps and serial line.
    fn fitted(&self, name: &str, text: &str) -> String {
        match name {
            "links.toml" => {
                let line = self.line();
                let broker = text.replace("0.0.0.0:1883", "127.0.0.1:0");
                format!("{broker}\n[link.serial.front]\npath = {line:?}\n")
            }
            "ladders.toml" => text
                .replace("wait = \"60s\"", "wait = \"2s\"")
                .replace("lap = \"120s\"", "lap = \"6s\""),
            "registry/devices.csv" => {
                let address = serial_name(radio::ADDRESS);
                format!("{text}{},radio-button,{address},H-7-1-201,R0008,床头\n", radio::DEVICE)
            }
            _ => text.to_owned(),
        }
    }

    fn gateway(&self) -> String {
        let (state, socket) = (self.state(), self.dir.join("anling.sock"));
        format!(
            "[hub]\nid = \"demo\"\nsite = \"云建社区养老服务中心\"\n\
             [console]\nlisten = \"127.0.0.1:0\"\n\
             [storage]\nstate = {state:?}\nsocket = {socket:?}\nballast = \"4MiB\"\n"
        )
    }

    fn notify(&self) -> String {
        format!("[screen]\npath = {:?}\n", self.screen())
    }

    fn platform(&self, district: SocketAddr) -> String {
        format!(
            "[platform.district]\nnames = true\n\
             [platform.district.https]\nurl = \"http://{district}/\"\nbatch = false\n"
        )
    }
}

/// The secrets a file names.
fn secrets_named(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once("secret = \"")?.1.split_once('"'))
        .map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_takes_two_seconds_a_step_and_leaves_nothing_behind() {
        let district = SocketAddr::from(([127, 0, 0, 1], 9));
        let house = DemoHouse::lay(None, district).unwrap();
        let dir = house.dir.clone();
        let ladders = std::fs::read_to_string(house.config().join("ladders.toml")).unwrap();
        assert!(ladders.contains("wait = \"2s\"") && !ladders.contains("wait = \"60s\""));
        assert!(house.options().is_ok(), "the demo's config does not pass its own check");
        drop(house);
        assert!(!dir.exists());
    }
}
