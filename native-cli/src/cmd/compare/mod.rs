//! `pxkit compare`: what differs between two trees, or between all archives of two snapshots.

mod operand;
mod output;

use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, bail};
use pxkit_core::compare::{Change, Fields};
use pxkit_core::format::Kind;
use pxkit_core::pattern::MatchType;

use self::operand::{Member, Operand, Stored, members};
use self::output::Output;
use super::patterns;
use crate::cli::Compare;
use crate::compare::{Comparer, Comparison, Contents, Difference, Item, Side};
use crate::report::{Outcome, Report};

/// Compares.
///
/// # Errors
/// Something cannot be read or compared.
pub fn run(args: &Compare) -> anyhow::Result<Outcome> {
    let patterns = patterns(&args.patterns, MatchType::Include)?;
    let (old, new) = (Operand::old(args)?, Operand::new(args)?);
    let report = Report::new(true);
    let choice = anstream::AutoStream::choice(&io::stdout());
    let out = BufWriter::with_capacity(1 << 16, anstream::AutoStream::new(io::stdout().lock(), choice));
    let output = Output::new(out, args.json, args.stat);
    let is_partial = !patterns.is_empty();
    let mut run =
        Run { report: &report, patterns, comparer: Comparer::default(), output, has_matches: false };
    let result = run.operands(old, new);
    let flushed = run.output.finish(&run.comparer);
    result?;
    flushed.context("cannot write to standard output")?;
    if is_partial && !run.has_matches {
        // A mistake in a pattern had better not look like two trees that are the same.
        bail!("no entry matches the patterns");
    }
    if report.warnings() > 0 {
        bail!("not everything could be compared");
    }
    Ok(if run.output.is_same() { Outcome::Complete } else { Outcome::Different })
}

struct Run<'a, W: Write> {
    report: &'a Report,
    patterns: Vec<pxkit_core::pattern::Pattern>,
    comparer: Comparer,
    output: Output<W>,
    /// Whether there was anything to compare.
    has_matches: bool,
}

impl<W: Write> Run<'_, W> {
    fn operands(&mut self, old: Operand, new: Operand) -> anyhow::Result<()> {
        match (old, new) {
            (Operand::Snapshot(old), Operand::Snapshot(new)) => self.snapshots(&old, &new),
            (old, new) => self.trees(None, &old.into_side()?, &new.into_side()?),
        }
    }

    /// Compares all that is in two snapshots, by name.
    fn snapshots(&mut self, old: &Stored, new: &Stored) -> anyhow::Result<()> {
        let (before, after) = (members(old)?, members(new)?);
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let is_single = names.len() == 1;
        for name in names {
            match (before.get(name), after.get(name)) {
                (Some(Member::Tree(a)), Some(Member::Tree(b))) => {
                    let label = (!is_single).then_some(&**name);
                    let (a, b) = (old.side(a)?, new.side(b)?);
                    self.trees(label, &a, &b)?;
                }
                (Some(a), Some(b)) => self.bytes(name, (old, a), (new, b))?,
                // What only one has matters unless somebody asked for certain paths.
                _ if !self.patterns.is_empty() => {}
                (a, _) => {
                    let change = if a.is_some() { Change::Removed } else { Change::Added };
                    self.whole(name, change)?;
                }
            }
        }
        Ok(())
    }

    fn trees(&mut self, label: Option<&str>, old: &Side, new: &Side) -> anyhow::Result<()> {
        let comparison = Comparison { old, new, patterns: &self.patterns, report: self.report };
        let (output, has_matches) = (&mut self.output, &mut self.has_matches);
        comparison.run(&mut self.comparer, &mut |difference| {
            *has_matches = true;
            output.difference(label, difference).context("cannot write to standard output")
        })
    }

    /// Compares images and small files.
    fn bytes(&mut self, name: &str, old: (&Stored, &Member), new: (&Stored, &Member)) -> anyhow::Result<()> {
        if !self.patterns.is_empty() {
            return Ok(());
        }
        let is_same = match (old.1, new.1) {
            (Member::Blob(a), Member::Blob(b)) => old.0.blob(a)? == new.0.blob(b)?,
            (Member::Image(a), Member::Image(b)) => {
                old.0.has_same_index(a, new.0, b)
                    || self
                        .comparer
                        .are_same(&Contents::whole(old.0.image(a)?), &Contents::whole(new.0.image(b)?))?
            }
            _ => return self.whole(name, Change::Kind),
        };
        self.whole(name, if is_same { Change::Unchanged } else { Change::Contents })
    }

    fn whole(&mut self, name: &str, change: Change) -> anyhow::Result<()> {
        let item = Item { kind: Kind::File, ..Item::default() };
        let has_old = change != Change::Added;
        let difference = Difference {
            change,
            fields: Fields::NONE,
            old: has_old.then_some(&item),
            new: (change != Change::Removed).then_some(&item),
        };
        self.output.archive(name, &difference).context("cannot write to standard output")
    }
}
