//! Lists as Excel and WPS save them: the bytes stand in `tests/spreadsheets/`.

use super::*;
use crate::registry::rows::{Resident, Role};

fn bytes(name: &str) -> Vec<u8> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spreadsheets");
    std::fs::read(dir.join(name)).unwrap()
}

/// How the file was read, and its rows, which have no problem.
fn saved(table: Table, name: &str) -> (Encoding, Separator, Vec<Row>) {
    let (text, encoding) = decode(&bytes(name), None).unwrap();
    let (rows, problems) = read(table, &text);
    assert_eq!(problems, [], "{name}");
    (encoding, Separator::of(&text), rows.into_iter().map(|(_, row)| row).collect())
}

#[test]
fn a_list_saved_by_chinese_excel_is_read_with_its_own_titles() {
    let (encoding, separator, rows) = saved(Table::Residents, "residents-excel.csv");
    assert_eq!((encoding, separator), (Encoding::Gb18030, Separator::Comma));
    let [Row::Resident(first), Row::Resident(second)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((first.name.as_str(), first.born), ("王桂芳", Some(1943)));
    let Resident { name, born, phone, access, .. } = second;
    assert_eq!((name.as_str(), *born), ("欧阳淑贞", Some(1939)));
    assert_eq!((phone.as_str(), access.as_str()), ("01380000101", "钥匙在门卫,左手边"));
}

#[test]
fn a_list_saved_by_wps_with_semicolons_is_read_with_its_roles() {
    let (encoding, separator, rows) = saved(Table::People, "people-wps.csv");
    assert_eq!((encoding, separator), (Encoding::Utf8, Separator::Semicolon));
    let [Row::Person(first), Row::Person(second)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((first.role, second.role), (Role::Staff, Role::Lead));
    assert_eq!(second.phone, "013800000102", "marked as text, with its zero");
}

#[test]
fn unicode_text_with_tabs_and_full_width_ids_is_read() {
    let (encoding, separator, rows) = saved(Table::Homes, "homes-unicode.txt");
    assert_eq!((encoding, separator), (Encoding::Utf16, Separator::Tab));
    let Row::Home(home) = &rows[1] else { panic!("{rows:?}") };
    assert_eq!((home.id.as_str(), home.place.as_str()), ("H-9-1", "9号楼\"东\"门"));
    assert!(home.on_site);
}

#[test]
fn a_note_for_excel_in_the_first_line_is_no_row_and_moves_no_line_number() {
    let (encoding, separator, rows) = saved(Table::Devices, "devices-sep.csv");
    assert_eq!((encoding, separator), (Encoding::Gb18030, Separator::Semicolon));
    let Row::Device(device) = &rows[1] else { panic!("{rows:?}") };
    assert_eq!(device.spot, "床头;左");
    let (_, problems) = read(Table::Devices, "sep=;\nid;type\nB-1;button;x\n");
    assert_eq!((problems[0].line, problems[0].code), (3, "cell-count"));
    assert!(problems[0].help.contains("semicolon"), "{problems:?}");
}

#[test]
fn contacts_and_beds_are_read_with_the_days_as_spreadsheets_write_them() {
    let (encoding, separator, rows) = saved(Table::Contacts, "contacts-excel.csv");
    assert_eq!((encoding, separator), (Encoding::Gb18030, Separator::Comma));
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    assert_eq!(cells[0][2..6], ["family", "01380000201", "", "R0003"]);
    assert_eq!(cells[1][8..], ["2026-10-01", "2099-12-31", "9"]);
    let (encoding, separator, rows) = saved(Table::Beds, "beds-wps.csv");
    assert_eq!((encoding, separator), (Encoding::Utf8, Separator::Semicolon));
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    assert_eq!(cells[0][2..], ["H-3-2-302", "2025-03-01", "2025-06-30", "每周上门两次；夜间巡查"]);
    assert_eq!(cells[1][2..], ["", "2025-03-01", "", ""]);
}

#[test]
fn fifty_bad_rows_among_ten_thousand_are_all_named_with_line_and_column() {
    let (text, _) = decode(&bytes("residents-10000.csv"), None).unwrap();
    let (mut rows, mut problems) = read(Table::Residents, &text);
    let homes = "id,place\nH-3-2-501,一\nH-3-2-302,二\n";
    rows.extend(read(Table::Homes, homes).0);
    rows.extend(read(Table::People, "id,role,phone\nli,staff,1\n").0);
    problems.extend(cross_check(&rows));
    problems.sort_by_key(|problem| problem.line);
    let found: Vec<String> = problems
        .iter()
        .map(|p| format!("{},{},{}", p.line, p.column.unwrap_or_default(), p.code))
        .collect();
    let told = String::from_utf8(bytes("residents-10000.bad")).unwrap();
    assert_eq!(found, told.lines().collect::<Vec<_>>());
    assert_eq!(found.len(), 50);
}

#[test]
fn a_quote_left_open_in_the_last_column_does_not_swallow_the_rows_behind_it() {
    let (rows, problems) = read(Table::Homes, "id,place,short\nH1,一,\"1\nH2,二,2\nH3,三,3\n");
    let found: Vec<_> = problems.iter().map(|p| (p.line, p.code)).collect();
    assert_eq!((rows.len(), found), (0, vec![(2, "quote-open")]));
    let two_lines = "id,place,short\nH1,\"3号楼,\n东门\",1\n";
    assert_eq!(read(Table::Homes, two_lines).1, []);
}

#[test]
fn what_a_spreadsheet_has_spoilt_is_refused_and_not_taken_for_a_number() {
    let text = "id,phone,home\nR1,1.38E+10,\nR2,,3.00E+02\nR3,#REF!,\n";
    let (_, problems) = read(Table::Residents, text);
    let found: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.code)).collect();
    let phone = Some("phone");
    assert_eq!(
        found,
        [
            (2, phone, "number-mangled"),
            (3, Some("home"), "number-mangled"),
            (4, phone, "cell-is-error"),
            (4, phone, "phone-odd"),
        ]
    );
}
