//! The process is killed at any moment, and the next one goes on from the record.
//!
//! `kills_at_random_moments…` kills 20 times in an ordinary run; the campaign is
//! `ANLING_KILLS=200 cargo test --test house kills_at`. `ANLING_SEED=N` repeats a run's moments.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::devices::{Device, press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver};

#[test]
fn after_a_kill_the_call_goes_on_with_its_timer_and_its_unsettled_mail_is_sent_again() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.steps("4s");
    mail.trouble("{\"DATA\": 20}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(9, 4, "sos"));
    soon("the mail under way", || (!mail.mails().is_empty()).then_some(()));
    hub.kill();
    mail.trouble("");
    hub.start();
    mail.takes("zhangmin@yunjian.example", &["【重发】", "A01", "可能与前一封重复"]);
    hub.screen_says(&["A01", "升级", "无人接警"]);
    assert!(hub.incident("A01")["people"].to_string().contains("chenjie"));
    publish(&hub, "B-02", &topic("B-02", "event"), &press(9, 4, "sos"));
    assert_eq!(hub.incidents().len(), 1);
    assert_eq!(hub.facts("reported").len(), 1);
}

#[test]
fn what_a_start_says_for_the_first_time_is_not_marked_as_said_again() {
    let mut hub = Hub::prepared();
    hub.with_webhook("platform", "http://127.0.0.1:9/anling");
    hub.edit("notify.toml", "time_limit = \"2s\"", "secret = \"nowhere\"");
    hub.start();
    let found = soon("the trouble of the start", || hub.incidents().first().cloned());
    let line = hub.screen_says(&[found["code"].as_str().unwrap()]);
    assert!(!line.contains("重发"), "{line}");
}

/// SplitMix64: the moments of a run follow from its seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// A device and a mark, as the record knows a press.
type Press = (String, u64, u64);

/// Presses of one home after another until told to stop, each repeated until it is acknowledged, as
/// firmware does. Every eighth comes from a button nobody pressed before.
fn presses(home: u32, port: &AtomicU16, over: &AtomicBool, acknowledged: &Mutex<Vec<Press>>) {
    let mut moments = Moments(u64::from(home));
    let mut line = None;
    for seq in 1.. {
        let device = match seq % 8 {
            0 => format!("K-{home}-{seq}"),
            _ => format!("K-{home}"),
        };
        let payload = press(home, seq, "sos");
        loop {
            let open = line.take().or_else(|| {
                let id = format!("home-{home}-{}", moments.next(u64::MAX));
                Device::connect(port.load(Ordering::Acquire), "press", &id)
            });
            let Some(open) = open else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            if open.acknowledged(&topic(&device, "event"), &payload, Duration::from_secs(5)) {
                line = Some(open);
                break;
            }
        }
        let known = format!("native-mqtt:{device}");
        acknowledged.lock().unwrap().push((known, u64::from(home), u64::from(seq)));
        if over.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(Duration::from_millis(moments.next(120)));
    }
}

fn marks(reported: &[Value]) -> Vec<Press> {
    let mark = |fact: &Value| {
        let (report, mark) = (&fact["report"], &fact["report"]["mark"]);
        let device = report["device"].as_str().unwrap().to_owned();
        (device, mark["boot"].as_u64().unwrap(), mark["seq"].as_u64().unwrap())
    };
    reported.iter().map(mark).collect()
}

#[test]
fn kills_at_random_moments_lose_nothing_acknowledged_and_double_nothing() {
    const HOMES: u32 = 8;
    const PRESSES: usize = 1_000;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("ANLING_KILLS").unwrap_or(20);
    let seed = number("ANLING_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kills} kills, ANLING_SEED={seed}");
    let mut moments = Moments(seed);
    let webhook = Receiver::open(Mood::Takes);
    let mut hub = Hub::prepared();
    hub.steps("2s");
    hub.edit("ladders.toml", "lap = \"120s\"", "lap = \"300s\"");
    hub.edit("ladders.toml", "lap_later = \"180s\"", "lap_later = \"300s\"");
    hub.with_webhook("platform", &webhook.url());
    hub.edit("notify.toml", "time_limit = \"2s\"", "events = [\"raised\"]");
    hub.start();
    let port = Arc::new(AtomicU16::new(hub.broker_port()));
    let over = Arc::new(AtomicBool::new(false));
    let acknowledged: Arc<Mutex<Vec<Press>>> = Arc::default();
    let homes: Vec<_> = (1..=HOMES)
        .map(|home| {
            let (port, over, acknowledged) = (port.clone(), over.clone(), acknowledged.clone());
            std::thread::spawn(move || presses(home, &port, &over, &acknowledged))
        })
        .collect();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(20 + moments.next(600)));
        hub.kill();
        hub.spawn();
        // Some are killed before they are ready.
        if moments.next(4) > 0 {
            hub.answers();
            port.store(hub.broker_port(), Ordering::Release);
        }
    }
    hub.answers();
    port.store(hub.broker_port(), Ordering::Release);
    soon("a thousand presses", || (acknowledged.lock().unwrap().len() >= PRESSES).then_some(()));
    over.store(true, Ordering::Release);
    homes.into_iter().for_each(|home| home.join().unwrap());

    let acknowledged: BTreeSet<Press> = acknowledged.lock().unwrap().iter().cloned().collect();
    let incidents = judge(&hub, &webhook, &acknowledged);
    println!("{} presses, {incidents} incidents", acknowledged.len());
}

/// What must be true after any number of kills; how many incidents there are.
fn judge(hub: &Hub, webhook: &Receiver, acknowledged: &BTreeSet<Press>) -> usize {
    let reported = marks(&hub.facts("reported"));
    let distinct: BTreeSet<Press> = reported.iter().cloned().collect();
    assert_eq!(reported.len(), distinct.len(), "a press was written down twice");
    let lost: Vec<_> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "acknowledged and not in the record: {lost:?}");
    let devices: BTreeSet<&String> = distinct.iter().map(|(device, ..)| device).collect();
    let raised = hub.facts("raised");
    // Buttons that press as fast as these are held for stuck besides.
    let (stuck, calls): (Vec<_>, Vec<_>) = raised.iter().partition(|fact| fact["kind"] == "stuck");
    assert_eq!(calls.len(), devices.len(), "one call for each button");
    assert!(stuck.len() <= devices.len(), "{stuck:?}");
    let told = || webhook.of("raised").len();
    soon("every incident at the webhook", || (told() >= raised.len()).then_some(()));
    assert_eq!(told(), raised.len(), "an incident with two names");
    soon("every ladder's last step", || {
        let all = hub.incidents();
        all.iter()
            .filter(|i| i["class"] == "emergency")
            .all(|i| i["rung"].as_u64() >= Some(2) || i["lap"].as_u64() > Some(0))
            .then_some(())
    });
    assert!(hub.incidents().iter().all(|incident| !incident["next"].is_null()));
    assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
    raised.len()
}
