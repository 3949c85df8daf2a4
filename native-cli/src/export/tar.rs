//! Tar archives as POSIX has them (pax): what the old header cannot hold stands in records before it. Extended attributes, ACLs and
//! capabilities are stored as GNU tar, star and libarchive do.

use std::io::Write;

use anyhow::Context as _;
use pxkit_core::format::{Stat, mode};
use tar::{Builder, EntryType, Header};

use super::{Body, Format, Item};
use crate::linux::{acl_texts, extended_attributes};
use crate::report::Report;
use crate::text::quoted;

/// Bytes of a record; contents are filled up to whole ones.
const RECORD: u64 = 512;
/// Bytes of a name, and of a link's target, in a header.
const NAME: usize = 100;
/// What the header's octal digits hold.
const MOST_ID: u32 = 0o777_7777;
const MOST_TIME: i64 = 0o777_7777_7777;
const MOST_SIZE: u64 = 0o777_7777_7777;
/// How much is tried for compression: as chunks are.
const LEVEL: i32 = 1;

/// A tar archive.
pub struct Tar<W: Write> {
    builder: Builder<Out<W>>,
    /// Bytes of contents that are missing for a whole record.
    padding: u64,
}

/// Where it goes.
enum Out<W: Write> {
    Plain(W),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

impl<W: Write> Tar<W> {
    pub fn new(out: W) -> Self {
        Self { builder: Builder::new(Out::Plain(out)), padding: 0 }
    }

    /// Compressed with zstd.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn compressed(out: W) -> anyhow::Result<Self> {
        let encoder = zstd::Encoder::new(out, LEVEL).context("cannot compress")?;
        Ok(Self { builder: Builder::new(Out::Zstd(encoder)), padding: 0 })
    }
}

impl<W: Write> Format for Tar<W> {
    fn begin(&mut self, item: &Item<'_>, report: &Report) -> anyhow::Result<bool> {
        let entry_type = match item.body {
            Body::Directory => EntryType::Directory,
            Body::File(_) => EntryType::Regular,
            Body::Symlink(_) => EntryType::Symlink,
            Body::Link(_) => EntryType::Link,
            Body::Device(_) if item.stat.mode & mode::TYPE == mode::BLOCK => EntryType::Block,
            Body::Device(_) => EntryType::Char,
            Body::Fifo => EntryType::Fifo,
            Body::Socket => return Ok(false),
        };
        let mut path = if item.path.is_empty() { b".".to_vec() } else { item.path.to_vec() };
        if matches!(item.body, Body::Directory) {
            path.push(b'/');
        }
        let target = match item.body {
            Body::Symlink(target) | Body::Link(target) => target,
            _ => b"",
        };
        let size = if let Body::File(size) = item.body { size } else { 0 };
        let records = records(item, &path, target, size, report);
        let records = records.iter().map(|(key, value)| (key.as_str(), &value[..]));
        self.builder.append_pax_extensions(records).context("cannot write")?;

        let Stat { mode: bits, uid, gid, mtime, .. } = *item.stat;
        let mut header = Header::new_ustar();
        header.set_entry_type(entry_type);
        header.set_mode((bits & mode::PERMISSIONS) as u32);
        header.set_uid(uid.min(MOST_ID).into());
        header.set_gid(gid.min(MOST_ID).into());
        header.set_mtime(mtime.secs.clamp(0, MOST_TIME) as u64);
        header.set_size(size.min(MOST_SIZE));
        if let Body::Device(device) = item.body {
            // What the digits of the header cannot hold, Linux does not have.
            header.set_device_major(device.major.min(MOST_ID.into()) as u32)?;
            header.set_device_minor(device.minor.min(MOST_ID.into()) as u32)?;
        }
        let fields = header.as_old_mut();
        let name = &path[..path.len().min(NAME)];
        fields.name[..name.len()].copy_from_slice(name);
        let target = &target[..target.len().min(NAME)];
        fields.linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.builder.get_mut().write_all(header.as_bytes()).context("cannot write")?;
        self.padding = size.next_multiple_of(RECORD) - size;
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.builder.get_mut().write_all(bytes).context("cannot write")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let zeros = [0; RECORD as usize];
        self.builder.get_mut().write_all(&zeros[..self.padding as usize]).context("cannot write")
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        // The end of the archive.
        let end = || -> std::io::Result<()> {
            let mut out = match self.builder.into_inner()? {
                Out::Plain(out) => out,
                Out::Zstd(out) => out.finish()?,
            };
            out.flush()
        };
        end().context("cannot write")
    }
}

/// What the header cannot hold.
fn records(
    item: &Item<'_>,
    path: &[u8],
    target: &[u8],
    size: u64,
    report: &Report,
) -> Vec<(String, Vec<u8>)> {
    let Stat { uid, gid, mtime, .. } = *item.stat;
    let mut records = Vec::new();
    let mut add = |key: &str, value: Vec<u8>| records.push((key.to_owned(), value));
    if path.len() > NAME {
        add("path", path.to_vec());
    }
    if target.len() > NAME {
        add("linkpath", target.to_vec());
    }
    if size > MOST_SIZE {
        add("size", size.to_string().into_bytes());
    }
    for (key, id) in [("uid", uid), ("gid", gid)] {
        if id > MOST_ID {
            add(key, id.to_string().into_bytes());
        }
    }
    if mtime.nanos != 0 || !(0..=MOST_TIME).contains(&mtime.secs) {
        add("mtime", time_text(mtime.secs, mtime.nanos).into_bytes());
    }
    // Another name has what the file has already.
    if matches!(item.body, Body::Link(_)) || item.attributes.is_empty() {
        return records;
    }
    let (access, default) = acl_texts(item.stat, item.attributes);
    for (key, acl) in [("SCHILY.acl.access", access), ("SCHILY.acl.default", default)] {
        if let Some(acl) = acl {
            add(key, acl.into_bytes());
        }
    }
    for (name, value) in extended_attributes(item.stat, item.attributes) {
        if name.starts_with(b"system.posix_acl_") {
            continue;
        }
        match str::from_utf8(&name) {
            // The record's key ends there.
            Ok(name) if !name.contains('=') => add(&format!("SCHILY.xattr.{name}"), value),
            _ => report.warn(format_args!(
                "{}: the extended attribute {} cannot be told in a tar archive",
                quoted(item.path),
                name.escape_ascii()
            )),
        }
    }
    records
}

/// Seconds as a decimal number; before 1970 nanoseconds count the other way.
fn time_text(secs: i64, nanos: u32) -> String {
    let nanos = nanos.min(999_999_999);
    if secs >= 0 || nanos == 0 {
        return format!("{secs}.{nanos:09}");
    }
    let whole = secs + 1;
    format!("-{}.{:09}", whole.unsigned_abs(), 1_000_000_000 - nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_numbers() {
        assert_eq!(time_text(5, 7), "5.000000007");
        assert_eq!(time_text(-1, 0), "-1.000000000");
        assert_eq!(time_text(-1, 400_000_000), "-0.600000000");
        assert_eq!(time_text(-300_000_001, 5), "-300000000.999999995");
        assert!(time_text(i64::MIN, 1).starts_with("-9223372036854775807."));
    }
}
