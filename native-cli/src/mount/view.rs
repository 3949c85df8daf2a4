//! What the kernel's questions are about: numbers to entries, names to numbers, listings.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use fuser::{Errno, FileAttr, FileType};
use pxkit_core::access::{Node, NodeContent};

use super::archive::{At, Child, MountedArchive, Shown};
use super::attr;
use super::log::Log;
use super::nodes::Nodes;
use super::place::{Place, ROOT, Shape};
use super::stock::{Item, Stock};
use crate::text::quoted;

/// What is in an archive never changes: the kernel need not ask again.
pub const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
/// What may turn out to be different.
const FOR_NOW: Duration = Duration::from_secs(1);
/// Longest name that programs can be given.
pub const LONGEST_NAME: usize = 255;

/// An answer, or what the kernel is told instead.
pub type Answer<T> = Result<T, Errno>;

/// What is mounted.
#[derive(Debug)]
pub enum Mounted {
    /// One archive.
    Archive(Box<MountedArchive>),
    /// The archives of a snapshot.
    Snapshot(Stock),
    /// The archives of all snapshots of a group.
    Group(Stock),
}

/// What is mounted, as numbers.
#[derive(Debug)]
pub struct View {
    pub mounted: Mounted,
    log: Arc<Log>,
    /// What the kernel knows.
    pub nodes: Nodes,
    /// Whoever mounts, and when: owner and time of what is in no archive.
    owner: (u32, u32),
    begun: SystemTime,
}

/// An open directory.
#[derive(Debug)]
pub struct Listing {
    parent: u64,
    children: Children,
}

#[derive(Debug)]
enum Children {
    Entries(Vec<Child>),
    /// Number, name, what it is.
    Names(Vec<(u64, String, FileType)>),
}

/// What a number leads to.
pub enum Found<'a> {
    Group(&'a Stock),
    Snapshot(&'a Stock, usize),
    Entry(Entry<'a>),
    Image(Arc<Item>),
}

pub struct Entry<'a> {
    archive: Held<'a>,
    place: Place,
    pub at: At,
}

/// An archive that is mounted alone, or one of many.
pub enum Held<'a> {
    Only(&'a MountedArchive),
    One(Arc<Item>),
}

impl Held<'_> {
    fn archive(&self) -> Option<&MountedArchive> {
        match self {
            Self::Only(archive) => Some(archive),
            Self::One(item) => match &**item {
                Item::Archive(archive) => Some(archive),
                Item::Image(..) => None,
            },
        }
    }
}

impl Entry<'_> {
    pub fn archive(&self) -> anyhow::Result<&MountedArchive> {
        self.archive.archive().ok_or_else(|| anyhow!("it is no archive"))
    }
}

impl View {
    pub fn new(mounted: Mounted, log: Arc<Log>) -> Self {
        let owner = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Self { mounted, log, nodes: Nodes::default(), owner, begun: SystemTime::now() }
    }

    pub fn shape(&self) -> Shape {
        match &self.mounted {
            Mounted::Archive(_) => Shape::Archive,
            Mounted::Snapshot(_) => Shape::Snapshot,
            Mounted::Group(_) => Shape::Group,
        }
    }

    fn stock(&self) -> anyhow::Result<&Stock> {
        match &self.mounted {
            Mounted::Archive(_) => Err(anyhow!("only one archive is mounted")),
            Mounted::Snapshot(stock) | Mounted::Group(stock) => Ok(stock),
        }
    }

    /// Runs what answers a question; what goes wrong is told in the log and the kernel gets EIO.
    pub fn answer<T>(&self, ino: u64, work: impl FnOnce() -> anyhow::Result<Answer<T>>) -> Answer<T> {
        work().unwrap_or_else(|error| {
            self.log.line(format_args!("{}: {error:#}", self.path(ino)));
            Err(Errno::EIO)
        })
    }

    /// The path of a number for messages.
    fn path(&self, ino: u64) -> String {
        let shape = self.shape();
        let chain = self.nodes.chain(ino);
        let places = chain.iter().filter_map(|&ino| Place::of(ino, shape));
        let positions = places.filter_map(|place| match place {
            Place::Only(filename) | Place::One(_, filename) => Some(filename),
            _ => None,
        });
        match (Place::of(ino, shape), &self.mounted) {
            (Some(Place::Only(_)), Mounted::Archive(archive)) => quoted(&archive.path(positions)),
            (Some(Place::One(slot, _)), Mounted::Snapshot(stock) | Mounted::Group(stock)) => {
                let path = match stock.item(slot).as_deref() {
                    Ok(Item::Archive(archive)) => quoted(&archive.path(positions)),
                    _ => String::new(),
                };
                format!("{} {path}", stock.label(slot)).trim_end().to_owned()
            }
            (Some(Place::Snapshot(number)), Mounted::Snapshot(stock) | Mounted::Group(stock)) => {
                format!("snapshot {number} of {}", stock.name())
            }
            (_, Mounted::Snapshot(stock) | Mounted::Group(stock)) => stock.name(),
            _ => format!("inode {ino}"),
        }
    }

    pub fn find(&self, ino: u64) -> anyhow::Result<Answer<Found<'_>>> {
        let Some(place) = Place::of(ino, self.shape()) else { return Ok(Err(Errno::ENOENT)) };
        let at = |filename| At { filename, end: if filename == 0 { 0 } else { self.nodes.end(ino) } };
        Ok(Ok(match (place, &self.mounted) {
            (Place::Only(filename), Mounted::Archive(archive)) => {
                Found::Entry(Entry { archive: Held::Only(archive), place, at: at(filename) })
            }
            (Place::Only(_), _) => return Ok(Err(Errno::ENOENT)),
            (Place::Group, _) => Found::Group(self.stock()?),
            (Place::Snapshot(number), _) => Found::Snapshot(self.stock()?, number),
            (Place::One(slot, filename), _) => {
                let item = self.stock()?.item(slot)?;
                match &*item {
                    Item::Image(..) => Found::Image(item),
                    Item::Archive(_) => {
                        Found::Entry(Entry { archive: Held::One(item), place, at: at(filename) })
                    }
                }
            }
        }))
    }

    fn find_entry(&self, ino: u64) -> anyhow::Result<Answer<Entry<'_>>> {
        Ok(match self.find(ino)? {
            Ok(Found::Entry(entry)) => Ok(entry),
            Ok(_) => Err(Errno::EINVAL),
            Err(errno) => Err(errno),
        })
    }

    /// What `stat` says of something that is no entry.
    fn plain(&self, place: Place, kind: FileType, size: u64, time: SystemTime) -> FileAttr {
        let permissions = if kind == FileType::Directory { 0o555 } else { 0o440 };
        let (uid, gid) = self.owner;
        FileAttr { uid, gid, ..attr::plain(place.ino(self.shape()), kind, permissions, size, time) }
    }

    fn snapshot_attr(&self, stock: &Stock, number: usize) -> FileAttr {
        let time = Duration::from_secs(stock.time(number).unsigned_abs());
        let time = UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH);
        self.plain(Place::Snapshot(number), FileType::Directory, 0, time)
    }

    /// What `stat` says of what has a slot, and how long that is true.
    fn slot_attr(&self, stock: &Stock, slot: usize) -> anyhow::Result<(FileAttr, Duration)> {
        let (item, place) = (stock.item(slot)?, Place::One(slot, 0));
        Ok(match &*item {
            Item::Archive(archive) => self.shown_attr(place, &archive.show(At::ROOT)?),
            Item::Image(..) => (self.plain(place, FileType::RegularFile, item.size(), self.begun), FOR_EVER),
        })
    }

    fn shown_attr(&self, archive: Place, shown: &Shown) -> (FileAttr, Duration) {
        let place = archive.entry(shown.at.filename);
        let time = if shown.is_settled { FOR_EVER } else { FOR_NOW };
        (attr::of_entry(shown, place.ino(self.shape())), time)
    }

    pub fn attributes(&self, ino: u64) -> anyhow::Result<Answer<(FileAttr, Duration)>> {
        let found = match self.find(ino)? {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        Ok(Ok(match found {
            Found::Group(_) => (self.plain(Place::Group, FileType::Directory, 0, self.begun), FOR_NOW),
            Found::Snapshot(stock, number) => (self.snapshot_attr(stock, number), FOR_EVER),
            Found::Image(item) => {
                let Some(place) = Place::of(ino, self.shape()) else { return Ok(Err(Errno::ENOENT)) };
                (self.plain(place, FileType::RegularFile, item.size(), self.begun), FOR_EVER)
            }
            Found::Entry(entry) => self.shown_attr(entry.place, &entry.archive()?.show(entry.at)?),
        }))
    }

    /// The child of that name: what `stat` says, how long that is true, and where it ends.
    pub fn child(
        &self,
        parent: u64,
        name: &[u8],
    ) -> anyhow::Result<Answer<Option<(FileAttr, Duration, u64)>>> {
        let found = match self.find(parent)? {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        Ok(Ok(match found {
            Found::Group(stock) => {
                let all = stock.snapshots()?;
                let number = all.into_iter().find(|(_, text)| text.as_bytes() == name);
                number.map(|(number, _)| (self.snapshot_attr(stock, number), FOR_EVER, 0))
            }
            Found::Snapshot(stock, number) => {
                for &slot in &*stock.slots(number)? {
                    if stock.slot(slot)?.label.as_bytes() == name {
                        let (attr, time) = self.slot_attr(stock, slot)?;
                        return Ok(Ok(Some((attr, time, 0))));
                    }
                }
                None
            }
            Found::Image(_) => return Ok(Err(Errno::ENOTDIR)),
            Found::Entry(entry) => entry.archive()?.lookup(entry.at, name)?.map(|shown| {
                let (attr, time) = self.shown_attr(entry.place, &shown);
                (attr, time, shown.at.end)
            }),
        }))
    }

    pub fn list(&self, ino: u64) -> anyhow::Result<Answer<(Listing, bool)>> {
        let shape = self.shape();
        let parent = self.nodes.parent(ino).unwrap_or(ROOT);
        let found = match self.find(ino)? {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        let (children, is_lasting) = match found {
            Found::Group(stock) => {
                let names = stock.snapshots()?.into_iter();
                let name = |(number, name)| (Place::Snapshot(number).ino(shape), name, FileType::Directory);
                (Children::Names(names.map(name).collect()), false)
            }
            Found::Snapshot(stock, number) => {
                let mut names = Vec::new();
                for &slot in &*stock.slots(number)? {
                    let label = stock.slot(slot)?.label;
                    let kind =
                        if label.ends_with(".img") { FileType::RegularFile } else { FileType::Directory };
                    names.push((Place::One(slot, 0).ino(shape), label, kind));
                }
                (Children::Names(names), true)
            }
            Found::Image(_) => return Ok(Err(Errno::ENOTDIR)),
            Found::Entry(entry) => (Children::Entries(entry.archive()?.children(entry.at)?), true),
        };
        Ok(Ok((Listing { parent, children }, is_lasting)))
    }

    /// Hands the entries of a listing from `offset` on to `add`, until it answers that there is no more room.
    pub fn fill(
        &self,
        ino: u64,
        listing: &Listing,
        offset: u64,
        add: &mut dyn FnMut(&Line<'_>) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut at = offset;
        for (own, name) in [(ino, "."), (listing.parent, "..")] {
            if at == u64::from(name == "..") {
                at += 1;
                let what = What::Directory;
                if add(&Line { ino: own, offset: at, name: name.as_bytes(), what })? {
                    return Ok(());
                }
            }
        }
        let skip = usize::try_from(at - 2).unwrap_or(usize::MAX);
        match &listing.children {
            Children::Names(names) => {
                for (ino, name, kind) in names.iter().skip(skip) {
                    at += 1;
                    let what = What::Name(*kind);
                    if add(&Line { ino: *ino, offset: at, name: name.as_bytes(), what })? {
                        break;
                    }
                }
            }
            Children::Entries(children) => {
                let Ok(entry) = self.find_entry(ino)? else { return Err(anyhow!("it is no directory")) };
                let archive = entry.archive()?;
                for &(filename, end) in children.iter().skip(skip) {
                    at += 1;
                    let node = archive.node(At { filename, end })?;
                    if node.name.len() > LONGEST_NAME {
                        self.log.line(format_args!(
                            "{}: a name of {} bytes is not shown",
                            self.path(ino),
                            node.name.len()
                        ));
                        continue;
                    }
                    let first = match node.content {
                        NodeContent::Hardlink { distance, .. } => filename.saturating_sub(distance),
                        _ => filename,
                    };
                    let number = entry.place.entry(first).ino(self.shape());
                    let name = node.name.clone();
                    let what = What::Entry { entry: &entry, node: RefCell::new(Some(node)), end };
                    if add(&Line { ino: number, offset: at, name: &name, what })? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What `stat` says of a line of a listing, how long that is true, and where it ends.
    pub fn line_attr(&self, line: &Line<'_>) -> anyhow::Result<(FileAttr, Duration, u64)> {
        match &line.what {
            What::Entry { entry, node, end } => {
                let node = node.take().ok_or_else(|| anyhow!("it was shown already"))?;
                let shown = entry.archive()?.show_node(node, *end)?;
                let (attr, time) = self.shown_attr(entry.place, &shown);
                Ok((attr, time, shown.at.end))
            }
            _ => {
                let attributes = match Place::of(line.ino, self.shape()) {
                    Some(Place::One(slot, 0)) => self.slot_attr(self.stock()?, slot)?,
                    _ => self.attributes(line.ino)?.map_err(|_| anyhow!("it is gone"))?,
                };
                Ok((attributes.0, attributes.1, 0))
            }
        }
    }

    pub fn node(&self, ino: u64) -> anyhow::Result<Answer<Node>> {
        Ok(match self.find_entry(ino)? {
            Ok(entry) => Ok(entry.archive()?.node(entry.at)?),
            Err(errno) => Err(errno),
        })
    }
}

/// A line of a listing.
pub struct Line<'a> {
    pub ino: u64,
    /// Where the next one begins.
    pub offset: u64,
    pub name: &'a [u8],
    pub what: What<'a>,
}

pub enum What<'a> {
    Directory,
    Name(FileType),
    Entry { entry: &'a Entry<'a>, node: RefCell<Option<Node>>, end: u64 },
}

impl Line<'_> {
    pub fn file_type(&self) -> FileType {
        match &self.what {
            What::Directory => FileType::Directory,
            What::Name(kind) => *kind,
            What::Entry { node, .. } => node.borrow().as_ref().map_or(FileType::RegularFile, attr::file_type),
        }
    }
}
