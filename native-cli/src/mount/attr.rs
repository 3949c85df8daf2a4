//! Entries as the kernel wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use pxkit_core::access::{Node, NodeContent};
use pxkit_core::format::{Device, Kind, Stat, Timestamp, mode};

use super::archive::{Shown, size_of};

/// What `stat` tells as the best size of a read.
const BLOCK: u32 = 128 << 10;

/// What `stat` says of an entry.
pub fn of_entry(shown: &Shown, ino: u64) -> FileAttr {
    let Shown { node, names, .. } = shown;
    let Stat { mode: bits, uid, gid, mtime, .. } = node.stat;
    let size = size_of(node);
    let rdev = match node.content {
        NodeContent::Device(device) => device_number(device),
        _ => 0,
    };
    let permissions = (bits & mode::PERMISSIONS) as u16;
    FileAttr { nlink: *names, uid, gid, rdev, ..plain(ino, file_type(node), permissions, size, time(mtime)) }
}

/// What `stat` says of something that is no entry.
pub fn plain(ino: u64, kind: FileType, perm: u16, size: u64, time: SystemTime) -> FileAttr {
    FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

/// What an entry is; a hard link is a file.
pub fn file_type(node: &Node) -> FileType {
    match node.kind {
        Kind::Directory => FileType::Directory,
        Kind::File | Kind::Hardlink => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::Device if node.stat.mode & mode::TYPE == mode::BLOCK => FileType::BlockDevice,
        Kind::Device => FileType::CharDevice,
    }
}

/// A device as the protocol has it: 12 bits of major and 20 of minor, all that Linux has. What does not fit is cut off, as `mknod` does.
fn device_number(device: Device) -> u32 {
    let (major, minor) = ((device.major & 0xfff) as u32, (device.minor & 0xf_ffff) as u32);
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

/// Times that cannot be told become the nearest that can.
fn time(time: Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(time.nanos.min(999_999_999).into());
    let seconds = Duration::from_secs(time.secs.unsigned_abs());
    let whole = if time.secs < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    whole.and_then(|whole| whole.checked_add(nanos)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_times() {
        assert_eq!(device_number(Device { major: 259, minor: 70000 }), 0x1111_0370);
        assert_eq!(device_number(Device { major: 1, minor: 3 }), 0x103);
        let at = |secs, nanos| time(Timestamp { secs, nanos });
        assert_eq!(at(5, 7), UNIX_EPOCH + Duration::new(5, 7));
        // Nanoseconds are always added.
        assert_eq!(at(-2, 800_000_000), UNIX_EPOCH - Duration::new(1, 200_000_000));
        // No panic, whatever stands there.
        for secs in [i64::MIN, i64::MAX] {
            let _ = at(secs, u32::MAX);
        }
    }
}
