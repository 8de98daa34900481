//! Ways out that fail: a dead mail server, a webhook that never answers, a way that is missing.

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver};

#[test]
fn a_refusing_mail_server_leaves_the_screen_and_the_mail_comes_when_it_is_back() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    mail.trouble("{\"MAIL\": \"451 4.3.0 not now\"}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    soon("the carrier's trouble", || {
        let status = hub.does(&["status"]);
        status.contains("mail FAILS").then_some(())
    });
    soon("the hub's own trouble", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "carrier")
    });
    hub.screen_says(&["H01", "通知发不出去"]);
    mail.trouble("");
    let got = mail.takes("zhangmin@yunjian.example", &["A01", "3号楼2单元302"]);
    let whole = format!("{}{}", got.subject, got.text);
    assert!(!whole.contains("重发") && !whole.contains("重启"), "it came once: {whole}");
    soon("the carrier's recovery", || hub.does(&["status"]).contains("mail works").then_some(()));
}

#[test]
fn what_waits_for_a_dead_mail_server_is_counted_until_it_has_gone() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    mail.trouble("{\"MAIL\": \"451 4.3.0 not now\"}");
    hub.start();
    let by_mail = |hub: &Hub| {
        let status = hub.status();
        let all = status["carriers"].as_array().unwrap();
        all.iter().find(|carrier| carrier["carrier"] == "mail").unwrap().clone()
    };
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the carrier's trouble", || {
        let mail = by_mail(&hub);
        // Between two tries as well as during one.
        assert!(mail["waiting"].as_u64().unwrap() > 0 || mail["trouble"].is_null(), "{mail}");
        (!mail["trouble"].is_null()).then_some(())
    });
    for _ in 0..20 {
        assert!(by_mail(&hub)["waiting"].as_u64().unwrap() > 0, "nothing waits, it says");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(hub.does(&["status"]).contains("waiting"));
    mail.trouble("");
    soon("nothing waiting", || (by_mail(&hub)["waiting"] == 0).then_some(()));
}

#[test]
fn somebody_whose_address_is_refused_is_named_to_the_lead() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    mail.trouble("{\"RCPT\": \"550 5.1.1 nobody here\"}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "张敏", "不到"]);
    mail.trouble("");
    hub.does(&["incident", "A01", "accept", "--as", "chenjie"]);
    mail.takes("chenjie@yunjian.example", &["A01", "已登记"]);
}

#[test]
fn a_webhook_that_never_answers_holds_up_neither_people_nor_the_other_one() {
    let (stuck, works) = (Receiver::open(Mood::NeverAnswers), Receiver::open(Mood::Takes));
    let mut hub = Hub::prepared();
    hub.with_webhook("stuck", &stuck.url());
    hub.with_webhook("works", &works.url());
    hub.start();
    for (seq, device) in ["B-01", "B-02", "B-03"].into_iter().enumerate() {
        publish(&hub, device, &topic(device, "event"), &press(1, seq as u32, "sos"));
    }
    for code in ["A01", "A02", "A03"] {
        hub.screen_says(&[code, "紧急求助"]);
        works.hears("raised", code);
    }
    assert!(stuck.asked() >= 1, "it was asked");
    soon("the word that it is down", || hub.does(&["status"]).contains("stuck DOWN").then_some(()));
    assert!(hub.does(&["status"]).contains("works up"));
}

#[test]
fn a_webhook_that_was_down_over_a_restart_is_told_everything_once() {
    let webhook = Receiver::open(Mood::Fails);
    let mut hub = Hub::prepared();
    hub.with_webhook("platform", &webhook.url());
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("a first try", || (webhook.asked() > 0).then_some(()));
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin"]);
    hub.kill();
    webhook.becomes(Mood::Takes);
    hub.start();
    webhook.hears("accepted", "A01");
    let words: Vec<String> = webhook
        .events()
        .iter()
        .filter(|event| event["subject"] == "A01")
        .map(|event| event["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
        .collect();
    assert_eq!(words[0], "raised", "{words:?}");
    assert_eq!(words.iter().filter(|word| *word == "accepted").count(), 1, "{words:?}");
    soon("nothing owed", || (hub.status()["endpoints"][0]["owed"] == 0).then_some(()));
}

#[test]
fn a_carrier_without_its_secret_stays_out_loudly_and_the_rest_works() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.edit(
        "notify.toml",
        "tls = \"none\"\n",
        "tls = \"starttls\"\nuser = \"anling\"\nsecret = \"gone\"\n",
    );
    hub.start();
    assert!(hub.log().contains("this way out stays closed"), "{}", hub.log());
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["紧急求助", "3号楼2单元302"]);
    soon("the hub's own trouble", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "carrier")
    });
}

#[test]
fn what_was_mended_while_the_hub_was_down_is_back_to_normal_after_the_start() {
    let webhook = Receiver::open(Mood::Fails);
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_webhook("platform", &webhook.url());
    hub.with_mail(mail.port);
    mail.trouble("{\"MAIL\": \"451 4.3.0 not now\"}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let trouble = |hub: &Hub, kind: &str| {
        hub.incidents().into_iter().find(|incident| incident["kind"] == kind)
    };
    for kind in ["endpoint", "carrier"] {
        let begun = soon(kind, || trouble(&hub, kind));
        assert_ne!(begun["back_to_normal"], true, "{begun}");
    }
    hub.kill();
    webhook.becomes(Mood::Takes);
    mail.trouble("");
    hub.start();
    for kind in ["endpoint", "carrier"] {
        soon(kind, || trouble(&hub, kind).filter(|told| told["back_to_normal"] == true));
    }
}

#[test]
fn without_its_socket_and_its_pages_a_hub_calls_people_and_says_what_it_lacks() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hub = Hub::prepared();
    let pages = format!("listen = \"{}\"", taken.local_addr().unwrap());
    hub.edit("gateway.toml", "listen = \"127.0.0.1:0\"", &pages);
    std::fs::create_dir_all(hub.path("sock/kept")).unwrap();
    hub.spawn();
    soon("a hub that is ready", || hub.log().contains("ready").then_some(()));
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["紧急求助", "3号楼2单元302"]);
    let troubles = soon("both faults", || {
        let told = hub.facts("hub_trouble");
        (told.len() >= 2).then_some(told)
    });
    for subject in ["storage.socket", "console.listen"] {
        assert!(troubles.iter().any(|fact| fact["trouble"]["subject"] == subject), "{troubles:?}");
    }
    assert_eq!(hub.stop(), 0);
}

#[test]
fn events_that_a_webhook_refuses_for_good_are_counted_where_people_look() {
    let webhook = Receiver::open(Mood::Refuses);
    let mut hub = Hub::prepared();
    hub.with_webhook("platform", &webhook.url());
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the count", || {
        let refused = hub.status()["endpoints"][0]["refused"].as_u64().unwrap();
        (refused > 0 && hub.does(&["status"]).contains("refused for good")).then_some(())
    });
    // A refused event holds up no other.
    soon("nothing owed", || (hub.status()["endpoints"][0]["owed"] == 0).then_some(()));
}
