//! Tables: columns that stay aligned whatever stands in them.

use unicode_width::UnicodeWidthChar as _;

use crate::output::escaped;

/// One column.
pub(crate) struct Column {
    heading: &'static str,
    /// In columns of the terminal.
    least: usize,
    most: usize,
}

impl Column {
    /// Always that wide; what is longer is cut.
    pub(crate) const fn of(heading: &'static str, width: usize) -> Self {
        Self { heading, least: width, most: width }
    }

    /// That wide at least, and as wide as what stands in it: nothing is cut.
    pub(crate) const fn whole(heading: &'static str, least: usize) -> Self {
        Self { heading, least, most: usize::MAX }
    }

    fn width(&self, cells: impl Iterator<Item = usize>) -> usize {
        cells.max().unwrap_or_default().max(width(self.heading)).clamp(self.least, self.most)
    }
}

/// A title between rules, the headings, and a row a line.
pub(crate) struct Table<const N: usize> {
    pub(crate) title: &'static str,
    pub(crate) columns: [Column; N],
    /// Text from outside is escaped here.
    pub(crate) rows: Vec<[String; N]>,
    /// How long the rules are.
    pub(crate) rule: usize,
}

impl<const N: usize> Table<N> {
    pub(crate) fn render(&self) -> String {
        let rows: Vec<[String; N]> =
            self.rows.iter().map(|row| row.each_ref().map(|cell| escaped(cell))).collect();
        let widths: [usize; N] = std::array::from_fn(|at| {
            self.columns[at].width(rows.iter().map(|row| width(&row[at])))
        });
        let headings = self.columns.each_ref().map(|column| column.heading.to_owned());
        let (double, single) = ("=".repeat(self.rule), "-".repeat(self.rule));
        let mut lines = vec![self.title.to_owned(), double.clone(), line(&headings, &widths)];
        lines.push(single);
        lines.extend(rows.iter().map(|row| line(row, &widths)));
        lines.push(double);
        lines.join("\n") + "\n"
    }
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let cells: Vec<String> =
        cells.iter().zip(widths).map(|(cell, wide)| padded(&cut(cell, *wide), *wide)).collect();
    cells.join(" ").trim_end().to_owned()
}

/// How many columns a terminal gives the text: two to a wide character, none to one that is
/// written over the character before it.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or_default()).sum()
}

/// What of the text fits into so many columns. A character goes with what is written over it.
fn cut(text: &str, columns: usize) -> String {
    let mut room = columns;
    let mut fits = text.chars().take_while(|c| {
        let left = room.checked_sub(c.width().unwrap_or_default());
        room = left.unwrap_or_default();
        left.is_some()
    });
    fits.by_ref().collect()
}

fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 2]]) -> Vec<String> {
        let table = Table {
            title: "Things:",
            columns: [Column::whole("Name", 6), Column::of("Note", 8)],
            rows: rows.iter().map(|row| row.map(str::to_owned)).collect(),
            rule: 15,
        };
        table.render().lines().map(str::to_owned).collect()
    }

    #[test]
    fn wide_and_combining_characters_keep_the_columns_aligned() {
        let lines = table(&[["bob", "x"], ["日本", "x"], ["e\u{301}ve", "x"], ["🙂", "x"]]);
        let before_note = |line: &String| width(line.split('x').next().unwrap());
        assert!(lines[4..8].iter().all(|line| before_note(line) == 7), "{lines:#?}");
    }

    #[test]
    fn a_column_grows_or_cuts_as_it_was_told() {
        let lines = table(&[["a-long-name", "a note that is long"], ["b", "日本日本日"]]);
        assert_eq!(lines[2], "Name        Note");
        assert_eq!(lines[4], "a-long-name a note t");
        // Half of a wide character is none.
        assert_eq!(lines[5], "b           日本日本");
    }

    #[test]
    fn no_row_breaks_out_of_its_line() {
        let lines = table(&[["a\nb", "\u{1b}[31m"], ["c\u{202e}d", "\t"]]);
        assert_eq!(lines.len(), 7);
        assert!(!lines.concat().contains(['\u{1b}', '\u{202e}', '\t']));
    }
}
