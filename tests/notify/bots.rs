//! Group bots and push servers against receivers that answer as the providers document it, or worse.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anling::incident::{Carrier, Notice, Outcome};
use anling::notify::Letter;
use anling::notify::group::{BotSettings, Form, Group, Moment, PARALLEL, Standings};
use anling::notify::post::{self, Carry, Ended};
use anling::terms::{At, Class, PersonId, Secret, Wait, Wall};
use serde_json::Value;
use tokio::sync::mpsc;

use super::letters::{letter, soon};
use super::receiver::{Receiver, Reply};

const KEY: &str = "k3y-that-nobody-may-read";
const SIGN: &str = "SECsign-that-nobody-may-read";

/// The time that bots are told.
#[derive(Clone)]
struct Time {
    at: Arc<AtomicU64>,
    wall: Arc<AtomicI64>,
    trusted: bool,
}

impl Time {
    fn new(wall: i64, trusted: bool) -> Self {
        Self { at: Arc::default(), wall: Arc::new(AtomicI64::new(wall)), trusted }
    }

    fn pass(&self, wait: Wait) {
        self.at.fetch_add(wait.0, Ordering::SeqCst);
        self.wall.fetch_add(i64::try_from(wait.0).unwrap(), Ordering::SeqCst);
    }

    fn tell(&self) -> Moment {
        let (at, wall) =
            (At(self.at.load(Ordering::SeqCst)), Wall(self.wall.load(Ordering::SeqCst)));
        Moment { at, wall, trusted: self.trusted }
    }
}

fn form(word: &str) -> Form {
    let key = || Secret::new(KEY);
    match word {
        "wecom" => Form::Wecom { key: key() },
        "dingtalk" => Form::Dingtalk { token: key(), sign: None, keyword: None },
        "feishu" => Form::Feishu { token: key(), sign: None, keyword: None },
        "ntfy" => Form::Ntfy { topic: "hall".into(), token: Some(key()) },
        "gotify" => Form::Gotify { token: key() },
        "bark" => Form::Bark { device_keys: vec![key(), Secret::new("phone2")] },
        other => panic!("{other}"),
    }
}

fn settings(name: &str, url: &str, form: Form) -> BotSettings {
    let url = url.trim_end_matches("/events").to_owned();
    let time_limit = Wait::secs(20);
    BotSettings { name: name.into(), url, form, names: true, time_limit, ca_file: None }
}

fn open(bots: Vec<BotSettings>, time: &Time) -> (Group, Standings) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let standings = Standings::default();
    let time = time.clone();
    let group = Group::open(bots, Arc::new(move || time.tell()), &standings).unwrap();
    (group, standings)
}

fn now() -> Time {
    Time::new(1_700_000_000_000, true)
}

/// The letter of incident `n` to the `who`-th person.
fn to(class: Class, n: u64, who: u64) -> Letter {
    let mut letter = letter(Carrier::Wecom, class, n);
    let person = PersonId::new(&format!("P{who:03}")).unwrap();
    letter.id.person = person.clone();
    letter.to.id = person;
    letter.to.name = format!("员工{who}");
    letter.to.phone = format!("138001{who:05}");
    letter
}

async fn all(group: &Arc<Group>, letters: Vec<Letter>) -> Vec<Outcome> {
    let mut tasks = Vec::new();
    for letter in letters {
        let group = Arc::clone(group);
        tasks.push(tokio::spawn(async move { group.carry(&letter).await }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(soon("an outcome", task).await.unwrap());
    }
    outcomes
}

fn ok(_: &super::receiver::Heard) -> Reply {
    Reply::Said(200, r#"{"errcode":0,"code":0,"id":1}"#.into())
}

fn body(receiver: &Receiver, n: usize) -> Value {
    serde_json::from_str(&receiver.bodies()[n]).unwrap()
}

#[tokio::test]
async fn five_who_are_called_at_once_are_one_post_that_mentions_all_of_them() {
    let receiver = Receiver::start(ok).await;
    let (group, standings) = open(vec![settings("hall", &receiver.url(), form("wecom"))], &now());
    let group = Arc::new(group);
    let outcomes = all(&group, (1..=5).map(|who| to(Class::Emergency, 7, who)).collect()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::HandedOver), "{outcomes:?}");
    assert_eq!(receiver.heard().len(), 1);
    let heard = receiver.heard().remove(0);
    assert!(heard.head.starts_with(&format!("POST /cgi-bin/webhook/send?key={KEY} ")));
    let body = body(&receiver, 0);
    assert_eq!(body["msgtype"], "text");
    let numbers = body["text"]["mentioned_mobile_list"].as_array().unwrap();
    assert_eq!(numbers.len(), 5, "{body}");
    assert_eq!(numbers[0], "13800100001");
    let said = body["text"]["content"].as_str().unwrap();
    for word in ["A17", "3号楼2单元501", "王桂芳", "员工1、员工2、员工3", "请致电值班室接警"]
    {
        assert!(said.contains(word) || word.starts_with('A'), "{word}: {said}");
    }
    assert!(!said.contains("回1"), "nobody hears an answer in the group: {said}");
    let standing = &standings.list()[0];
    assert_eq!((standing.last, &standing.trouble), (Some(Wall(1_700_000_000_000)), &None));
    // Another step, or another notice to the same people, is a post of its own.
    let mut taken = to(Class::Emergency, 7, 1);
    taken.notice = Notice::Taken { by: PersonId::new("P002").unwrap() };
    all(&group, vec![taken]).await;
    assert_eq!(receiver.heard().len(), 2);
}

#[tokio::test]
async fn what_is_tried_again_person_by_person_is_posted_once_for_all() {
    let receiver = Receiver::start(|_| Reply::Said(200, r#"{"errcode":-1}"#.into())).await;
    let (group, _) = open(vec![settings("hall", &receiver.url(), form("wecom"))], &now());
    let group = Arc::new(group);
    let outcomes = all(&group, (1..=3).map(|who| to(Class::Emergency, 7, who)).collect()).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::TryLater { .. })));
    receiver.now(ok);
    for who in 1..=3 {
        let mut again = to(Class::Emergency, 7, who);
        again.id.attempt = 2;
        assert_eq!(all(&group, vec![again]).await, [Outcome::HandedOver]);
    }
    assert_eq!(receiver.heard().len(), 2, "one post that failed and one that did not");
    let numbers = body(&receiver, 1)["text"]["mentioned_mobile_list"].clone();
    assert_eq!(numbers.as_array().unwrap().len(), 3, "{numbers}");
}

#[tokio::test]
async fn a_code_in_the_body_decides_and_http_200_never() {
    let cases: toml::Table = include_str!("bot_answers.toml").parse().unwrap();
    let mut seen = 0;
    for case in cases["answer"].as_array().unwrap() {
        for word in case["forms"].as_array().unwrap() {
            let word = word.as_str().unwrap();
            let status = u16::try_from(case["status"].as_integer().unwrap()).unwrap();
            let said = case["body"].as_str().unwrap().to_owned();
            let receiver = Receiver::start(move |_| Reply::Said(status, said.clone())).await;
            let (group, standings) =
                open(vec![settings("hall", &receiver.url(), form(word))], &now());
            let outcome = soon("an outcome", group.carry(&to(Class::Emergency, 1, 1))).await;
            let means = case["means"].as_str().unwrap();
            let right = match (&outcome, means) {
                (Outcome::HandedOver, "taken")
                | (Outcome::TryLater { after: None, .. }, "later")
                | (Outcome::Refused { .. }, "refused")
                | (Outcome::Unknown { .. }, "unknown") => true,
                (Outcome::TryLater { after: Some(wait), .. }, "held") => {
                    let seconds = case.get("seconds").and_then(toml::Value::as_integer);
                    seconds.is_none_or(|seconds| wait.0 == u64::try_from(seconds).unwrap() * 1_000)
                }
                _ => false,
            };
            assert!(right, "{word}: {case} came to {outcome:?}");
            assert_eq!(receiver.heard().len(), 1, "{word}: {case}");
            let all = format!("{outcome:?} {standings:?}");
            assert!(!all.contains(KEY), "{all}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[tokio::test]
async fn a_muted_bot_is_left_alone_for_its_ten_minutes_and_then_posts_again() {
    let muted = r#"{"errcode":130101,"errmsg":"send too fast"}"#;
    let receiver = Receiver::start(move |_| Reply::Said(200, muted.into())).await;
    let time = now();
    let (group, standings) = open(vec![settings("hall", &receiver.url(), form("dingtalk"))], &time);
    group.carry(&to(Class::Emergency, 1, 1)).await;
    assert!(standings.list()[0].trouble.as_ref().unwrap().contains("130101"));
    receiver.now(ok);
    time.pass(Wait::mins(9));
    let outcome = group.carry(&to(Class::Hazard, 2, 1)).await;
    assert!(matches!(outcome, Outcome::TryLater { after: Some(Wait(60_000)), .. }), "{outcome:?}");
    assert_eq!(receiver.heard().len(), 1, "nothing was sent to it meanwhile");
    time.pass(Wait::mins(1));
    assert_eq!(group.carry(&to(Class::Hazard, 2, 1)).await, Outcome::HandedOver);
    assert_eq!(standings.list()[0].trouble, None);
}

#[tokio::test]
async fn the_second_bot_takes_over_from_one_whose_key_is_wrong() {
    let wrong = r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#;
    let first = Receiver::start(move |_| Reply::Said(200, wrong.into())).await;
    let second = Receiver::start(ok).await;
    let bots = vec![
        settings("first", &first.url(), form("wecom")),
        settings("second", &second.url(), form("wecom")),
    ];
    let (group, standings) = open(bots, &now());
    assert_eq!(group.carry(&to(Class::Emergency, 1, 1)).await, Outcome::HandedOver);
    assert_eq!((first.heard().len(), second.heard().len()), (1, 1));
    let list = standings.list();
    assert!(list[0].trouble.as_ref().unwrap().contains("93000"), "{list:?}");
    assert!(list[1].last.is_some() && list[1].trouble.is_none(), "{list:?}");
}

#[tokio::test]
async fn lines_that_break_are_later_or_unknown_and_a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(ok).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let huge = "x".repeat(600 * 1024);
    for (reply, later) in [
        (Reply::Close, false),
        (Reply::CloseInMidBody, false),
        (Reply::Never, false),
        (Reply::SlowLoris, false),
        (Reply::Said(200, huge), false),
        (Reply::Status(307, location), true),
    ] {
        let said = reply.clone();
        let receiver = Receiver::start(move |_| said.clone()).await;
        let mut bot = settings("hall", &receiver.url(), form("feishu"));
        bot.time_limit = Wait::secs(1);
        let (group, _) = open(vec![bot], &now());
        let outcome = soon("an outcome", group.carry(&to(Class::Emergency, 1, 1))).await;
        let right = match outcome {
            Outcome::TryLater { .. } => later,
            Outcome::Unknown { .. } => !later,
            _ => false,
        };
        assert!(right, "{reply:?}: {outcome:?}");
    }
    assert!(elsewhere.heard().is_empty());
    let nobody = settings("hall", "http://127.0.0.1:1/events", form("feishu"));
    let (group, _) = open(vec![nobody], &now());
    let outcome = group.carry(&to(Class::Emergency, 1, 1)).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
}

#[tokio::test]
async fn signatures_are_those_of_the_providers() {
    let cases: toml::Table = include_str!("signs.toml").parse().unwrap();
    for case in cases["sign"].as_array().unwrap() {
        let receiver = Receiver::start(ok).await;
        let sign = Some(Secret::new(case["secret"].as_str().unwrap()));
        let (token, keyword) = (Secret::new(KEY), None);
        let form = match case["form"].as_str().unwrap() {
            "dingtalk" => Form::Dingtalk { token, sign, keyword },
            _ => Form::Feishu { token, sign, keyword },
        };
        let time = Time::new(case["ms"].as_integer().unwrap(), true);
        let (group, _) = open(vec![settings("hall", &receiver.url(), form)], &time);
        assert_eq!(group.carry(&to(Class::Fault, 1, 1)).await, Outcome::HandedOver);
        let heard = receiver.heard().remove(0);
        let sends = case["sends"].as_str().unwrap();
        assert!(heard.head.contains(sends) || heard.body.contains(sends), "{heard:?}");
        if heard.body.contains("timestamp") {
            assert_eq!(body(&receiver, 0)["timestamp"], "1700000000");
        }
    }
}

#[tokio::test]
async fn a_clock_nobody_trusts_signs_with_the_time_that_the_server_told() {
    // The box believes in 1970 and the provider refuses that, telling its own time.
    let receiver = Receiver::start(|heard| match heard.head.contains("timestamp=17000000") {
        true => ok(heard),
        false => Reply::Status(403, "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n".into()),
    })
    .await;
    let form =
        || Form::Dingtalk { token: Secret::new(KEY), sign: Some(Secret::new(SIGN)), keyword: None };
    let time = Time::new(5_000, false);
    let (group, _) = open(vec![settings("hall", &receiver.url(), form())], &time);
    let first = group.carry(&to(Class::Emergency, 1, 1)).await;
    assert!(matches!(first, Outcome::TryLater { .. }), "{first:?}");
    time.pass(Wait::secs(30));
    assert_eq!(group.carry(&to(Class::Emergency, 2, 1)).await, Outcome::HandedOver);
    assert!(receiver.heard()[1].head.contains("timestamp=1700000030000"));
    // A clock that is trusted is not overruled.
    let trusted = Time::new(1_700_000_099_000, true);
    let (group, _) = open(vec![settings("hall", &receiver.url(), form())], &trusted);
    group.carry(&to(Class::Emergency, 1, 1)).await;
    assert!(receiver.heard()[2].head.contains("timestamp=1700000099000"));
}

#[tokio::test]
async fn a_storm_of_faults_leaves_half_of_the_window_to_a_press() {
    let receiver = Receiver::start(ok).await;
    let time = now();
    let (group, _) = open(vec![settings("hall", &receiver.url(), form("wecom"))], &time);
    let group = Arc::new(group);
    let faults: Vec<_> = (0..12)
        .map(|n| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.carry(&to(Class::Fault, 100 + n, 1)).await })
        })
        .collect();
    receiver.hears(10).await;
    let presses = (1..=10).map(|n| to(Class::Emergency, n, 1)).collect();
    let outcomes = all(&group, presses).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::HandedOver), "{outcomes:?}");
    assert_eq!(receiver.heard().len(), 20);
    assert_eq!(faults.iter().filter(|fault| !fault.is_finished()).count(), 2);
    time.pass(Wait::mins(1));
    for fault in faults {
        assert_eq!(soon("a fault", fault).await.unwrap(), Outcome::HandedOver);
    }
    assert_eq!(receiver.heard().len(), 22);
}

#[tokio::test]
async fn a_post_that_nobody_wants_any_more_is_not_made() {
    let receiver = Receiver::start(ok).await;
    let (group, _) = open(vec![settings("hall", &receiver.url(), form("wecom"))], &now());
    let group = Arc::new(group);
    let (first, second) = (to(Class::Emergency, 1, 1), to(Class::Emergency, 1, 2));
    let (one, other) = (first.still.clone(), second.still.clone());
    one.take_back();
    let outcomes = all(&group, vec![first, second]).await;
    assert_eq!(outcomes[1], Outcome::HandedOver);
    let said = &body(&receiver, 0)["text"];
    assert_eq!(said["mentioned_mobile_list"].as_array().unwrap().len(), 1, "{said}");
    other.take_back();
    let mut third = to(Class::Emergency, 2, 1);
    third.still = other;
    assert_eq!(all(&group, vec![third]).await, [Outcome::Superseded]);
    assert_eq!(receiver.heard().len(), 1);
}

#[tokio::test]
async fn limits_are_counted_in_bytes_and_a_crowd_is_counted_where_its_names_do_not_fit() {
    let receiver = Receiver::start(ok).await;
    for (word, most) in [("wecom", 2_048), ("dingtalk", 20_000), ("feishu", 20_000)] {
        let (group, _) = open(vec![settings("hall", &receiver.url(), form(word))], &now());
        let mut letters: Vec<Letter> = (1..=200).map(|who| to(Class::Emergency, 1, who)).collect();
        let place = if word == "wecom" { 600 } else { 5_000 };
        letters.iter_mut().for_each(|letter| letter.place = "楼".repeat(place));
        let before = receiver.heard().len();
        all(&Arc::new(group), letters).await;
        assert_eq!(receiver.heard().len(), before + 1);
        let all = body(&receiver, before);
        let (text, bytes) = match word {
            "wecom" => (&all["text"]["content"], all["text"]["content"].as_str().unwrap().len()),
            "dingtalk" => (&all["text"]["content"], receiver.bodies()[before].len()),
            _ => (&all["content"]["text"], receiver.bodies()[before].len()),
        };
        assert!(bytes <= most, "{word}: {bytes}");
        assert!(text.as_str().unwrap().contains("200人") || word != "wecom", "{text}");
    }
}

#[tokio::test]
async fn keywords_mentions_and_marks_stand_where_each_provider_wants_them() {
    let receiver = Receiver::start(ok).await;
    let keyword = || Some("安铃".to_owned());
    let (token, sign) = (Secret::new(KEY), None);
    let dingtalk = Form::Dingtalk { token: token.clone(), sign: None, keyword: keyword() };
    let feishu = Form::Feishu { token, sign, keyword: keyword() };
    let mut call = to(Class::Emergency, 1, 1);
    call.place = "3号楼<at user_id=\"all\">".into();
    for form in [dingtalk, feishu, form("ntfy"), form("gotify"), form("bark")] {
        let mut bot = settings("hall", &receiver.url(), form);
        bot.names = false;
        let (group, _) = open(vec![bot], &now());
        assert!(group.carry(&call).await != Outcome::Superseded);
    }
    let heard = receiver.heard();
    let said = body(&receiver, 0);
    let content = said["text"]["content"].as_str().unwrap();
    assert!(content.contains("安铃") && content.contains("@13800100001"), "{content}");
    assert_eq!(said["at"]["atMobiles"][0], "13800100001");
    let content = body(&receiver, 1)["content"]["text"].clone();
    let content = content.as_str().unwrap();
    assert_eq!(content.matches("<at user_id").count(), 1, "{content}");
    assert!(content.contains("安铃"), "{content}");
    let ntfy = body(&receiver, 2);
    assert_eq!((&ntfy["topic"], &ntfy["priority"]), (&"hall".into(), &5.into()));
    assert!(heard[2].head.to_lowercase().contains(&format!("authorization: bearer {KEY}")));
    assert_eq!(body(&receiver, 3)["priority"], 10);
    assert!(heard[3].head.starts_with("POST /message "));
    let bark = body(&receiver, 4);
    assert_eq!((&bark["level"], &bark["device_keys"][1]), (&"critical".into(), &"phone2".into()));
    for heard in heard {
        assert!(!heard.body.contains("王桂芳"), "names = false: {}", heard.body);
    }
}

#[tokio::test]
async fn a_contact_is_never_posted_to_the_house_s_group() {
    let receiver = Receiver::start(ok).await;
    let (group, _) = open(vec![settings("hall", &receiver.url(), form("wecom"))], &now());
    let mut contact = to(Class::Emergency, 1, 1);
    contact.to.of_the_house = false;
    assert!(matches!(group.carry(&contact).await, Outcome::Refused { .. }));
    assert!(receiver.heard().is_empty());
}

#[tokio::test]
async fn a_bot_that_hangs_delays_no_other_carrier_and_no_other_post() {
    let hangs = Receiver::start(|heard| match heard.body.contains("员工1") {
        true => Reply::Never,
        false => ok(heard),
    })
    .await;
    let works = Receiver::start(ok).await;
    let (slow, _) = open(vec![settings("slow", &hangs.url(), form("wecom"))], &now());
    let (quick, _) = open(vec![settings("quick", &works.url(), form("gotify"))], &now());
    let (sender, mut ends) = mpsc::channel(8);
    let slow = post::open(Carrier::Wecom, slow, PARALLEL, sender.clone());
    let quick = post::open(Carrier::Gotify, quick, PARALLEL, sender);
    slow.urgent.send(to(Class::Emergency, 1, 1)).await.unwrap();
    hangs.hears(1).await;
    slow.urgent.send(to(Class::Emergency, 2, 2)).await.unwrap();
    let mut other = to(Class::Emergency, 1, 1);
    other.id.carrier = Carrier::Gotify;
    quick.urgent.send(other).await.unwrap();
    let mut ended = BTreeSet::new();
    for _ in 0..2 {
        let (id, end) = soon("an end", ends.recv()).await.unwrap();
        assert_eq!(end, Ended::Tried(Outcome::HandedOver));
        ended.insert((id.carrier, id.incident.0));
    }
    assert_eq!(ended, BTreeSet::from([(Carrier::Wecom, 2), (Carrier::Gotify, 1)]));
    slow.stop(Duration::from_millis(10)).await;
    quick.stop(Duration::from_secs(1)).await;
}

#[test]
fn no_secret_is_shown_and_one_that_cannot_be_sent_is_refused_at_once() {
    let form =
        Form::Dingtalk { token: Secret::new(KEY), sign: Some(Secret::new(SIGN)), keyword: None };
    let bot = settings("hall", "https://oapi.dingtalk.com/events", form);
    let shown = format!("{bot:?}");
    assert!(!shown.contains(KEY) && !shown.contains(SIGN), "{shown}");
    let broken =
        settings("hall", "https://x.example", Form::Wecom { key: Secret::new("two\nlines") });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let time = Mutex::new(now());
    let tell = Arc::new(move || time.lock().unwrap().tell());
    let refused = Group::open(vec![broken], tell, &Standings::default()).err().unwrap();
    assert!(refused.to_string().contains("hall"), "{refused}");
}
