//! The mains of the box: a file that says 0, and a supply behind NUT's own server.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::hub::{Hub, soon, tool};

fn mains(hub: &Hub) -> Option<serde_json::Value> {
    hub.incidents().into_iter().find(|incident| incident["kind"] == "mains")
}

fn watched(hub: &Hub, by: &str) {
    hub.edit("gateway.toml", "[hub]", &format!("[power]\n{by}\ncall_after = \"10s\"\n[hub]"));
}

#[test]
fn a_file_that_says_0_is_a_cut_also_over_a_restart_and_1_ends_it() {
    let mut hub = Hub::prepared();
    let online = hub.path("online");
    std::fs::write(&online, "1\n").unwrap();
    watched(&hub, &format!("file = {:?}", online.display().to_string()));
    hub.start();
    soon("the mains", || hub.does(&["status"]).contains("power     mains").then_some(()));
    std::fs::write(&online, "0\n").unwrap();
    soon("the cut", || hub.does(&["status"]).contains("ON BATTERY").then_some(()));
    assert!(hub.does(&["status"]).contains("then nobody hears"), "{}", hub.does(&["status"]));
    assert!(mains(&hub).is_none(), "not yet a call");
    hub.kill();
    hub.start();
    let cut = soon("the call", || mains(&hub));
    assert_eq!(cut["class"], "coverage");
    hub.screen_says(&["主机市电中断"]);
    std::fs::remove_file(&online).unwrap();
    soon("a word that nobody knows", || {
        hub.does(&["status"]).contains("power     unknown").then_some(())
    });
    assert!(mains(&hub).unwrap()["back_to_normal"] == false, "nobody knows: still a cut");
    std::fs::write(&online, "1\n").unwrap();
    soon("the mains are back", || mains(&hub).filter(|cut| cut["back_to_normal"] == true));
    hub.screen_says(&["市电已恢复"]);
}

/// NUT's driver for tests and its server, as the current user on a free port.
struct Nut {
    dir: tempfile::TempDir,
    port: u16,
    running: Vec<Child>,
}

impl Drop for Nut {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Nut {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nut = Self { dir, port, running: Vec::new() };
        std::fs::set_permissions(nut.dir.path(), PermissionsExt::from_mode(0o750)).unwrap();
        let put = |name: &str, text: &str, mode: u32| {
            let path = nut.dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        };
        put("ups.conf", "[ups]\ndriver = dummy-ups\nport = ups.dev\nmode = dummy-loop\n", 0o640);
        put("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\nMAXAGE 30\n"), 0o640);
        put("upsd.users", "", 0o640);
        nut.says("OL CHRG", 100, 3_600);
        nut.start()
    }

    /// What the driver reads anew every two seconds.
    fn says(&self, status: &str, charge: u8, runtime: u32) {
        let text = format!(
            "ups.status: {status}\nbattery.charge: {charge}\nbattery.runtime: {runtime}\nTIMER 1\n"
        );
        let path = self.dir.path().join("ups.dev");
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn start(mut self) -> Self {
        let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let mut driver = tool("/lib/nut/dummy-ups", "nut-server");
        driver.args(["-a", "ups", "-D", "-u", me.trim()]);
        let mut server = tool("/lib/nut/upsd", "nut-server");
        server.args(["-D", "-u", me.trim()]);
        for mut command in [driver, server] {
            for name in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
                command.env(name, self.dir.path());
            }
            command.stdout(Stdio::null()).stderr(Stdio::null());
            self.running.push(command.spawn().unwrap());
            std::thread::sleep(Duration::from_millis(500));
        }
        self
    }
}

#[test]
fn a_supply_behind_nut_says_how_long_the_battery_lasts_and_everybody_is_warned() {
    let nut = Nut::open();
    let mut hub = Hub::prepared();
    watched(&hub, &format!("nut = \"ups@127.0.0.1:{}\"", nut.port));
    hub.start();
    let says = |part: &str| {
        soon(part, || hub.does(&["status"]).contains(part).then_some(()));
    };
    says("power     mains, battery 100 %");
    nut.says("OB DISCHRG", 61, 2_520);
    says(", battery 61 %, about 42 min left");
    nut.says("OB DISCHRG", 12, 420);
    hub.screen_says(&["主机约7分钟后关机", "户呼叫收不到"]);
    nut.says("OL CHRG", 13, 500);
    hub.screen_says(&["市电已恢复"]);
    drop(nut);
    says("power     unknown: NUT at 127.0.0.1:");
}
