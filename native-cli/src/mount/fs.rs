//! The kernel's questions and their answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::PipeWriter;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use pxkit_core::access::{Node, NodeContent};
use pxkit_core::format::Kind;

use super::archive::{lock, read_image};
use super::attr;
use super::log::Log;
use super::place::Place;
use super::stock::Item;
use super::view::{Answer, FOR_EVER, Found, LONGEST_NAME, Line, Listing, Mounted, View, What};
use crate::linux::{extended_attributes, extended_flags, native_flags};

/// As many bytes are asked for ahead by the kernel, if it lets us.
const READ_AHEAD: u32 = 1 << 20;

const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;

thread_local! {
    /// Bytes on their way to the kernel.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file system of archives.
#[derive(Debug)]
pub struct ArchiveFs {
    view: View,
    listings: Mutex<HashMap<u64, Arc<Listing>>>,
    next_listing: AtomicU64,
    /// Closed when the file system is no longer mounted.
    end: Option<PipeWriter>,
}

impl ArchiveFs {
    /// A file system; `end` is closed when it is no longer mounted.
    pub fn new(mounted: Mounted, log: Arc<Log>, end: PipeWriter) -> Self {
        let (view, listings) = (View::new(mounted, log), Mutex::default());
        Self { view, listings, next_listing: AtomicU64::new(1), end: Some(end) }
    }

    fn listing(&self, handle: FileHandle) -> Answer<Arc<Listing>> {
        lock(&self.listings).get(&handle.0).cloned().ok_or(Errno::EBADF)
    }
}

impl Filesystem for ArchiveFs {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // What the kernel does not know, it goes without.
        for flag in [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_POSIX_ACL,
        ] {
            let _ = config.add_capabilities(flag);
        }
        if let Err(most) = config.set_max_readahead(READ_AHEAD) {
            let _ = config.set_max_readahead(most);
        }
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn destroy(&mut self) {
        self.end = None;
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.view.answer(parent.0, || self.view.child(parent.0, name.as_bytes())) {
            Ok(Some((attr, time, end))) => {
                self.view.nodes.hand_out(attr.ino.0, parent.0, end);
                reply.entry_with_ttls(&time, &FOR_EVER, &attr, Generation(0));
            }
            // A snapshot may come; in an archive nothing does.
            Ok(None)
                if matches!(
                    Place::of(parent.0, self.view.shape()),
                    Some(Place::Only(_) | Place::One(..))
                ) =>
            {
                let none = attr::plain(0, FileType::RegularFile, 0, 0, UNIX_EPOCH);
                reply.entry(&FOR_EVER, &none, Generation(0));
            }
            Ok(None) => reply.error(Errno::ENOENT),
            Err(errno) => reply.error(errno),
        }
    }

    fn forget(&self, _req: &Request, ino: INodeNo, nlookup: u64) {
        self.view.nodes.forget(ino.0, nlookup);
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.view.answer(ino.0, || self.view.attributes(ino.0)) {
            Ok((attr, time)) => reply.attr(&time, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        match self.view.answer(ino.0, || self.view.node(ino.0)) {
            Ok(Node { content: NodeContent::Target(target), .. }) => reply.data(&target),
            Ok(_) => reply.error(Errno::EINVAL),
            Err(errno) => reply.error(errno),
        }
    }

    // The kernel asks once, and then opens and closes files by itself: one question less for each small file.
    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size as usize {
                buffer.resize(size as usize, 0);
            }
            let buffer = &mut buffer[..size as usize];
            let read = self.view.answer(ino.0, || {
                Ok(match self.view.find(ino.0)? {
                    Ok(Found::Entry(entry)) => Ok(entry.archive()?.read(entry.at, offset, buffer)?),
                    Ok(Found::Image(item)) => match &*item {
                        Item::Image(image, readahead) => Ok(read_image(image, readahead, offset, buffer)?),
                        Item::Archive(_) => Err(Errno::EISDIR),
                    },
                    Ok(_) => Err(Errno::EISDIR),
                    Err(errno) => Err(errno),
                })
            });
            match read {
                Ok(read) => reply.data(&buffer[..read]),
                Err(errno) => reply.error(errno),
            }
        });
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.view.answer(ino.0, || self.view.list(ino.0)) {
            Ok((listing, is_lasting)) => {
                let handle = self.next_listing.fetch_add(1, Ordering::Relaxed);
                lock(&self.listings).insert(handle, Arc::new(listing));
                let flags = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
                reply.opened(FileHandle(handle), if is_lasting { flags } else { FopenFlags::empty() });
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut lines = 0;
        let filled = self.listing(fh).and_then(|listing| {
            self.view.answer(ino.0, || {
                let add = &mut |line: &Line<'_>| {
                    let name = OsStr::from_bytes(line.name);
                    let is_full = reply.add(INodeNo(line.ino), line.offset, line.file_type(), name);
                    lines += u32::from(!is_full);
                    Ok(is_full)
                };
                self.view.fill(ino.0, &listing, offset, add).map(Ok)
            })
        });
        match filled {
            // What comes before the damage is shown; the next call comes to it at once.
            Err(errno) if lines == 0 => reply.error(errno),
            _ => reply.ok(),
        }
    }

    fn readdirplus(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let mut lines = 0;
        let filled = self.listing(fh).and_then(|listing| {
            self.view.answer(ino.0, || {
                let add = &mut |line: &Line<'_>| {
                    let name = OsStr::from_bytes(line.name);
                    // These two are not looked up by this, and nobody gives them back.
                    let is_dot = matches!(line.what, What::Directory);
                    let (attr, time, end) = if is_dot {
                        (attr::plain(line.ino, FileType::Directory, 0, 0, UNIX_EPOCH), Duration::ZERO, 0)
                    } else {
                        self.view.line_attr(line)?
                    };
                    // Before the kernel knows the number.
                    if !is_dot {
                        self.view.nodes.hand_out(attr.ino.0, ino.0, end);
                    }
                    let is_full =
                        reply.add(INodeNo(attr.ino.0), line.offset, name, &time, &attr, Generation(0));
                    if is_full && !is_dot {
                        self.view.nodes.forget(attr.ino.0, 1);
                    }
                    lines += u32::from(!is_full);
                    Ok(is_full)
                };
                self.view.fill(ino.0, &listing, offset, add).map(Ok)
            })
        });
        match filled {
            Err(errno) if lines == 0 => reply.error(errno),
            _ => reply.ok(),
        }
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        lock(&self.listings).remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let size = match &self.view.mounted {
            Mounted::Archive(archive) => archive.size(),
            Mounted::Snapshot(_) | Mounted::Group(_) => 0,
        };
        reply.statfs(size.div_ceil(4096), 0, 0, 0, 0, 4096, LONGEST_NAME as u32, 4096);
    }

    fn getxattr(&self, _req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let value = self.view.answer(ino.0, || {
            Ok(match self.view.node(ino.0)? {
                Ok(node) => extended_attributes(&node.stat, &node.attributes)
                    .into_iter()
                    .find(|(other, _)| other == name.as_bytes())
                    .map(|(_, value)| value)
                    .ok_or(Errno::NO_XATTR),
                // What is no entry has none.
                Err(_) => Err(Errno::NO_XATTR),
            })
        });
        reply_xattr(value, size, reply);
    }

    fn listxattr(&self, req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.view.answer(ino.0, || {
            let mut names = Vec::new();
            if let Ok(node) = self.view.node(ino.0)? {
                for (name, _) in extended_attributes(&node.stat, &node.attributes) {
                    // Others do not see these on other file systems, either.
                    if req.uid() == 0 || !name.starts_with(b"trusted.") {
                        names.extend_from_slice(&name);
                        names.push(0);
                    }
                }
            }
            Ok(Ok(names))
        });
        reply_xattr(names, size, reply);
    }

    fn ioctl(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        cmd: u32,
        _in_data: &[u8],
        out_size: u32,
        reply: ReplyIoctl,
    ) {
        if !matches!(cmd, FS_IOC_GETFLAGS | FS_IOC_FSGETXATTR) {
            return reply.error(Errno::ENOTTY);
        }
        let node = match self.view.answer(ino.0, || self.view.node(ino.0)) {
            Ok(node) if matches!(node.kind, Kind::File | Kind::Directory) => node,
            Ok(_) => return reply.error(Errno::ENOTTY),
            Err(errno) => return reply.error(errno),
        };
        let mut out = [0; 28];
        if cmd == FS_IOC_GETFLAGS {
            out[..4].copy_from_slice(&native_flags(&node.stat).to_le_bytes());
        } else {
            let (flags, project) = extended_flags(&node.stat, &node.attributes);
            out[..4].copy_from_slice(&flags.to_le_bytes());
            out[12..16].copy_from_slice(&project.to_le_bytes());
        }
        reply.ioctl(0, &out[..out.len().min(out_size as usize)]);
    }
}

/// Answers with bytes, or their number if no room was offered.
fn reply_xattr(value: Answer<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match value {
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(errno) => reply.error(errno),
    }
}
