//! Tables for people: columns as wide as they must be.

use std::io;

/// Prints rows under a head; columns named in `right` end on the same line, the others begin there.
pub(super) fn print<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    right: &[usize],
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let blanks = " ".repeat(width - cell.chars().count());
            let gap = if at == 0 { "" } else { "  " };
            let cell = if right.contains(&at) { blanks + cell } else { cell.clone() + &blanks };
            line.extend([gap, &cell]);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["ä".to_owned(), "5".to_owned(), String::new()],
            ["bcd".to_owned(), "1234".to_owned(), "x".to_owned()],
        ];
        let mut out = Vec::new();
        print(["n", "size", "z"], &rows, &[1], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "n    size  z\nä       5\nbcd  1234  x\n");
    }
}
