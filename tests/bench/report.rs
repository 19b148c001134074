//! What a program found: figures, ratios, and targets reached or missed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What one program found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub program: String,
    pub tables: Vec<Table>,
    pub targets: Vec<Target>,
    /// What the reader must know of the figures.
    pub notes: Vec<String>,
}

/// Figures side by side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number, with the digits that mean something.
    Figure(f64),
    Text(String),
}

impl From<f64> for Cell {
    fn from(figure: f64) -> Self {
        Self::Figure(figure)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// What a figure must reach.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub measure: String,
    pub found: f64,
    pub bound: f64,
    /// Whether the bound is the most it may be, or the least.
    pub at_most: bool,
    /// `x` for a ratio, else a unit.
    pub unit: String,
}

impl Target {
    pub fn at_most(measure: &str, found: f64, bound: f64, unit: &str) -> Self {
        Self {
            measure: measure.to_owned(),
            found,
            bound,
            at_most: true,
            unit: unit.to_owned(),
        }
    }

    pub fn at_least(measure: &str, found: f64, bound: f64, unit: &str) -> Self {
        Self {
            at_most: false,
            ..Self::at_most(measure, found, bound, unit)
        }
    }

    pub fn is_reached(&self) -> bool {
        if self.at_most {
            self.found <= self.bound
        } else {
            self.found >= self.bound
        }
    }
}

impl Table {
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row {
            name: name.into(),
            cells: cells.into_iter().collect(),
        });
    }
}

impl Report {
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            ..Self::default()
        }
    }

    /// As text for a screen.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            let header = [vec![table.title.clone()], table.columns.clone()].concat();
            let rows = table.rows.iter().map(|row| {
                let cells = row.cells.iter().map(Cell::text);
                [row.name.clone()].into_iter().chain(cells).collect()
            });
            let lines: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
            let _ = writeln!(text, "{}", aligned(&lines));
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    /// Writes it as JSON.
    pub fn save(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(format!("{}.json", self.program));
        let json = serde_json::to_string_pretty(self).unwrap();
        fs::write(path, json + "\n").unwrap();
    }
}

/// All targets of some reports, as text for a screen.
pub fn verdicts<'a>(reports: impl IntoIterator<Item = &'a Report>) -> String {
    let header = ["target", "found", "bound", ""].map(str::to_owned).to_vec();
    let mut lines = vec![header];
    for target in reports.into_iter().flat_map(|report| &report.targets) {
        let sign = if target.at_most {
            "at most"
        } else {
            "at least"
        };
        let verdict = if target.is_reached() {
            "reached"
        } else {
            "MISSED"
        };
        lines.push(vec![
            target.measure.clone(),
            format!("{} {}", figure(target.found), target.unit),
            format!("{sign} {} {}", figure(target.bound), target.unit),
            verdict.to_owned(),
        ]);
    }
    aligned(&lines)
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Figure(number) => figure(*number),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A number with three digits or more, as many as it has before its point.
fn figure(number: f64) -> String {
    let digits = match number.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{number:.digits$}")
}

/// Columns of the same width: the first to the left, the others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut cells = line.iter().zip(&widths);
        if let Some((cell, width)) = cells.next() {
            let _ = write!(text, "{cell:<width$}");
        }
        for (cell, width) in cells {
            let _ = write!(text, "  {cell:>width$}");
        }
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    }
    text
}
