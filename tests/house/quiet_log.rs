//! The log of a whole story at its usual level names nobody.

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver};

/// Every name, telephone number, mail address and hint for the door in the shipped registry.
fn private_words(hub: &Hub) -> Vec<String> {
    let mut words = Vec::new();
    let files =
        [("people", [1, 3, 4].as_slice()), ("residents", &[1, 4, 5]), ("contacts", &[1, 3])];
    for (file, columns) in files {
        let path = hub.config().join(format!("registry/{file}.csv"));
        let text = std::fs::read_to_string(path).unwrap();
        for row in text.lines().skip(1) {
            let cells: Vec<&str> = row.split(',').collect();
            words.extend(columns.iter().map(|column| cells[*column].to_owned()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_whole_story_leaves_no_name_number_address_or_note_in_the_log() {
    let (mail, webhook) = (MailServer::open(), Receiver::open(Mood::Takes));
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.with_webhook("platform", &webhook.url());
    hub.edit("notify.toml", "time_limit = \"2s\"", "time_limit = \"2s\"\nnames = true");
    mail.trouble("{\"RCPT\": \"550 5.1.1 no such mailbox\"}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "陈秀英"]);
    let note = "老人摔倒在卫生间，已联系女儿 13900000000";
    for words in [
        &["accept"][..],
        &["on-the-way"],
        &["arrive"],
        &["note", note],
        &["need-help"],
        &["resolve"],
    ] {
        let said = hub.says("A01", "zhangmin", words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
    }
    webhook.hears("resolved", "A01");
    mail.trouble("");
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    mail.takes("@yunjian.example", &["A02"]);
    // Somebody signs in under a resident's name, and a garbled message carries one.
    publish(&hub, "B-04", &topic("B-04", "event"), "{\"v\":1,\"kind\":\"陈秀英\"}");
    soon("the unreadable signal", || (hub.status()["refused"] != 0).then_some(()));
    hub.signal("HUP");
    soon("the reload", || hub.log().contains("taken into use").then_some(()));
    assert_eq!(hub.stop(), 0);
    let log = hub.log();
    assert!(log.contains("accepted") && log.contains("stopping"), "it is the usual level: {log}");
    let mut found: Vec<String> = private_words(&hub);
    assert!(found.len() > 30, "{found:?}");
    found.extend([note.to_owned(), "13900000000".to_owned(), "摔倒".to_owned()]);
    found.retain(|word| log.contains(word.as_str()));
    assert!(found.is_empty(), "{found:?} in\n{log}");
}
