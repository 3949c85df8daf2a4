//! The first step: the walk, compared with the previous archive.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File as StdFile;

use anyhow::bail;
use pxkit_core::encode::Node;
use pxkit_core::format::{Device, Kind, MAX_NAME_LEN};
use pxkit_core::plan::{Identity, Listing, Order, Record, RecordContent, Turn};
use pxkit_core::reuse::{File, NewFile, Usage, Verdict, Why};

use super::old::Old;
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
    /// In append order: how the nodes stand in the previous archive.
    pub order: Option<Order>,
    /// The order of the records, if it is not that of the spool.
    pub turns: Option<Vec<Turn>>,
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
    let mut depth = 0usize;
    while let Some(step) = walk.next()? {
        match step {
            Step::Enter(node) => {
                check_signals()?;
                if how.verbose && depth > 0 {
                    report.line(crate::text::quoted(node.path));
                }
                let mut place = None;
                if let Some(old) = &mut old {
                    let entry = old.find(directory_of(&node), node.name, report);
                    place =
                        entry.filter(|entry| entry.kind == Some(Kind::Directory)).map(|entry| entry.place);
                    old.enter();
                }
                if let Some(order) = &mut found.order {
                    order.enter(found.spool.position(), place);
                }
                if depth > 0 {
                    found.listing.enter();
                }
                depth += 1;
                found.write(&node, RecordContent::Directory)?;
                report.count(0);
            }
            Step::Node(node) => {
                if how.verbose {
                    report.line(crate::text::quoted(node.path));
                }
                found.node(&node, old.as_mut(), &mut links, report)?;
                report.count(0);
            }
            Step::Leave => {
                depth -= 1;
                if depth > 0 {
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
    if old.as_ref().is_some_and(|old| old.is_in_any_order()) {
        found.drop_overlaps(report);
    }
    found.reading = walk.reading();
    found.usage = old.map(Old::into_usage);
    Ok(found)
}

impl Detected {
    fn node(
        &mut self,
        node: &walk::Node<'_>,
        old: Option<&mut Old<'_>>,
        links: &mut HashMap<(u64, u64), Linked>,
        report: &Report,
    ) -> anyhow::Result<()> {
        let content = match (node.kind, &node.content) {
            (Kind::File, _) => return self.file(node, old, links, report),
            (Kind::Symlink, Content::Target(target)) => RecordContent::Symlink(target),
            (Kind::Device, _) => RecordContent::Device(Device::from_dev_t(node.rdev)),
            (Kind::Fifo, _) => RecordContent::Fifo,
            (Kind::Socket, _) => RecordContent::Socket,
            (kind, _) => bail!("a defect of pxkit: a {} in the walk that is none", kind.name()),
        };
        let place = match (&self.order, old) {
            (Some(_), Some(old)) => {
                let entry = old.find(directory_of(node), node.name, report);
                entry.filter(|entry| entry.kind == Some(node.kind)).map(|entry| entry.place)
            }
            _ => None,
        };
        if let Some(order) = &mut self.order {
            order.node(self.spool.position(), place);
        }
        self.write(node, content)
    }

    fn file(
        &mut self,
        node: &walk::Node<'_>,
        old: Option<&mut Old<'_>>,
        links: &mut HashMap<(u64, u64), Linked>,
        report: &Report,
    ) -> anyhow::Result<()> {
        let identity = Identity { dev: node.dev, ino: node.ino, ctime: node.ctime };
        let (size, names) = (node.size, u32::try_from(node.nlink).unwrap_or(u32::MAX));
        // In append order it is not known yet which name comes first.
        if node.nlink > 1 && self.order.is_none() {
            let new = Linked { met: 0, nlink: 0, can_link: node.path.len() <= MAX_NAME_LEN };
            let linked = links.entry((node.dev, node.ino)).or_insert(new);
            linked.met += 1;
            linked.nlink = linked.nlink.max(node.nlink);
            let (is_first, can_link) = (linked.met == 1, linked.can_link);
            if linked.met >= linked.nlink {
                // After the last name there is nothing to remember it for.
                links.remove(&(node.dev, node.ino));
            }
            if !is_first && can_link {
                self.seen.links += 1;
                return self.write(node, RecordContent::Link { size, identity, links: names });
            }
            if !is_first {
                report.warn(format_args!(
                    "{}: stored as a file of its own: the path of its first name is too long for a hard link",
                    DisplayPath(node.path)
                ));
            }
        }
        let (verdict, place) = old.map_or((Verdict::Read(Why::New), None), |old| {
            let new = NewFile { stat: &node.stat, attributes: node.attributes, size };
            old.compare(node.path, node.name, new, report)
        });
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
            order.file(self.spool.position(), place, self.listing.files().len(), inode);
        }
        self.listing.file(node.path, File { size, old: at });
        self.write(node, RecordContent::File { size, identity, links: names })
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

    fn write(&mut self, node: &walk::Node<'_>, content: RecordContent<'_>) -> anyhow::Result<()> {
        self.seen.entries += 1;
        let node = Node { name: node.name, stat: &node.stat, attributes: node.attributes };
        Ok(Record { node, content }.write(self.spool.buffer())?)
    }
}

/// The path of the directory that a node is in.
fn directory_of<'n>(node: &walk::Node<'n>) -> &'n [u8] {
    let len = node.path.len() - node.name.len();
    &node.path[..len.saturating_sub(1)]
}
