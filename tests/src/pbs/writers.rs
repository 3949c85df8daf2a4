//! Indexes in the making, as a server writes them (protocol 8.2 to 8.9).

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pxkit_core::format::Digest;
use sha2::{Digest as _, Sha256};

use super::params::{Refusal, Reply, bad};

/// Bytes of every chunk of an image but the last.
pub const IMAGE_CHUNK: u64 = 4 << 20;
/// Bytes before the entries.
const HEADER: usize = 4096;
const DYNAMIC_MAGIC: [u8; 8] = [0x1c, 0x91, 0x4e, 0xa5, 0x19, 0xba, 0xb3, 0xcd];
const FIXED_MAGIC: [u8; 8] = [0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd];

/// What was uploaded for an archive, or for all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub count: u64,
    pub size: u64,
    pub compressed_size: u64,
    pub duplicates: u64,
}

impl Stats {
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.size += other.size;
        self.compressed_size += other.compressed_size;
        self.duplicates += other.duplicates;
    }
}

/// An index in the making.
#[derive(Debug)]
pub struct Writer {
    pub name: String,
    path: PathBuf,
    temp: PathBuf,
    ctime: i64,
    pub stats: Stats,
    /// The file has its name, with another checksum than the client said: nothing works any more.
    is_lost: bool,
    /// Entries that were appended by the client.
    count: u64,
    pub entries: Entries,
}

/// What is in an index.
#[derive(Debug)]
pub enum Entries {
    /// Ends and digests.
    Dynamic(Vec<(u64, Digest)>),
    Fixed {
        digests: Vec<Option<Digest>>,
        size: u64,
        /// The size is not known, and no short chunk came yet.
        grows: bool,
        /// It began as a copy of the previous one.
        is_incremental: bool,
        /// Short chunks that were uploaded.
        short: u64,
    },
}

impl Writer {
    pub fn new(directory: &Path, name: &str, ctime: i64, entries: Entries) -> Reply<Self> {
        let (stem, extension) = name.rsplit_once('.').expect("an extension that was checked");
        let temp = directory.join(format!("{stem}.tmp_{extension}"));
        File::create(&temp)
            .map_err(|error| bad(format!("unable to create \"{}\" - {error}", temp.display())))?;
        let path = directory.join(name);
        let stats = Stats::default();
        Ok(Self { name: name.to_owned(), path, temp, ctime, stats, is_lost: false, count: 0, entries })
    }

    /// The word for this kind in messages.
    pub fn word(&self) -> &'static str {
        match self.entries {
            Entries::Dynamic(_) => "dynamic",
            Entries::Fixed { .. } => "fixed",
        }
    }

    fn fail(&self, what: &str, why: impl std::fmt::Display) -> Refusal {
        bad(format!("{} writer '{}' {what} failed - {why}", self.word(), self.name))
    }

    /// An upload of a chunk for this archive.
    pub fn uploaded(&mut self, plain: u64, stored: u64, duplicate: bool) -> Reply<()> {
        let name = self.name.clone();
        if let Entries::Fixed { short, .. } = &mut self.entries {
            if plain > IMAGE_CHUNK {
                return Err(bad(format!("fixed writer '{name}' - got large chunk ({plain} > {IMAGE_CHUNK}")));
            }
            if plain < IMAGE_CHUNK {
                *short += 1;
                if *short > 1 {
                    let why = "detected multiple end chunks (chunk size too small)";
                    return Err(bad(format!("fixed writer '{name}' {why}")));
                }
            }
        }
        let duplicates = duplicate.into();
        self.stats.add(Stats { count: 1, size: plain, compressed_size: stored, duplicates });
        Ok(())
    }

    /// Appends a chunk that starts at `offset`.
    pub fn append(&mut self, digest: Digest, offset: u64, len: u64) -> Reply<()> {
        let what = "append chunk";
        if self.is_lost {
            return Err(self.fail(what, "already closed"));
        }
        match &mut self.entries {
            Entries::Dynamic(entries) => {
                let end = entries.last().map_or(0, |(end, _)| *end);
                if end != offset {
                    return Err(self.fail(what, format!("got strange chunk offset ({end} != {offset})")));
                }
                entries.push((end + len, digest));
            }
            Entries::Fixed { digests, size, grows, .. } => {
                if !offset.is_multiple_of(IMAGE_CHUNK) {
                    return Err(self.fail(what, format!("got unaligned chunk (pos = {offset})")));
                }
                let end = offset + len;
                if end > *size {
                    if !*grows {
                        let why = format!("refusing to resize from {size} to {end}");
                        return Err(self.fail(what, why));
                    }
                    *size = end;
                    digests.resize(usize::try_from(end.div_ceil(IMAGE_CHUNK)).expect("a size"), None);
                }
                if len != IMAGE_CHUNK {
                    if end != *size {
                        let why = format!("chunk with unexpected length ({len} != {IMAGE_CHUNK}");
                        return Err(self.fail(what, why));
                    }
                    *grows = false;
                }
                digests[usize::try_from(offset / IMAGE_CHUNK).expect("a number")] = Some(digest);
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Completes the index.
    pub fn close(&mut self, count: u64, size: u64, csum: &str) -> Reply<()> {
        let what = "close";
        if self.is_lost {
            return Err(self.fail(what, "already closed"));
        }
        if self.count != count {
            return Err(self.fail(what, format!("unexpected chunk count ({} != {count})", self.count)));
        }
        let (body, tail) = match &self.entries {
            Entries::Dynamic(entries) => {
                let end = entries.last().map_or(0, |(end, _)| *end);
                if end != size {
                    return Err(self.fail(what, format!("unexpected file size ({end} != {size})")));
                }
                let body: Vec<u8> = entries
                    .iter()
                    .flat_map(|(end, digest)| [&end.to_le_bytes()[..], &digest.0].concat())
                    .collect();
                (body, Vec::new())
            }
            Entries::Fixed { digests, size: end, is_incremental, .. } => {
                if digests.is_empty() {
                    return Err(self.fail(what, "fidx file must have at least one chunk"));
                }
                if !is_incremental {
                    let all = digests.len() as u64;
                    if all != count {
                        return Err(
                            self.fail(what, format!("received wrong number of chunk ({all} != {count})"))
                        );
                    }
                    if *end != size {
                        return Err(self.fail(what, format!("unexpected file size ({end} != {size})")));
                    }
                }
                let body = digests.iter().flat_map(|digest| digest.unwrap_or_default().0).collect();
                (body, [end.to_le_bytes(), IMAGE_CHUNK.to_le_bytes()].concat())
            }
        };
        let sum = Digest(Sha256::digest(&body).into());
        let magic = if matches!(self.entries, Entries::Dynamic(_)) { DYNAMIC_MAGIC } else { FIXED_MAGIC };
        let uuid = &Sha256::digest(self.path.to_string_lossy().as_bytes())[..16];
        let mut file = [&magic, uuid, &self.ctime.to_le_bytes(), &sum.0, &tail].concat();
        file.resize(HEADER, 0);
        let written = File::options().write(true).truncate(true).open(&self.temp);
        written
            .and_then(|mut temp| {
                temp.write_all(&file)?;
                temp.write_all(&body)?;
                fs::rename(&self.temp, &self.path)
            })
            .map_err(|error| {
                self.fail(what, format!("Atomic rename file \"{}\" failed - {error}", self.path.display()))
            })?;
        if sum.to_string() != csum.to_ascii_lowercase() {
            self.is_lost = true;
            return Err(self.fail(what, "got unexpected checksum"));
        }
        Ok(())
    }
}
