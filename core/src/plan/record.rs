use alloc::vec::Vec;

use crate::encode::Node;
use crate::format::{Attributes, Device, Error, Kind, MAX_NAME_LEN, Stat, Timestamp, u32_at, u64_at};
use crate::reuse::state::Marks;

/// What a node was when the tree was walked. If a file is something else when it is opened, its metadata is read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device of the file system.
    pub dev: u64,
    /// Number in it.
    pub ino: u64,
    /// When its inode was made, see [`crate::reuse::state::Trace::birth`].
    pub birth: i64,
    /// Time of the last change of anything about it.
    pub ctime: Timestamp,
    /// Names that it has.
    pub links: u32,
    /// What is known about these. Of a further name of a file without [`Marks::WHOLE`] metadata was not read.
    pub marks: Marks,
}

/// A node of the walk, as it waits in the spool for its turn.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Name and metadata.
    pub node: Node<'a>,
    /// What it was.
    pub identity: Identity,
    /// What it holds.
    pub content: RecordContent<'a>,
}

/// What a [`Record`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordContent<'a> {
    /// A directory; its children follow, then [`Record::LEAVE`].
    Directory,
    /// A regular file with an entry in the [`super::Listing`].
    File {
        /// Bytes.
        size: u64,
    },
    /// A further name of a file that came before.
    Link {
        /// Bytes, should the first name be gone.
        size: u64,
    },
    /// A symbolic link.
    Symlink(&'a [u8]),
    /// A device node.
    Device(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

const IDENTITY: usize = 8 + 8 + 8 + 12 + 4 + 2;
/// Most bytes of attributes: what the kernel lists and the values of it are bounded, this is far beyond.
const MAX_REST: usize = 256 << 20;

const TAGS: [(u8, Kind); 7] = [
    (1, Kind::Directory),
    (2, Kind::File),
    (3, Kind::Hardlink),
    (4, Kind::Symlink),
    (5, Kind::Device),
    (6, Kind::Fifo),
    (7, Kind::Socket),
];

impl<'a> Record<'a> {
    /// The end of the innermost directory in a spool.
    pub const LEAVE: [u8; 1] = [0];
    /// Bytes before the name of every other record: tag, length of the name and of the rest behind it.
    pub const HEAD: usize = 1 + 2 + 4;

    /// Appends the record to a spool.
    ///
    /// # Errors
    /// The name is longer than the format allows, or the attributes are beyond all measure.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Node { name, stat, attributes } = self.node;
        let attributes = attributes.as_bytes();
        let (kind, more): (Kind, &[u8]) = match &self.content {
            RecordContent::Directory => (Kind::Directory, &[]),
            RecordContent::File { .. } => (Kind::File, &[]),
            RecordContent::Link { .. } => (Kind::Hardlink, &[]),
            RecordContent::Symlink(target) => (Kind::Symlink, target),
            RecordContent::Device(_) => (Kind::Device, &[]),
            RecordContent::Fifo => (Kind::Fifo, &[]),
            RecordContent::Socket => (Kind::Socket, &[]),
        };
        let fixed = match self.content {
            RecordContent::File { .. } | RecordContent::Link { .. } => 8,
            RecordContent::Device(_) => 16,
            _ => 4,
        };
        let rest = Stat::SIZE + IDENTITY + fixed + more.len() + attributes.len();
        if name.len() > MAX_NAME_LEN || more.len() > MAX_NAME_LEN || rest > MAX_REST {
            return Err(Error::misuse(0, "names and targets have at most 4096 bytes, attributes 256 MiB"));
        }
        out.reserve(Self::HEAD + name.len() + rest);
        out.push(TAGS.iter().find(|tag| tag.1 == kind).map_or(0, |tag| tag.0));
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(rest as u32).to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(&stat.to_bytes());
        out.extend_from_slice(&self.identity.to_bytes());
        match self.content {
            RecordContent::File { size } | RecordContent::Link { size } => {
                out.extend_from_slice(&size.to_le_bytes());
            }
            RecordContent::Device(device) => out.extend_from_slice(&device.to_bytes()),
            _ => out.extend_from_slice(&(more.len() as u32).to_le_bytes()),
        }
        out.extend_from_slice(more);
        out.extend_from_slice(attributes);
        Ok(())
    }

    /// How many bytes the record at the start of `spool` has, or needs to tell that.
    ///
    /// # Errors
    /// This is no record.
    pub fn length(spool: &[u8]) -> Result<usize, Error> {
        match spool.first() {
            None | Some(0) => Ok(1),
            Some(_) if spool.len() < Self::HEAD => Ok(Self::HEAD),
            Some(_) => {
                let name = usize::from(u16::from_le_bytes([spool[1], spool[2]]));
                let rest = u32_at(spool, 3) as usize;
                if name > MAX_NAME_LEN || rest > MAX_REST {
                    return Err(damaged());
                }
                Ok(Self::HEAD + name + rest)
            }
        }
    }

    /// Kind and name of the record that `bytes` are, see [`Record::parse`], for whoever needs no more; `None` for [`Record::LEAVE`].
    ///
    /// # Errors
    /// This is no record.
    pub fn glance(bytes: &'a [u8]) -> Result<Option<(Kind, &'a [u8])>, Error> {
        if *bytes == Self::LEAVE {
            return Ok(None);
        }
        if bytes.len() < Self::HEAD || Self::length(bytes)? != bytes.len() {
            return Err(damaged());
        }
        let kind = TAGS.iter().find(|tag| tag.0 == bytes[0]).map(|tag| tag.1).ok_or_else(damaged)?;
        let name = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        let name = bytes.get(Self::HEAD..Self::HEAD + name).ok_or_else(damaged)?;
        Ok(Some((kind, name)))
    }

    /// Makes the record of a file, as written, that of a further name.
    ///
    /// # Errors
    /// It is no file.
    pub fn turn_to_link(bytes: &mut [u8]) -> Result<(), Error> {
        let tag = |kind| TAGS.iter().find(|tag| tag.1 == kind).map(|tag| tag.0);
        match (bytes.first_mut(), tag(Kind::File), tag(Kind::Hardlink)) {
            (Some(first), Some(file), Some(link)) if *first == file => {
                *first = link;
                Ok(())
            }
            _ => Err(Error::misuse(0, "only files have further names")),
        }
    }

    /// Reads the record that `bytes` are, of the length that [`Record::length`] tells; `None` for [`Record::LEAVE`]. Stat and attributes
    /// go where the caller keeps them.
    ///
    /// # Errors
    /// This is no record.
    pub fn parse(
        bytes: &'a [u8],
        stat: &'a mut Stat,
        attributes: &'a mut Attributes,
    ) -> Result<Option<Self>, Error> {
        if *bytes == Self::LEAVE {
            return Ok(None);
        }
        if bytes.len() < Self::HEAD || Self::length(bytes)? != bytes.len() {
            return Err(damaged());
        }
        let name_len = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        let (name, rest) = bytes[Self::HEAD..].split_at_checked(name_len).ok_or_else(damaged)?;
        let (stat_bytes, rest) = rest.split_at_checked(Stat::SIZE).ok_or_else(damaged)?;
        *stat = Stat::parse(stat_bytes);
        let kind = TAGS.iter().find(|tag| tag.0 == bytes[0]).map(|tag| tag.1).ok_or_else(damaged)?;
        let (identity, rest) = rest.split_at_checked(IDENTITY).ok_or_else(damaged)?;
        let identity = Identity::parse(identity);
        let fixed = match kind {
            Kind::File | Kind::Hardlink => 8,
            Kind::Device => 16,
            _ => 4,
        };
        let (fixed, rest) = rest.split_at_checked(fixed).ok_or_else(damaged)?;
        let more = if fixed.len() == 4 { u32_at(fixed, 0) as usize } else { 0 };
        let (more, rest) = rest.split_at_checked(more).ok_or_else(damaged)?;
        let content = match kind {
            Kind::Directory => RecordContent::Directory,
            Kind::File => RecordContent::File { size: u64_at(fixed, 0) },
            Kind::Hardlink => RecordContent::Link { size: u64_at(fixed, 0) },
            Kind::Symlink => RecordContent::Symlink(more),
            Kind::Device => RecordContent::Device(Device::parse(fixed)),
            Kind::Fifo => RecordContent::Fifo,
            Kind::Socket => RecordContent::Socket,
        };
        attributes.set_bytes(rest);
        Ok(Some(Self { node: Node { name, stat, attributes }, identity, content }))
    }
}

impl Identity {
    fn to_bytes(self) -> [u8; IDENTITY] {
        let mut bytes = [0; IDENTITY];
        bytes[..8].copy_from_slice(&self.dev.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.ino.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.birth.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.ctime.secs.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.ctime.nanos.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.links.to_le_bytes());
        bytes[40..].copy_from_slice(&self.marks.bits().to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Self {
        Self {
            dev: u64_at(bytes, 0),
            ino: u64_at(bytes, 8),
            birth: u64_at(bytes, 16) as i64,
            ctime: Timestamp { secs: u64_at(bytes, 24) as i64, nanos: u32_at(bytes, 32) },
            links: u32_at(bytes, 36),
            marks: Marks::from_bits(u16::from_le_bytes([bytes[40], bytes[41]])),
        }
    }
}

fn damaged() -> Error {
    Error::misuse(0, "a spool holds what was written into it")
}
