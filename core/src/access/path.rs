use alloc::sync::Arc;

use super::archive::Archive;
use super::directory::{Directory, OpenDirectory};
use super::entry::{Node, NodeContent, ReadNode};
use super::lookup::Lookup;
use super::machine::{Machine, Step, out_of_range};
use crate::format::{Error, ItemType, Kind, Problem, hash_name};

/// Looks up a path from the root (specification 6.3). Empty components and `.` mean the directory itself; `..` finds nothing;
/// symlinks and hard links are returned as such and never followed.
#[derive(Clone, Debug)]
pub struct Resolve<'a> {
    size: u64,
    /// Components that are still to be looked up.
    rest: &'a [u8],
    state: State<'a>,
}

#[derive(Clone, Debug)]
enum State<'a> {
    /// The root's own metadata.
    Root(ReadNode, Arc<Directory>),
    /// At a directory; the next component is looked up in it.
    At(Node, Arc<Directory>),
    Lookup(Lookup<'a>),
    Open(Node, OpenDirectory),
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The entry.
    pub node: Node,
    /// Its table, if it is a directory.
    pub directory: Option<Arc<Directory>>,
}

impl<'a> Resolve<'a> {
    /// Looks up `path`, with or without leading slash.
    pub fn new(archive: &Archive, path: &'a [u8]) -> Self {
        let state = State::Root(ReadNode::root(archive), archive.root.clone());
        Self { size: archive.meta_size, rest: path, state }
    }

    fn next_component(&mut self) -> Option<&'a [u8]> {
        loop {
            let end = self.rest.iter().position(|&b| b == b'/').unwrap_or(self.rest.len());
            let (component, rest) = self.rest.split_at(end);
            if component.is_empty() && rest.is_empty() {
                return None;
            }
            self.rest = rest.get(1..).unwrap_or_default();
            if !matches!(component, b"" | b".") {
                return Some(component);
            }
        }
    }
}

impl Machine for Resolve<'_> {
    type Output = Option<Resolved>;

    fn step(&mut self, mut supplied: &[u8]) -> Result<Step<Self::Output>, Error> {
        loop {
            let next = match &mut self.state {
                State::Root(read, directory) => match read.step(supplied)? {
                    Step::Want(want) => return Ok(Step::Want(want)),
                    Step::Done(node) => State::At(node, directory.clone()),
                },
                State::At(node, directory) => {
                    let (node, directory) = (node.clone(), directory.clone());
                    match self.next_component() {
                        Some(name) => State::Lookup(Lookup::within(self.size, directory, name, hash_name)),
                        None => {
                            let directory = Some(directory);
                            return Ok(Step::Done(Some(Resolved { node, directory })));
                        }
                    }
                }
                State::Lookup(lookup) => match lookup.step(supplied)? {
                    Step::Want(want) => return Ok(Step::Want(want)),
                    Step::Done(None) => return Ok(Step::Done(None)),
                    Step::Done(Some((node, end))) if node.kind == Kind::Directory => {
                        let open = OpenDirectory::new(node.entry(), end);
                        State::Open(node, open)
                    }
                    Step::Done(Some((node, _))) => {
                        let found = Resolved { node, directory: None };
                        return Ok(Step::Done(self.next_component().is_none().then_some(found)));
                    }
                },
                State::Open(node, open) => match open.step(supplied)? {
                    Step::Want(want) => return Ok(Step::Want(want)),
                    Step::Done(directory) => State::At(node.clone(), Arc::new(directory)),
                },
            };
            self.state = next;
            supplied = &[];
        }
    }
}

/// Follows a hard link to the entry of the file's first name (specification 6.4).
#[derive(Clone, Debug)]
pub struct FollowLink {
    link: u64,
    read: ReadNode,
}

impl FollowLink {
    /// Follows `link`.
    ///
    /// # Errors
    /// It is no hard link, or leads out of the archive.
    pub fn new(archive: &Archive, link: &Node) -> Result<Self, Error> {
        let NodeContent::Hardlink { distance, .. } = link.content else {
            return Err(Error::misuse(link.filename, "only hard links can be followed"));
        };
        let target = link.filename.checked_sub(distance).filter(|_| distance > 0);
        let target = target.ok_or_else(|| {
            let expected = "an earlier FILENAME";
            out_of_range(link.filename, ItemType::Hardlink, expected, distance)
        })?;
        Ok(Self { link: link.filename, read: ReadNode::new(archive, target) })
    }
}

impl Machine for FollowLink {
    type Output = Node;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Node>, Error> {
        let step = self.read.step(supplied)?;
        if let Step::Done(node) = &step
            && node.kind != Kind::File
        {
            let problem = Problem::Order { expected: "a regular file as target" };
            return Err(Error::new(self.link, Some(ItemType::Hardlink), problem));
        }
        Ok(step)
    }
}
