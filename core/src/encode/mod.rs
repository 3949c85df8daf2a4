//! Events to bytes: unified archives and split ones, also with payload references given from outside.
//!
//! The encoder holds positions, not data: it appends metadata (and, in split archives, payload headers) to buffers that the
//! caller owns and empties whenever it likes, and is told how many bytes of contents went into the stream. Memory: 24 bytes for
//! every child of a directory that is not closed yet.

use alloc::vec::Vec;

use crate::format::{
    Attributes, Device, Error, HEADER_SIZE, Header, ItemType, Kind, MAX_NAME_LEN, NameHash,
    PAYLOAD_TAIL_MARKER, PayloadRef, Problem, RECORD_SIZE, Record, START_MARKER, Stat, TAIL_MARKER,
    check_name, hash_name, layout_slots,
};

/// Metadata of a node to be written.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Name in its directory; empty for the root and only there.
    pub name: &'a [u8],
    /// Fixed metadata; the type in its mode must fit the event.
    pub stat: &'a Stat,
    /// Further metadata.
    pub attributes: &'a Attributes,
}

/// What comes next in an archive. Children of a directory follow it, ascending by name, until its [`Event::Leave`].
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A directory; the first event is one: the root.
    Directory(Node<'a>),
    /// A file whose `size` bytes of contents are written right after this event, see [`Encoder::contents`].
    File {
        /// Metadata.
        node: Node<'a>,
        /// Bytes of contents.
        size: u64,
    },
    /// A file of a split archive whose contents are, or will be, in the payload stream already, see [`Encoder::inject`].
    Reference {
        /// Metadata.
        node: Node<'a>,
        /// Where the contents lie; not before the current end of the payload stream, and behind all earlier references.
        payload: PayloadRef,
    },
    /// A symbolic link.
    Symlink {
        /// Metadata; attributes must be empty.
        node: Node<'a>,
        /// Up to 4096 bytes without NUL.
        target: &'a [u8],
    },
    /// A device node.
    Device {
        /// Metadata.
        node: Node<'a>,
        /// Its numbers.
        device: Device,
    },
    /// A named pipe.
    Fifo(Node<'a>),
    /// A socket.
    Socket(Node<'a>),
    /// A further name of a file.
    Hardlink {
        /// Name in its directory.
        name: &'a [u8],
        /// What [`Encoder::push`] returned for the file's first name.
        filename: u64,
        /// Path of the first name from the root, without leading slash.
        target: &'a [u8],
    },
    /// The end of the innermost directory; that of the root completes the archive.
    Leave,
}

/// A directory that is not closed yet.
#[derive(Clone, Copy, Debug)]
struct Level {
    filename: u64,
    entry: u64,
    hash: u64,
    /// Its first child in `records`.
    first: usize,
}

/// Writes one archive (see the [module](self)).
#[derive(Clone, Debug)]
pub struct Encoder {
    hash: NameHash,
    split: bool,
    /// Bytes of the metadata stream so far.
    position: u64,
    /// Bytes of the payload stream so far.
    payload: u64,
    /// Least offset of the next payload reference.
    least_reference: u64,
    /// Contents of the last file that are still to be written.
    pending: u64,
    /// Children of the open directories; `offset` holds the FILENAME position until the table is written.
    records: Vec<Record>,
    levels: Vec<Level>,
    started: bool,
}

impl Encoder {
    /// Begins a unified archive (version 1), whose first byte is that of the root's ENTRY.
    pub const fn unified() -> Self {
        Self {
            hash: hash_name,
            split: false,
            position: 0,
            payload: 0,
            least_reference: 0,
            pending: 0,
            records: Vec::new(),
            levels: Vec::new(),
            started: false,
        }
    }

    /// Begins a split archive (version 2): appends FORMAT_VERSION and PRELUDE to `meta` and the start marker to `payload`.
    pub fn split(prelude: Option<&[u8]>, meta: &mut Vec<u8>, payload: &mut Vec<u8>) -> Self {
        let mut encoder = Self { split: true, ..Self::unified() };
        encoder.item(ItemType::FormatVersion, &[&2u64.to_le_bytes()], meta);
        if let Some(prelude) = prelude {
            encoder.item(ItemType::Prelude, &[prelude], meta);
        }
        payload.extend_from_slice(&START_MARKER);
        encoder.payload = START_MARKER.len() as u64;
        encoder.least_reference = encoder.payload;
        encoder
    }

    /// Replaces the hash of names; for tests of colliding names only, no reader finds such names.
    #[must_use]
    pub fn with_hash(mut self, hash: NameHash) -> Self {
        self.hash = hash;
        self
    }

    /// Bytes of the metadata stream so far (in unified archives with the contents announced).
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the payload stream so far.
    pub const fn payload_position(&self) -> u64 {
        self.payload
    }

    /// Whether the root was closed.
    pub fn is_complete(&self) -> bool {
        self.started && self.levels.is_empty()
    }

    /// Encodes an event and returns the position that a [`Event::Hardlink`] to this node must name.
    ///
    /// Appends to `meta` and, for the header of a split archive's file, to `payload`.
    ///
    /// # Errors
    /// An event that the format cannot express or that does not fit here; nothing was appended then.
    #[inline]
    pub fn push(
        &mut self,
        event: &Event<'_>,
        meta: &mut Vec<u8>,
        payload: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        if self.pending > 0 {
            return Err(self.misuse("contents of the last file are not complete"));
        }
        if self.is_complete() {
            return Err(self.misuse("the archive is complete"));
        }
        match *event {
            Event::Directory(node) => self.directory(node, meta),
            Event::File { node, size } => self.file(node, size, meta, payload),
            Event::Reference { node, payload } => self.reference(node, payload, meta),
            Event::Symlink { node, target } => {
                if target.len() > MAX_NAME_LEN || target.contains(&0) {
                    return Err(self.misuse("a symlink's target has at most 4096 bytes, none of them NUL"));
                }
                let filename = self.node(node, Kind::Symlink, meta)?;
                self.item(ItemType::Symlink, &[target, &[0]], meta);
                self.child(node.name, filename, 0);
                Ok(filename)
            }
            Event::Device { node, device } => {
                let filename = self.node(node, Kind::Device, meta)?;
                self.item(ItemType::Device, &[&device.to_bytes()], meta);
                self.child(node.name, filename, 0);
                Ok(filename)
            }
            Event::Fifo(node) => {
                let filename = self.node(node, Kind::Fifo, meta)?;
                self.child(node.name, filename, 0);
                Ok(filename)
            }
            Event::Socket(node) => {
                let filename = self.node(node, Kind::Socket, meta)?;
                self.child(node.name, filename, 0);
                Ok(filename)
            }
            Event::Hardlink { name, filename, target } => self.hardlink(name, filename, target, meta),
            Event::Leave => self.leave(meta),
        }
    }

    /// Tells that `bytes` bytes of the last file's contents were written: into the metadata stream of a unified archive, into
    /// the payload stream of a split one.
    ///
    /// # Errors
    /// More than the file's size.
    pub fn contents(&mut self, bytes: u64) -> Result<(), Error> {
        let Some(pending) = self.pending.checked_sub(bytes) else {
            return Err(self.misuse("more contents than the file's size"));
        };
        self.pending = pending;
        *(if self.split { &mut self.payload } else { &mut self.position }) += bytes;
        Ok(())
    }

    /// Tells that `bytes` bytes of chunks were injected into the payload stream.
    ///
    /// # Errors
    /// The archive is unified, a file's contents are not complete, or the stream would exceed 2^63 bytes.
    pub fn inject(&mut self, bytes: u64) -> Result<(), Error> {
        if !self.split || self.pending > 0 {
            return Err(self.misuse("chunks go between the files of a split archive"));
        }
        let end = self.payload.checked_add(bytes).filter(|&end| end < 1 << 63);
        self.payload = end.ok_or_else(|| self.misuse("the payload stream exceeds 2^63 bytes"))?;
        Ok(())
    }

    /// Ends the archive: appends the tail marker of a split one to `payload`.
    ///
    /// # Errors
    /// The root was not closed.
    pub fn finish(mut self, payload: &mut Vec<u8>) -> Result<(u64, u64), Error> {
        if !self.is_complete() || self.pending > 0 {
            return Err(self.misuse("the root directory is not closed"));
        }
        if self.split {
            payload.extend_from_slice(&PAYLOAD_TAIL_MARKER);
            self.payload += PAYLOAD_TAIL_MARKER.len() as u64;
        }
        Ok((self.position, self.payload))
    }

    fn directory(&mut self, node: Node<'_>, meta: &mut Vec<u8>) -> Result<u64, Error> {
        let root = !self.started;
        if root {
            if !node.name.is_empty() {
                return Err(self.misuse("the root has no name"));
            }
            if node.stat.kind() != Some(Kind::Directory) {
                return Err(self.misuse("the root is a directory"));
            }
            self.started = true;
            self.metadata(node, meta);
            let (filename, entry, hash) = (0, 0, 0);
            self.levels.push(Level { filename, entry, hash, first: 0 });
            return Ok(filename);
        }
        let filename = self.node(node, Kind::Directory, meta)?;
        let entry = filename + (HEADER_SIZE + node.name.len() + 1) as u64;
        let level = Level { filename, entry, hash: (self.hash)(node.name), first: self.records.len() };
        self.levels.push(level);
        Ok(filename)
    }

    #[inline]
    fn file(
        &mut self,
        node: Node<'_>,
        size: u64,
        meta: &mut Vec<u8>,
        payload: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        let stream = if self.split { self.payload } else { self.position };
        // Far from the end of the number range, so that positions need no further checks.
        if size > (1 << 63) - 1 || stream > (1 << 63) - 1 - size {
            return Err(self.misuse("the archive exceeds 2^63 bytes"));
        }
        let filename = self.node(node, Kind::File, meta)?;
        let header = Header::new(ItemType::Payload, size).to_bytes();
        if self.split {
            let reference = PayloadRef { offset: self.payload, size };
            self.item(ItemType::PayloadRef, &[&reference.to_bytes()], meta);
            payload.extend_from_slice(&header);
            self.payload += header.len() as u64;
            self.least_reference = reference.offset + 1;
        } else {
            meta.extend_from_slice(&header);
            self.position += header.len() as u64;
        }
        self.pending = size;
        self.child(node.name, filename, size);
        Ok(filename)
    }

    fn reference(&mut self, node: Node<'_>, payload: PayloadRef, meta: &mut Vec<u8>) -> Result<u64, Error> {
        if !self.split {
            return Err(self.misuse("payload references need a split archive"));
        }
        let least = self.least_reference.max(self.payload);
        if payload.end().is_none() {
            return Err(self.misuse("a payload reference ends below 2^64"));
        }
        if payload.offset < least {
            let problem = Problem::Backwards { least, got: payload.offset };
            return Err(Error::new(self.position, Some(ItemType::PayloadRef), problem));
        }
        let filename = self.node(node, Kind::File, meta)?;
        self.item(ItemType::PayloadRef, &[&payload.to_bytes()], meta);
        self.least_reference = payload.offset + 1;
        self.child(node.name, filename, 0);
        Ok(filename)
    }

    fn hardlink(
        &mut self,
        name: &[u8],
        target_filename: u64,
        target: &[u8],
        meta: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        let distance = match self.position.checked_sub(target_filename) {
            Some(distance) if distance > 0 => distance,
            _ => return Err(self.misuse("a hard link leads backwards")),
        };
        if target.is_empty() || target.len() > MAX_NAME_LEN || target[0] == b'/' || target.contains(&0) {
            return Err(self.misuse("a hard link's target is a path from the root of at most 4096 bytes"));
        }
        let filename = self.filename(name, meta)?;
        self.item(ItemType::Hardlink, &[&distance.to_le_bytes(), target, &[0]], meta);
        self.child(name, filename, 0);
        Ok(filename)
    }

    fn leave(&mut self, meta: &mut Vec<u8>) -> Result<u64, Error> {
        let Some(level) = self.levels.pop() else {
            return Err(self.misuse("no directory is open"));
        };
        let goodbye = self.position;
        let children = &mut self.records[level.first..];
        for record in children.iter_mut() {
            record.offset = goodbye - record.offset;
        }
        // Equal hashes have no defined order; the offset makes it a deterministic one.
        children.sort_unstable();
        let content = (children.len() + 1) * RECORD_SIZE;
        let header = Header::new(ItemType::Goodbye, content as u64);
        meta.extend_from_slice(&header.to_bytes());
        let table = meta.len();
        meta.resize(table + content, 0);
        let slots = &mut meta[table..];
        layout_slots(children.len(), |slot, rank| {
            slots[slot * RECORD_SIZE..][..RECORD_SIZE].copy_from_slice(&children[rank].to_bytes());
        });
        let tail = Record { hash: TAIL_MARKER, offset: goodbye - level.entry, size: header.full_size() };
        slots[content - RECORD_SIZE..].copy_from_slice(&tail.to_bytes());
        self.position += header.full_size();
        self.records.truncate(level.first);
        if !self.levels.is_empty() {
            let size = self.position - level.filename;
            self.records.push(Record { hash: level.hash, offset: level.filename, size });
        }
        Ok(level.filename)
    }

    /// Appends FILENAME, ENTRY and attributes; returns where FILENAME is.
    #[inline]
    fn node(&mut self, node: Node<'_>, kind: Kind, meta: &mut Vec<u8>) -> Result<u64, Error> {
        if node.stat.kind() != Some(kind) {
            return Err(self.misuse("the type in the mode differs from that of the event"));
        }
        let filename = self.filename(node.name, meta)?;
        self.metadata(node, meta);
        Ok(filename)
    }

    #[inline]
    fn filename(&mut self, name: &[u8], meta: &mut Vec<u8>) -> Result<u64, Error> {
        if self.levels.is_empty() {
            return Err(self.misuse("the first event is the root directory"));
        }
        if let Err(expected) = check_name(name) {
            let problem = Problem::Content { expected };
            return Err(Error::new(self.position, Some(ItemType::Filename), problem));
        }
        let filename = self.position;
        self.item(ItemType::Filename, &[name, &[0]], meta);
        Ok(filename)
    }

    #[inline]
    fn metadata(&mut self, node: Node<'_>, meta: &mut Vec<u8>) {
        self.item(ItemType::Entry, &[&node.stat.to_bytes()], meta);
        let attributes = node.attributes.as_bytes();
        meta.extend_from_slice(attributes);
        self.position += attributes.len() as u64;
    }

    #[inline]
    fn item(&mut self, item: ItemType, parts: &[&[u8]], meta: &mut Vec<u8>) {
        let content = parts.iter().map(|part| part.len() as u64).sum();
        let header = Header::new(item, content);
        meta.extend_from_slice(&header.to_bytes());
        for part in parts {
            meta.extend_from_slice(part);
        }
        self.position += header.full_size();
    }

    /// Notes a complete child of the innermost directory for its table.
    #[inline]
    fn child(&mut self, name: &[u8], filename: u64, contents: u64) {
        let size = self.position - filename + contents;
        self.records.push(Record { hash: (self.hash)(name), offset: filename, size });
    }

    #[cold]
    fn misuse(&self, rule: &'static str) -> Error {
        Error::misuse(self.position, rule)
    }
}

#[cfg(test)]
mod tests;
