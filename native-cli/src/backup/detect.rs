//! The first step: the walk, compared with the previous archive.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File as StdFile;

use anyhow::bail;
use pxkit_core::encode::Node;
use pxkit_core::format::{Attributes, Device, Kind, MAX_NAME_LEN, Stat};
use pxkit_core::plan::{Identity, Listing, Order, Record, RecordContent, Turn};
use pxkit_core::reuse::state::{Devices, Marks, Trace};
use pxkit_core::reuse::{File, NewFile, Usage, Verdict, Why};

use super::known::Revision;
use super::old::{Finished, Old, StateUse};
use super::spool::Spool;
use crate::report::{Report, check_signals};
use crate::walk::{self, Content, DisplayPath, Reading, Step, Walk};

/// What the walk found.
#[derive(Debug, Default)]
pub struct Detected {
    /// All nodes in archive order.
    pub spool: Spool,
    /// The files with contents.
    pub listing: Listing,
    /// What there was.
    pub seen: Seen,
    /// How metadata was read.
    pub reading: Reading,
    /// What the previous archive used of its chunks.
    pub usage: Option<Usage>,
    /// What came of the state of the previous snapshot, if there is one.
    pub state: Option<StateUse>,
    /// The previous archive could not be read to its end.
    pub is_damaged: bool,
    /// In append order: how the nodes stand in the previous archive.
    pub order: Option<Order>,
    /// The order of the records, if it is not that of the spool.
    pub turns: Option<Vec<Turn>>,
    /// What file systems are called in the state, and how many entries are untouched and where they were, with the traces that they had.
    devices: Devices,
    known: u64,
    /// Files were found not to need reading after all.
    is_revised: bool,
}

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files.
    pub files: u64,
    /// Bytes of contents.
    pub bytes: u64,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Counts of nodes.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Nodes, directories and the root included.
    pub entries: u64,
    /// Regular files with contents.
    pub files: Tally,
    /// Further names of files.
    pub links: u64,
    /// Files whose contents are in the previous archive.
    pub unchanged: Tally,
    /// Of those, the ones that the previous archive has at another path.
    pub moved: Tally,
    /// Directories and files of which nothing was read, since nobody touched them.
    pub untouched: u64,
    /// The others, by the reason why they must be read.
    pub read: BTreeMap<Why, Tally>,
}

/// A file with several names of which more may come.
struct Linked {
    met: u64,
    nlink: u64,
    /// A hard link can name its first name.
    can_link: bool,
}

/// How to look at a tree.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Every entry is named.
    pub verbose: bool,
    /// For an archive in append order.
    pub append: bool,
}

/// Walks the tree. `scratch` makes a file for what is too much for memory.
///
/// # Errors
/// The tree cannot be walked, or the list of what was found not be written.
pub fn detect(
    mut walk: Walk,
    mut old: Option<Old<'_>>,
    scratch: &dyn Fn() -> anyhow::Result<StdFile>,
    report: &Report,
    how: How,
) -> anyhow::Result<Detected> {
    let mut found = Detected { order: how.append.then(Order::new), ..Detected::default() };
    let mut links = HashMap::new();
    let mut devices = Vec::new();
    let (mut needs, mut is_bare) = (Needs::default(), false);
    while let Some(step) = if std::mem::take(&mut is_bare) { walk.read_last()? } else { walk.next()? } {
        let depth = devices.len();
        match step {
            Step::Enter(node) => {
                check_signals()?;
                if !found.directory(&node, old.as_mut(), devices.last(), &mut needs, report)? {
                    is_bare = true;
                    continue;
                }
                if how.verbose && depth > 0 {
                    report.line(crate::text::quoted(node.path));
                }
                if let Some(old) = &mut old {
                    old.enter();
                }
                if depth > 0 {
                    found.listing.enter();
                }
                devices.push(node.dev);
                if let Some(is_wanted) = needs.changed() {
                    drop(node);
                    walk.read_ahead(is_wanted);
                }
                report.count(0);
            }
            Step::Node(node) => {
                if !found.node(&node, old.as_mut(), &mut links, &mut needs, report)? {
                    is_bare = true;
                    continue;
                }
                if how.verbose {
                    report.line(crate::text::quoted(node.path));
                }
                report.count(0);
            }
            Step::Leave => {
                devices.pop();
                if depth > 1 {
                    found.listing.leave();
                }
                if let Some(old) = &mut old {
                    old.leave();
                }
                if let Some(order) = &mut found.order {
                    order.leave(found.spool.position());
                }
                found.spool.buffer().extend_from_slice(&Record::LEAVE);
            }
            Step::Warning(warning) if warning.what.is_loss() => report.warn(warning),
            Step::Warning(warning) => report.line(format_args!("note: {warning}")),
        }
        found.spool.settle(scratch)?;
    }
    found.reading = walk.reading();
    drop(walk);
    let Some(old) = old else { return Ok(found) };
    let is_in_any_order = old.is_in_any_order();
    let Finished { usage, moved, state, is_damaged } = old.finish();
    for revision in &moved {
        found.revise(*revision, true);
    }
    (found.usage, found.state, found.is_damaged) = (Some(usage), state, is_damaged);
    if is_in_any_order || found.is_revised {
        found.drop_overlaps(report);
    }
    Ok(found)
}

/// Whether most of the metadata is needed, so that the workers had better read all of it ahead.
#[derive(Debug, Default)]
struct Needs {
    /// From 0, nothing was needed lately, to [`Needs::MOST`].
    level: u32,
    is_ahead: bool,
}

impl Needs {
    const MOST: u32 = 512;

    fn count(&mut self, is_needed: bool) {
        self.level = if is_needed { (self.level + 2).min(Self::MOST) } else { self.level.saturating_sub(1) };
    }

    /// Whether it should be read ahead, if that is something new.
    fn changed(&mut self) -> Option<bool> {
        let bound = if self.is_ahead { Self::MOST / 4 } else { Self::MOST / 2 };
        let is_ahead = self.level > bound;
        (std::mem::replace(&mut self.is_ahead, is_ahead) != is_ahead).then_some(is_ahead)
    }
}

impl Detected {
    /// Writes a directory down; returns false if its metadata has to be read.
    fn directory(
        &mut self,
        node: &walk::Node<'_>,
        old: Option<&mut Old<'_>>,
        above: Option<&u64>,
        needs: &mut Needs,
        report: &Report,
    ) -> anyhow::Result<bool> {
        let (mut stat, mut attributes, mut is_known) = (&node.stat, node.attributes, false);
        let (old_stat, old_attributes);
        let (mut place, mut former) = (None, None);
        if let Some(old) = old {
            if let Some(looked) = old.look(node, above != Some(&node.dev), report) {
                if let Some(entry) = old.untouched(node, &looked) {
                    (is_known, former) = (true, looked.former);
                    if node.is_bare {
                        (old_stat, old_attributes) = (entry.stat, entry.attributes.clone());
                        (stat, attributes) = (&old_stat, &old_attributes);
                    }
                }
                needs.count(!is_known);
            }
            let entry = old.find(node, report);
            place = entry.filter(|entry| entry.kind == Some(Kind::Directory)).map(|entry| entry.place);
        }
        if node.is_bare && !is_known {
            return Ok(false);
        }
        self.seen.untouched += u64::from(is_known && node.is_bare);
        if let Some(order) = &mut self.order {
            order.enter(self.spool.position(), place);
        }
        let marks = node.marks.with_if(node.is_bare, Marks::WHOLE);
        self.write(node, (stat, attributes), marks, RecordContent::Directory, former)?;
        Ok(true)
    }

    /// Writes down what is no directory; returns false if its metadata has to be read.
    fn node(
        &mut self,
        node: &walk::Node<'_>,
        old: Option<&mut Old<'_>>,
        links: &mut HashMap<(u64, u64), Linked>,
        needs: &mut Needs,
        report: &Report,
    ) -> anyhow::Result<bool> {
        let content = match (node.kind, &node.content) {
            (Kind::File, _) => return self.file(node, old, links, needs, report),
            (Kind::Symlink, Content::Target(target)) => RecordContent::Symlink(target),
            (Kind::Device, _) => RecordContent::Device(Device::from_dev_t(node.rdev)),
            (Kind::Fifo, _) => RecordContent::Fifo,
            (Kind::Socket, _) => RecordContent::Socket,
            (kind, _) => bail!("a defect of pxkit: a {} in the walk that is none", kind.name()),
        };
        let (mut place, mut former) = (None, None);
        if let Some(old) = old {
            if self.order.is_some() {
                let entry = old.find(node, report);
                place = entry.filter(|entry| entry.kind == Some(node.kind)).map(|entry| entry.place);
            }
            former = old.former(node, report);
        }
        if let Some(order) = &mut self.order {
            order.node(self.spool.position(), place);
        }
        self.write(node, (&node.stat, node.attributes), node.marks, content, former)?;
        Ok(true)
    }

    fn file(
        &mut self,
        node: &walk::Node<'_>,
        mut old: Option<&mut Old<'_>>,
        links: &mut HashMap<(u64, u64), Linked>,
        needs: &mut Needs,
        report: &Report,
    ) -> anyhow::Result<bool> {
        let size = node.size;
        // In append order it is not known yet which name comes first.
        let may_be_link = node.nlink > 1 && self.order.is_none();
        let linked = if may_be_link { links.get(&(node.dev, node.ino)) } else { None };
        let is_link = linked.is_some_and(|linked| linked.can_link);
        let (mut stat, mut attributes, mut looked, mut former) = (&node.stat, node.attributes, None, None);
        let (old_stat, old_attributes);
        if let (false, Some(old)) = (is_link, &mut old) {
            looked = old.look(node, false, report);
            if let Some(looked) = &looked {
                let entry = old.untouched(node, looked);
                former = looked.former.filter(|_| entry.is_some());
                needs.count(entry.is_none());
                match entry {
                    Some(entry) if node.is_bare => {
                        (old_stat, old_attributes) = (entry.stat, entry.attributes.clone());
                        (stat, attributes) = (&old_stat, &old_attributes);
                        self.seen.untouched += 1;
                    }
                    None if node.is_bare => return Ok(false),
                    _ => {}
                }
            }
        }
        // What was not read is in the previous archive, but for further names, which have nothing there.
        let marks = node.marks.with_if(node.is_bare && !is_link, Marks::WHOLE);
        if may_be_link {
            let new = Linked { met: 0, nlink: 0, can_link: node.path.len() <= MAX_NAME_LEN };
            let linked = links.entry((node.dev, node.ino)).or_insert(new);
            linked.met += 1;
            linked.nlink = linked.nlink.max(node.nlink);
            let is_first = linked.met == 1;
            if linked.met >= linked.nlink {
                // After the last name there is nothing to remember it for.
                links.remove(&(node.dev, node.ino));
            }
            if is_link {
                self.seen.links += 1;
                let former = old.and_then(|old| old.former(node, report));
                self.write(node, (stat, attributes), marks, RecordContent::Link { size }, former)?;
                return Ok(true);
            }
            if !is_first {
                report.warn(format_args!(
                    "{}: stored as a file of its own: the path of its first name is too long for a hard link",
                    DisplayPath(node.path)
                ));
            }
        }
        let number = self.listing.files().len();
        let (mut verdict, mut place) = (Verdict::Read(Why::New), None);
        if let Some(old) = old {
            let new = NewFile { stat, attributes, size };
            let compared = old.compare((number, node), new, looked.as_ref(), report);
            (verdict, place) = (compared.verdict, compared.place);
            for revision in compared.revisions.iter().filter(|revision| revision.number < number) {
                self.revise(*revision, false);
            }
            // This file may be the one that showed it.
            if let Some(last) = compared.revisions.last().filter(|last| last.number == number) {
                verdict = Verdict::Unchanged(last.old);
                self.is_revised = true;
            }
        }
        self.seen.files.add(size);
        let at = match verdict {
            Verdict::Unchanged(at) => {
                self.seen.unchanged.add(size);
                Some(at)
            }
            Verdict::Read(why) => {
                self.seen.read.entry(why).or_default().add(size);
                None
            }
        };
        if let Some(order) = &mut self.order {
            let inode = (node.nlink > 1).then_some((node.dev, node.ino));
            let place = place.filter(|_| at.is_some());
            order.file(self.spool.position(), place, number, inode);
        }
        self.listing.file(node.path, File { size, old: at });
        self.write(node, (stat, attributes), marks, RecordContent::File { size }, former)?;
        Ok(true)
    }

    /// Whether the tree is what the previous archive has: nobody touched anything, nothing came, went or moved. So a new state would have just the traces
    /// that there are, if all contents are used again.
    pub fn is_the_same(&self) -> bool {
        let is_all = |count| self.known == count && self.seen.entries == count;
        self.turns.is_none() && self.state.is_some_and(|state| !state.is_void && is_all(state.count))
    }

    /// A file need not be read after all.
    fn revise(&mut self, Revision { number, old, why }: Revision, is_moved: bool) {
        let File { size, old: before } = self.listing.files().get(number);
        if before.is_some() {
            return;
        }
        self.is_revised = true;
        self.listing.set_old(number, Some(old));
        if let Some(read) = self.seen.read.get_mut(&why) {
            read.files = read.files.saturating_sub(1);
            read.bytes = read.bytes.saturating_sub(size);
        }
        self.seen.unchanged.add(size);
        if is_moved {
            self.seen.moved.add(size);
        }
    }

    /// Files cannot share contents: of those that claim to, all but the first are read.
    fn drop_overlaps(&mut self, report: &Report) {
        let dropped = self.listing.drop_overlaps();
        for file in &dropped {
            self.seen.read.entry(Why::BadReference).or_default().add(file.size);
            self.seen.unchanged.files -= 1;
            self.seen.unchanged.bytes -= file.size;
        }
        if !dropped.is_empty() {
            report.line(format_args!(
                "note: re-encode: {} files whose contents in the previous archive overlap those of others",
                dropped.len()
            ));
        }
    }

    fn write(
        &mut self,
        node: &walk::Node<'_>,
        (stat, attributes): (&Stat, &Attributes),
        marks: Marks,
        content: RecordContent<'_>,
        former: Option<(u64, Trace)>,
    ) -> anyhow::Result<()> {
        let links = u32::try_from(node.nlink).unwrap_or(u32::MAX);
        let walk::Node { dev, ino, birth, ctime, .. } = *node;
        let identity = Identity { dev, ino, birth, ctime, links, marks };
        if let Some(former) = former.filter(|_| marks.has(Marks::STABLE) && marks.has(Marks::SETTLED)) {
            let trace = identity.trace(&content, self.devices.number(dev));
            self.known += u64::from(former == (self.seen.entries, trace));
        }
        self.seen.entries += 1;
        let node = Node { name: node.name, stat, attributes };
        Ok(Record { node, identity, content }.write(self.spool.buffer())?)
    }
}
