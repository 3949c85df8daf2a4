//! What a decoder says about an archive, written down so that runs can be compared: with one window or many.
//!
//! The feeder keeps the promises that decoders make to every caller: each need is larger than the window and at most
//! [`MAX_ITEM_SIZE`], and the number of steps is proportional to the input.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};

use pxkit_core::decode::{Decoder, Entries, Entry, Event, Finding, GoodbyeCheck, Step};
use pxkit_core::format::{Error, MAX_ITEM_SIZE, NameHash, Problem, hash_name};

/// How a window grows: the number of bytes that arrive next, at least 1.
pub type Arrive<'a> = &'a mut dyn FnMut() -> usize;

/// All bytes are there at once.
pub fn one_window() -> impl FnMut() -> usize {
    || usize::MAX
}

/// Takes down what a decoder says.
pub trait Record {
    /// One step of it.
    fn note(&mut self, step: fmt::Arguments<'_>);
}

/// Keeps every step as a line.
impl Record for Vec<String> {
    fn note(&mut self, step: fmt::Arguments<'_>) {
        self.push(step.to_string());
    }
}

/// Keeps the hash of everything said, for many or long archives.
#[derive(Default)]
pub struct Digest(DefaultHasher);

impl Digest {
    pub fn value(&self) -> u64 {
        self.0.finish()
    }
}

impl Record for Digest {
    fn note(&mut self, step: fmt::Arguments<'_>) {
        struct Sink<'a>(&'a mut DefaultHasher);
        impl Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        let _ = Sink(&mut self.0).write_fmt(step);
        self.0.write_u8(b'\n');
    }
}

/// Says nothing to anybody.
impl Record for () {
    fn note(&mut self, _: fmt::Arguments<'_>) {}
}

/// Hands a stream over in windows.
struct Feeder<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    steps: usize,
}

impl<'a> Feeder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: 0, steps: 0 }
    }

    fn window(&mut self) -> &'a [u8] {
        // Every step of a decoder uses bytes, asks for bytes, or tells of one of these.
        self.steps += 1;
        assert!(self.steps <= 4 * self.bytes.len() + 64, "no end after {} steps", self.steps);
        &self.bytes[self.at..self.end]
    }

    /// More bytes, or `false` if there are none.
    fn grow(&mut self, needed: usize, arrive: Arrive<'_>) -> bool {
        assert!(needed > self.end - self.at, "needs {needed}, which it has");
        assert!(needed <= MAX_ITEM_SIZE, "needs {needed}");
        let grown = self.end.saturating_add(arrive().max(1)).min(self.bytes.len());
        let more = grown > self.end;
        self.end = grown;
        more
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    fn advance(&mut self, used: usize) {
        self.at += used;
        assert!(self.at <= self.end, "uses more than the window");
    }

    /// The stream ends within content. The decoder stands behind that already, so the driver must say where.
    fn short(&self, size: u64) -> Error {
        Error::new(self.at as u64, None, Problem::Truncated { expected: size, got: self.left() })
    }

    /// Passes content; what was skipped, or `None` if the stream ends before.
    fn skip(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let size = usize::try_from(bytes).ok()?;
        let skipped = self.bytes[self.at..].get(..size)?;
        self.at += size;
        self.end = self.end.max(self.at);
        Some(skipped)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub result: Result<(), Error>,
    /// Those kept, and how many there were.
    pub findings: Vec<Finding>,
    pub total: u64,
    /// Bytes of the stream up to the end of the archive.
    pub end: u64,
}

/// Runs the decoder of items and the check of goodbye tables.
pub fn items(bytes: &[u8], record: &mut impl Record, arrive: Arrive<'_>) -> Outcome {
    items_with(Decoder::new(), hash_name, bytes, record, arrive)
}

/// As [`items`] with a decoder that begins at the first of `bytes`, and with another hash of names.
pub fn items_with(
    mut decoder: Decoder,
    hash: NameHash,
    bytes: &[u8],
    record: &mut impl Record,
    arrive: Arrive<'_>,
) -> Outcome {
    let mut feeder = Feeder::new(bytes);
    let mut check = GoodbyeCheck::with_hash(hash);
    let mut table = false;
    let start = decoder.offset();
    let result = loop {
        assert_eq!(decoder.offset() - start, feeder.at as u64, "decoder and feeder stand at the same byte");
        let step = match decoder.step(feeder.window()) {
            Ok(step) => step,
            Err(error) => {
                assert_eq!(decoder.step(&feeder.bytes[feeder.at..feeder.end]), Err(error), "said again");
                break Err(error);
            }
        };
        table |= check.see(&step).is_some();
        match step {
            Step::Need(needed) => {
                if !feeder.grow(needed, arrive) {
                    break Err(decoder.truncated(needed, feeder.left()));
                }
                continue;
            }
            Step::Item { used, .. } => feeder.advance(used),
            Step::Skip(size) => {
                let Some(skipped) = feeder.skip(size) else { break Err(feeder.short(size)) };
                if std::mem::take(&mut table) {
                    check.table(skipped, decoder.findings());
                }
            }
            Step::Known(_) => {}
            Step::End => {
                record.note(format_args!("{step:?}"));
                break Ok(());
            }
        }
        record.note(format_args!("{step:?} depth {}", decoder.depth()));
    };
    let findings = decoder.findings();
    Outcome { result, findings: findings.kept().to_vec(), total: findings.total(), end: feeder.at as u64 }
}

/// Runs the decoder of entries and shows every entry to `see`, every leaving as `None`.
pub fn entries(
    bytes: &[u8],
    record: &mut impl Record,
    arrive: Arrive<'_>,
    see: &mut dyn FnMut(Option<&Entry<'_>>),
) -> Outcome {
    entries_with(Entries::new(), bytes, record, arrive, see)
}

/// As [`entries`] with a decoder that begins at the first of `bytes`.
pub fn entries_with(
    mut entries: Entries,
    bytes: &[u8],
    record: &mut impl Record,
    arrive: Arrive<'_>,
    see: &mut dyn FnMut(Option<&Entry<'_>>),
) -> Outcome {
    let mut feeder = Feeder::new(bytes);
    let start = entries.offset();
    let result = loop {
        let step = match entries.step(feeder.window()) {
            Ok(step) => step,
            Err(error) => {
                // What was used of this window before the error is known from the position only.
                feeder.advance(((entries.offset() - start) as usize).saturating_sub(feeder.at));
                break Err(error);
            }
        };
        feeder.advance(step.used);
        match step.event {
            Event::Need(needed) => {
                if !feeder.grow(needed, arrive) {
                    break Err(entries.truncated(needed, feeder.left()));
                }
                continue;
            }
            Event::Skip(size) => {
                if feeder.skip(size).is_none() {
                    break Err(feeder.short(size));
                }
            }
            Event::Entry(ref entry) => see(Some(entry)),
            Event::Leave { .. } => see(None),
            Event::Version(_) | Event::Prelude { .. } | Event::End => {}
        }
        record.note(format_args!("{:?}", step.event));
        if matches!(step.event, Event::End) {
            break Ok(());
        }
    };
    let findings = entries.findings();
    Outcome { result, findings: findings.kept().to_vec(), total: findings.total(), end: feeder.at as u64 }
}

/// The items of an archive in one window, as lines.
pub fn item_lines(bytes: &[u8]) -> (Vec<String>, Outcome) {
    let mut lines = Vec::new();
    let outcome = items(bytes, &mut lines, &mut one_window());
    (lines, outcome)
}

/// The entries of an archive in one window, as lines.
pub fn entry_lines(bytes: &[u8]) -> (Vec<String>, Outcome) {
    let mut lines = Vec::new();
    let outcome = entries(bytes, &mut lines, &mut one_window(), &mut |_| {});
    (lines, outcome)
}
