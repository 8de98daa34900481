//! A letter to test with, and how long to wait for anything before a test is hung.

use std::future::Future;
use std::time::Duration;

use anling::incident::{Carrier, Notice, OrderId};
use anling::notify::{Addressee, Letter, Site, Still};
use anling::terms::{Class, Code, IncidentId, Kind, PersonId, Seq};

/// A guard against hanging, generous: no test is about speed.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, it: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, it).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// The `n`-th letter of a class.
pub(crate) fn letter(carrier: Carrier, class: Class, n: u64) -> Letter {
    let to = PersonId::new("P001").unwrap();
    Letter {
        contract: String::new(),
        found: false,
        id: OrderId {
            cause: Seq(100 + n),
            incident: IncidentId(n),
            person: to.clone(),
            carrier,
            attempt: 1,
        },
        still: Still::new(),
        notice: Notice::Called,
        class,
        kind: if class == Class::Service { Kind::Service } else { Kind::Sos },
        kinds: vec![if class == Class::Service { Kind::Service } else { Kind::Sos }],
        code: Code::new(class.letter(), 17).unwrap(),
        epoch: 1,
        test: false,
        resent: false,
        to: Addressee {
            id: to,
            name: "李建国".into(),
            email: "lijianguo@example.org".into(),
            phone: String::new(),
            of_the_house: true,
        },
        site: Site { name: "幸福里驿站".into(), duty_phone: String::new() },
        place: "3号楼2单元501".into(),
        place_short: "3-2-501".into(),
        residents: vec!["王桂芳".into()],
        age: Some(82),
        device: "呼叫器B-14".into(),
        unregistered: false,
        time: "16:05".into(),
        date: "8月22日".into(),
        clock_trusted: true,
        alone: false,
        presses: 1,
        minutes: 0,
        about: None,
        arrive_within: None,
        closing: None,
        unheard: Vec::new(),
        silenced: (0, String::new()),
        link: None,
    }
}
