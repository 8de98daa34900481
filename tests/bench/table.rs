//! The table: one row a figure, with its floor and its goal beside it.

use std::fmt;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
    facts: Vec<String>,
}

impl Table {
    /// A line above the table.
    pub fn fact(&mut self, text: String) {
        self.facts.push(text);
    }

    /// A figure without floor.
    pub fn row(&mut self, name: &str, ours: &str, goal: &str) {
        self.push([name, ours, "", "", goal]);
    }

    /// A figure beside its floor; both in the same unit, with its name.
    pub fn beside(&mut self, name: &str, (ours, floor): (f64, f64), unit: &str, goal: &str) {
        let ratio = format!("{:.2}", ours / floor);
        self.push([name, &said(ours, unit), &said(floor, unit), &ratio, goal]);
    }

    fn push(&mut self, row: [&str; 5]) {
        eprintln!("    {}", row.join(" | "));
        self.rows.push(row.map(str::to_owned));
    }
}

/// A number with three digits that matter, and its unit.
pub fn said(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.facts {
            writeln!(f, "{fact}")?;
        }
        writeln!(f)?;
        let head = ["figure", "anling", "floor", "ratio", "goal"].map(str::to_owned);
        let all: Vec<&[String; 5]> = std::iter::once(&head).chain(&self.rows).collect();
        let wide = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..5).filter_map(wide).collect();
        for row in all {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
