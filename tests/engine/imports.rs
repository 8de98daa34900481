//! Rows that come with an import: all of them count, or none.

use anling::incident::{Fact, IncidentBook, Move, Notice, StageName, Stimulus};
use anling::registry::{Change, Role, RowId};
use anling::terms::{Class, HomeId, ImportId};

use crate::house::House;
use crate::plan;

impl House {
    fn brings(&mut self, import: ImportId, changes: Vec<Change>) {
        self.takes(&Stimulus::Bring { import, changes });
    }
}

fn people(names: &[&str]) -> Vec<Change> {
    names.iter().map(|name| plan::person_row(name, Role::Staff, true)).collect()
}

fn gone(ids: Vec<RowId>) -> Vec<Change> {
    ids.into_iter().map(Change::Removed).collect()
}

#[test]
fn what_was_brought_counts_only_when_the_import_is_taken() {
    let mut house = House::bare();
    let import = house.book.next_import();
    house.brings(import, people(&["lina"]));
    house.brings(import, people(&["chenjie"]));
    assert!(house.book.registry().is_empty());
    let before = house.book.registry_at();
    house.takes(&Stimulus::Take { import, rows: 2 });
    assert_eq!(house.facts, [Fact::RegistryTaken { import, rows: 2 }]);
    assert_eq!(house.book.registry().people().count(), 2);
    assert!(house.book.registry_at() > before, "whoever looked before has an old view");
    assert_ne!(house.book.next_import(), import);
}

#[test]
fn an_import_cut_in_the_middle_never_counts_and_the_next_one_does() {
    let mut house = House::bare();
    let import = house.book.next_import();
    house.brings(import, people(&["lina", "chenjie"]));
    house.restarts();
    house.takes(&Stimulus::Take { import, rows: 2 });
    house.changed_nothing();
    assert!(house.book.registry().is_empty());
    let again = house.book.next_import();
    assert_ne!(again, import, "its number is never used again");
    house.brings(again, people(&["wanghai"]));
    house.takes(&Stimulus::Take { import: again, rows: 1 });
    let names: Vec<_> = house.book.registry().people().map(|p| p.id.as_str()).collect();
    assert_eq!(names, ["wanghai"]);
}

#[test]
fn an_import_is_taken_once_and_whole_and_no_other_in_its_place() {
    let mut house = House::bare();
    let import = house.book.next_import();
    house.brings(import, people(&["lina"]));
    house.takes(&Stimulus::Take { import: ImportId(import.0 + 1), rows: 1 });
    house.changed_nothing();
    house.takes(&Stimulus::Take { import, rows: 2 });
    house.changed_nothing();
    house.takes(&Stimulus::Take { import, rows: 1 });
    house.takes(&Stimulus::Take { import, rows: 1 });
    house.changed_nothing();
}

#[test]
fn a_snapshot_in_the_middle_of_an_import_holds_what_was_brought() {
    let mut house = House::new();
    let import = house.book.next_import();
    house.brings(import, people(&["xiaoyu"]));
    let text = serde_json::to_string(&house.book).unwrap();
    let read: IncidentBook = serde_json::from_str(&text).unwrap();
    assert_eq!(read, house.book);
    house.book = read;
    house.takes(&Stimulus::Take { import, rows: 1 });
    assert!(house.book.registry().person(&plan::person("xiaoyu")).is_some());
}

#[test]
fn an_older_snapshot_without_imports_is_still_read() {
    let mut parts = serde_json::to_value(House::new().book).unwrap();
    for new in ["last_import", "registry_at", "brought"] {
        parts.as_object_mut().unwrap().remove(new);
    }
    let read: IncidentBook = serde_json::from_value(parts).unwrap();
    assert_eq!(read.next_import(), ImportId(1));
    assert_eq!(read.registry(), House::new().book.registry());
}

#[test]
fn a_call_goes_on_when_its_device_its_home_and_its_responder_are_taken_out() {
    let mut house = House::new();
    house.press("B-14");
    house.called("zhangmin", &Notice::Called);
    house.says("zhangmin", Move::Accept);
    let home = house.it().home.clone().unwrap();
    let import = house.book.next_import();
    let ids = [RowId::Device(plan::device("B-14")), RowId::Home(home.clone())];
    let ids = ids.into_iter().chain([RowId::Person(plan::person("zhangmin"))]).collect();
    house.brings(import, gone(ids));
    house.takes(&Stimulus::Take { import, rows: 3 });
    assert_eq!(house.it().home, Some(home));
    assert_eq!(house.stage(), StageName::Calling, "nobody is coming any more");
    house.called_at_all("lina");
    house.not_called("zhangmin");
    assert_eq!(house.it().class, Class::Emergency);
}

#[test]
fn a_new_device_of_an_import_is_a_known_one_at_its_first_press() {
    let mut house = House::new();
    let import = house.book.next_import();
    let row = serde_json::json!({ "id": "B-77", "type": "button", "home": "H-9-9-9" });
    let device = Change::Set(anling::registry::Row::Device(serde_json::from_value(row).unwrap()));
    house.brings(import, vec![device]);
    house.takes(&Stimulus::Take { import, rows: 1 });
    house.press("B-77");
    assert_eq!(house.it().home, Some(HomeId::new("H-9-9-9").unwrap()));
}
