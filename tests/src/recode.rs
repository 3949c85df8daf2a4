//! Archives decoded and encoded again, entry by entry. What the encoder can express comes out the same; what it cannot, it must
//! refuse and not garble.

use std::collections::HashMap;

use pxkit_core::decode::{Content, Entries, Entry, Event};
use pxkit_core::encode::{self, Encoder, Node};
use pxkit_core::format::{Error, Kind};

/// Encodes what `meta` holds as the same kind of archive; references of a split one are taken over as they are.
///
/// # Errors
/// The decoder's and the encoder's, and one for what this function leaves out: contents in the other stream than the version
/// says, and links that lead to no name.
pub fn recode(meta: &[u8]) -> Result<Vec<u8>, Error> {
    let mut entries = Entries::new();
    let mut coder = Coder::default();
    let mut at = 0;
    let mut prelude = false;
    let mut version2 = false;
    loop {
        let progress = entries.step(&meta[at..])?;
        at += progress.used;
        match progress.event {
            Event::Version(version) => version2 = version == 2,
            Event::Prelude { size } => {
                prelude = true;
                if size == 0 {
                    coder.begin(true, Some(b""));
                }
            }
            Event::Skip(size) => {
                let Some(bytes) = usize::try_from(size).ok().and_then(|size| meta[at..].get(..size)) else {
                    return Err(Error::misuse(at as u64, "the archive ends in contents"));
                };
                if prelude && coder.encoder.is_none() {
                    coder.begin(true, Some(bytes));
                }
                at += bytes.len();
            }
            Event::Entry(entry) => {
                if coder.encoder.is_none() {
                    coder.begin(version2, None);
                }
                coder.entry(&entry, meta)?;
            }
            Event::Leave { .. } => coder.push(&encode::Event::Leave).map(|_| ())?,
            Event::Need(needed) => return Err(entries.truncated(needed, (meta.len() - at) as u64)),
            Event::End => return coder.finish(),
        }
    }
}

#[derive(Default)]
struct Coder {
    encoder: Option<Encoder>,
    split: bool,
    meta: Vec<u8>,
    payload: Vec<u8>,
    /// Where names were and are now.
    filenames: HashMap<u64, u64>,
}

impl Coder {
    fn begin(&mut self, split: bool, prelude: Option<&[u8]>) {
        self.split = split;
        self.encoder = Some(if split {
            Encoder::split(prelude, &mut self.meta, &mut self.payload)
        } else {
            Encoder::unified()
        });
    }

    fn push(&mut self, event: &encode::Event<'_>) -> Result<u64, Error> {
        let before = (self.meta.len(), self.payload.len());
        let encoder = self.encoder.as_mut().expect("begun");
        let result = encoder.push(event, &mut self.meta, &mut self.payload);
        if result.is_err() {
            assert_eq!(
                (self.meta.len(), self.payload.len()),
                before,
                "a refused event leaves nothing behind"
            );
        }
        result
    }

    fn entry(&mut self, entry: &Entry<'_>, meta: &[u8]) -> Result<(), Error> {
        let left_out = |rule| Err(Error::misuse(entry.filename, rule));
        let node = Node { name: entry.name(), stat: entry.stat, attributes: entry.attributes };
        let event = match entry.content {
            Content::None if entry.kind == Kind::Directory => encode::Event::Directory(node),
            Content::None if entry.kind == Kind::Fifo => encode::Event::Fifo(node),
            Content::None => encode::Event::Socket(node),
            Content::Target(target) => encode::Event::Symlink { node, target },
            Content::Device(device) => encode::Event::Device { node, device },
            Content::Reference(payload) => encode::Event::Reference { node, payload },
            Content::Inline { .. } if self.split => return left_out("inline contents in a split archive"),
            Content::Inline { size, .. } => encode::Event::File { node, size },
            Content::Hardlink { distance, target } => {
                let file = entry.filename.checked_sub(distance);
                let Some(&filename) = file.and_then(|file| self.filenames.get(&file)) else {
                    return left_out("a link to no name");
                };
                encode::Event::Hardlink { name: entry.name(), filename, target }
            }
        };
        let filename = self.push(&event)?;
        self.filenames.insert(entry.filename, filename);
        if let Content::Inline { offset, size } = entry.content {
            let bytes = usize::try_from(size).ok().and_then(|size| meta.get(offset as usize..)?.get(..size));
            let Some(bytes) = bytes else { return left_out("the archive ends in contents") };
            self.meta.extend_from_slice(bytes);
            self.encoder.as_mut().expect("begun").contents(size)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        let (mut payload, encoder) = (self.payload, self.encoder.expect("begun"));
        let (end, _) = encoder.finish(&mut payload)?;
        assert_eq!(end, self.meta.len() as u64, "positions of encoder and stream");
        Ok(self.meta)
    }
}

/// The entries of an archive without positions, which recoding may change: paths, metadata, contents.
///
/// # Panics
/// If the archive does not decode.
pub fn essence(meta: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut see = |entry: Option<&Entry<'_>>| {
        let Some(entry) = entry else { return };
        let content = match entry.content {
            Content::Inline { offset, size } => {
                format!("{:?}", &meta[offset as usize..offset as usize + size as usize])
            }
            Content::Hardlink { target, .. } => format!("link to {target:?}"),
            other => format!("{other:?}"),
        };
        lines.push(
            format!("{:?} {:?} {:?} {:?}", entry.path, entry.kind, entry.stat, entry.attributes) + &content,
        );
    };
    let mut all = crate::observe::one_window();
    let outcome = crate::observe::entries(meta, &mut (), &mut all, &mut see);
    assert_eq!(outcome.result, Ok(()), "a decodable archive");
    lines
}

/// If the archive can be recoded at all: the result holds the same entries, has tables without fault, and recodes to itself.
/// Says whether it could.
///
/// # Panics
/// If any of that does not hold.
pub fn check(meta: &[u8]) -> bool {
    let Ok(again) = recode(meta) else { return false };
    assert!(essence(meta) == essence(&again), "the entries changed");
    let outcome = crate::observe::items(&again, &mut (), &mut crate::observe::one_window());
    assert_eq!(outcome.result, Ok(()));
    let of_tables = |what: &str| what.starts_with("Table");
    let faults = outcome.findings.iter().filter(|finding| of_tables(&format!("{:?}", finding.what)));
    assert_eq!(faults.count(), 0, "{:?}", outcome.findings);
    assert!(recode(&again).expect("what was encoded") == again, "not the same bytes again");
    true
}
