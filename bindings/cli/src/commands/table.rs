//! Rows in columns, wrapped to the terminal. Nothing is ever cut: half a dose is worse than two lines.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use console::{Term, measure_text_width};

/// Narrower than this nothing can be laid out.
const NARROWEST: u16 = 60;
/// Columns between two columns.
const GAP: u16 = 2;

/// Columns of the terminal, or what `COLUMNS` says. `None`: the output goes to a program, which wants no wrapping.
pub(super) fn screen_width() -> Option<u16> {
    let told = std::env::var("COLUMNS").ok().and_then(|n| n.parse().ok());
    let there = || Term::stdout().size_checked().map(|(_, columns)| columns);
    told.or_else(there)
        .map(|columns: u16| columns.max(NARROWEST))
}

/// The lines of a table. Each of `narrow` is a column that is not wrapped as long as its content is no wider than that;
/// columns without any content are left out.
pub(super) fn lines(
    width: Option<u16>,
    header: Option<&[&str]>,
    narrow: &[(usize, usize)],
    rows: &[Vec<String>],
) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let used: Vec<usize> = (0..columns)
        .filter(|at| {
            rows.iter()
                .any(|row| row.get(*at).is_some_and(|t| !t.is_empty()))
        })
        .collect();
    let cell = |row: &Vec<String>, at: &usize| row.get(*at).cloned().unwrap_or_default();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(header) = header {
        let titles = used
            .iter()
            .map(|at| header.get(*at).copied().unwrap_or_default());
        table.set_header(titles.collect::<Vec<_>>());
    }
    table.add_rows(
        rows.iter()
            .map(|row| used.iter().map(|at| cell(row, at)).collect::<Vec<_>>()),
    );
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            // The gap behind the last column may hang over.
            table.set_width(width.saturating_add(GAP));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for (column, at) in used.iter().enumerate() {
        let widest = rows
            .iter()
            .map(|row| measure_text_width(&cell(row, at)))
            .max();
        if let Some(column) = table.column_mut(column) {
            column.set_padding((0, GAP));
            if narrow
                .iter()
                .any(|(column, most)| column == at && widest <= Some(*most))
            {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}
