use alloc::vec::Vec;

use super::packed::{Packed, unpack};
use crate::encode::Node;
use crate::format::{Attributes, Device, Error, Kind, MAX_NAME_LEN, Stat, Timestamp, u32_at};
use crate::reuse::state::{Marks, Trace};

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

impl Identity {
    /// What the state of a snapshot has of a node that it was; `device` is the number of its file system there, see [`Devices`](crate::reuse::state::Devices).
    /// Names are counted of files alone.
    pub const fn trace(&self, content: &RecordContent<'_>, device: u16) -> Trace {
        let Self { ino, birth, ctime, marks, .. } = *self;
        let is_file = matches!(content, RecordContent::File { .. } | RecordContent::Link { .. });
        Trace { device, ino, birth, ctime, links: if is_file { self.links } else { 0 }, marks }
    }
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

/// Bytes of the numbers of a device.
const DEVICE: usize = 16;
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
        let device;
        // What it holds: a number, and bytes behind the numbers.
        let (kind, number, more): (Kind, u64, &[u8]) = match &self.content {
            RecordContent::Directory => (Kind::Directory, 0, &[]),
            RecordContent::File { size } => (Kind::File, *size, &[]),
            RecordContent::Link { size } => (Kind::Hardlink, *size, &[]),
            RecordContent::Symlink(target) => (Kind::Symlink, target.len() as u64, target),
            RecordContent::Device(numbers) => {
                device = numbers.to_bytes();
                (Kind::Device, device.len() as u64, &device)
            }
            RecordContent::Fifo => (Kind::Fifo, 0, &[]),
            RecordContent::Socket => (Kind::Socket, 0, &[]),
        };
        let numbers = Packed::new(stat, &self.identity, number);
        let numbers = numbers.as_bytes();
        let rest = numbers.len() + more.len() + attributes.len();
        if name.len() > MAX_NAME_LEN || more.len() > MAX_NAME_LEN || rest > MAX_REST {
            return Err(Error::misuse(0, "names and targets have at most 4096 bytes, attributes 256 MiB"));
        }
        out.reserve(Self::HEAD + name.len() + rest);
        out.push(TAGS.iter().find(|tag| tag.1 == kind).map_or(0, |tag| tag.0));
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(&(rest as u32).to_le_bytes());
        for part in [name, numbers, more, attributes] {
            out.extend_from_slice(part);
        }
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
        let (name, behind) = bytes[Self::HEAD..].split_at_checked(name_len).ok_or_else(damaged)?;
        let kind = TAGS.iter().find(|tag| tag.0 == bytes[0]).map(|tag| tag.1).ok_or_else(damaged)?;
        let (identity, number, rest);
        (*stat, identity, number, rest) = unpack(behind).ok_or_else(damaged)?;
        let more = match kind {
            Kind::Symlink | Kind::Device => usize::try_from(number).unwrap_or(usize::MAX),
            _ => 0,
        };
        let (more, rest) = rest.split_at_checked(more).ok_or_else(damaged)?;
        let content = match kind {
            Kind::Directory => RecordContent::Directory,
            Kind::File => RecordContent::File { size: number },
            Kind::Hardlink => RecordContent::Link { size: number },
            Kind::Symlink => RecordContent::Symlink(more),
            Kind::Device if more.len() == DEVICE => RecordContent::Device(Device::parse(more)),
            Kind::Device => return Err(damaged()),
            Kind::Fifo => RecordContent::Fifo,
            Kind::Socket => RecordContent::Socket,
        };
        attributes.set_bytes(rest);
        Ok(Some(Self { node: Node { name, stat, attributes }, identity, content }))
    }
}

fn damaged() -> Error {
    Error::misuse(0, "a spool holds what was written into it")
}
