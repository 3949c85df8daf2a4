//! Whether two trees are the same: contents by diff(1), metadata by a walk over both.

use std::{
    collections::BTreeMap,
    ffi::{CStr, OsStr, OsString},
    fs::{self, File, Metadata},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{ioctl_getflags, lgetxattr, llistxattr},
    io::Errno,
};

use crate::shell;

/// Inode flags that archives keep, as in `linux/fs.h`: SYNC, COMPR, IMMUTABLE, APPEND, NODUMP, NOATIME, NOCOMP, DIRSYNC, NOCOW,
/// PROJINHERIT. The others tell how a file system stores things.
const FLAGS: u32 = 0x8 | 0x4 | 0x10 | 0x20 | 0x40 | 0x80 | 0x400 | 0x1_0000 | 0x80_0000 | 0x2000_0000;

/// Compares contents and metadata, and prints what was done.
pub fn both_ways(left: &Path, right: &Path) -> Result<()> {
    shell::run(Command::new("diff").args(["-r", "--no-dereference"]).arg(left).arg(right))?;
    let mut entries = 0;
    compare(left, right, &mut entries)?;
    println!(
        "the trees are the same: {entries} entries with kind, mode, owner, mtime, links, size, contents, extended \
         attributes (ACLs and capabilities among them) and inode flags"
    );
    Ok(())
}

fn compare(left: &Path, right: &Path, entries: &mut u64) -> Result<()> {
    *entries += 1;
    let (a, b) = (metadata(left)?, metadata(right)?);
    let (left_facts, right_facts) = (facts(left, &a)?, facts(right, &b)?);
    if left_facts != right_facts {
        bail!("{} and {} differ:\n  {left_facts}\n  {right_facts}", left.display(), right.display());
    }
    if !a.is_dir() {
        return Ok(());
    }
    let (names, others) = (names(left)?, names(right)?);
    if names != others {
        bail!("{} and {} hold different names", left.display(), right.display());
    }
    names.iter().try_for_each(|name| compare(&left.join(name), &right.join(name), entries))
}

fn metadata(path: &Path) -> Result<Metadata> {
    path.symlink_metadata().with_context(|| format!("cannot read the metadata of {}", path.display()))
}

/// Everything that an archive keeps of an entry and that diff does not look at.
fn facts(path: &Path, metadata: &Metadata) -> Result<String> {
    let kind = metadata.file_type();
    // The size and link count of a folder are the file system's own business.
    let (size, links) = if kind.is_dir() { (0, 0) } else { (metadata.len(), metadata.nlink()) };
    let device = if kind.is_block_device() || kind.is_char_device() { metadata.rdev() } else { 0 };
    let mut facts = format!(
        "mode {:o}, owner {}:{}, mtime {}.{:09}, size {size}, links {links}, device {device:x}",
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    );
    // Archives keep these of folders and files only.
    if kind.is_dir() || kind.is_file() {
        let flags = flags(path).with_context(|| format!("cannot read the flags of {}", path.display()))?;
        facts.push_str(&format!(", flags {flags:#x}"));
        let xattrs = xattrs(path)
            .with_context(|| format!("cannot read the extended attributes of {}", path.display()))?;
        for (name, value) in xattrs {
            facts.push_str(&format!(", {} = \"{}\"", name.display(), value.escape_ascii()));
        }
    }
    Ok(facts)
}

/// The inode flags, none where the file system knows none.
fn flags(path: &Path) -> Result<u32> {
    let file = File::open(path)?;
    match ioctl_getflags(&file) {
        Ok(flags) => Ok(flags.bits() & FLAGS),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// The extended attributes that archives keep, by name; the system shows ACLs and capabilities as such.
fn xattrs(path: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    // The kernel's own limits for the list and for a value.
    let (mut list, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let len = match llistxattr(path, &mut list) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let mut all = BTreeMap::new();
    for name in list[..len].split_inclusive(|&b| b == 0) {
        let name = CStr::from_bytes_with_nul(name)?;
        let text = name.to_bytes();
        let is_kept = [&b"user."[..], b"trusted.", b"system.posix_acl_"].iter().any(|p| text.starts_with(p))
            || [&b"security.NTACL"[..], b"security.capability"].contains(&text);
        if is_kept {
            let len = lgetxattr(path, name, &mut value)?;
            all.insert(OsStr::from_bytes(text).to_owned(), value[..len].to_vec());
        }
    }
    Ok(all)
}

fn names(dir: &Path) -> Result<Vec<OsString>> {
    let list = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut names = list.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_attributes_and_flags_are_compared() {
        let dir = std::env::temp_dir().join(format!("pxkit-compare-{}", std::process::id()));
        let (a, b) = (dir.join("a"), dir.join("b"));
        for path in [&a, &b] {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join("file"), "x").unwrap();
        }
        let same = || {
            for path in [&a, &b] {
                for path in [path.join("file"), path.clone()] {
                    File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
                }
            }
            compare(&a, &b, &mut 0).map_err(|error| error.to_string())
        };
        same().unwrap();
        let set = |path: &Path| {
            rustix::fs::setxattr(path.join("file"), "user.x", b"1", rustix::fs::XattrFlags::empty())
        };
        // Not every file system has them.
        if set(&a).is_ok() {
            assert!(same().unwrap_err().contains("user.x = \"1\""));
            set(&b).unwrap();
            same().unwrap();
        }
        let flag = |path: &Path, how| shell::succeeds(Command::new("chattr").arg(how).arg(path.join("file")));
        if flag(&a, "+d") {
            assert!(same().unwrap_err().contains("flags 0x40"));
            flag(&a, "-d");
            same().unwrap();
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
