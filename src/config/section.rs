//! One table of a TOML file, read key by key.
//!
//! A reader asks for each key it knows, with the value it uses when the key is absent; whatever is
//! wrong becomes a problem and the reader goes on with that value. So a bad value hides no other,
//! and at the end every key that nobody asked for is a problem by name. Chosen over deriving
//! deserialisers, which stop at the first error of a file and lose the place of what is missing.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes;
use super::problem::{Findings, Said, Spot};
use super::values::{self, closest};
use crate::terms::Wait;

/// Syntax errors that are told of one file; the rest are mostly echoes.
pub(super) const SYNTAX_MAX: usize = 10;

/// A table that is being read.
pub(super) struct Section<'a> {
    /// Its name as in the file, `ladder.emergency`; empty for the whole file.
    name: String,
    /// What people call it: `[ladder.emergency]`, `a step of [ladder.emergency]`.
    pub(super) title: String,
    /// Where its header stands.
    pub(super) at: Spot,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

/// A parsed file.
pub(super) struct Document<'t> {
    file: &'static str,
    table: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses a file as far as it goes; syntax errors become problems.
    pub(super) fn parse(file: &'static str, text: &'t str, out: &mut Findings<'_>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors.iter().take(SYNTAX_MAX) {
            let span = error.span().unwrap_or(0..0);
            out.add(
                &codes::TOML_SYNTAX,
                &Spot { file, span },
                format!("not TOML: {}", error.message()),
                "texts and durations stand in quotes, lists in [ ], one key = value on a line",
            );
        }
        if !errors.is_empty() {
            out.break_file(file);
        }
        Self { file, table }
    }

    /// The top of the file.
    pub(super) fn top(&self) -> Section<'_> {
        let at = Spot { file: self.file, span: 0..0 };
        let (name, title) = (String::new(), self.file.to_owned());
        Section { name, title, at, table: self.table.get_ref(), known: Vec::new() }
    }
}

impl<'a> Section<'a> {
    fn spot(&self, span: Range<usize>) -> Spot {
        Spot { file: self.at.file, span }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn wrong_type(
        &self,
        out: &mut Findings<'_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        want: &str,
    ) {
        out.add(
            &codes::WRONG_TYPE,
            &self.spot(value.span()),
            format!("{key} is {}, not {want}", an(value.get_ref().type_str())),
            format!("write {key} as {want}"),
        );
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text that may be absent.
    pub(super) fn text(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Option<Said<&'a str>> {
        let value = self.value(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(Said { value: text, at: self.spot(value.span()) }),
            None => {
                self.wrong_type(out, key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that must be there and say something.
    pub(super) fn need_text(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        help: &str,
    ) -> Option<Said<&'a str>> {
        if !self.has(key) {
            self.missing(out, key, help);
            self.known.push(key);
            return None;
        }
        let said = self.text(out, key)?;
        if said.value.trim().is_empty() {
            out.add(&codes::EMPTY_TEXT, &said.at, format!("{key} is empty"), help);
            return None;
        }
        Some(said)
    }

    /// Tells that a key is missing, at the table's header. Not where it may be there all the same:
    /// in a file that is only partly understood, and where a key is misspelt, which is told anyway.
    pub(super) fn missing(&self, out: &mut Findings<'_>, key: &str, help: &str) {
        let mut words = self.table.keys().map(|name| name.get_ref().as_ref());
        if !out.is_whole(self.at.file) || words.any(|word| closest(word, [key]).is_some()) {
            return;
        }
        let message = format!("{} has no {key}", self.title);
        if self.name.is_empty() {
            out.add_to_file(&codes::KEY_MISSING, self.at.file, message, help);
        } else {
            out.add(&codes::KEY_MISSING, &self.at, message, help);
        }
    }

    /// A text, a whole number, or true or false, as JSON has them.
    pub(super) fn literal(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Option<serde_json::Value> {
        let value = self.value(key)?;
        let said = value.get_ref();
        let number = |n: &toml::de::DeInteger<'_>| i64::from_str_radix(n.as_str(), n.radix()).ok();
        let text = || said.as_str().map(serde_json::Value::from);
        let flag = || said.as_bool().map(serde_json::Value::from);
        let number = || said.as_integer().and_then(number).map(serde_json::Value::from);
        let literal = text().or_else(flag).or_else(number);
        if literal.is_none() {
            self.wrong_type(out, key, value, "a text, a whole number, or true or false");
        }
        literal
    }

    /// true or false.
    pub(super) fn flag(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        absent: bool,
    ) -> Said<bool> {
        let Some(value) = self.value(key) else {
            return Said { value: absent, at: self.at.clone() };
        };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(out, key, value, "true or false");
        }
        Said { value: flag.unwrap_or(absent), at: self.spot(value.span()) }
    }

    /// A whole number within a range.
    pub(super) fn number(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
        absent: u64,
    ) -> u64 {
        let Some(value) = self.value(key) else { return absent };
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(out, key, value, "a whole number");
            return absent;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                out.add(
                    &codes::OUT_OF_RANGE,
                    &self.spot(value.span()),
                    format!("{key} is outside {least} to {most}"),
                    format!("use a number from {least} to {most}"),
                );
                absent
            }
        }
    }

    /// A duration that may be absent, of any length.
    pub(super) fn duration(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Option<Said<Wait>> {
        let said = self.text(out, key)?;
        match values::duration(said.value) {
            Some(wait) => Some(Said { value: wait, at: said.at }),
            None => {
                let message = format!("{key} is no duration: {:?}", said.value);
                out.add(&codes::BAD_DURATION, &said.at, message, values::DURATION_HELP);
                None
            }
        }
    }

    /// A duration within a range.
    pub(super) fn wait(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        range: RangeInclusive<Wait>,
        absent: Wait,
    ) -> Wait {
        let Some(said) = self.duration(out, key) else { return absent };
        if range.contains(&said.value) {
            return said.value;
        }
        let (least, most) = range.into_inner();
        out.add(
            &codes::OUT_OF_RANGE,
            &said.at,
            format!("{key} is {}, outside {least} to {most}", said.value),
            format!("use {least} to {most}; without the key it is {absent}"),
        );
        absent
    }

    /// A number of bytes within a range.
    pub(super) fn bytes(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
        absent: u64,
    ) -> u64 {
        let Some(said) = self.text(out, key) else { return absent };
        match values::bytes(said.value) {
            Some(bytes) if range.contains(&bytes) => bytes,
            _ => {
                let (least, most) = range.into_inner();
                let (least, most) = (mib(least), mib(most));
                out.add(
                    &codes::OUT_OF_RANGE,
                    &said.at,
                    format!("{key} is not {least} to {most}: {:?}", said.value),
                    format!("write a whole number with KiB, MiB or GiB, such as {:?}", mib(absent)),
                );
                absent
            }
        }
    }

    /// A list of texts; `None` when the key is absent or no list.
    pub(super) fn words(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Option<Said<Vec<Said<&'a str>>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(out, key, value, "a list of texts, [\"…\"]");
            return None;
        };
        let mut words: Vec<Said<&'a str>> = Vec::new();
        for item in array.iter() {
            let Some(text) = item.get_ref().as_str() else {
                self.wrong_type(out, key, item, "a list of texts, [\"…\"]");
                continue;
            };
            let at = self.spot(item.span());
            if words.iter().any(|word| word.value == text) {
                let message = format!("{text} stands twice in {key}");
                out.add(&codes::SAID_TWICE, &at, message, "take one of them out");
            } else {
                words.push(Said { value: text, at });
            }
        }
        Some(Said { value: words, at: self.spot(value.span()) })
    }

    /// A table inside this one.
    pub(super) fn section(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Option<Section<'a>> {
        self.known.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        self.inner(out, name.get_ref(), name.span(), value)
    }

    fn inner(
        &self,
        out: &mut Findings<'_>,
        key: &str,
        key_span: Range<usize>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<Section<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(out, key, value, "a table");
            return None;
        };
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let title = format!("[{name}]");
        Some(Section { name, title, at: self.spot(key_span), table, known: Vec::new() })
    }

    /// The tables `[key.NAME]`, in the order of the file.
    pub(super) fn named(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Vec<(Said<&'a str>, Section<'a>)> {
        let Some(parent) = self.section(out, key) else { return Vec::new() };
        parent.children(out, &[])
    }

    /// Every table inside this one but those that were asked for, in the order of the file.
    pub(super) fn children(
        &self,
        out: &mut Findings<'_>,
        but: &[&str],
    ) -> Vec<(Said<&'a str>, Section<'a>)> {
        let mut children: Vec<_> = self
            .table
            .iter()
            .filter(|(name, _)| !but.contains(&name.get_ref().as_ref()))
            .filter_map(|(name, value)| {
                let section = self.inner(out, name.get_ref(), name.span(), value)?;
                let said = Said { value: name.get_ref().as_ref(), at: self.spot(name.span()) };
                Some((said, section))
            })
            .collect();
        children.sort_by_key(|(name, _)| name.at.span.start);
        children
    }

    /// The tables of a list, `key = [{ … }, …]`; `what` is one of them, "a step".
    pub(super) fn list(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
        what: &str,
    ) -> Option<Said<Vec<Section<'a>>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(out, key, value, "a list of tables, [{ … }]");
            return None;
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            let Some(section) = self.inner(out, key, item.span(), item) else { continue };
            sections.push(Section { title: format!("{what} of {}", self.title), ..section });
        }
        Some(Said { value: sections, at: self.spot(value.span()) })
    }

    /// The texts of a table `key = { a = "b" }`.
    pub(super) fn pairs(
        &mut self,
        out: &mut Findings<'_>,
        key: &'static str,
    ) -> Vec<(Said<&'a str>, Said<&'a str>)> {
        let Some(inner) = self.section(out, key) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (name, value) in inner.table.iter() {
            let left = Said { value: name.get_ref().as_ref(), at: self.spot(name.span()) };
            match value.get_ref().as_str() {
                Some(text) => {
                    pairs.push((left, Said { value: text, at: self.spot(value.span()) }));
                }
                None => self.wrong_type(out, left.value, value, "a text in quotes"),
            }
        }
        pairs.sort_by_key(|(left, _)| left.at.span.start);
        pairs
    }

    /// A table or key that a later version will read.
    pub(super) fn later(&mut self, out: &mut Findings<'_>, key: &'static str, what: &str) {
        self.known.push(key);
        let Some((name, _)) = self.table.get_key_value(key) else { return };
        let full =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        out.add(
            &codes::NOT_IN_THIS_VERSION,
            &self.spot(name.span()),
            format!("this version does not read {full}"),
            format!("{what} with a later version; take it out until then"),
        );
    }

    /// Tells every key that nobody asked for.
    pub(super) fn end(self, out: &mut Findings<'_>) {
        for name in self.table.keys() {
            let word = name.get_ref().as_ref();
            if self.known.contains(&word) {
                continue;
            }
            let help = match closest(word, self.known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None if self.known.is_empty() => "take it out".to_owned(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let message = format!("{} has no key {word}", self.title);
            out.add(&codes::UNKNOWN_KEY, &self.spot(name.span()), message, help);
        }
    }
}

fn an(type_word: &str) -> String {
    match type_word {
        "integer" | "array" => format!("an {type_word}"),
        "boolean" => "true or false".to_owned(),
        "string" => "a text".to_owned(),
        other => format!("a {other}"),
    }
}

/// Bytes as a person would write them.
fn mib(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}
