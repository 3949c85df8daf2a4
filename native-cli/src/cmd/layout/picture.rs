//! The layout for people: a picture of the stream, sums, the worst chunks.

use std::io::{self, Write};

use indicatif::{BinaryBytes, HumanCount};
use pxkit_core::access::Source;
use pxkit_core::layout::compare::Change;
use pxkit_core::layout::{Class, Column, Findings, Remnants, Rewrite, Totals, curve};

use super::View;
use crate::cmd::table;

/// Columns of the picture.
const WIDTH: usize = 72;
/// Findings that are printed.
const FINDINGS: usize = 20;

/// Prints everything.
pub(super) fn print(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    let layout = view.archive.layout();
    let totals = layout.totals();
    head(view, &totals, out)?;
    writeln!(out)?;
    picture(view, out)?;
    if layout.index().is_some() {
        writeln!(out)?;
        chunks(view, out)?;
    }
    padding(view, out)?;
    previous(view, out)?;
    findings(view, out)
}

fn head(view: &View<'_>, totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let layout = view.archive.layout();
    let stream = match view.archive.map.source() {
        Source::Payload => "payload stream",
        Source::Meta => "archive",
    };
    writeln!(out, "{}", view.archive.name)?;
    let unsure = if view.archive.is_size_known { "" } else { " or more: the payload file was not given" };
    line(out, stream, layout.size(), unsure)?;
    let files =
        format!(", {} of {} entries", count(totals.files, "file"), HumanCount(layout.tree().len() as u64));
    line(out, "contents", totals.live, &files)?;
    let mut classes = String::new();
    for class in Class::ALL {
        let bytes = totals.padding.of(class);
        if bytes > 0 {
            classes += if classes.is_empty() { ": " } else { ", " };
            classes += &format!("{} {}", class.name(), BinaryBytes(bytes));
        }
    }
    let score = format!(", {} of contents{classes}", percent(totals.padding.total(), totals.live));
    if view.archive.map.source() == Source::Payload {
        return line(out, "padding", totals.padding.total(), &score);
    }
    line(out, "metadata", totals.metadata, "")
}

fn line(out: &mut impl Write, what: &str, bytes: u64, note: &str) -> io::Result<()> {
    writeln!(out, "{what:<16}{:>12}{note}", BinaryBytes(bytes).to_string())
}

fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "nothing".to_owned();
    }
    format!("{:.2} %", part as f64 * 100.0 / whole as f64)
}

/// A bar of the whole stream: the darker, the more of it are contents; below it, letters for the padding that is most in a column.
fn picture(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    let layout = view.archive.layout();
    let columns = layout.columns(0..layout.size(), WIDTH, |_| 0);
    let bar: String = columns.iter().map(shade).collect();
    writeln!(out, "|{bar}|")?;
    let letters: String = columns.iter().map(letter).collect();
    if !letters.trim().is_empty() {
        writeln!(out, " {}", letters.trim_end())?;
        let used = |class: &&Class| letters.contains(symbol(**class));
        let legend =
            Class::ALL.iter().filter(used).map(|&class| format!("{} {}", symbol(class), class.name()));
        writeln!(out, " padding: {}", legend.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

fn shade(column: &Column) -> char {
    let live: u64 = column.live.iter().sum();
    let rest = column.padding.total() + column.metadata;
    let all = live + column.markers + rest;
    let rest = u128::from(rest);
    match rest * 4 {
        _ if all == 0 => ' ',
        0 => '█',
        quarters if quarters < u128::from(all) => '▓',
        quarters if quarters < 3 * u128::from(all) => '▒',
        _ if live + column.markers > 0 => '░',
        _ => '·',
    }
}

fn letter(column: &Column) -> char {
    let most = Class::ALL
        .into_iter()
        .max_by_key(|&class| (column.padding.of(class), Class::ALL.len() - class as usize));
    most.filter(|&class| column.padding.of(class) > 0).map_or(' ', symbol)
}

const fn symbol(class: Class) -> char {
    match class {
        Class::Head => 'h',
        Class::Tail => 't',
        Class::Whole => 'w',
        Class::Inner => 'i',
        Class::Gap => 'g',
    }
}

/// The worst chunks, and what it would take to be rid of them.
fn chunks(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    let layout = view.archive.layout();
    let curve = curve(&layout, &view.chunks);
    let all = view.chunks.len() as u64;
    let mean = layout.index().map_or(0, |index| index.size() / all.max(1));
    writeln!(
        out,
        "{} of {} on average, {} with padding",
        count(all, "chunk"),
        BinaryBytes(mean),
        HumanCount(curve.len() as u64)
    )?;
    let Some(&Rewrite { reads, frees, .. }) = curve.last() else { return Ok(()) };
    let rows: Vec<_> = view
        .report()
        .worst(&curve)
        .iter()
        .zip(&curve)
        .map(|(chunk, rewrite)| {
            let per_mille = chunk.use_per_mille();
            let age = view.ages.as_ref().map_or_else(String::new, |ages| ages[chunk.number].to_string());
            [
                chunk.number.to_string(),
                chunk.extent.start.to_string(),
                BinaryBytes(chunk.size()).to_string(),
                format!("{}.{} %", per_mille / 10, per_mille % 10),
                BinaryBytes(chunk.dead()).to_string(),
                chunk.files.len().to_string(),
                age,
                BinaryBytes(rewrite.reads).to_string(),
                signed(rewrite.frees),
                chunk.digest.to_string()[..16].to_owned(),
            ]
        })
        .collect();
    let head = ["chunk", "start", "size", "used", "padding", "files", "age", "Σ reads", "Σ frees", "digest"];
    table::print(head, &rows, &[0, 1, 2, 3, 4, 5, 6, 7, 8], out)?;
    writeln!(out, "all of them written anew: {} read, {} freed", BinaryBytes(reads), signed(frees))
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", BinaryBytes(bytes.unsigned_abs()))
}

/// What padding is and was.
fn padding(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    if let Some(Remnants { ghosts, ghost_bytes, marker_bytes, unknown_bytes, .. }) = &view.remnants {
        writeln!(out)?;
        line(out, "ghosts", *ghost_bytes, &format!(", {}", count(*ghosts, "file")))?;
        line(out, "old markers", *marker_bytes, "")?;
        line(out, "unknown", *unknown_bytes, "")?;
    }
    let layout = view.archive.layout();
    let Some(history) = view.history.as_ref().filter(|_| layout.index().is_some()) else { return Ok(()) };
    let sums = history.padding(&layout);
    if sums.iter().all(|&bytes| bytes == 0) {
        return Ok(());
    }
    writeln!(out, "\npadding was needed last by")?;
    for (older, bytes) in view.older().zip(&sums) {
        writeln!(out, "{:>12}  {older}", BinaryBytes(*bytes).to_string())?;
    }
    let unknown = sums.last().copied().unwrap_or_default();
    if unknown > 0 {
        writeln!(out, "{:>12}  none of them", BinaryBytes(unknown).to_string())?;
    }
    Ok(())
}

fn previous(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(previous) = &view.previous else { return Ok(()) };
    writeln!(out, "\nsince {}", previous.archive.name)?;
    for change in Change::ALL {
        let (entries, bytes) = previous.sums.of(change);
        if entries > 0 {
            let note = format!(
                "  {}",
                if entries == 1 { "1 entry".into() } else { format!("{} entries", HumanCount(entries)) }
            );
            line(out, change.name(), bytes, &note)?;
        }
    }
    if let Some(sharing) = previous.sharing {
        for (what, (chunks, bytes)) in
            [("shared", sharing.both), ("new", sharing.second), ("gone", sharing.first)]
        {
            line(out, &format!("{what} chunks"), bytes, &format!("  {}", count(chunks, "chunk")))?;
        }
    }
    if let Some(again) = previous.again {
        let sums = [("unchanged", again.unchanged), ("metadata", again.metadata), ("moved", again.moved)];
        for (why, (files, bytes)) in sums {
            if files > 0 {
                let note = format!("  {} ({why}), contents as before", count(files, "file"));
                line(out, "stored again", bytes, &note)?;
            }
        }
    }
    Ok(())
}

fn findings(view: &View<'_>, out: &mut impl Write) -> io::Result<()> {
    let findings = &view.findings;
    if findings.total() == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", count(findings.total(), "finding"))?;
    for finding in findings.kept().iter().take(FINDINGS) {
        write!(out, "{:>14}  ", finding.offset)?;
        if let Some(id) = finding.entry {
            let mut path = vec![b'/'];
            view.archive.tree.path(id, &mut path);
            crate::text::quote(out, &path)?;
            write!(out, ": ")?;
        }
        writeln!(out, "{}", finding.what)?;
    }
    let more = findings.total().saturating_sub(FINDINGS as u64);
    if more > 0 {
        writeln!(out, "and {more} more: --csv findings lists up to {}", Findings::KEPT)?;
    }
    Ok(())
}
