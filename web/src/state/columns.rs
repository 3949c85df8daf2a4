//! Columns of the table of files: which of them there is room for.

use crate::protocol::files::Sort;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// By what it sorts.
    pub sort: Sort,
    /// Its heading.
    pub name: &'static str,
    /// What it is, at length.
    pub about: &'static str,
    /// Pixels.
    pub width: u32,
    /// Numbers, which are aligned to the right.
    pub number: bool,
    /// The largest are wanted first.
    pub largest_first: bool,
}

/// The fewest pixels of a name.
const NAME: u32 = 200;
/// The fewest pixels of a name where there is little room at all.
const LITTLE: u32 = 120;

const fn column(sort: Sort, name: &'static str, about: &'static str, width: u32) -> Column {
    Column { sort, name, about, width, number: true, largest_first: true }
}

/// All, in the order in which they stand. The first takes the room that is left.
pub const COLUMNS: [Column; 9] = [
    Column { number: false, largest_first: false, ..column(Sort::Name, "Name", "Name of the entry", 0) },
    column(Sort::Size, "Size", "Bytes of contents; of a directory, of all that is in it", 88),
    column(Sort::Entries, "Entries", "Entries below a directory", 76),
    Column { number: false, largest_first: false, ..column(Sort::Mode, "Mode", "Kind and permissions", 92) },
    Column {
        number: false,
        largest_first: false,
        ..column(Sort::Owner, "Owner", "Owner and group by number", 88)
    },
    Column { number: false, ..column(Sort::Mtime, "Modified", "Time of the last modification, local", 164) },
    Column {
        largest_first: false,
        ..column(
            Sort::Offset,
            "Offset",
            "Where the payload begins, with its header, in the payload stream",
            108,
        )
    },
    column(Sort::Chunks, "Chunks", "Chunks that hold the contents", 72),
    column(Sort::Padding, "Padding", "Unused bytes directly before and behind the contents", 84),
];

/// In which order columns get room.
const FIRST: [Sort; 8] = [
    Sort::Size,
    Sort::Mtime,
    Sort::Mode,
    Sort::Owner,
    Sort::Padding,
    Sort::Chunks,
    Sort::Offset,
    Sort::Entries,
];

/// Whether there is something to sort by in this way.
pub const fn exists(sort: Sort, has_chunks: bool, has_payload: bool) -> bool {
    match sort {
        Sort::Chunks => has_chunks,
        Sort::Padding => has_payload,
        _ => true,
    }
}

/// The columns that fit into so many pixels. A column by which the list is sorted is shown before all others.
pub fn fitting(width: f64, sort: Sort, has_chunks: bool, has_payload: bool) -> Vec<Column> {
    let name = if width < 360.0 { LITTLE } else { NAME };
    let mut room = (width.max(0.0) as u32).saturating_sub(name);
    let mut chosen = vec![Sort::Name];
    for wanted in [sort].into_iter().chain(FIRST) {
        let column =
            COLUMNS.iter().find(|column| column.sort == wanted && exists(wanted, has_chunks, has_payload));
        if let Some(column) = column.filter(|column| column.width <= room && !chosen.contains(&column.sort)) {
            room -= column.width;
            chosen.push(wanted);
        } else if column.is_some_and(|column| column.width > room) {
            break;
        }
    }
    COLUMNS.into_iter().filter(|column| chosen.contains(&column.sort)).collect()
}

/// The columns as `grid-template-columns`.
pub fn template(columns: &[Column]) -> String {
    let widths = columns.iter().map(|column| match column.width {
        0 => "minmax(0, 1fr)".to_owned(),
        width => format!("{width}px"),
    });
    widths.collect::<Vec<_>>().join(" ")
}

/// The template of the widest of these widths that there is room for; they are in growing order.
pub fn by_width(width: f64, templates: &[(f64, &'static str)]) -> &'static str {
    templates
        .iter()
        .rev()
        .find(|(least, _)| width >= *least)
        .or(templates.first())
        .map_or("", |(_, template)| template)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(width: f64, sort: Sort) -> Vec<&'static str> {
        fitting(width, sort, true, true).iter().map(|column| column.name).collect()
    }

    #[test]
    fn columns_go_one_by_one_when_it_gets_narrow() {
        assert_eq!(names(1000.0, Sort::Archive).len(), COLUMNS.len());
        assert_eq!(names(720.0, Sort::Archive), ["Name", "Size", "Mode", "Owner", "Modified", "Padding"]);
        assert_eq!(names(300.0, Sort::Archive), ["Name", "Size"]);
        assert_eq!(names(100.0, Sort::Archive), ["Name"]);
        assert_eq!(names(0.0, Sort::Archive), ["Name"]);
    }

    #[test]
    fn what_is_sorted_by_is_shown() {
        assert_eq!(names(340.0, Sort::Padding), ["Name", "Size", "Padding"]);
        assert_eq!(names(300.0, Sort::Offset), ["Name", "Offset"]);
    }

    #[test]
    fn what_is_not_known_has_no_column() {
        let columns = fitting(2000.0, Sort::Chunks, false, false);
        assert!(columns.iter().all(|column| !matches!(column.sort, Sort::Chunks | Sort::Padding)));
        assert_eq!(template(&columns[..2]), "minmax(0, 1fr) 88px");
    }
}
