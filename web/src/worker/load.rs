//! Decoding of archives into trees, slice by slice, while what is there can already be used.

use std::rc::Rc;

use pxkit_core::access::TreeBuilder;
use pxkit_core::decode::{Entries, Event, Irregularity};
use pxkit_core::format::{Error, ItemType, Kind, Problem as Cause};

use super::source::Source;
use super::{Document, Task, problem};
use crate::protocol::open::State;
use crate::protocol::{Problem, Tell};

/// Bytes of the first slice, which gives the first rows.
const FIRST: u64 = 256 << 10;
/// Bytes of the others.
const SLICE: u64 = 4 << 20;
/// Entries for which room is made at once although nothing proves that they will come.
const TRUSTED: u64 = 1_200_000;
/// Entries that are decoded at most: about 80 bytes of memory each, of the four gigabytes that there can be.
const MOST: usize = 20_000_000;

/// Decodes the archive of a document, and tells the page of it.
pub async fn decode(task: Task, document: Rc<Document>) {
    let mut loader = Loader::new(document.clone());
    let outcome = loader.run(&task).await;
    if document.closed().get() {
        return;
    }
    document.finish();
    let state = match outcome {
        Ok(()) => State::Complete,
        Err(problem) => {
            document.findings.damage(&problem, &document.tree());
            State::Damaged(problem)
        }
    };
    *document.state.borrow_mut() = state;
    tell(&task, &document);
}

/// Tells the page what is known of a document.
pub fn tell(task: &Task, document: &Document) {
    task.worker().host().tell(Tell::Document(Box::new(document.describe())), Vec::new());
}

struct Loader {
    document: Rc<Document>,
    source: Rc<dyn Source>,
    entries: Entries,
    /// Bytes from `at` on; those before `start` are done with.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Position of the next byte to be read.
    next: u64,
}

/// Why decoding stops within a slice.
enum Stop {
    /// More bytes are needed, this many from where it stands.
    Need(usize),
    /// So many bytes behind the slice are not needed.
    Skip(u64),
    End,
}

impl Loader {
    fn new(document: Rc<Document>) -> Self {
        // The metadata stream is always there.
        let source = document.meta().clone();
        Self { document, source, entries: Entries::new(), buffer: Vec::new(), start: 0, end: 0, next: 0 }
    }

    async fn run(&mut self, task: &Task) -> Result<(), Problem> {
        let mut needed = 0;
        let mut len = FIRST;
        loop {
            self.fill(needed, len).await?;
            task.check()?;
            let stop = loop {
                // Whoever reads the tree lets go of it before its turn ends.
                match self.slice() {
                    Some(stop) => break stop,
                    None => task.worker().host().pause().await,
                }
            };
            self.note();
            needed = match stop.map_err(|error| problem::of(error, self.source.name()))? {
                Stop::End => return Ok(()),
                Stop::Need(needed) => needed,
                Stop::Skip(bytes) => {
                    self.skip(bytes)?;
                    0
                }
            };
            if len == FIRST || task.is_time() {
                tell(task, &self.document);
            }
            len = SLICE;
            task.breathe().await?;
        }
    }

    /// Reads the next slice, so that at least `needed` bytes are there.
    async fn fill(&mut self, needed: usize, len: u64) -> Result<(), Problem> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let there = self.source.size() - self.next;
        let len = len.min(there);
        if (self.end as u64 + len) < needed as u64 {
            let error = self.entries.truncated(needed, self.end as u64 + len);
            return Err(problem::of(error, self.source.name()));
        }
        let end = self.end + len as usize;
        if self.buffer.len() < end {
            // Exact, for the window stays as long as it is: a slice and the item that the one before broke off.
            let capacity = end.max(if len < SLICE { 0 } else { SLICE as usize + (128 << 10) });
            self.buffer.reserve_exact(capacity - self.buffer.len());
            self.buffer.resize(end, 0);
        }
        self.source.read(self.next, &mut self.buffer[self.end..end]).await?;
        self.end = end;
        self.next += len;
        self.source.will_read(self.next..(self.next + SLICE).min(self.source.size()));
        Ok(())
    }

    /// Passes over bytes that nobody needs.
    fn skip(&mut self, bytes: u64) -> Result<(), Problem> {
        (self.start, self.end) = (0, 0);
        let there = self.source.size() - self.next;
        if bytes > there {
            let cause = Cause::Truncated { expected: bytes, got: there };
            return Err(problem::of(
                Error::new(self.next, Some(ItemType::Payload), cause),
                self.source.name(),
            ));
        }
        self.next += bytes;
        Ok(())
    }

    /// Decodes what is there. `None` if the tree is being read.
    fn slice(&mut self) -> Option<Result<Stop, Error>> {
        let Self { document, source, entries, buffer, start, end, .. } = self;
        let mut counts = document.counts.get();
        let head = &document.head;
        let (done, size) = (entries.offset(), source.size());
        let stop = document.grow(|builder: &mut TreeBuilder| {
            make_room(builder, done, (*end - *start) as u64, size);
            let stop = loop {
                let progress = match entries.step(&buffer[*start..*end]) {
                    Ok(progress) => progress,
                    Err(error) => break Err(error),
                };
                *start += progress.used;
                match progress.event {
                    Event::Entry(entry) => {
                        if builder.tree().len() >= MOST {
                            let cause = Cause::Limit { what: "entries", limit: MOST as u64 };
                            break Err(Error::new(entry.filename, Some(ItemType::Filename), cause));
                        }
                        if let Err(error) = builder.add(&entry) {
                            break Err(error);
                        }
                        if entry.kind == Kind::File {
                            counts.files += 1;
                            counts.content = counts.content.saturating_add(entry.size());
                        } else if entry.depth == 0 {
                            head.borrow_mut().root_entry = entry.filename;
                        }
                    }
                    Event::Leave { .. } => builder.leave(),
                    Event::Skip(bytes) => {
                        let there = (*end - *start) as u64;
                        if bytes > there {
                            break Ok(Stop::Skip(bytes - there));
                        }
                        *start += bytes as usize;
                    }
                    Event::Need(needed) => break Ok(Stop::Need(needed)),
                    Event::Version(version) => head.borrow_mut().version = version,
                    Event::Prelude { size } => head.borrow_mut().prelude = Some((0, size)),
                    Event::End => break Ok(Stop::End),
                }
            };
            builder.settle();
            stop
        });
        document.counts.set(counts);
        let stop = stop?;
        if let Ok(Stop::End) = stop {
            let rest = self.entries.offset();
            if rest < self.source.size() {
                self.entries.findings().add(rest, Irregularity::TrailingBytes);
            }
        }
        Some(stop)
    }

    /// Takes over what was irregular, and says how far it is.
    fn note(&mut self) {
        self.document.touch();
        self.document.findings.decoded(self.entries.findings(), &self.document.tree());
        *self.document.state.borrow_mut() = State::Loading(self.next - (self.end - self.start) as u64);
    }
}

/// Makes room for the entries of a slice, and for all that follow if the archive goes on as it began: arrays that grow by doubling leave
/// holes behind, and WebAssembly never gives memory back.
fn make_room(builder: &mut TreeBuilder, done: u64, slice: u64, size: u64) {
    let (entries, names) = builder.room();
    let tree = builder.tree();
    let (len, name_bytes) = (tree.len() as u64, tree.names_len() as u64);
    if len == 0 {
        return;
    }
    // What so many bytes more hold, in proportion to those before, and a little.
    let share = |of: u64, bytes: u64| {
        (u128::from(of) * u128::from(bytes) / u128::from(done.max(1)) * 51 / 50) as u64 + 64
    };
    if share(len, slice) <= entries as u64 && share(name_bytes, slice) <= names as u64 {
        return;
    }
    // The first slice is too short to tell.
    let ahead = if done < SLICE { SLICE } else { size.saturating_sub(done) };
    let more = share(len, ahead).min(TRUSTED.max(len)).max(share(len, slice).min(slice / 16));
    let more_names =
        share(name_bytes, ahead).min(20 * TRUSTED.max(len)).max(share(name_bytes, slice).min(slice));
    builder.reserve(more as usize, more_names as usize);
}
