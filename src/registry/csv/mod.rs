//! The registry as six CSV files, the form in which a centre already has its lists.
//!
//! Text comes in, rows and problems come out; the files themselves are the caller's. One pass names every problem it can, with its line and column, instead of stopping
//! at the first: a list of 500 residents is mended in one evening, not in twenty attempts. A cell
//! that cannot be used is a problem and its row still comes out without it where that is possible,
//! so that one bad year of birth does not also make a device's resident unknown; whoever takes rows
//! in must refuse all of them while a [`Severity::Problem`] stands. Spreadsheets are met half way:
//! GB 18030, a byte order mark, semicolons and tabs, CRLF, blank rows, blank cells after the last
//! column, Chinese column titles, full-width digits and 是/否 are read as meant. A row with a cell too
//! few is refused, because whatever follows a lost comma would stand in the wrong column; so is a
//! telephone number of which a spreadsheet has made 1.38E+10.

mod agreements;
mod bytes;
mod check;
mod guard;
mod problem;
mod read;
mod write;

pub use bytes::{Encoding, NotText, decode, encode};
pub use check::{check_types, cross_check};
pub use problem::{CODES, RowProblem, Severity};
pub use read::{PROBLEMS_MAX, ROWS_MAX, Separator, TEXT_MAX_UNITS, columns, read};
pub use write::{Form, write};

use super::book::Registry;
use super::rows::Row;

/// The byte order mark: read away at the beginning of a file; put before what is written for a
/// spreadsheet, which otherwise shows Chinese as garbage.
pub const BOM: char = '\u{feff}';

/// One of the six files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// residents.csv
    Residents,
    /// homes.csv
    Homes,
    /// devices.csv
    Devices,
    /// people.csv
    People,
    /// contacts.csv
    Contacts,
    /// beds.csv
    Beds,
}

/// One column: its name in the header line, and whether the header and every row must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, that of the field it fills.
    pub name: &'static str,
    /// Titles that a centre's own sheet may have instead.
    pub titles: &'static [&'static str],
    /// Whether nothing works without it.
    pub required: bool,
}

impl Column {
    /// Whether a cell of the header line means this column.
    pub fn is_called(&self, title: &str) -> bool {
        self.name == title || self.titles.contains(&title)
    }
}

const fn required(name: &'static str, titles: &'static [&'static str]) -> Column {
    Column { name, titles, required: true }
}

const fn optional(name: &'static str, titles: &'static [&'static str]) -> Column {
    Column { name, titles, required: false }
}

const RESIDENTS: [Column; 7] = [
    required("id", &["编号", "老人编号"]),
    optional("name", &["姓名", "老人姓名"]),
    optional("born", &["出生年", "出生年份", "出生日期"]),
    optional("home", &["住所", "住所编号"]),
    optional("phone", &["电话", "手机", "联系电话"]),
    optional("access", &["进门方式", "钥匙"]),
    optional("owner", &["负责人", "责任人"]),
];
const HOMES: [Column; 6] = [
    required("id", &["编号", "住所编号"]),
    optional("place", &["地址", "住址"]),
    optional("short", &["简称"]),
    optional("grid", &["网格", "网格编号"]),
    optional("on_site", &["院内", "中心内"]),
    optional("station", &["驿站", "站点"]),
];
const DEVICES: [Column; 6] = [
    required("id", &["编号", "设备编号"]),
    required("type", &["类型", "设备类型"]),
    optional("heard_as", &["名称", "设备名称"]),
    optional("home", &["住所", "住所编号"]),
    optional("resident", &["老人", "老人编号"]),
    optional("spot", &["位置", "安装位置"]),
];
const PEOPLE: [Column; 5] = [
    required("id", &["编号", "工号"]),
    optional("name", &["姓名"]),
    required("role", &["角色", "岗位"]),
    optional("phone", &["电话", "手机", "联系电话"]),
    optional("email", &["邮箱", "电子邮箱"]),
];
const CONTACTS: [Column; 11] = [
    required("id", &["编号", "联系人编号"]),
    optional("name", &["姓名", "联系人"]),
    required("relation", &["关系"]),
    optional("phone", &["电话", "手机", "联系电话"]),
    optional("email", &["邮箱", "电子邮箱"]),
    optional("resident", &["老人", "老人编号"]),
    optional("home", &["住所", "住所编号"]),
    optional("grid", &["网格", "网格编号"]),
    optional("consent", &["同意日期"]),
    optional("consent_until", &["同意截止", "同意截止日期"]),
    optional("order", &["顺序"]),
];
const BEDS: [Column; 6] = [
    required("id", &["编号", "床位编号"]),
    required("resident", &["老人", "老人编号"]),
    optional("home", &["住所", "住所编号"]),
    required("from", &["开始日期", "合同开始"]),
    optional("until", &["结束日期", "合同结束"]),
    optional("plan", &["护理计划", "服务计划"]),
];

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] =
        [Self::Residents, Self::Homes, Self::Devices, Self::People, Self::Contacts, Self::Beds];

    /// Whether a centre may be without this list.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Contacts | Self::Beds)
    }

    /// The tables that rows of files speak for: an optional list without a row was not brought.
    pub fn brought(rows: &[Row]) -> Vec<Self> {
        let has = |table: &Self| rows.iter().any(|row| Self::of(row) == *table);
        Self::ALL.into_iter().filter(|table| !table.is_optional() || has(table)).collect()
    }

    /// The file's name in the registry's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Residents => "residents.csv",
            Self::Homes => "homes.csv",
            Self::Devices => "devices.csv",
            Self::People => "people.csv",
            Self::Contacts => "contacts.csv",
            Self::Beds => "beds.csv",
        }
    }

    /// Its columns, in the order in which they are written.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Residents => &RESIDENTS,
            Self::Homes => &HOMES,
            Self::Devices => &DEVICES,
            Self::People => &PEOPLE,
            Self::Contacts => &CONTACTS,
            Self::Beds => &BEDS,
        }
    }

    /// The table a row stands in.
    pub fn of(row: &Row) -> Self {
        match row {
            Row::Resident(_) => Self::Residents,
            Row::Home(_) => Self::Homes,
            Row::Device(_) => Self::Devices,
            Row::Person(_) => Self::People,
            Row::Contact(_) => Self::Contacts,
            Row::Bed(_) => Self::Beds,
        }
    }

    /// Its rows in a registry, by id.
    pub fn rows(self, registry: &Registry) -> Vec<Row> {
        match self {
            Self::Residents => registry.residents().cloned().map(Row::Resident).collect(),
            Self::Homes => registry.homes().cloned().map(Row::Home).collect(),
            Self::Devices => registry.devices().cloned().map(Row::Device).collect(),
            Self::People => registry.people().cloned().map(Row::Person).collect(),
            Self::Contacts => registry.contacts().cloned().map(Row::Contact).collect(),
            Self::Beds => registry.beds().cloned().map(Row::Bed).collect(),
        }
    }
}

#[cfg(test)]
mod spreadsheet_tests;
#[cfg(test)]
mod tests;
