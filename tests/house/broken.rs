//! A config directory that is broken under a hub that runs: staff go on answering calls.

use crate::hub::{HUB, Hub};

/// A gateway.toml with a wrong value, and one that is no TOML at all.
const BROKEN: [(&str, &str); 2] =
    [("battery_clock = false", "battery_clock = \"perhaps\""), ("[hub]", "[hub")];

fn accepts_with_a_broken_config(hub: &Hub, more: &[&str]) {
    hub.does(&["press", "B-02"]);
    let whole = std::fs::read_to_string(hub.config().join("gateway.toml")).unwrap();
    for (from, to) in BROKEN {
        hub.edit("gateway.toml", from, to);
        let does = |args: &[&str]| hub.does(&[args, more].concat());
        assert!(does(&["incidents"]).contains("A01"));
        assert!(does(&["status"]).contains(HUB));
        does(&["incident", "A01", "note", "好", "--as", "zhangmin"]);
        does(&["journal", "verify"]);
        std::fs::write(hub.config().join("gateway.toml"), &whole).unwrap();
    }
    hub.edit("gateway.toml", BROKEN[1].0, BROKEN[1].1);
    hub.does(&[&["incident", "A01", "accept", "--as", "zhangmin"], more].concat());
    assert_eq!(hub.facts("accepted").len(), 1, "the record is found as well");
}

#[test]
fn a_call_is_accepted_while_gateway_toml_is_broken() {
    let hub = Hub::open();
    accepts_with_a_broken_config(&hub, &[]);
}

#[test]
fn a_hub_whose_state_was_named_at_its_start_is_found_with_the_same_word() {
    let mut hub = Hub::prepared();
    let own = hub.path("elsewhere").display().to_string();
    hub.args.extend(["--state".into(), own.clone()]);
    // What the file names is another hub's, or nothing: here it must not be looked at.
    hub.edit("gateway.toml", &hub.state().display().to_string(), "/nowhere/at/all");
    hub.start();
    hub.does(&["press", "B-02"]);
    for (from, to) in BROKEN {
        let whole = std::fs::read_to_string(hub.config().join("gateway.toml")).unwrap();
        hub.edit("gateway.toml", from, to);
        let lost = hub.cli(&["incidents"]);
        assert_eq!(lost.code, 3, "{lost:?}");
        assert!(lost.err.contains("/nowhere/at/all") && lost.err.contains("--state"), "{lost:?}");
        assert!(hub.does(&["incidents", "--state", &own]).contains("A01"));
        hub.does(&["--state", &own, "journal", "verify"]);
        std::fs::write(hub.config().join("gateway.toml"), whole).unwrap();
    }
    hub.edit("gateway.toml", BROKEN[0].0, BROKEN[0].1);
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin", "--state", &own]);
    assert_eq!(hub.stop(), 0);
    let dead = hub.cli(&["incidents", "--state", &own]);
    assert_eq!(dead.code, 4, "{dead:?}");
    assert!(dead.err.contains(&own) && dead.err.contains("--state"), "{dead:?}");
}
