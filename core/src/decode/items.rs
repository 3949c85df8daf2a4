use alloc::vec::Vec;

use super::findings::{Findings, Irregularity};
use super::step::{Item, Limits, Start, Step};
use crate::format::{
    Attribute, Device, Error, HEADER_SIZE, Header, ItemType, Kind, PayloadRef, Problem, RECORD_SIZE, Stat,
    check_name, is_single, rank, u32_at, u64_at,
};

/// What may come next (specification 2.1 and 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// First item of an archive.
    Start,
    /// After FORMAT_VERSION.
    Versioned,
    /// After PRELUDE.
    Prelude,
    /// Within an entry.
    Attributes,
    /// Within a directory, between its children.
    Body,
    /// Where one child is to be decoded.
    Child,
    /// After FILENAME.
    Named,
    /// After the last item.
    Done,
}

const fn set(items: &[ItemType]) -> u32 {
    let mut bits = 0;
    let mut i = 0;
    while i < items.len() {
        bits |= 1 << items[i] as u32;
        i += 1;
    }
    bits
}

/// The legal items in each [`State`], and their description.
const LEGAL: [(u32, &str); 8] = {
    use ItemType::{
        AclDefault, AclDefaultGroup, AclDefaultUser, AclGroup, AclGroupObj, AclUser, Entry, EntryV1, Fcaps,
        Filename, FormatVersion, Goodbye, Hardlink, Payload, PayloadRef, QuotaProjid, Symlink, Xattr,
    };
    [
        (set(&[FormatVersion, Entry, EntryV1]), "FORMAT_VERSION or the root's ENTRY"),
        (set(&[ItemType::Prelude, Entry, EntryV1]), "PRELUDE or the root's ENTRY"),
        (set(&[Entry, EntryV1]), "the root's ENTRY"),
        (
            set(&[
                Xattr,
                AclUser,
                AclGroup,
                AclGroupObj,
                AclDefault,
                AclDefaultUser,
                AclDefaultGroup,
                Fcaps,
                QuotaProjid,
                Symlink,
                ItemType::Device,
                Payload,
                PayloadRef,
                Filename,
                Goodbye,
            ]),
            "an attribute, SYMLINK, DEVICE, PAYLOAD, PAYLOAD_REF, FILENAME or GOODBYE",
        ),
        (set(&[Filename, Goodbye]), "FILENAME or GOODBYE"),
        (set(&[Filename]), "FILENAME"),
        (set(&[Entry, EntryV1, Hardlink]), "ENTRY or HARDLINK"),
        (0, "nothing"),
    ]
};

/// An open directory.
#[derive(Clone, Copy, Debug)]
struct Level {
    children: u64,
}

/// Turns a metadata stream into items, in windows of any size (see the [module](super)).
///
/// What most items go through is inlined always: programs that are built to be small would move every item through memory several times.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Position of the next window.
    offset: u64,
    state: State,
    /// Content of the last item that is still to be announced as skipped.
    skip: u64,
    /// Mode of the current entry.
    mode: u64,
    /// Attribute items that the current entry has, by rank.
    seen: u16,
    last_rank: u8,
    /// FILENAME of the current child.
    filename: u64,
    /// Whether FORMAT_VERSION says 2, and whether the start is known at all.
    version2: Option<bool>,
    /// End of the last payload that was referred to.
    payload_end: u64,
    old_entry_seen: bool,
    levels: Vec<Level>,
    /// Directories that enclose the child to be decoded.
    base: usize,
    findings: Findings,
    limits: Limits,
}

impl Decoder {
    /// A decoder for a whole archive.
    pub fn new() -> Self {
        Self::at(0, Start::Archive, Limits::default())
    }

    /// A decoder that begins at byte `offset` of the metadata stream, which is a place as `start` says.
    pub fn at(offset: u64, start: Start, limits: Limits) -> Self {
        let state = match start {
            Start::Archive => State::Start,
            Start::Root => State::Prelude,
            Start::Child => State::Child,
        };
        Self {
            offset,
            state,
            skip: 0,
            mode: 0,
            seen: 0,
            last_rank: 0,
            filename: offset,
            version2: None,
            payload_end: 0,
            old_entry_seen: false,
            levels: Vec::new(),
            base: usize::from(start == Start::Child),
            findings: Findings::default(),
            limits,
        }
    }

    /// Position of the next byte in the metadata stream.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Directories open at this point, the root included.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// What was irregular so far.
    pub const fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    /// The bounds that this decoder keeps.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes what stands at the beginning of `window`, the bytes from [`Decoder::offset`] on.
    ///
    /// # Errors
    /// Anything that the format does not allow, with its place. The decoder stays where it is: the same call gives the same error.
    #[inline(always)]
    pub fn step<'w>(&mut self, window: &'w [u8]) -> Result<Step<'w>, Error> {
        if self.skip > 0 {
            return self.announce_skip();
        }
        if self.state == State::Done {
            return Ok(Step::End);
        }
        if window.len() < HEADER_SIZE {
            return Ok(Step::Need(HEADER_SIZE));
        }
        let offset = self.offset;
        let Header { item: kind, content } = Header::parse(window, offset)?;
        let (legal, expected) = LEGAL[self.state as usize];
        if legal & (1 << kind as u32) == 0 {
            return Err(Error::new(offset, Some(kind), Problem::Order { expected }));
        }
        if matches!(kind, ItemType::Filename | ItemType::Goodbye) && self.state == State::Attributes {
            return self.end_of_node();
        }
        let skipped = matches!(kind, ItemType::Payload | ItemType::Goodbye | ItemType::Prelude);
        let used = if skipped { HEADER_SIZE } else { HEADER_SIZE + content as usize };
        let Some(bytes) = window.get(HEADER_SIZE..used) else {
            return Ok(Step::Need(used));
        };
        let item = match kind {
            ItemType::Filename => self.filename(bytes)?,
            ItemType::Entry => self.entry(bytes)?,
            ItemType::PayloadRef => self.payload_ref(bytes)?,
            ItemType::Payload => self.payload(content)?,
            ItemType::Goodbye => self.goodbye(content),
            ItemType::EntryV1 => self.entry_v1(bytes)?,
            ItemType::Symlink => self.symlink(bytes)?,
            ItemType::Device => {
                self.root_must_be_directory(kind)?;
                self.leaf(Kind::Device);
                Item::Device(Device::parse(bytes))
            }
            ItemType::Hardlink => self.hardlink(bytes)?,
            ItemType::FormatVersion => self.format_version(bytes)?,
            ItemType::Prelude => {
                self.state = State::Prelude;
                self.skip = content;
                Item::Prelude { size: content }
            }
            attribute => self.attribute(attribute, bytes)?,
        };
        self.offset = self.advanced(kind, used as u64)?;
        Ok(Step::Item { offset, used, item })
    }

    /// The error for a stream that ends `available` bytes after [`Decoder::offset`], where [`Step::Need`] asked for more.
    pub fn truncated(&self, needed: usize, available: u64) -> Error {
        let problem = Problem::Truncated { expected: needed as u64, got: available };
        Error::new(self.offset, None, problem)
    }

    #[cold]
    fn announce_skip(&mut self) -> Result<Step<'static>, Error> {
        let end = self.advanced(ItemType::Payload, self.skip)?;
        self.offset = end;
        Ok(Step::Skip(core::mem::take(&mut self.skip)))
    }

    #[inline]
    fn advanced(&self, item: ItemType, by: u64) -> Result<u64, Error> {
        self.offset.checked_add(by).ok_or_else(|| {
            let problem = Problem::Range { expected: "an end below 2^64", got: by };
            Error::new(self.offset, Some(item), problem)
        })
    }

    /// The current entry turned out to be one that ends without an item of its own.
    fn end_of_node(&mut self) -> Result<Step<'static>, Error> {
        let kind = match (Stat { mode: self.mode, ..Stat::default() }).kind() {
            Some(kind @ (Kind::Fifo | Kind::Socket)) if !self.levels.is_empty() || self.base > 0 => {
                self.leaf(kind);
                kind
            }
            found => {
                if found != Some(Kind::Directory) {
                    self.mode_finding(Kind::Directory);
                }
                if self.levels.len() >= self.limits.max_depth {
                    let problem =
                        Problem::Limit { what: "nested directories", limit: self.limits.max_depth as u64 };
                    return Err(Error::new(self.offset, None, problem));
                }
                self.levels.push(Level { children: 0 });
                self.state = State::Body;
                Kind::Directory
            }
        };
        Ok(Step::Known(kind))
    }

    fn mode_finding(&mut self, kind: Kind) {
        self.findings.add(self.filename, Irregularity::Mode { mode: self.mode, kind });
    }

    /// The current entry ends with this item.
    #[inline]
    fn leaf(&mut self, kind: Kind) {
        if kind != Kind::Hardlink && (Stat { mode: self.mode, ..Stat::default() }).kind() != Some(kind) {
            self.mode_finding(kind);
        }
        self.state = if self.levels.is_empty() { State::Done } else { State::Body };
    }

    #[inline(always)]
    fn filename<'w>(&mut self, bytes: &'w [u8]) -> Result<Item<'w>, Error> {
        // A name is looked through once; why it is none, when it is none.
        let name = match bytes.split_last() {
            Some((0, name)) if check_name(name).is_ok() => name,
            _ => return Err(self.bad_name(bytes)),
        };
        if let Some(level) = self.levels.last_mut() {
            level.children += 1;
        }
        self.filename = self.offset;
        self.state = State::Named;
        Ok(Item::Filename(name))
    }

    #[cold]
    fn bad_name(&self, bytes: &[u8]) -> Error {
        let item = ItemType::Filename;
        match terminated(bytes, self.offset, item).map(check_name) {
            Err(error) => error,
            Ok(checked) => {
                let expected = checked.err().unwrap_or_default();
                Error::new(self.offset, Some(item), Problem::Content { expected })
            }
        }
    }

    #[inline(always)]
    fn entry(&mut self, bytes: &[u8]) -> Result<Item<'static>, Error> {
        let stat = Stat::parse(bytes);
        let padding = u32_at(bytes, 36);
        if padding != 0 {
            self.findings.add(self.offset, Irregularity::EntryPadding { got: padding });
        }
        if stat.mtime.nanos >= 1_000_000_000 {
            self.findings.add(self.offset, Irregularity::Nanoseconds { got: stat.mtime.nanos });
        }
        self.begin_entry(&stat);
        Ok(Item::Entry(stat))
    }

    fn entry_v1(&mut self, bytes: &[u8]) -> Result<Item<'static>, Error> {
        let stat = Stat::parse_v1(bytes);
        if !self.old_entry_seen {
            self.old_entry_seen = true;
            self.findings.add(self.offset, Irregularity::OldEntry);
        }
        self.begin_entry(&stat);
        Ok(Item::EntryV1(stat))
    }

    #[inline]
    fn begin_entry(&mut self, stat: &Stat) {
        if self.state != State::Named {
            // The root, whose place is that of its ENTRY.
            self.filename = self.offset;
            if self.state == State::Start {
                self.version2 = Some(false);
            }
        }
        self.mode = stat.mode;
        self.seen = 0;
        self.last_rank = 0;
        self.state = State::Attributes;
    }

    fn attribute<'w>(&mut self, item: ItemType, bytes: &'w [u8]) -> Result<Item<'w>, Error> {
        let rank = rank(item).unwrap_or_default();
        let bit = 1 << rank;
        if self.seen & bit != 0 && is_single(item) {
            return Err(Error::new(self.offset, Some(item), Problem::Repeated));
        }
        // `LEGAL` lets only attributes come here.
        let Some(attribute) = Attribute::parse(item, bytes, self.offset) else {
            let (_, expected) = LEGAL[self.state as usize];
            return Err(Error::new(self.offset, Some(item), Problem::Order { expected }));
        };
        let attribute = attribute?;
        if rank < self.last_rank {
            self.findings.add(self.offset, Irregularity::AttributeOrder { item });
        }
        if let Attribute::Xattr { name, .. } = attribute
            && (name.is_empty() || name.len() > 255)
        {
            self.findings.add(self.offset, Irregularity::AttributeName);
        }
        self.seen |= bit;
        self.last_rank = self.last_rank.max(rank);
        Ok(Item::Attribute(attribute))
    }

    fn symlink<'w>(&mut self, bytes: &'w [u8]) -> Result<Item<'w>, Error> {
        let target = terminated(bytes, self.offset, ItemType::Symlink)?;
        self.root_must_be_directory(ItemType::Symlink)?;
        self.leaf(Kind::Symlink);
        Ok(Item::Symlink(target))
    }

    fn hardlink<'w>(&mut self, bytes: &'w [u8]) -> Result<Item<'w>, Error> {
        let distance = u64_at(bytes, 0);
        let target = terminated(&bytes[8..], self.offset, ItemType::Hardlink)?;
        if distance == 0 || distance > self.filename {
            self.findings.add(self.offset, Irregularity::LinkOffset { got: distance });
        }
        self.leaf(Kind::Hardlink);
        Ok(Item::Hardlink { distance, target })
    }

    #[inline]
    fn payload(&mut self, size: u64) -> Result<Item<'static>, Error> {
        self.root_must_be_directory(ItemType::Payload)?;
        if self.version2 == Some(true) {
            self.findings.add(self.offset, Irregularity::InlinePayload);
        }
        self.leaf(Kind::File);
        self.skip = size;
        Ok(Item::Payload { size })
    }

    #[inline(always)]
    fn payload_ref(&mut self, bytes: &[u8]) -> Result<Item<'static>, Error> {
        self.root_must_be_directory(ItemType::PayloadRef)?;
        let reference = PayloadRef::parse(bytes);
        let Some(end) = reference.end() else {
            let problem = Problem::Range { expected: "an end below 2^64", got: reference.offset };
            return Err(Error::new(self.offset, Some(ItemType::PayloadRef), problem));
        };
        if self.version2 == Some(false) {
            self.findings.add(self.offset, Irregularity::ReferenceWithoutVersion);
        }
        let least = self.payload_end.max(HEADER_SIZE as u64);
        if reference.offset < least {
            let got = reference.offset;
            self.findings.add(self.offset, Irregularity::ReferenceOrder { least, got });
        }
        self.payload_end = end;
        self.leaf(Kind::File);
        Ok(Item::PayloadRef(reference))
    }

    #[inline]
    fn root_must_be_directory(&self, item: ItemType) -> Result<(), Error> {
        if self.levels.is_empty() && self.base == 0 {
            let problem = Problem::Order { expected: "FILENAME or GOODBYE: the root is a directory" };
            return Err(Error::new(self.offset, Some(item), problem));
        }
        Ok(())
    }

    fn goodbye(&mut self, size: u64) -> Item<'static> {
        let children = self.levels.pop().map_or(0, |level| level.children);
        if size == 0 || !size.is_multiple_of(RECORD_SIZE as u64) {
            self.findings.add(self.offset, Irregularity::TableSize { got: size });
        } else if size / RECORD_SIZE as u64 - 1 != children {
            let got = size / RECORD_SIZE as u64 - 1;
            self.findings.add(self.offset, Irregularity::TableCount { expected: children, got });
        }
        self.skip = size;
        self.state = if self.levels.is_empty() { State::Done } else { State::Body };
        Item::Goodbye { size }
    }

    fn format_version(&mut self, bytes: &[u8]) -> Result<Item<'static>, Error> {
        let version = u64_at(bytes, 0);
        match version {
            1 => self.findings.add(self.offset, Irregularity::ExplicitVersion1),
            2 => {}
            got => {
                let problem = Problem::Value { expected: "version 1 or 2", got };
                return Err(Error::new(self.offset, Some(ItemType::FormatVersion), problem));
            }
        }
        self.version2 = Some(version == 2);
        self.state = State::Versioned;
        Ok(Item::FormatVersion(version))
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The content without its final NUL; no other NUL may be in it.
#[inline]
fn terminated(bytes: &[u8], offset: u64, item: ItemType) -> Result<&[u8], Error> {
    match bytes.split_last() {
        Some((0, text)) if !text.contains(&0) => Ok(text),
        Some((0, _)) => {
            let problem = Problem::Content { expected: "no NUL but the last byte" };
            Err(Error::new(offset, Some(item), problem))
        }
        _ => {
            let problem = Problem::Content { expected: "a NUL as last byte" };
            Err(Error::new(offset, Some(item), problem))
        }
    }
}
