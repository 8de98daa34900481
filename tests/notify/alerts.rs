//! Incidents as Alertmanager's alerts: what is sent is what a reader of its webhook understands.

use std::sync::Arc;

use anling::contract::{Alertmanager, FieldSettings};
use anling::notify::alert::{ALERTS_MAX, Alert, again_after, alerts};
use anling::notify::endpoint::{LifeSign, StoryLetter};
use anling::notify::webhook::{HookForm, WebhookSettings, open};
use anling::terms::{
    At, Class, Code, Decoded, Decoder, DeviceId, EndpointId, HubId, Inbound, IncidentId, Kind,
    LinkId, Receipt, Seq, Wait, Wall, What,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::letters::soon;
use super::receiver::{Receiver, Reply};

fn alert(n: u64, over: Option<Wall>) -> Alert {
    Alert {
        incident: IncidentId(n),
        code: Code::new('D', 21).unwrap(),
        class: Class::Fault,
        kind: Kind::Fault,
        device: DeviceId::new("B-14").unwrap(),
        place: "3号楼2单元501".into(),
        resident: None,
        raised: Wall(1_700_000_000_000),
        over,
    }
}

fn message(all: &[Alert]) -> Vec<u8> {
    alerts("monitor", &HubId::new("zs-test").unwrap(), "https://hub.example", all)
}

fn heard(reader: &mut Alertmanager, body: Vec<u8>) -> Vec<What> {
    let inbound = Inbound {
        link: LinkId::new("signals.hub").unwrap(),
        topic: Arc::from("signals/hub"),
        retained: false,
        received: At(1),
        bytes: body,
        receipt: Receipt::unasked(),
    };
    let what = |decoded| match decoded {
        Decoded::Report(report) => report.what,
        Decoded::Refusal(refusal) => panic!("{refusal:?}"),
    };
    reader.take(At(1), &inbound).into_iter().map(what).collect()
}

#[test]
fn another_hub_understands_every_alert_of_a_message_and_its_end() {
    let mut reader = Alertmanager::new("hub", FieldSettings::default());
    let both = message(&[alert(7, None), alert(8, None)]);
    assert_eq!(heard(&mut reader, both).len(), 2);
    let over = message(&[alert(7, Some(Wall(1_700_000_060_000)))]);
    assert_eq!(heard(&mut reader, over).len(), 1);
}

#[test]
fn a_message_has_every_field_of_version_4_and_an_end_after_its_beginning() {
    let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let open = read(message(&[alert(7, None)]));
    for field in ["groupKey", "receiver", "groupLabels", "commonLabels", "commonAnnotations"] {
        assert!(!open[field].is_null(), "{field}: {open}");
    }
    assert_eq!((&open["version"], &open["status"]), (&"4".into(), &"firing".into()));
    assert_eq!(
        (&open["truncatedAlerts"], &open["externalURL"]),
        (&0.into(), &"https://hub.example".into())
    );
    let one = &open["alerts"][0];
    assert_eq!((&one["fingerprint"], &one["status"]), (&"7".into(), &"firing".into()));
    assert_eq!(one["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(one["startsAt"], "2023-11-14T22:13:20.000Z");
    assert_eq!((&one["labels"]["class"], &one["labels"]["code"]), (&"fault".into(), &"D21".into()));
    assert!(one["annotations"]["summary"].as_str().unwrap().starts_with("3号楼2单元501"));
    // The clock was set back meanwhile: an end before the beginning would be refused.
    let over = read(message(&[alert(7, Some(Wall(0)))]));
    assert_eq!(
        (&over["status"], &over["alerts"][0]["endsAt"]),
        (&"resolved".into(), &"2023-11-14T22:13:20.001Z".into())
    );
    let many: Vec<Alert> = (0..ALERTS_MAX as u64 + 3).map(|n| alert(n, None)).collect();
    let many = read(message(&many));
    assert_eq!(many["alerts"].as_array().unwrap().len(), ALERTS_MAX);
    assert_eq!(many["truncatedAlerts"], 3);
    assert_eq!(again_after(Wait::mins(5)), Wait::secs(100));
}

#[tokio::test]
async fn a_change_is_owed_until_it_is_taken_and_what_is_said_again_is_owed_to_nobody() {
    let receiver = Receiver::start(|_| Reply::Status(500, String::new())).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (sender, mut reports) = mpsc::channel(16);
    let settings = WebhookSettings {
        endpoint: EndpointId::new("monitor").unwrap(),
        url: receiver.url(),
        bearer: None,
        time_limit: Wait::secs(5),
        ca_file: None,
        form: HookForm::Alerts,
    };
    let handle = open(settings, sender).unwrap();
    let again = handle.life.as_ref().unwrap();
    let sign = |n| LifeSign { id: String::new(), body: message(&[alert(n, None)]).into() };
    again.send_replace(Some(sign(1)));
    receiver.hears(1).await;
    let (seq, incident) = (Seq(9), IncidentId(2));
    let body = message(&[alert(2, None)]).into();
    handle.offer.send(StoryLetter { seq, incident, body, urgent: false }).await.unwrap();
    receiver.hears(3).await;
    receiver.now(|_| Reply::ok());
    let settled = soon("the change", async {
        loop {
            let report = reports.recv().await.unwrap();
            if !report.settled.is_empty() {
                return report.settled;
            }
        }
    })
    .await;
    assert_eq!(settled.len(), 1, "{settled:?}");
    let said_first =
        receiver.bodies().iter().filter(|b| b.contains("\"fingerprint\":\"1\"")).count();
    assert_eq!(said_first, 1, "what is said again is not repeated for its own sake");
    assert!(receiver.heard()[0].head.to_lowercase().contains("content-type: application/json\r\n"));
    again.send_replace(Some(sign(3)));
    soon("what is open, again", async {
        while !receiver.bodies().iter().any(|body| body.contains("\"fingerprint\":\"3\"")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
