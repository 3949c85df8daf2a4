//! What differs between two trees: archives, snapshots' archives, directories, in any mix.
//!
//! Both sides are read in the one order that sorted archives and walks have, and merged (`join`): memory does not grow with the trees. It is done
//! twice. First only to see which files one side lacks, and to find out which of those are the same file under another path (`moved`); an
//! archive that proves to be in another order is then read into a table instead. The second time every entry is compared and told at once.
//!
//! Contents are compared by the chunks that they lie in, where both sides have any, and read only where those say nothing ([`Contents`]). The verdicts are
//! [`pxkit_core::compare`]'s.

mod contents;
mod directory;
mod item;
mod join;
mod moved;
mod side;

use anyhow::Context as _;
use pxkit_core::compare::{Change, Fields, attributes_differ};
use pxkit_core::format::{Kind, mode};
use pxkit_core::pattern::{MatchType, Pattern, decide};

pub use contents::{Comparer, Contents};
pub use item::{Item, Place};
pub use side::Side;

use self::join::{Pair, Unsorted, join};
use self::moved::{Candidates, Moved};
use crate::report::{Report, check_signals};
use crate::text::quoted;

/// Where archives that were made with exclude patterns record them; no directory has it.
const EXCLUDES: &[u8] = b".pxarexclude-cli";

/// How one path differs.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// In what way.
    pub change: Change,
    /// Which metadata.
    pub fields: Fields,
    /// The entry of the old side; of what was moved that with the other path.
    pub old: Option<&'a Item>,
    /// The entry of the new side.
    pub new: Option<&'a Item>,
}

/// Two trees to be compared.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// What was.
    pub old: &'a Side,
    /// What is.
    pub new: &'a Side,
    /// Only what these select, and what is below it; everything if there are none.
    pub patterns: &'a [Pattern],
    /// Who is told of what cannot be compared.
    pub report: &'a Report,
}

impl Comparison<'_> {
    /// Compares; `visit` gets every path, also those that do not differ, in the order of archives. Contents that cannot be read are reported and
    /// left out.
    ///
    /// # Errors
    /// One side cannot be read, or those of `visit`.
    pub fn run(
        &self,
        comparer: &mut Comparer,
        visit: &mut dyn FnMut(&Difference<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut in_any_order = [false; 2];
        let moved = loop {
            match self.find_moved(comparer, in_any_order) {
                Ok(moved) => break moved,
                Err(error) => match error.downcast_ref() {
                    Some(&Unsorted(side)) if !in_any_order[side] => in_any_order[side] = true,
                    _ => return Err(error),
                },
            }
        };
        // What the walk of a directory left out was told the first time.
        self.join(in_any_order, None, &mut |pair| {
            check_signals()?;
            match pair {
                Pair::Old(old) if moved.is_old(&old.path) => Ok(()),
                Pair::Old(old) => visit(&Difference {
                    change: Change::Removed,
                    fields: Fields::NONE,
                    old: Some(old),
                    new: None,
                }),
                Pair::New(new) => match moved.of_new(&new.path) {
                    Some(old) => visit(&Difference {
                        change: Change::Moved,
                        fields: old.facts().differ(&new.facts())
                            | attributes_differ(&old.attributes, &new.attributes),
                        old: Some(old),
                        new: Some(new),
                    }),
                    None => visit(&Difference {
                        change: Change::Added,
                        fields: Fields::NONE,
                        old: None,
                        new: Some(new),
                    }),
                },
                Pair::Both(old, new) => match self.compare(comparer, old, new) {
                    Ok((change, fields)) => {
                        visit(&Difference { change, fields, old: Some(old), new: Some(new) })
                    }
                    Err(error) => {
                        check_signals()?;
                        self.report.error(format_args!("{}: {error:#}", quoted(&new.path)));
                        Ok(())
                    }
                },
            }
        })
    }

    /// Joins both sides once, to find what was moved.
    fn find_moved(&self, comparer: &mut Comparer, in_any_order: [bool; 2]) -> anyhow::Result<Moved> {
        let (mut removed, mut added) = (Candidates::default(), Candidates::default());
        self.join(in_any_order, Some(self.report), &mut |pair| {
            check_signals()?;
            match pair {
                Pair::Old(item) => removed.add(item),
                Pair::New(item) => added.add(item),
                Pair::Both(..) => {}
            }
            Ok(())
        })?;
        if removed.is_over() || added.is_over() {
            self.report
                .line("note: too many files were added and removed to look for moved ones among all of them");
        }
        moved::find((self.old, removed), (self.new, added), comparer)
    }

    fn join(
        &self,
        in_any_order: [bool; 2],
        report: Option<&Report>,
        visit: &mut dyn FnMut(Pair<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let cannot_read = |side: &Side| format!("cannot read {}", side.name());
        let (old, new) = (self.old, self.new);
        let mut old_entries = old.entries(in_any_order[0], report).with_context(|| cannot_read(old))?;
        let mut new_entries = new.entries(in_any_order[1], report).with_context(|| cannot_read(new))?;
        let is_mixed = old.is_directory() != new.is_directory();
        join((&mut *old_entries, in_any_order[0]), (&mut *new_entries, in_any_order[1]), &mut |pair| {
            let (Pair::Old(item) | Pair::New(item) | Pair::Both(_, item)) = pair;
            let is_of_archive = is_mixed && item.path == EXCLUDES && !matches!(pair, Pair::Both(..));
            if is_of_archive || !is_selected(self.patterns, item) {
                return Ok(());
            }
            visit(pair)
        })
    }

    /// Compares two entries with one path.
    fn compare(&self, comparer: &mut Comparer, old: &Item, new: &Item) -> anyhow::Result<(Change, Fields)> {
        let kind_of_device = |item: &Item| item.stat.mode & mode::TYPE;
        let is_other_device = old.kind == Kind::Device && kind_of_device(old) != kind_of_device(new);
        if old.kind != new.kind || is_other_device {
            return Ok((Change::Kind, Fields::NONE));
        }
        let fields = old.facts().differ(&new.facts()) | attributes_differ(&old.attributes, &new.attributes);
        let is_same = old.kind != Kind::File
            || old.size == new.size
                && (old.size == 0
                    || comparer.are_same(&self.old.contents(old)?, &self.new.contents(new)?)?);
        let change = match is_same {
            false => Change::Contents,
            true if fields.is_empty() => Change::Unchanged,
            true => Change::Metadata,
        };
        Ok((change, fields))
    }
}

/// Whether patterns select a path: the last that matches it decides, else what was decided for the directory above.
fn is_selected(patterns: &[Pattern], item: &Item) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let mut is_selected = false;
    let full = [b"/", &*item.path].concat();
    let ends = (1..full.len()).filter(|&at| full[at] == b'/').chain([full.len()]);
    for end in ends.filter(|&end| end > 1) {
        let is_dir = || end < full.len() || item.kind == Kind::Directory;
        match decide(patterns, &full[..end], is_dir) {
            Some(MatchType::Include) => is_selected = true,
            Some(MatchType::Exclude) => is_selected = false,
            None => {}
        }
    }
    is_selected
}
