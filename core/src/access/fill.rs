use super::TreeBuilder;
use crate::decode::{Entries, Event};
use crate::format::{Error, ItemType, Problem};

/// Why [`TreeBuilder::fill`] stopped within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The next window must hold at least this many bytes.
    Need(usize),
    /// So many bytes behind the end of the window are not needed.
    Skip(u64),
    /// FORMAT_VERSION: 1 or 2. The window goes on.
    Version(u64),
    /// A prelude of so many bytes, which begins here. The window goes on.
    Prelude(u64),
    /// The archive is complete.
    End,
}

impl TreeBuilder {
    /// Adds all entries of a window, the bytes from where `entries` stands; returns how many of them are done with, and why it stops.
    ///
    /// For those who want the tree of a large archive: one call for each window, so that the loop over all entries is compiled here and
    /// not, as what is inlined would be, with the caller's wish for a small program.
    ///
    /// # Errors
    /// Those of [`Entries::step`] and [`TreeBuilder::add`]; more than `most` entries.
    #[inline(never)]
    pub fn fill(
        &mut self,
        entries: &mut Entries,
        window: &[u8],
        most: usize,
    ) -> (usize, Result<Stop, Error>) {
        let mut at = 0;
        let stop = loop {
            let progress = match entries.step(&window[at..]) {
                Ok(progress) => progress,
                Err(error) => break Err(error),
            };
            at += progress.used;
            match progress.event {
                Event::Entry(entry) => {
                    if self.tree().len() >= most {
                        let problem = Problem::Limit { what: "entries", limit: most as u64 };
                        break Err(Error::new(entry.filename, Some(ItemType::Filename), problem));
                    }
                    if let Err(error) = self.add(&entry) {
                        break Err(error);
                    }
                }
                Event::Leave { .. } => self.leave(),
                Event::Skip(bytes) => match bytes.checked_sub((window.len() - at) as u64) {
                    None | Some(0) => at += bytes as usize,
                    Some(behind) => {
                        at = window.len();
                        break Ok(Stop::Skip(behind));
                    }
                },
                Event::Need(bytes) => break Ok(Stop::Need(bytes)),
                Event::Version(version) => break Ok(Stop::Version(version)),
                Event::Prelude { size } => break Ok(Stop::Prelude(size)),
                Event::End => break Ok(Stop::End),
            }
        };
        (at, stop)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::super::Tree;
    use super::*;
    use crate::encode::{self, Encoder, Node};
    use crate::format::{Attributes, Stat, Timestamp};

    /// A unified archive: `count` files of growing size in directories of seven.
    fn archive(count: u64) -> Vec<u8> {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        let mut encoder = Encoder::unified();
        let attributes = Attributes::new();
        let mtime = Timestamp { secs: 1_700_000_000, nanos: 5 };
        let dir = Stat { mode: 0o40755, flags: 0, uid: 1, gid: 2, mtime };
        let file = Stat { mode: 0o100_644, ..dir };
        let mut push = |event: encode::Event<'_>| {
            encoder.push(&event, &mut meta, &mut payload).unwrap();
            if let encode::Event::File { size, .. } = event {
                meta.resize(meta.len() + size as usize, 7);
                encoder.contents(size).unwrap();
            }
        };
        push(encode::Event::Directory(Node { name: b"", stat: &dir, attributes: &attributes }));
        for number in 0..count {
            if number % 7 == 0 {
                let name = format!("dir-{number:04}");
                let node = Node { name: name.as_bytes(), stat: &dir, attributes: &attributes };
                push(encode::Event::Directory(node));
            }
            let name = format!("file-{number}");
            let node = Node { name: name.as_bytes(), stat: &file, attributes: &attributes };
            push(encode::Event::File { node, size: number * 3 });
            if number % 7 == 6 || number + 1 == count {
                push(encode::Event::Leave);
            }
        }
        push(encode::Event::Leave);
        meta
    }

    /// Entry by entry, in one window.
    fn stepped(meta: &[u8]) -> Tree {
        let (mut entries, mut builder, mut at) = (Entries::new(), TreeBuilder::new(), 0);
        loop {
            let progress = entries.step(&meta[at..]).unwrap();
            at += progress.used;
            match progress.event {
                Event::Entry(entry) => builder.add(&entry).unwrap(),
                Event::Leave { .. } => builder.leave(),
                Event::Skip(bytes) => at += bytes as usize,
                Event::End => return builder.finish(),
                _ => {}
            }
        }
    }

    fn filled(meta: &[u8], window: usize, most: usize) -> Result<Tree, Error> {
        let (mut entries, mut builder) = (Entries::new(), TreeBuilder::new());
        let (mut at, mut least) = (0, 0);
        loop {
            let end = meta.len().min(at + window.max(least));
            let (used, stop) = builder.fill(&mut entries, &meta[at..end], most);
            at += used;
            least = 0;
            match stop? {
                Stop::Need(bytes) => least = bytes,
                Stop::Skip(bytes) => at += bytes as usize,
                Stop::Version(_) | Stop::Prelude(_) => {}
                Stop::End => return Ok(builder.finish()),
            }
        }
    }

    #[test]
    fn windows_of_any_size_give_the_tree_of_single_steps() {
        let meta = archive(60);
        let wanted = format!("{:?}", stepped(&meta));
        for window in (1..200).chain([1000, 5000, meta.len(), 2 * meta.len()]) {
            assert_eq!(format!("{:?}", filled(&meta, window, usize::MAX).unwrap()), wanted, "{window}");
        }
    }

    #[test]
    fn no_more_entries_than_are_wanted() {
        let meta = archive(10);
        assert_eq!(filled(&meta, 4096, 13).unwrap().len(), 13);
        let error = filled(&meta, 4096, 12).unwrap_err();
        assert_eq!(error.problem, Problem::Limit { what: "entries", limit: 12 });
    }
}
