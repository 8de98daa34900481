//! Cells that a spreadsheet would not leave alone, and the mark that makes it.
//!
//! A cell that begins with `=` is a formula to a spreadsheet, and a formula can send a list of
//! residents elsewhere; a telephone number loses its leading zeros or becomes 1.38E+10, and 3-2-12
//! becomes a day. A leading apostrophe makes all of these text. [`guarded`] puts it there and
//! [`unguarded`] takes it away again, also where a person typed it in Excel to the same end; every
//! cell comes back as it was.

use std::borrow::Cow;

use super::Form;

/// What makes a cell text and not a formula or a number.
const MARK: char = '\'';

/// A cell as it is written.
pub(super) fn guarded(cell: &str, form: Form) -> Cow<'_, str> {
    let needed = match form {
        Form::Spreadsheet => is_touched(cell),
        // Only what would be read away again.
        Form::Plain => cell.strip_prefix(MARK).is_some_and(is_touched),
    };
    if needed { Cow::Owned(format!("{MARK}{cell}")) } else { Cow::Borrowed(cell) }
}

/// A cell as it was meant.
pub(super) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix(MARK).filter(|rest| is_touched(rest)).unwrap_or(cell)
}

/// Whether a spreadsheet would calculate with it, change it, or take its first sign away.
fn is_touched(cell: &str) -> bool {
    let formula = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', MARK];
    cell.starts_with(formula) || is_changed_number(cell)
}

/// Whether it looks like a number, a day or a time that would be shown and saved otherwise.
fn is_changed_number(cell: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if digits(cell) {
        return cell.len() >= 10 || (cell.len() > 1 && cell.starts_with('0'));
    }
    let pair = |at: &[char]| cell.split_once(at).is_some_and(|(a, b)| digits(a) && digits(b));
    let parts: Vec<&str> = cell.split(['-', '/', ':']).collect();
    let day = (2..=3).contains(&parts.len()) && parts.iter().all(|p| digits(p) && p.len() <= 4);
    day || pair(&['e', 'E']) || pair(&['.'])
}

/// Whether a spreadsheet has already made a rounded number of it: 1.38E+10.
pub(super) fn is_mangled(cell: &str) -> bool {
    let Some((number, power)) = cell.split_once(['e', 'E']) else { return false };
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    plain(&number.replacen('.', "", 1)) && power.strip_prefix('+').is_some_and(plain)
}

/// Whether a spreadsheet says that it could not calculate, or that a column is too narrow.
pub(super) fn is_error(cell: &str) -> bool {
    const ERRORS: [&str; 7] = ["#NAME?", "#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"];
    ERRORS.contains(&cell) || (cell.len() >= 3 && cell.bytes().all(|b| b == b'#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_and_numbers_are_marked_and_plain_words_are_not() {
        for cell in ["=HYPERLINK(\"x\")", "+86 138", "-1", "@SUM", "＝1+1", "'x"] {
            assert_eq!(guarded(cell, Form::Spreadsheet), format!("'{cell}"), "{cell}");
        }
        for cell in ["0755123", "13800000000", "3-2-12", "2026/1/1", "12:30", "3E5", "3.10"] {
            assert_eq!(guarded(cell, Form::Spreadsheet), format!("'{cell}"), "{cell}");
        }
        for cell in ["", "0", "501", "1944", "3-2-50100", "R0007", "王桂芳", "3号楼", "yes", "E5"]
        {
            assert_eq!(guarded(cell, Form::Spreadsheet), cell);
        }
        assert_eq!(guarded("0755123", Form::Plain), "0755123");
        assert_eq!(guarded("'0755123", Form::Plain), "''0755123");
    }

    #[test]
    fn what_a_spreadsheet_has_spoilt_is_known() {
        assert!(["1.38E+10", "1E+2", "1.5e+11"].into_iter().all(is_mangled));
        assert!(!["E+1", "1.38", "3E5", "a1E+1", "1E+"].into_iter().any(is_mangled));
        assert!(["#N/A", "#REF!", "########"].into_iter().all(is_error));
        assert!(!["#", "##", "#3", "*110#"].into_iter().any(is_error));
    }

    proptest! {
        #[test]
        fn a_cell_comes_back_as_it_was(cell in "['=+@0-9Ee./:a王＝-]{0,8}") {
            for form in [Form::Plain, Form::Spreadsheet] {
                let written = guarded(&cell, form);
                prop_assert_eq!(unguarded(&written), cell.as_str());
            }
            prop_assert!(!guarded(&cell, Form::Spreadsheet).starts_with(['=', '+', '-', '@']));
        }
    }
}
