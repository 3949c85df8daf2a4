//! Zip archives with stored members (APPNOTE 6.3), in the form for large files (zip64) where that is needed.
//!
//! Checksums are known only when the contents have passed, so they stand behind them and in the directory at the end.

use pxkit_core::format::Timestamp;

use super::sink::Sink;

/// Sizes and offsets from here on need the larger form.
const LARGE: u64 = 0xffff_ffff;
/// A data descriptor follows.
const DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8.
const UTF8: u16 = 1 << 11;

/// An archive in the making.
#[derive(Default)]
pub struct Zip {
    /// The directory, which comes behind everything.
    directory: Sink,
    members: u64,
}

/// A member whose contents are being written.
pub struct Member {
    name: Vec<u8>,
    mode: u32,
    mtime: Timestamp,
    offset: u64,
    is_large: bool,
}

impl Zip {
    /// Begins a member of `size` bytes. `name` ends with a slash if it is a directory; `mode` is that of Unix with its type.
    pub fn begin(sink: &mut Sink, name: Vec<u8>, mode: u32, mtime: Timestamp, size: u64) -> Member {
        let member = Member { name, mode, mtime, offset: sink.size(), is_large: size >= LARGE };
        let mut out = Vec::with_capacity(64 + member.name.len());
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&member.version().to_le_bytes());
        member.common(&mut out, 0, if member.is_large { LARGE } else { 0 });
        let mut extra = member.times();
        if member.is_large {
            extra.extend_from_slice(&[1, 0, 16, 0]);
            extra.extend_from_slice(&[0; 16]);
        }
        out.extend_from_slice(&(member.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        out.extend_from_slice(&member.name);
        out.extend_from_slice(&extra);
        sink.push(&out);
        member
    }

    /// Ends a member whose contents have this checksum and size.
    pub fn end(&mut self, sink: &mut Sink, member: &Member, crc: u32, size: u64) {
        let mut out = b"PK\x07\x08".to_vec();
        out.extend_from_slice(&crc.to_le_bytes());
        for _ in 0..2 {
            if member.is_large {
                out.extend_from_slice(&size.to_le_bytes());
            } else {
                out.extend_from_slice(&(size as u32).to_le_bytes());
            }
        }
        sink.push(&out);

        let is_far = member.offset >= LARGE;
        let mut large = Vec::new();
        if member.is_large {
            large.extend_from_slice(&size.to_le_bytes());
            large.extend_from_slice(&size.to_le_bytes());
        }
        if is_far {
            large.extend_from_slice(&member.offset.to_le_bytes());
        }
        let mut extra = member.times();
        if !large.is_empty() {
            extra.extend_from_slice(&[1, 0, large.len() as u8, 0]);
            extra.extend_from_slice(&large);
        }
        let version = if is_far { 45 } else { member.version() };
        let mut out = b"PK\x01\x02".to_vec();
        // Made by version 4.5 on Unix.
        out.extend_from_slice(&[45, 3]);
        out.extend_from_slice(&version.to_le_bytes());
        member.common(&mut out, crc, if member.is_large { LARGE } else { size });
        out.extend_from_slice(&(member.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        // No comment, first disk, no internal attributes.
        out.extend_from_slice(&[0; 6]);
        let dos_directory = u32::from(member.name.ends_with(b"/")) << 4;
        out.extend_from_slice(&(member.mode << 16 | dos_directory).to_le_bytes());
        out.extend_from_slice(&(member.offset.min(LARGE) as u32).to_le_bytes());
        out.extend_from_slice(&member.name);
        out.extend_from_slice(&extra);
        self.directory.push(&out);
        self.members += 1;
    }

    /// Writes the directory.
    pub fn finish(self, sink: &mut Sink) {
        let (start, size, members) = (sink.size(), self.directory.size(), self.members);
        sink.append(self.directory);
        let mut out = Vec::new();
        if start >= LARGE || size >= LARGE || members >= 0xffff {
            let end = sink.size();
            out.extend_from_slice(b"PK\x06\x06");
            out.extend_from_slice(&44u64.to_le_bytes());
            out.extend_from_slice(&[45, 3, 45, 0]);
            out.extend_from_slice(&[0; 8]);
            for number in [members, members, size, start] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(b"PK\x06\x07");
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&1u32.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x05\x06");
        out.extend_from_slice(&[0; 4]);
        let count = members.min(0xffff) as u16;
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&(size.min(LARGE) as u32).to_le_bytes());
        out.extend_from_slice(&(start.min(LARGE) as u32).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        sink.push(&out);
    }
}

impl Member {
    const fn version(&self) -> u16 {
        if self.is_large { 45 } else { 20 }
    }

    /// Flags, method, time, checksum, sizes: the same in both headers.
    fn common(&self, out: &mut Vec<u8>, crc: u32, size: u64) {
        let utf8 = if std::str::from_utf8(&self.name).is_ok() { UTF8 } else { 0 };
        out.extend_from_slice(&(DESCRIPTOR | utf8).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        // 1980-01-01, as early as this field goes; the true time is in the extra field.
        out.extend_from_slice(&[0, 0, 0x21, 0]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&(size as u32).to_le_bytes());
        out.extend_from_slice(&(size as u32).to_le_bytes());
    }

    /// The extra field with the time of modification, if it has room there.
    fn times(&self) -> Vec<u8> {
        let Ok(secs) = i32::try_from(self.mtime.secs) else { return Vec::new() };
        [&b"UT\x05\0\x01"[..], &secs.to_le_bytes()].concat()
    }
}
