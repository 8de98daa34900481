//! From a file's text to rows.

use ::csv::{ReaderBuilder, StringRecord};

use super::guard::{is_error, is_mangled, unguarded};
use super::problem::RowProblem;
use super::{BOM, Column, Table};
use crate::registry::bed::Bed;
use crate::registry::contact::{Contact, ORDER_MAX, Relation};
use crate::registry::rows::{Device, Home, Person, Resident, Role, Row};
use crate::registry::whereabouts::SHORT_MAX_UNITS;
use crate::terms::{BadId, BedId, DeviceId, HomeId, PersonId, ResidentId, StationId};
use jiff::civil::Date;

/// Most rows read from a file; what follows is a problem. Own choice: six times the 3,000 devices a
/// hub serves.
pub const ROWS_MAX: usize = 20_000;

/// Most problems listed for a file; the last one then says how many more there are. Own choice:
/// more than anybody mends before trying again.
pub const PROBLEMS_MAX: usize = 200;

/// Longest cell in UTF-16 units. Own choice: an access note of three messages' length.
pub const TEXT_MAX_UNITS: usize = 200;

const BORN_MIN: i16 = 1880;
const BORN_MAX: i16 = 2200;

/// Reads a file: its rows with the line each begins on, and everything that is wrong with it. A row
/// comes out if its required cells can be used; see the module's head for what may be done with it.
pub fn read(table: Table, text: &str) -> (Vec<(u64, Row)>, Vec<RowProblem>) {
    let mut problems = Problems { table, listed: Vec::new(), more: 0 };
    let separator = Separator::of(text);
    let mut records = records(text, separator);
    let Some(header) = records.next() else {
        let names: Vec<&str> = table.columns().iter().map(|c| c.name).collect();
        let help = format!("begin the file with the line {}", names.join(","));
        problems.add(1, None, "table-empty", "there is no header line".to_owned(), help);
        return (Vec::new(), problems.done());
    };
    let line = line_of(text, &header);
    let Some(header) = Header::of(&header, (line, separator), &mut problems) else {
        return (Vec::new(), problems.done());
    };
    let mut rows = Vec::new();
    for (number, record) in records.enumerate() {
        let line = line_of(text, &record);
        if number == ROWS_MAX {
            let message = format!("there are more than {ROWS_MAX} rows");
            let help = "remove rows that are not of this hub".to_owned();
            problems.add(line, None, "rows-too-many", message, help);
            break;
        }
        let row = header.cells(&record, line, &mut problems).and_then(|mut cells| cells.row());
        rows.extend(row.map(|row| (line, row)));
    }
    (rows, problems.done())
}

/// The columns that a file's header line has, by their names.
pub fn columns(table: Table, text: &str) -> Vec<&'static str> {
    let mut unheard = Problems { table, listed: Vec::new(), more: 0 };
    let separator = Separator::of(text);
    let header = records(text, separator).next();
    let header = header.and_then(|record| Header::of(&record, (1, separator), &mut unheard));
    let places = header.iter().flat_map(|header| &header.places);
    let columns = table.columns().iter().zip(places);
    columns.filter(|(_, place)| place.is_some()).map(|(column, _)| column.name).collect()
}

/// What stands between two cells: a comma, where Windows is set up for it a semicolon, a tab in what
/// is pasted out of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
}

impl Separator {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The one that stands most often in the header line; the comma where none does.
    pub fn of(text: &str) -> Self {
        let text = text.trim_start_matches(BOM);
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let count = |separator: &Self| header.matches(separator.sign()).count();
        // Of equals the last is taken, so the comma stands there.
        Self::ALL.into_iter().rev().max_by_key(count).unwrap_or(Self::Comma)
    }

    /// The character.
    pub fn sign(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }
}

/// The records that are not blank, each with its position; the reader drops a byte order mark. A
/// first line `sep=;` is a note for Excel.
fn records(text: &str, separator: Separator) -> impl Iterator<Item = StringRecord> {
    let mut reader = ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(separator.sign() as u8);
    let reader = reader.from_reader(text.as_bytes());
    #[expect(clippy::expect_used, reason = "text in memory is UTF-8, and a row may have any width")]
    let records = reader.into_records().map(|record| record.expect("text is UTF-8"));
    let records = records.filter(|record| record.iter().any(|cell| !cell.trim().is_empty()));
    let note = |(number, record): &(usize, StringRecord)| {
        *number == 0 && record.get(0).is_some_and(|cell| cell.starts_with("sep="))
    };
    records.enumerate().filter(move |record| !note(record)).map(|(_, record)| record)
}

/// The line a record begins on: its reader counts from the end of the record before, which lies
/// ahead of blank lines and of the second half of a CRLF.
fn line_of(text: &str, record: &StringRecord) -> u64 {
    let Some(position) = record.position() else { return 1 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let ahead = text.as_bytes().get(start..).unwrap_or_default();
    let blank = ahead.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
    blank.filter(|b| **b == b'\n').fold(position.line(), |line, _| line + 1)
}

/// The problems of one file so far.
struct Problems {
    table: Table,
    listed: Vec<RowProblem>,
    more: usize,
}

impl Problems {
    fn add(
        &mut self,
        line: u64,
        column: Option<&'static str>,
        code: &'static str,
        message: String,
        help: String,
    ) {
        if self.listed.len() == PROBLEMS_MAX {
            self.more += 1;
            return;
        }
        self.listed.push(RowProblem::new(self.table, (line, column), code, message, &help));
    }

    fn done(mut self) -> Vec<RowProblem> {
        if self.more > 0 {
            let line = self.listed.last().map_or(1, |last| last.line);
            let message = format!("{} more problems are not listed", self.more);
            let help = "correct those above and check again";
            let code = "problems-too-many";
            self.listed.push(RowProblem::new(self.table, (line, None), code, message, help));
        }
        self.listed
    }
}

/// Where each column of the table stands in the file.
struct Header {
    table: Table,
    width: usize,
    separator: Separator,
    places: Vec<Option<usize>>,
}

impl Header {
    /// Reads the header line; none when a required column is missing.
    fn of(
        record: &StringRecord,
        (line, separator): (u64, Separator),
        problems: &mut Problems,
    ) -> Option<Self> {
        let table = problems.table;
        let plain = |title: &str| half_width(title).trim().to_ascii_lowercase();
        let names: Vec<String> = record.iter().map(plain).collect();
        let width = names.iter().rposition(|n| !n.is_empty()).map_or(0, |last| last + 1);
        let columns = table.columns();
        for (place, name) in names.iter().enumerate().take(width) {
            let known = columns.iter().find(|column| column.is_called(name));
            let help = || {
                let known: Vec<&str> = columns.iter().map(|c| c.name).collect();
                format!("{} has the columns {}", table.file_name(), known.join(", "))
            };
            if known.is_none() {
                let message = format!("there is no column {name:?}");
                problems.add(line, None, "column-unknown", message, help());
            } else if names.iter().take(place).any(|n| known.is_some_and(|k| k.is_called(n))) {
                let message = format!("column {name} stands there twice");
                problems.add(line, known.map(|c| c.name), "column-twice", message, help());
            }
        }
        let places: Vec<Option<usize>> =
            columns.iter().map(|c| names.iter().position(|name| c.is_called(name))).collect();
        let mut complete = true;
        for (column, place) in columns.iter().zip(&places) {
            if column.required && place.is_none() {
                complete = false;
                let message = format!("column {} is missing", column.name);
                let help = missing_help(column);
                problems.add(line, Some(column.name), "column-missing", message, help);
            }
        }
        complete.then_some(Self { table, width, separator, places })
    }

    /// The cells of a row; none when it has too many or too few.
    fn cells<'a>(
        &self,
        record: &'a StringRecord,
        line: u64,
        problems: &'a mut Problems,
    ) -> Option<Cells<'a>> {
        let beyond = record.iter().skip(self.width).any(|cell| !cell.trim().is_empty());
        if record.len() < self.width || beyond {
            let message =
                format!("the row has {} cells, the header line {}", record.len(), self.width);
            let separator = self.separator.name();
            let help = format!(
                "look for a lost or an extra {separator}, or for a quote that is not closed"
            );
            problems.add(line, None, "cell-count", message, help);
            return None;
        }
        if record.iter().any(|cell| self.swallows_rows(cell)) {
            let message = "a cell holds what looks like further rows".to_owned();
            let help = "close the quote that is open in this row".to_owned();
            problems.add(line, None, "quote-open", message, help);
            return None;
        }
        let columns = self.table.columns().iter().map(|column| column.name);
        let cell = |place: &Option<usize>| place.and_then(|p| record.get(p)).unwrap_or_default();
        let cells =
            columns.zip(self.places.iter().map(cell).map(|cell| unguarded(cell.trim()))).collect();
        Some(Cells { table: self.table, line, cells, problems })
    }

    /// A quote that is not closed makes one cell of the rows behind it, and where it is the last cell
    /// of its row, nothing else shows that.
    fn swallows_rows(&self, cell: &str) -> bool {
        let row = |line: &str| line.matches(self.separator.sign()).count() + 1 >= self.width;
        self.width > 1 && cell.lines().skip(1).any(row)
    }
}

fn missing_help(column: &Column) -> String {
    let titles: Vec<&str> = std::iter::once(column.name).chain(column.titles.to_vec()).collect();
    format!("add it to the header line as {} and fill it in every row", titles.join(" or "))
}

/// One row's cells by column.
struct Cells<'a> {
    table: Table,
    line: u64,
    cells: Vec<(&'static str, &'a str)>,
    problems: &'a mut Problems,
}

impl<'a> Cells<'a> {
    fn row(&mut self) -> Option<Row> {
        match self.table {
            Table::Residents => self.resident().map(Row::Resident),
            Table::Homes => self.home().map(Row::Home),
            Table::Devices => self.device().map(Row::Device),
            Table::People => self.person().map(Row::Person),
            Table::Contacts => self.contact().map(Row::Contact),
            Table::Beds => self.bed().map(Row::Bed),
        }
    }

    fn resident(&mut self) -> Option<Resident> {
        let id = self.id("id", ResidentId::new);
        let rest = Resident {
            name: self.text("name"),
            born: self.year("born"),
            home: self.reference("home", HomeId::new),
            phone: self.phone("phone"),
            access: self.text("access"),
            owner: self.reference("owner", PersonId::new),
            id: id?,
        };
        Some(rest)
    }

    fn home(&mut self) -> Option<Home> {
        let id = self.id("id", HomeId::new);
        let place = self.text("place");
        let short = self.short("short");
        let grid = self.text("grid");
        let on_site = self.yes("on_site");
        let station = self.reference("station", StationId::new);
        Some(Home { id: id?, place, short, grid, on_site, station })
    }

    fn device(&mut self) -> Option<Device> {
        let id = self.id("id", DeviceId::new);
        let type_name = self.required("type").map(|name| half_width(&name));
        let heard_as = self.text("heard_as");
        let home = self.reference("home", HomeId::new);
        let resident = self.reference("resident", ResidentId::new);
        let spot = self.text("spot");
        Some(Device { id: id?, type_name: type_name?, heard_as, home, resident, spot })
    }

    fn person(&mut self) -> Option<Person> {
        let id = self.id("id", PersonId::new);
        let name = self.text("name");
        let role = self.role("role");
        let phone = self.phone("phone");
        let email = self.email("email");
        Some(Person { id: id?, name, role: role?, phone, email })
    }

    fn contact(&mut self) -> Option<Contact> {
        let id = self.id("id", PersonId::new);
        let name = self.text("name");
        let relation = self.relation("relation");
        let (phone, email) = (self.phone("phone"), self.email("email"));
        let resident = self.reference("resident", ResidentId::new);
        let home = self.reference("home", HomeId::new);
        let grid = self.text("grid");
        let consent = self.date("consent");
        let consent_until = self.date("consent_until");
        let order = self.order("order");
        let (id, relation) = (id?, relation?);
        Some(Contact {
            id,
            name,
            relation,
            phone,
            email,
            resident,
            home,
            grid,
            consent,
            consent_until,
            order,
        })
    }

    fn bed(&mut self) -> Option<Bed> {
        let id = self.id("id", BedId::new);
        let resident = self.id("resident", ResidentId::new);
        let home = self.reference("home", HomeId::new);
        let from = self.required("from").and_then(|_| self.date("from"));
        let until = self.date("until");
        let plan = self.text("plan");
        Some(Bed { id: id?, resident: resident?, home, from: from?, until, plan })
    }

    fn cell(&self, column: &'static str) -> &'a str {
        self.cells.iter().find(|(name, _)| *name == column).map_or("", |(_, cell)| cell)
    }

    fn problem(&mut self, column: &'static str, code: &'static str, message: String, help: &str) {
        self.problems.add(self.line, Some(column), code, message, help.to_owned());
    }

    /// A cell as text on one line: a line break within it would tear a message apart.
    fn text(&mut self, column: &'static str) -> String {
        let cell = self.cell(column);
        let units = cell.encode_utf16().count();
        if units > TEXT_MAX_UNITS {
            let message = format!("the cell has {units} characters, at most {TEXT_MAX_UNITS} fit");
            self.problem(column, "cell-too-long", message, "shorten it");
        }
        if is_error(cell) {
            let message = format!("{cell} is what a spreadsheet shows in place of a value");
            self.problem(column, "cell-is-error", message, "write the value itself");
        }
        cell.replace("\r\n", " ").replace(char::is_control, " ").trim().to_owned()
    }

    fn short(&mut self, column: &'static str) -> String {
        let short = self.text(column);
        let units = short.encode_utf16().count();
        if units > SHORT_MAX_UNITS {
            let message = format!("{short:?} has {units} characters and is cut in messages");
            let help = format!("write the place in at most {SHORT_MAX_UNITS}, such as 3-2-501");
            self.problem(column, "short-too-long", message, &help);
        }
        short
    }

    fn required(&mut self, column: &'static str) -> Option<String> {
        let text = self.text(column);
        if text.is_empty() {
            let message = format!("{column} is empty");
            self.problem(column, "cell-missing", message, "fill it in, or remove the row");
            return None;
        }
        Some(text)
    }

    fn id<T>(&mut self, column: &'static str, make: fn(&str) -> Result<T, BadId>) -> Option<T> {
        self.required(column)?;
        self.reference(column, make)
    }

    /// An id that may be left out.
    fn reference<T>(
        &mut self,
        column: &'static str,
        make: fn(&str) -> Result<T, BadId>,
    ) -> Option<T> {
        let cell = half_width(self.cell(column));
        if cell.is_empty() {
            return None;
        }
        if is_mangled(&cell) {
            self.mangled(column, &cell);
            return None;
        }
        match make(&cell) {
            Ok(id) => Some(id),
            Err(why) => {
                let message = format!("{cell:?} cannot be an id");
                self.problem(column, "id-malformed", message, &why.to_string());
                None
            }
        }
    }

    fn year(&mut self, column: &'static str) -> Option<i16> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return None;
        }
        let plain = half_width(cell);
        let year = plain.split(['年', '-', '/', '.']).next().unwrap_or_default().trim();
        let year = year.parse::<i16>().ok().filter(|year| (BORN_MIN..=BORN_MAX).contains(year));
        if year.is_none() {
            let message = format!("{cell:?} is not a year of birth");
            let help = format!("write four digits from {BORN_MIN} to {BORN_MAX}, such as 1944");
            self.problem(column, "year-malformed", message, &help);
        }
        year
    }

    /// A day as people and spreadsheets write it: 2026-10-01, 2026/10/1, 2026年10月1日.
    fn date(&mut self, column: &'static str) -> Option<Date> {
        let cell = half_width(self.cell(column));
        if cell.is_empty() {
            return None;
        }
        let plain = cell.trim_end_matches('日');
        let mut parts = plain.split(['年', '月', '-', '/', '.']).map(str::trim);
        let mut day = || -> Option<Date> {
            let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
            let date =
                Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
            (parts.next().is_none() && (BORN_MIN..=BORN_MAX).contains(&date.year())).then_some(date)
        };
        let day = day();
        if day.is_none() {
            let message = format!("{cell:?} is not a day");
            self.problem(column, "date-malformed", message, "write it like 2026-10-01");
        }
        day
    }

    fn order(&mut self, column: &'static str) -> u8 {
        let cell = half_width(self.cell(column));
        if cell.is_empty() {
            return ORDER_MAX;
        }
        let order = cell.parse::<u8>().ok().filter(|order| (1..=ORDER_MAX).contains(order));
        if order.is_none() {
            let message = format!("{cell:?} is no place in a row");
            let help = format!("write 1 for who is called first, up to {ORDER_MAX}");
            self.problem(column, "order-malformed", message, &help);
        }
        order.unwrap_or(ORDER_MAX)
    }

    fn relation(&mut self, column: &'static str) -> Option<Relation> {
        let word = half_width(&self.required(column)?);
        let relation = Relation::from_word(&word.to_ascii_lowercase());
        if relation.is_none() {
            let known: Vec<String> = Relation::ALL
                .into_iter()
                .map(|one| format!("{} ({})", one.word(), one.chinese()))
                .collect();
            let help = format!("write one of {}", known.join(", "));
            let message = format!("there is no relation {word:?}");
            self.problem(column, "relation-unknown", message, &help);
        }
        relation
    }

    fn yes(&mut self, column: &'static str) -> bool {
        let cell = self.cell(column);
        match half_width(cell).to_ascii_lowercase().as_str() {
            "yes" | "y" | "true" | "1" | "是" => true,
            "" | "no" | "n" | "false" | "0" | "否" => false,
            _ => {
                let message = format!("{cell:?} is neither yes nor no");
                self.problem(column, "yes-no-malformed", message, "write yes, no, 是 or 否");
                false
            }
        }
    }

    fn role(&mut self, column: &'static str) -> Option<Role> {
        let word = self.required(column)?;
        let word = half_width(&word);
        let role = Role::from_word(&word.to_ascii_lowercase()).or_else(|| Role::from_title(&word));
        if role.is_none() {
            let roles: Vec<&str> = Role::ALL.into_iter().map(Role::word).collect();
            let help = format!("write one of {}", roles.join(", "));
            self.problem(column, "role-unknown", format!("there is no role {word:?}"), &help);
        }
        role
    }

    fn mangled(&mut self, column: &'static str, cell: &str) {
        let message = format!("{cell} is a number that a spreadsheet has rounded");
        let help = "write all its digits again, in a column that is formatted as text";
        self.problem(column, "number-mangled", message, help);
    }

    fn phone(&mut self, column: &'static str) -> String {
        let phone = half_width(&self.text(column));
        if is_mangled(&phone) {
            self.mangled(column, &phone);
            return String::new();
        }
        let dialled =
            |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '*' | '#');
        if !phone.chars().all(dialled) {
            let message = format!("{phone:?} cannot be dialled as it stands");
            self.problem(column, "phone-odd", message, "write digits, + and - only");
        }
        phone
    }

    fn email(&mut self, column: &'static str) -> String {
        let email = half_width(&self.text(column));
        let parts: Vec<&str> = email.split('@').collect();
        let whole = matches!(parts.as_slice(), [who, at] if !who.is_empty() && !at.is_empty());
        if !email.is_empty() && (!whole || email.contains(char::is_whitespace)) {
            let message = format!("{email:?} is not a mail address");
            let help = "write one address, such as zhangmin@example.cn, or leave the cell empty";
            self.problem(column, "email-malformed", message, help);
        }
        email
    }
}

/// Full-width digits, letters and signs as their ASCII twins, which stand 0xFEE0 below them; the
/// full-width blank as a blank.
fn half_width(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        other => other,
    };
    text.chars().map(narrow).collect()
}
