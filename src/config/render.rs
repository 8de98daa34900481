//! Problems for people: with colours and frames on a terminal, as plain text elsewhere.

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use super::files::Files;
use super::problem::{Problem, Severity};

/// Most problems that are written out; the rest are counted. Own choice: ten screens.
pub const SHOWN_MAX: usize = 200;

/// How problems are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// With colours: a terminal.
    Colour,
    /// Without: a pipe, a file, or `NO_COLOR`.
    Plain,
}

/// Writes problems out, one after the other, and a last line that counts them. `width` is the
/// number of columns, at least 40. Empty when there are none.
pub fn render(problems: &[Problem], files: &Files, look: Look, width: usize) -> String {
    let theme = match look {
        Look::Colour => GraphicalTheme::unicode(),
        Look::Plain => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width.max(40))
        .with_links(false)
        .without_syntax_highlighting();
    let mut text = String::new();
    for problem in problems.iter().take(SHOWN_MAX) {
        let report = report(problem, files);
        if handler.render_report(&mut text, report.as_ref()).is_err() {
            text.push_str(&one_line(problem));
        }
        text.push('\n');
    }
    if !problems.is_empty() {
        text.push_str(&count(problems));
        text.push('\n');
    }
    text
}

/// One problem in one line, for logs: `ladders.toml:12:8: unknown-line: there is no line frist`.
pub fn one_line(problem: &Problem) -> String {
    let Problem { file, line, column, code, message, .. } = problem;
    match (line, column) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}: {code}: {message}"),
        _ if file.is_empty() => format!("{code}: {message}"),
        _ => format!("{file}: {code}: {message}"),
    }
}

fn report(problem: &Problem, files: &Files) -> Report {
    let severity = match problem.severity {
        Severity::Problem => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
    };
    let message = match &problem.span {
        // Without a place nothing else would name the file.
        None if !problem.file.is_empty() && !problem.message.contains(&problem.file) => {
            format!("{}: {}", problem.file, problem.message)
        }
        _ => problem.message.clone(),
    };
    let mut diagnostic = MietteDiagnostic::new(message)
        .with_code(problem.code)
        .with_severity(severity)
        .with_help(&problem.help);
    let text = files.text(&problem.file);
    let (Some(span), Some(text)) = (&problem.span, text) else { return Report::new(diagnostic) };
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    diagnostic = diagnostic.with_label(LabeledSpan::new(None, start, end - start));
    Report::new(diagnostic).with_source_code(NamedSource::new(&problem.file, text.to_owned()))
}

fn count(problems: &[Problem]) -> String {
    let graves = problems.iter().filter(|p| p.severity == Severity::Problem).count();
    let warnings = problems.len() - graves;
    let number = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let shown = match problems.len() {
        all if all > SHOWN_MAX => format!("; the first {SHOWN_MAX} are shown"),
        _ => String::new(),
    };
    format!("{}, {}{shown}", number(graves, "problem"), number(warnings, "warning"))
}
