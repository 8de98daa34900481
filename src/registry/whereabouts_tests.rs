//! Every gap a registry can have, and what a message still says.

use proptest::prelude::*;

use super::*;
use crate::registry::{Change, Row, RowId};

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

fn device(home: Option<&str>, resident: Option<&str>, spot: &str) -> Row {
    Row::Device(Device {
        id: id("B-14"),
        type_name: "button".to_owned(),
        heard_as: String::new(),
        home: home.map(|h| HomeId::new(h).unwrap()),
        resident: resident.map(|r| ResidentId::new(r).unwrap()),
        spot: spot.to_owned(),
    })
}

fn home(id: &str, place: &str, short: &str) -> Row {
    Row::Home(Home {
        id: HomeId::new(id).unwrap(),
        place: place.to_owned(),
        short: short.to_owned(),
        grid: "G07".to_owned(),
        on_site: true,
        station: None,
    })
}

fn resident(id: &str, name: &str, born: Option<i16>, home: Option<&str>) -> Row {
    Row::Resident(Resident {
        id: ResidentId::new(id).unwrap(),
        name: name.to_owned(),
        born,
        home: home.map(|h| HomeId::new(h).unwrap()),
        phone: String::new(),
        access: String::new(),
        owner: None,
    })
}

fn book(rows: Vec<Row>) -> Registry {
    let mut book = Registry::default();
    rows.into_iter().for_each(|row| book.apply(&Change::Set(row)));
    book
}

fn said(rows: Vec<Row>) -> (String, String, usize) {
    let at = book(rows).whereabouts(&id("B-14"));
    (at.place, at.short, at.residents.len())
}

fn expect(rows: Vec<Row>, place: &str, short: &str, residents: usize) {
    assert_eq!(said(rows), (place.to_owned(), short.to_owned(), residents));
}

fn full_home() -> Row {
    home("H-3-2-501", "3号楼2单元501", "3-2-501")
}

#[test]
fn a_complete_row_says_the_home_and_the_spot_in_it() {
    let rows = vec![
        full_home(),
        resident("R1", "王桂芳", Some(1944), Some("H-3-2-501")),
        device(Some("H-3-2-501"), Some("R1"), "卫生间"),
    ];
    let at = book(rows).whereabouts(&id("B-14"));
    assert_eq!(at.place, "3号楼2单元501卫生间");
    assert_eq!(at.short, "3-2-501");
    assert_eq!((at.grid.as_str(), at.on_site), ("G07", true));
}

#[test]
fn the_short_place_says_the_spot_where_another_point_of_the_home_is_elsewhere() {
    let Row::Device(first) = device(Some("H-3-2-501"), None, "东床") else { panic!() };
    let mut rows = vec![full_home(), Row::Device(first.clone())];
    expect(rows.clone(), "3号楼2单元501东床", "3-2-501", 0);
    let other =
        |spot: &str| Row::Device(Device { id: id("B-15"), spot: spot.to_owned(), ..first.clone() });
    rows.push(other("西床"));
    expect(rows.clone(), "3号楼2单元501东床", "3-2-501东床", 0);
    rows[2] = other("东床");
    expect(rows.clone(), "3号楼2单元501东床", "3-2-501", 0);
    rows[2] = other("靠窗第二张床位旁边的那面墙上");
    let long = device(Some("H-3-2-501"), None, "靠门第一张床位旁边的那面墙上");
    rows[1] = long;
    expect(rows, "3号楼2单元501靠门第一张床位旁边的那面墙上", "3-2-501", 0);
}

#[test]
fn a_corridor_cord_without_a_resident_says_its_place() {
    let corridor = home("H-F2", "本部2楼走廊", "2楼走廊");
    expect(vec![corridor, device(Some("H-F2"), None, "电梯口")], "本部2楼走廊电梯口", "2楼走廊", 0);
    expect(vec![device(None, None, "2楼走廊")], "2楼走廊(设备B-14)", "2楼走廊", 0);
}

#[test]
fn a_device_of_a_resident_hangs_in_the_residents_home() {
    let rows = vec![
        full_home(),
        resident("R1", "王桂芳", None, Some("H-3-2-501")),
        device(None, Some("R1"), "床头"),
    ];
    expect(rows, "3号楼2单元501床头", "3-2-501", 1);
}

#[test]
fn a_device_hangs_where_its_own_row_says_even_if_its_resident_lives_elsewhere() {
    let rows = vec![
        full_home(),
        home("H-F2", "本部2楼活动室", "2楼活动室"),
        resident("R1", "王桂芳", None, Some("H-3-2-501")),
        device(Some("H-F2"), Some("R1"), ""),
    ];
    expect(rows, "本部2楼活动室", "2楼活动室", 1);
}

#[test]
fn a_home_without_a_full_place_says_its_short_one_and_else_its_id() {
    let short = home("H-3-2-501", " ", "3-2-501");
    expect(vec![short, device(Some("H-3-2-501"), None, "")], "3-2-501", "3-2-501", 0);
    let bare = home("H-3-2-501", "", "");
    expect(vec![bare, device(Some("H-3-2-501"), None, "")], "H-3-2-501", "H-3-2-501", 0);
}

#[test]
fn a_home_whose_row_is_missing_still_says_its_id_and_who_lives_there() {
    let rows = vec![
        resident("R1", "王桂芳", None, Some("H-3-2-501")),
        device(Some("H-3-2-501"), None, "卫生间"),
    ];
    expect(rows, "H-3-2-501卫生间", "H-3-2-501", 1);
}

#[test]
fn a_resident_whose_row_is_missing_leaves_the_home_and_who_else_lives_there() {
    let rows = vec![
        full_home(),
        resident("R2", "李建国", None, Some("H-3-2-501")),
        device(Some("H-3-2-501"), Some("R1"), ""),
    ];
    expect(rows, "3号楼2单元501", "3-2-501", 1);
}

#[test]
fn a_device_with_nothing_but_a_name_sends_people_to_the_screen() {
    expect(vec![device(None, None, "")], "设备B-14(位置未登记,请查看值班室屏幕)", "设备B-14", 0);
    let homeless = resident("R1", "王桂芳", None, None);
    let (place, _, residents) = said(vec![homeless, device(None, Some("R1"), "")]);
    assert!(place.contains("值班室") && residents == 1);
}

#[test]
fn a_device_in_no_list_says_the_name_it_was_heard_under() {
    let at = Registry::default().whereabouts(&DeviceId::unregistered("zigbee2mqtt", "sos-3"));
    assert_eq!(at.place, "未登记设备sos-3(请查看值班室屏幕)");
    assert_eq!(at.short, "未登记设备sos-3");
    let unknown = Registry::default().whereabouts(&id("B-99"));
    assert_eq!(unknown.short, "未登记设备B-99");
}

#[test]
fn a_long_place_is_cut_in_the_middle_so_that_building_and_room_stay() {
    let long = home("H1", "云建路社区幸福里小区南区13号楼2单元1501", "");
    let (_, short, _) = said(vec![long, device(Some("H1"), None, "")]);
    assert_eq!(short, "云建路社区幸福里小…号楼2单元1501");
    assert!(short.encode_utf16().count() <= SHORT_MAX_UNITS);
    let heard = DeviceId::unregistered("zigbee2mqtt", "0x00158d0001a2b3c4");
    let at = Registry::default().whereabouts(&heard);
    assert_eq!(at.short, "未登记设备0x…0001a2b3c4");
}

#[test]
fn a_cut_never_makes_another_number_out_of_one() {
    for (place, short) in [
        ("幸福里小区南区西三门1234号楼2单元1501房", "幸福里小区南区西三…号楼2单元1501房"),
        ("幸福里小区南区第二十三号楼东侧二单元一五〇一室", "幸福里小区南区第…东侧二单元一五〇一室"),
        ("123456789012345678901234567890", "123456789…1234567890"),
    ] {
        assert_eq!(cut(place, SHORT_MAX_UNITS), short);
    }
}

fn named(rows: Vec<Row>, year: Option<i16>) -> (String, Option<i16>) {
    let book = book(rows);
    let named = book.names_of(&book.whereabouts(&id("B-14")), year);
    (named.names, named.age)
}

#[test]
fn one_resident_is_said_with_the_age() {
    let rows =
        || vec![resident("R1", "王桂芳", Some(1944), Some("H1")), device(None, Some("R1"), "")];
    assert_eq!(named(rows(), Some(2026)), ("王桂芳".to_owned(), Some(82)));
    assert_eq!(named(rows(), None), ("王桂芳".to_owned(), None));
}

#[test]
fn a_couple_is_said_with_both_names_and_no_age() {
    let rows = vec![
        resident("R1", "王桂芳", Some(1944), Some("H1")),
        resident("R2", "李建国", Some(1941), Some("H1")),
        device(Some("H1"), None, ""),
    ];
    assert_eq!(named(rows, Some(2026)), ("王桂芳、李建国".to_owned(), None));
}

#[test]
fn a_room_with_many_beds_says_how_many() {
    let mut rows: Vec<Row> = (1..=6)
        .map(|n| resident(&format!("R{n}"), &format!("住户{n}"), None, Some("H1")))
        .collect();
    rows.push(device(Some("H1"), None, ""));
    assert_eq!(named(rows, None).0, "住户1、住户2、住户3等6人");
}

#[test]
fn nobody_known_and_a_wrong_year_of_birth_are_left_out() {
    assert_eq!(named(vec![device(Some("H1"), None, "")], Some(2026)), (String::new(), None));
    for born in [1880, 2030] {
        let rows = vec![resident("R1", " ", Some(born), None), device(None, Some("R1"), "")];
        assert_eq!(named(rows, Some(2026)), (String::new(), None), "{born}");
    }
}

proptest! {
    #[test]
    fn whatever_is_missing_every_device_says_where_to_go(
        text in proptest::array::uniform3("[ 　]{0,2}|[0-9A-Za-z楼号单元卫生间😀]{0,40}"),
        rows in proptest::array::uniform3(proptest::bool::ANY),
        names in proptest::array::uniform3(proptest::bool::ANY),
        heard in "[^\u{0}-\u{1f}]{0,60}",
    ) {
        let [place, short, spot] = text;
        let mut all = Vec::new();
        if rows[0] { all.push(home("H1", &place, &short)); }
        if rows[1] { all.push(resident("R1", "王桂芳", None, names[2].then_some("H1"))); }
        if rows[2] { all.push(device(names[0].then_some("H1"), names[1].then_some("R1"), &spot)); }
        let book = book(all);
        for id in [id("B-14"), DeviceId::unregistered("zigbee2mqtt", &heard)] {
            let at = book.whereabouts(&id);
            prop_assert!(!at.place.trim().is_empty() && !at.short.trim().is_empty());
            prop_assert!(at.short.encode_utf16().count() <= SHORT_MAX_UNITS);
        }
    }
}

#[test]
fn a_device_taken_out_while_its_call_is_open_is_still_looked_for_where_it_was_pressed() {
    let couple = ["R1", "R2"].map(|id| resident(id, "", None, Some("H-3-2-501")));
    let mut book = book([couple.to_vec(), vec![full_home()]].concat());
    let (pressed, home) = (id("B-14"), HomeId::new("H-3-2-501").unwrap());
    let called = |resident| book.whereabouts_of_call(&pressed, Some(&home), resident);
    assert_eq!(called(None).place, "3号楼2单元501");
    assert_eq!((called(None).short.as_str(), called(None).residents.len()), ("3-2-501", 2));
    assert_eq!(called(Some(&ResidentId::new("R2").unwrap())).residents.len(), 1);
    book.apply(&Change::Removed(RowId::Home(home.clone())));
    assert_eq!(book.whereabouts_of_call(&pressed, Some(&home), None).place, "H-3-2-501");
    assert!(book.whereabouts_of_call(&pressed, None, None).place.contains("值班室屏幕"));
}
