//! Tables for people.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use terminal_size::{Width, terminal_size_of};

use super::clean;

/// The rows below their header, columns apart by spaces.
///
/// A row is one line. On a terminal the first `whole` columns are whole, and the
/// others are cut so that the line fits; elsewhere nothing is cut.
pub fn draw(header: &[&str], whole: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let width = terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| columns);
    draw_within(width, header, whole, rows)
}

fn draw_within(
    columns_max: Option<u16>,
    header: &[&str],
    whole: usize,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_truncation_indicator("…");
    table.set_header(header.iter().copied());
    for row in rows {
        let mut row = Row::from(row.iter().map(|cell| clean::line(cell)));
        row.max_height(1);
        table.add_row(row);
    }
    if let Some(columns_max) = columns_max {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns_max);

        table.set_constraints(std::iter::repeat_n(ColumnConstraint::ContentWidth, whole));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A time of the API, to the second.
pub fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// What stands in a cell without a value.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A number of things in words: `1 event`, `2 events`.
pub fn count(number: impl Into<u64>, thing: &str) -> String {
    match number.into() {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns_max: Option<u16>, expected: &str) {
        let rows = [
            [
                "shipping.1.9f86d081884c",
                "8",
                "the bank\ndid not answer within five seconds",
            ],
            ["mail.12.60303ae22b99", "12", "\u{1b}[2Jno"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let table = draw_within(columns_max, &["DELIVERY", "ATTEMPTS", "REASON"], 2, rows);
        assert_eq!(table, expected);
    }

    #[test]
    fn a_table_is_not_cut_where_there_is_no_terminal() {
        check(
            None,
            "\
DELIVERY                 ATTEMPTS  REASON
shipping.1.9f86d081884c  8         the bank did not answer within five seconds
mail.12.60303ae22b99     12        [2Jno
",
        );
    }

    #[test]
    fn a_terminal_cuts_only_columns_that_need_not_be_whole() {
        check(
            Some(56),
            "\
DELIVERY                 ATTEMPTS  REASON
shipping.1.9f86d081884c  8         the bank did not…
mail.12.60303ae22b99     12        [2Jno
",
        );
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(draw_within(None, &["A", "B"], 1, []), "A  B\n");
    }
}
