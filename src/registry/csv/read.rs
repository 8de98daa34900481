//! From a file's text to rows.

use ::csv::{ReaderBuilder, StringRecord};

use super::Table;
use super::problem::RowProblem;
use crate::registry::rows::{Device, Home, Person, Resident, Role, Row};
use crate::registry::whereabouts::SHORT_MAX_UNITS;
use crate::terms::{BadId, DeviceId, HomeId, PersonId, ResidentId};

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
    let mut records = records(text);
    let Some(header) = records.next() else {
        let names: Vec<&str> = table.columns().iter().map(|c| c.name).collect();
        let help = format!("begin the file with the line {}", names.join(","));
        problems.add(1, None, "table-empty", "there is no header line".to_owned(), help);
        return (Vec::new(), problems.done());
    };
    let Some(header) = Header::of(&header, line_of(text, &header), &mut problems) else {
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

/// The records that are not blank, each with its position; the reader drops a byte order mark.
fn records(text: &str) -> impl Iterator<Item = StringRecord> {
    let reader =
        ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    #[expect(clippy::expect_used, reason = "text in memory is UTF-8, and a row may have any width")]
    let records = reader.into_records().map(|record| record.expect("text is UTF-8"));
    records.filter(|record| record.iter().any(|cell| !cell.trim().is_empty()))
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
    places: Vec<Option<usize>>,
}

impl Header {
    /// Reads the header line; none when a required column is missing.
    fn of(record: &StringRecord, line: u64, problems: &mut Problems) -> Option<Self> {
        let table = problems.table;
        let names: Vec<String> = record.iter().map(|n| n.trim().to_ascii_lowercase()).collect();
        let width = names.iter().rposition(|n| !n.is_empty()).map_or(0, |last| last + 1);
        let columns = table.columns();
        for (place, name) in names.iter().enumerate().take(width) {
            let known = columns.iter().find(|column| column.name == name);
            let help = || {
                let known: Vec<&str> = columns.iter().map(|c| c.name).collect();
                format!("{} has the columns {}", table.file_name(), known.join(", "))
            };
            if known.is_none() {
                let message = format!("there is no column {name:?}");
                problems.add(line, None, "column-unknown", message, help());
            } else if names.iter().take(place).any(|before| before == name) {
                let message = format!("column {name} stands there twice");
                problems.add(line, known.map(|c| c.name), "column-twice", message, help());
            }
        }
        let places: Vec<Option<usize>> =
            columns.iter().map(|c| names.iter().position(|name| name == c.name)).collect();
        let mut complete = true;
        for (column, place) in columns.iter().zip(&places) {
            if column.required && place.is_none() {
                complete = false;
                let message = format!("column {} is missing", column.name);
                let help = "add it to the header line and fill it in every row".to_owned();
                problems.add(line, Some(column.name), "column-missing", message, help);
            }
        }
        complete.then_some(Self { table, width, places })
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
            let help =
                "look for a lost or an extra comma, or for a quote that is not closed".to_owned();
            problems.add(line, None, "cell-count", message, help);
            return None;
        }
        let columns = self.table.columns().iter().map(|column| column.name);
        let cell = |place: &Option<usize>| place.and_then(|p| record.get(p)).unwrap_or_default();
        let cells = columns.zip(self.places.iter().map(cell).map(str::trim)).collect();
        Some(Cells { table: self.table, line, cells, problems })
    }
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
        Some(Home { id: id?, place, short, grid, on_site })
    }

    fn device(&mut self) -> Option<Device> {
        let id = self.id("id", DeviceId::new);
        let type_name = self.required("type");
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
        let cell = self.cell(column);
        if cell.is_empty() {
            return None;
        }
        match make(cell) {
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
        let year = half_width(cell).trim_end_matches('年').trim().parse::<i16>();
        let year = year.ok().filter(|year| (BORN_MIN..=BORN_MAX).contains(year));
        if year.is_none() {
            let message = format!("{cell:?} is not a year of birth");
            let help = format!("write four digits from {BORN_MIN} to {BORN_MAX}, such as 1944");
            self.problem(column, "year-malformed", message, &help);
        }
        year
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
        let role = Role::from_word(&word.to_ascii_lowercase());
        if role.is_none() {
            let roles: Vec<&str> = Role::ALL.into_iter().map(Role::word).collect();
            let help = format!("write one of {}", roles.join(", "));
            self.problem(column, "role-unknown", format!("there is no role {word:?}"), &help);
        }
        role
    }

    fn phone(&mut self, column: &'static str) -> String {
        let phone = half_width(&self.text(column));
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
