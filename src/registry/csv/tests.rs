//! Lists as centres bring them: what is read as meant, what is refused, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::registry::{
    Bed, Change, Contact, Device, DeviceType, DeviceTypes, Family, Home, Person, Relation,
    Resident, Role, changes,
};
use crate::terms::{BedId, DeviceId, HomeId, PersonId, ResidentId, StationId};

fn read_well(table: Table, text: &str) -> Vec<(u64, Row)> {
    let (rows, problems) = read(table, text);
    assert_eq!(problems, []);
    rows
}

/// Line, column and code of each problem.
fn places(problems: &[RowProblem]) -> Vec<(u64, Option<&str>, &str)> {
    problems.iter().map(|p| (p.line, p.column, p.code)).collect()
}

fn problems(table: Table, text: &str) -> Vec<(u64, Option<&'static str>, &'static str)> {
    read(table, text).1.iter().map(|p| (p.line, p.column, p.code)).collect()
}

fn only_resident(text: &str) -> Resident {
    match read_well(Table::Residents, text).remove(0) {
        (_, Row::Resident(resident)) => resident,
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn the_columns_are_the_fields_of_the_rows_in_their_order() {
    let rows = [
        (Table::Residents, serde_json::to_string(&only_resident("id\nR1\n")).unwrap()),
        (Table::Homes, row_json("id\nH1\n", Table::Homes)),
        (Table::Devices, row_json("id,type\nB-1,button\n", Table::Devices)),
        (Table::People, row_json("id,role\nli,staff\n", Table::People)),
        (Table::Contacts, row_json("id,relation\nc,family\n", Table::Contacts)),
        (Table::Beds, row_json("id,resident,from\nb,R1,2026-01-01\n", Table::Beds)),
    ];
    for (table, json) in rows {
        let places: Vec<usize> = table
            .columns()
            .iter()
            .map(|column| json.find(&format!("\"{}\":", column.name)).unwrap())
            .collect();
        assert!(places.is_sorted(), "{table:?} {json}");
        let fields: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(fields.as_object().unwrap().len(), table.columns().len());
    }
}

fn row_json(text: &str, table: Table) -> String {
    match &read_well(table, text)[0].1 {
        Row::Resident(row) => serde_json::to_string(row).unwrap(),
        Row::Home(row) => serde_json::to_string(row).unwrap(),
        Row::Device(row) => serde_json::to_string(row).unwrap(),
        Row::Person(row) => serde_json::to_string(row).unwrap(),
        Row::Contact(row) => serde_json::to_string(row).unwrap(),
        Row::Bed(row) => serde_json::to_string(row).unwrap(),
    }
}

#[test]
fn a_full_row_is_read_into_its_fields() {
    let resident = only_resident(
        "id,name,born,home,phone,access\nR7,王桂芳,1944,H-3-2-501,138 0000 0000,\"钥匙在门卫, 左手边\"\n",
    );
    assert_eq!(resident.id.as_str(), "R7");
    assert_eq!((resident.name.as_str(), resident.born), ("王桂芳", Some(1944)));
    assert_eq!(resident.home.unwrap().as_str(), "H-3-2-501");
    assert_eq!(resident.phone, "138 0000 0000");
    assert_eq!(resident.access, "钥匙在门卫, 左手边");
}

#[test]
fn a_spreadsheets_habits_are_read_as_meant() {
    let text = "\u{feff}ID, Name ,born,home,phone,access,,\r\n\r\n R7 ,　王桂芳　,１９４４年,,１３８－００００,\"门卫\r\n处\",,\r\n,,,,,,,\r\nR8,,,,,,,\r\n";
    let rows = read_well(Table::Residents, text);
    let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 6]);
    let Row::Resident(first) = &rows[0].1 else { panic!() };
    assert_eq!((first.name.as_str(), first.born), ("王桂芳", Some(1944)));
    assert_eq!((first.phone.as_str(), first.access.as_str()), ("138-0000", "门卫 处"));
    assert_eq!(first.home, None);
}

#[test]
fn yes_and_no_are_read_in_both_languages() {
    for (cell, on_site) in
        [("yes", true), ("是", true), ("TRUE", true), ("no", false), ("否", false), ("", false)]
    {
        let rows = read_well(Table::Homes, &format!("id,on_site\nH1,{cell}\n"));
        let Row::Home(home) = &rows[0].1 else { panic!() };
        assert_eq!(home.on_site, on_site, "{cell:?}");
    }
}

#[test]
fn columns_may_stand_in_any_order_and_optional_ones_may_be_absent() {
    let rows = read_well(Table::Devices, "spot,type,id\n卫生间,button,B-14\n");
    let Row::Device(device) = &rows[0].1 else { panic!() };
    assert_eq!((device.id.as_str(), device.spot.as_str()), ("B-14", "卫生间"));
    assert_eq!((device.home.as_ref(), device.heard_as.as_str()), (None, ""));
}

#[test]
fn a_file_without_a_usable_header_gives_no_rows() {
    assert_eq!(problems(Table::Homes, ""), [(1, None, "table-empty")]);
    assert_eq!(problems(Table::Homes, "\u{feff}\r\n"), [(1, None, "table-empty")]);
    let (rows, found) = read(Table::People, "id,name\nli,李\n");
    assert_eq!((rows.len(), places(&found)), (0, vec![(1, Some("role"), "column-missing")]));
}

#[test]
fn a_row_with_a_lost_or_an_extra_comma_is_refused_and_the_others_are_read() {
    let (rows, found) = read(Table::Homes, "id,place,short\nH1,一,1\nH2,二\nH3,三,3,x\nH4,四,4,\n");
    assert_eq!(places(&found), [(3, None, "cell-count"), (4, None, "cell-count")]);
    let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 5]);
}

#[test]
fn a_quote_that_is_never_closed_is_named_where_it_begins() {
    let text = "id,place,short\nH1,一,1\nH2,\"二,2\nH3,三,3\n";
    assert_eq!(problems(Table::Homes, text), [(3, None, "cell-count")]);
}

#[test]
fn a_bad_cell_is_named_and_the_row_is_read_without_it() {
    let text = "id,born,home,phone\nR1,44,H 1,问门卫\n";
    let (rows, found) = read(Table::Residents, text);
    assert_eq!(
        places(&found),
        [
            (2, Some("born"), "year-malformed"),
            (2, Some("home"), "id-malformed"),
            (2, Some("phone"), "phone-odd"),
        ]
    );
    let severities: Vec<Severity> = found.iter().map(|p| p.severity).collect();
    assert_eq!(severities, [Severity::Problem, Severity::Problem, Severity::Warning]);
    let Row::Resident(resident) = &rows[0].1 else { panic!() };
    assert_eq!((resident.born, resident.home.as_ref()), (None, None));
    assert_eq!(resident.phone, "问门卫");
}

#[test]
fn all_problems_of_a_row_are_named_at_once() {
    let text = "id,name,role,phone,email\n,,boss,,a@b@c\n";
    assert_eq!(
        problems(Table::People, text),
        [
            (2, Some("id"), "cell-missing"),
            (2, Some("role"), "role-unknown"),
            (2, Some("email"), "email-malformed"),
        ]
    );
}

#[test]
fn a_file_of_garbage_ends_in_a_stated_number_of_problems() {
    let text = format!("id,role\n{}", "x,y\n".repeat(PROBLEMS_MAX + 50));
    let (rows, found) = read(Table::People, &text);
    assert_eq!((rows.len(), found.len()), (0, PROBLEMS_MAX + 1));
    let last = &found[PROBLEMS_MAX];
    assert_eq!(
        (last.code, last.message.as_str()),
        ("problems-too-many", "50 more problems are not listed")
    );
}

#[test]
fn a_file_of_more_rows_than_a_hub_serves_is_refused() {
    let text = format!("id\n{}", "H1\n".repeat(ROWS_MAX + 1));
    let (rows, found) = read(Table::Homes, &text);
    assert_eq!(rows.len(), ROWS_MAX);
    assert_eq!(places(&found), [(ROWS_MAX as u64 + 2, None, "rows-too-many")]);
}

fn all_rows(texts: [&str; 4]) -> Vec<(u64, Row)> {
    Table::ALL.into_iter().zip(texts).flat_map(|(table, text)| read_well(table, text)).collect()
}

const PEOPLE: &str = "id,role,email\nli,staff,li@example.cn\n";

#[test]
fn a_couple_and_a_corridor_are_in_order() {
    let rows = all_rows([
        "id,name,home\nR1,王桂芳,H1\nR2,李建国,H1\n",
        "id,place\nH1,3号楼501\nH2,2楼走廊\n",
        "id,type,home\nB-1,button,H1\nB-2,cord,H2\n",
        PEOPLE,
    ]);
    assert_eq!(cross_check(&rows), []);
}

#[test]
fn names_that_lead_nowhere_are_named_with_their_rows() {
    let rows = all_rows([
        "id,home\nR1,H9\n",
        "id\nH1\n",
        "id,type,home,resident\nB-1,button,H9,\nB-2,button,,R9\nB-3,button,,\nB-4,button,,R1\n",
        PEOPLE,
    ]);
    let found = cross_check(&rows);
    assert_eq!(
        places(&found),
        [
            (2, Some("home"), "home-unknown"),
            (2, Some("home"), "home-unknown"),
            (3, Some("resident"), "resident-unknown"),
            (3, Some("home"), "device-nowhere"),
            (4, Some("home"), "device-nowhere"),
        ]
    );
    assert_eq!(found[0].table, Table::Residents);
    assert_eq!(found[1].message, "device B-1 names home H9, which is not in homes.csv");
    assert_eq!(found[4].severity, Severity::Warning);
}

#[test]
fn names_given_twice_are_named_on_the_later_row() {
    let rows = all_rows([
        "id\nR1\nR1\nR1\n",
        "id\nH1\n",
        "id,type,heard_as,spot\nB-1,a,sos,x\nB-2,b,sos,x\nB-3,c,B-4,x\nB-4,d,,x\n",
        PEOPLE,
    ]);
    let found = cross_check(&rows);
    assert_eq!(
        places(&found),
        [
            (3, Some("id"), "id-twice"),
            (4, Some("id"), "id-twice"),
            (3, Some("heard_as"), "heard-name-twice"),
            (5, Some("heard_as"), "heard-name-twice"),
        ]
    );
    assert_eq!(found[1].message, "this id already stands on line 2");
}

#[test]
fn a_house_in_which_nobody_comes_is_a_problem_and_a_person_without_address_a_warning() {
    let rows = all_rows([
        "id\n",
        "id\n",
        "id,type\n",
        "id,role,phone\ngu,district,\ntao,technician,110\n",
    ]);
    let found = cross_check(&rows);
    assert_eq!(
        places(&found),
        [(2, Some("phone"), "person-unreachable"), (1, Some("role"), "nobody-to-call")]
    );
    assert_eq!((found[0].severity, found[1].severity), (Severity::Warning, Severity::Problem));
}

fn types() -> DeviceTypes {
    let button = DeviceType {
        family: Family::NativeMqtt,
        label: "按钮".to_owned(),
        life_safety: true,
        actions: BTreeMap::new(),
        watch: Default::default(),
        test_every: None,
        zigbee: Default::default(),
        bridged: Default::default(),
    };
    DeviceTypes::from([("button".to_owned(), button)])
}

#[test]
fn a_device_of_an_unknown_type_is_told_which_there_are() {
    let rows = read_well(Table::Devices, "id,type\nB-1,button\nB-2,buton\n");
    let found = check_types(&rows, &types());
    assert_eq!(places(&found), [(3, Some("type"), "device-type-unknown")]);
    assert_eq!(found[0].help, "devices.toml describes button; add it or correct it");
}

/// Contacts and beds beside a resident, a home and a colleague.
fn agreements([contacts, beds]: [&str; 2]) -> Vec<(u64, Row)> {
    let mut rows = all_rows([
        "id,home,owner\nR1,H1,nobody\nR2,H1,li\n",
        "id,grid\nH1,G-3\n",
        "id,type\n",
        PEOPLE,
    ]);
    rows.extend(read_well(Table::Contacts, contacts));
    rows.extend(read_well(Table::Beds, beds));
    rows
}

#[test]
fn contacts_and_beds_are_read_as_a_centre_writes_them() {
    let contacts = "编号,姓名,关系,电话,老人编号,同意日期,同意截止,顺序\n\
        C1,王晓明,家属,１３８００００,R1,2026年10月1日,2027/10/1,1\nC2,李阿姨,邻居,,R2,2026.10.1,,\n";
    let rows = read_well(Table::Contacts, contacts);
    let Row::Contact(first) = &rows[0].1 else { panic!() };
    let day = |text: &str| Some(text.parse().unwrap());
    assert_eq!((first.relation, first.phone.as_str()), (Relation::Family, "1380000"));
    assert_eq!((first.consent, first.consent_until), (day("2026-10-01"), day("2027-10-01")));
    let Row::Contact(second) = &rows[1].1 else { panic!() };
    assert_eq!((second.consent, second.order), (day("2026-10-01"), 9));
    let beds = "床位编号,老人编号,开始日期,结束日期,护理计划\nHB-1,R1,2026-01-01,,每周两次\n";
    let Row::Bed(bed) = &read_well(Table::Beds, beds)[0].1.clone() else { panic!() };
    assert_eq!((bed.until, bed.plan.as_str()), (None, "每周两次"));
    for wrong in ["2026-13-01", "2026-02-30", "1.10.", "46296", "2026-10-01-2", "0026-01-01"] {
        let (rows, found) = read(Table::Beds, &format!("id,resident,from\nHB-1,R1,{wrong}\n"));
        assert_eq!((rows.len(), places(&found)), (0, vec![(2, Some("from"), "date-malformed")]));
    }
}

#[test]
fn what_contacts_and_beds_agreed_to_is_checked() {
    let rows = agreements([
        "id,relation,resident,home,grid,consent,consent_until\n\
         li,family,R1,,,,\nc2,family,R9,,,,\nc3,family,R1,H1,,,\nc4,family,,,,,\n\
         c5,grid_worker,,,G-9,,\nc6,neighbour,,H1,,2026-10-01,2026-09-30\n",
        "id,resident,home,from,until\n\
         b1,R1,H1,2026-01-01,2026-06-30\nb2,R1,H1,2026-06-30,\nb3,R2,H9,2026-02-01,2026-01-01\n\
         b4,R9,,2026-01-01,\n",
    ]);
    let found = cross_check(&rows);
    let said: Vec<_> = found.iter().map(|p| (p.table, p.line, p.code)).collect();
    assert_eq!(
        said,
        [
            (Table::Contacts, 2, "id-twice"),
            (Table::Residents, 2, "owner-unknown"),
            (Table::Contacts, 3, "resident-unknown"),
            (Table::Contacts, 4, "contact-for-whom"),
            (Table::Contacts, 5, "contact-for-whom"),
            (Table::Contacts, 6, "grid-unknown"),
            (Table::Contacts, 7, "dates-reversed"),
            (Table::Beds, 4, "home-unknown"),
            (Table::Beds, 4, "dates-reversed"),
            (Table::Beds, 5, "resident-unknown"),
            (Table::Beds, 3, "bed-twice"),
        ]
    );
    let grid = found.iter().find(|p| p.code == "grid-unknown").unwrap();
    assert_eq!(grid.severity, Severity::Warning);
}

#[test]
fn every_code_is_explained_once_and_can_be_met() {
    let long = format!("id,place\nH1,{}\n", "长".repeat(TEXT_MAX_UNITS + 1));
    let many = format!("id\n{}", "H1\n".repeat(ROWS_MAX + 1));
    let garbage = format!("id,role\n{}", "x,y\n".repeat(PROBLEMS_MAX + 1));
    let files = [
        (Table::Contacts, "id,relation,consent,order\nc,uncle,soon,10\n"),
        (Table::Homes, ""),
        (Table::Homes, "id,id,colour\nH1,H1,red\n"),
        (Table::Homes, "id,short\nH1,云建路社区幸福里小区南区十三号楼二单元501\n"),
        (Table::Homes, "id,on_site\nH1,maybe\n\"H 2\",no\nH3\n"),
        (Table::Homes, &long),
        (Table::Homes, &many),
        (Table::People, "id\n"),
        (Table::People, &garbage),
        (Table::People, "id,role,phone,email\n,staff,x,y\n"),
        (Table::Residents, "id,born\nR1,old\n"),
        (Table::Residents, "id,name,phone\nR1,#N/A,1.38E+10\nR2,x,\"1\nR3,y,2\n"),
    ];
    let mut met: BTreeSet<&str> =
        files.into_iter().flat_map(|(table, text)| read(table, text).1).map(|p| p.code).collect();
    let rows = all_rows([
        "id,home\nR1,H9\nR1,H9\n",
        "id\n",
        "id,type,heard_as,resident\nB-1,cord,x,R9\nB-2,cord,x,\n",
        "id,role\ngu,district\n",
    ]);
    met.extend(cross_check(&rows).iter().map(|p| p.code));
    let agreed = agreements([
        "id,relation,grid,home,consent,consent_until\nc,family,G,,2026-02-01,2026-01-01\nd,family,,,,\n",
        "id,resident,from\nb,R1,2026-01-01\nb2,R1,2026-02-01\n",
    ]);
    met.extend(cross_check(&agreed).iter().map(|p| p.code));
    met.extend(check_types(&rows, &types()).iter().map(|p| p.code));
    let explained: BTreeSet<&str> = CODES.iter().map(|(code, _, _)| *code).collect();
    assert_eq!(explained.len(), CODES.len());
    assert_eq!(met, explained);
}

// Any registry, written and read again.

fn cell() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[\"',;0-9A-Za-z长老楼 　😀#=@-]{0,12}")
        .unwrap()
        .prop_map(|text| text.trim().to_owned())
}

fn name() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[\"',;0-9A-Za-z长老楼/._-]{1,8}").unwrap()
}

fn some_row() -> impl Strategy<Value = Row> {
    let home = || proptest::option::of(name().prop_map(|id| HomeId::new(&id).unwrap()));
    let phone = || proptest::string::string_regex("(\\+?[0-9]{3,11})?").unwrap();
    let born = proptest::option::of(1880i16..=2200);
    let whose = proptest::option::of(name().prop_map(|id| ResidentId::new(&id).unwrap()));
    let role = proptest::sample::select(Role::ALL.to_vec());
    let email = proptest::sample::select(vec![String::new(), "li@example.cn".to_owned()]);
    prop_oneof![
        (name(), cell(), born, home(), phone(), cell()).prop_map(
            |(id, name, born, home, phone, access)| {
                let id = ResidentId::new(&id).unwrap();
                let owner = born.map(|_| PersonId::new("li").unwrap());
                Row::Resident(Resident { id, name, born, home, phone, access, owner })
            }
        ),
        (name(), cell(), cell(), cell(), proptest::bool::ANY).prop_map(
            |(id, place, short, grid, on_site)| {
                let id = HomeId::new(&id).unwrap();
                let station = on_site.then(|| StationId::new("河畔").unwrap());
                Row::Home(Home { id, place, short, grid, on_site, station })
            }
        ),
        (name(), name(), cell(), home(), whose, cell()).prop_map(
            |(id, type_name, heard_as, home, resident, spot)| {
                let id = DeviceId::new(&id).unwrap();
                Row::Device(Device { id, type_name, heard_as, home, resident, spot })
            }
        ),
        (name(), cell(), role, phone(), email).prop_map(|(id, name, role, phone, email)| {
            let id = PersonId::new(&id).unwrap();
            Row::Person(Person { id, name, role, phone, email })
        }),
        some_contact().prop_map(Row::Contact),
        some_bed().prop_map(Row::Bed),
    ]
}

fn some_day() -> impl Strategy<Value = jiff::civil::Date> {
    (1990i16..2090, 1i8..=12, 1i8..=28)
        .prop_map(|(year, month, day)| jiff::civil::Date::new(year, month, day).unwrap())
}

fn some_contact() -> impl Strategy<Value = Contact> {
    let whose = proptest::option::of(name().prop_map(|id| ResidentId::new(&id).unwrap()));
    let home = proptest::option::of(name().prop_map(|id| HomeId::new(&id).unwrap()));
    let relation = proptest::sample::select(Relation::ALL.to_vec());
    let days = (proptest::option::of(some_day()), proptest::option::of(some_day()));
    (name(), cell(), relation, whose, home, cell(), days, 1u8..=9).prop_map(
        |(id, name, relation, resident, home, grid, (consent, consent_until), order)| Contact {
            id: PersonId::new(&id).unwrap(),
            name,
            relation,
            phone: "0000".to_owned(),
            email: String::new(),
            resident,
            home,
            grid,
            consent,
            consent_until,
            order,
        },
    )
}

fn some_bed() -> impl Strategy<Value = Bed> {
    let home = proptest::option::of(name().prop_map(|id| HomeId::new(&id).unwrap()));
    (name(), name(), home, some_day(), proptest::option::of(some_day()), cell()).prop_map(
        |(id, resident, home, from, until, plan)| Bed {
            id: BedId::new(&id).unwrap(),
            resident: ResidentId::new(&resident).unwrap(),
            home,
            from,
            until,
            plan,
        },
    )
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(some_row(), 0..12)
}

fn book(rows: &[Row]) -> Registry {
    let mut book = Registry::default();
    rows.iter().for_each(|row| book.apply(&Change::Set(row.clone())));
    book
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_the_same_rows_and_the_same_file(
        rows in some_rows(), form in proptest::sample::select(vec![Form::Plain, Form::Spreadsheet]),
    ) {
        let registry = book(&rows);
        let mut again = Registry::default();
        for table in Table::ALL {
            let text = write(table, &registry, form);
            let windows = format!("{BOM}{}", text.replace('\n', "\r\n"));
            let (gb, _) = decode(&encode(&text, Encoding::Gb18030).unwrap(), Some(Encoding::Gb18030)).unwrap();
            for text in [text.clone(), windows, gb] {
                let (read, problems) = read(table, &text);
                prop_assert_eq!(problems, []);
                let read: Vec<Row> = read.into_iter().map(|(_, row)| row).collect();
                prop_assert_eq!(&read, &table.rows(&registry));
                read.into_iter().for_each(|row| again.apply(&Change::Set(row)));
            }
            prop_assert_eq!(write(table, &again, form), text);
        }
        prop_assert_eq!(again, registry);
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_within_its_lines(text: String) {
        let lines = text.lines().count() as u64 + 1;
        for table in Table::ALL {
            let (rows, problems) = read(table, &text);
            prop_assert!(rows.iter().all(|(line, _)| (1..=lines).contains(line)));
            prop_assert!(problems.iter().all(|p| (1..=lines).contains(&p.line)));
        }
    }

    #[test]
    fn the_changes_between_two_lists_turn_one_into_the_other_and_nothing_is_left_to_do(
        before in some_rows(), after in some_rows(), kept in 0usize..4,
    ) {
        let mut registry = book(&before);
        let mut to = book(&after);
        for row in before.iter().take(kept) {
            to.apply(&Change::Set(row.clone()));
        }
        let to_rows: Vec<Row> = Table::ALL.into_iter().flat_map(|t| t.rows(&to)).collect();
        let difference = changes(&registry, &Table::ALL, &to_rows);
        for change in &difference {
            registry.apply(change);
        }
        prop_assert_eq!(&registry, &to);
        prop_assert_eq!(changes(&registry, &Table::ALL, &to_rows), []);
    }
}
