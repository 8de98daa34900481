//! One problem: how grave, which code, where, and what to do; and the list they are gathered in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Serialize;

use super::codes::{self, Code};
use super::files::Files;
use crate::terms::BadId;

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The config cannot be used.
    Problem,
    /// It can be used, and somebody should look.
    Warning,
}

/// One thing that is not right. As JSON it is stable: severity, code, file, line, column, message,
/// help; line and column are absent where a whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How grave.
    pub severity: Severity,
    /// Its code in kebab-case; see [`super::codes`].
    pub code: &'static str,
    /// The file, relative to the config directory; empty when the directory itself is meant.
    pub file: String,
    /// Bytes of the file's text that are meant; `None` when there is no text.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) file: &'static str,
    pub(super) span: Range<usize>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) at: Spot,
}

/// Problems as they are found, in no order.
pub(super) struct Findings<'f> {
    files: &'f Files,
    problems: Vec<Problem>,
    /// Files whose text is only partly understood, so that "not there" cannot be said of them.
    broken: BTreeSet<&'static str>,
    /// Where the lines of a file begin, counted once: a street's list has a warning a row.
    lines: BTreeMap<&'static str, Vec<usize>>,
}

impl<'f> Findings<'f> {
    pub(super) fn new(files: &'f Files) -> Self {
        Self { files, problems: Vec::new(), broken: BTreeSet::new(), lines: BTreeMap::new() }
    }

    /// Adds a problem at a place.
    pub(super) fn add(
        &mut self,
        code: &Code,
        at: &Spot,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add_as((code.word, code.severity), at, message.into(), help.into());
    }

    /// Adds a problem whose code is another room's.
    pub(super) fn add_as(
        &mut self,
        (code, severity): (&'static str, Severity),
        at: &Spot,
        message: String,
        help: String,
    ) {
        let text = self.files.text(at.file).unwrap_or_default();
        let starts = self.lines.entry(at.file).or_insert_with(|| line_starts(text));
        let (line, column) = position(text, starts, at.span.start);
        self.problems.push(Problem {
            severity,
            code,
            file: at.file.to_owned(),
            span: Some(at.span.clone()),
            line: Some(line),
            column: Some(column),
            message,
            help,
        });
    }

    /// Adds that a text cannot be an id.
    pub(super) fn bad_id(&mut self, at: &Spot, what: &str, error: &BadId, help: &str) {
        let why = match error {
            BadId::Empty => "it is empty".to_owned(),
            BadId::TooLong => "it is too long".to_owned(),
            BadId::Character(bad) => format!("it may not hold {bad:?}"),
        };
        self.add(&codes::BAD_ID, at, format!("this cannot be a {what}: {why}"), help);
    }

    /// Adds a problem of a whole file, or of the directory when `file` is empty.
    pub(super) fn add_to_file(
        &mut self,
        code: &Code,
        file: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem {
            severity: code.severity,
            code: code.word,
            file: file.to_owned(),
            span: None,
            line: None,
            column: None,
            message: message.into(),
            help: help.into(),
        });
    }

    /// Notes that a file is only partly understood.
    pub(super) fn break_file(&mut self, file: &'static str) {
        self.broken.insert(file);
    }

    /// Whether what is not found in this file is really not there.
    pub(super) fn is_whole(&self, file: &str) -> bool {
        !self.broken.contains(file)
    }

    /// All problems, in the order of files and lines.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_cached_key(|problem| {
            let file = Files::NAMES.iter().position(|name| *name == problem.file);
            (file, problem.file.clone(), problem.span.as_ref().map(|span| span.start))
        });
        self.problems
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, starts: &[usize], byte: usize) -> (usize, usize) {
    let byte = text.floor_char_boundary(byte);
    let line = starts.partition_point(|start| *start <= byte);
    let start = starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
    (line, text[start..byte].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_lines_and_characters() {
        let at = |text, byte| position(text, &line_starts(text), byte);
        let text = "a = 1\n中文 = x\n";
        assert_eq!(at(text, 0), (1, 1));
        assert_eq!(at(text, text.find('x').unwrap()), (2, 6));
        assert_eq!(at(text, 999), (3, 1));
        assert_eq!(at("", 0), (1, 1));
    }
}
