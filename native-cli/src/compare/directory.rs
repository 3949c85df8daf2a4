//! A directory on disk as a side: what an archive of it would hold.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, bail, ensure};
use pxkit_core::format::{Device, Kind};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::item::{Item, Place};
use super::join::Entries;
use crate::report::Report;
use crate::source::FileSource;
use crate::walk::{Content, Node, Options, Prepare, Step, Walk};

/// Walks a directory.
pub struct Walked<'a> {
    walk: Walk,
    /// Who is told of what is left out.
    report: Option<&'a Report>,
    /// First names of files of which more names may come, by `st_dev` and `st_ino`.
    links: HashMap<(u64, u64), Linked>,
}

struct Linked {
    path: Vec<u8>,
    met: u64,
}

impl<'a> Walked<'a> {
    pub fn new(root: &OwnedFd, report: Option<&'a Report>) -> anyhow::Result<Self> {
        // A descriptor of its own: the walk reads the directory from its start.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(root, ".", flags, Mode::empty()).context("cannot open the directory")?;
        let options = Options { prepare: Prepare::Metadata, ..Options::default() };
        Ok(Self { walk: Walk::new(root, options)?, report, links: HashMap::new() })
    }
}

impl Entries for Walked<'_> {
    fn next(&mut self, item: &mut Item) -> anyhow::Result<bool> {
        loop {
            match self.walk.next()? {
                Some(Step::Enter(node) | Step::Node(node)) => {
                    fill(item, &node, &mut self.links);
                    return Ok(true);
                }
                Some(Step::Leave) => {}
                Some(Step::Warning(warning)) => match self.report {
                    Some(report) if warning.what.is_loss() => report.warn(warning),
                    Some(report) => report.line(format_args!("note: {warning}")),
                    None => {}
                },
                None => return Ok(false),
            }
        }
    }
}

fn fill(item: &mut Item, node: &Node<'_>, links: &mut HashMap<(u64, u64), Linked>) {
    item.path.clear();
    item.path.extend_from_slice(node.path);
    (item.kind, item.stat) = (node.kind, node.stat);
    item.attributes.clone_from(node.attributes);
    item.target.clear();
    if let Content::Target(target) = node.content {
        item.target.extend_from_slice(target);
    }
    item.device = (node.kind == Kind::Device).then(|| Device::from_dev_t(node.rdev));
    (item.size, item.place, item.link) = (0, Place::Nowhere, None);
    if node.kind != Kind::File {
        return;
    }
    (item.size, item.place) = (node.size, Place::Disk);
    if node.nlink > 1 {
        let inode = (node.dev, node.ino);
        let linked = links.entry(inode).or_insert_with(|| Linked { path: node.path.to_vec(), met: 0 });
        linked.met += 1;
        item.link = (linked.met > 1).then(|| linked.path.clone());
        // After the last name there is nothing to remember it for.
        if linked.met >= node.nlink {
            links.remove(&inode);
        }
    }
}

/// Opens the file at the path of an entry: below the root, without following symlinks, and only if it is still as it was listed.
pub fn open_file(root: &OwnedFd, item: &Item) -> anyhow::Result<FileSource> {
    let pass = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut directory: Option<OwnedFd> = None;
    let mut components = item.path.split(|&byte| byte == b'/').peekable();
    while let Some(component) = components.next() {
        let name = CString::new(component)?;
        let above = directory.as_ref().unwrap_or(root).as_fd();
        if components.peek().is_some() {
            directory = Some(openat(above, &name, pass, Mode::empty()).context("cannot open the directory")?);
            continue;
        }
        let file = match openat(above, &name, read | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => openat(above, &name, read, Mode::empty()),
            other => other,
        };
        let file = file.context("cannot open the file")?;
        let stat = fstat(&file).context("cannot look at the open file")?;
        let is_same = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_size as u64 == item.size
            && stat.st_mtime == item.stat.mtime.secs;
        ensure!(is_same, "the file was changed while it was compared");
        return Ok(FileSource::new(file.into(), item.size, String::from_utf8_lossy(&item.path).into_owned()));
    }
    bail!("a defect of pxkit: a file without a name")
}
