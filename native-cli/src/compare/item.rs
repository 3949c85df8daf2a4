//! An entry of a side, whatever kind of side it is.

use anyhow::bail;
use pxkit_core::access::{Node, NodeContent};
use pxkit_core::compare::Facts;
use pxkit_core::format::{Attributes, Device, Kind, PayloadRef, Stat};

/// Where the contents of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There are none.
    Nowhere,
    /// In the archive itself, from this position on.
    Archive(u64),
    /// In the payload stream.
    Payload(PayloadRef),
    /// In a file below the directory, at the path of the entry.
    Disk,
}

/// An entry. A further name of a file has everything of the file.
#[derive(Clone, Debug)]
pub struct Item {
    /// Path from the root, without leading slash; empty for the root itself.
    pub path: Vec<u8>,
    /// What it is, never [`Kind::Hardlink`].
    pub kind: Kind,
    /// Metadata.
    pub stat: Stat,
    /// Further metadata.
    pub attributes: Attributes,
    /// Bytes of contents.
    pub size: u64,
    /// Where a symlink leads.
    pub target: Vec<u8>,
    /// Numbers of a device.
    pub device: Option<Device>,
    /// The first name of the file, if this is a further one.
    pub link: Option<Vec<u8>>,
    /// Where its contents are.
    pub place: Place,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            path: Vec::new(),
            kind: Kind::Directory,
            stat: Stat::default(),
            attributes: Attributes::new(),
            size: 0,
            target: Vec::new(),
            device: None,
            link: None,
            place: Place::Nowhere,
        }
    }
}

impl Item {
    /// What is compared besides attributes and contents.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            kind: self.kind,
            stat: self.stat,
            size: self.size,
            target: &self.target,
            device: self.device,
            link: self.link.as_deref(),
        }
    }

    /// The last component of the path.
    pub fn name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Takes everything but path and link from an entry of an archive that is no hard link.
    pub(super) fn set(&mut self, node: Node) -> anyhow::Result<()> {
        (self.kind, self.stat, self.attributes) = (node.kind, node.stat, node.attributes);
        (self.size, self.device, self.place) = (0, None, Place::Nowhere);
        self.target.clear();
        match node.content {
            NodeContent::None => {}
            NodeContent::Inline { offset, size } => {
                (self.size, self.place) = (size, Place::Archive(offset));
            }
            NodeContent::Reference(reference) => {
                (self.size, self.place) = (reference.size, Place::Payload(reference));
            }
            NodeContent::Target(target) => self.target = target,
            NodeContent::Device(device) => self.device = Some(device),
            NodeContent::Hardlink { .. } => bail!("a hard link leads to a hard link"),
        }
        Ok(())
    }
}
