use alloc::vec::Vec;
use core::ops::Range;

use super::listing::{Listing, Since};
use crate::chunk::FileStart;
use crate::encode::{Encoder, Event, Node};
use crate::format::{Error, HEADER_SIZE, PAYLOAD_TAIL_MARKER, PayloadRef};
use crate::index::DynamicIndex;
use crate::reuse::{Decision, Injection, Placement};

/// Most bytes of contents that are handed to [`Emit::contents`] at once.
pub const MAX_BLOCK: usize = 4 << 20;

/// Takes what a backup is made of, in the one order in which it stands in the new archive.
pub trait Sink {
    /// What can go wrong.
    type Error: From<Error>;

    /// Bytes of the metadata stream (of a unified archive, of the archive).
    ///
    /// # Errors
    /// Whatever the sink says; here and in the other methods.
    fn metadata(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// A raw segment of the payload stream starts: everything before is complete and ends a chunk. These files start in it as far as
    /// is known, up to the end of `range`.
    ///
    /// # Errors
    /// See [`Sink::metadata`].
    fn segment(&mut self, range: Range<u64>, starts: Vec<FileStart>) -> Result<(), Self::Error>;

    /// The raw segment goes on to `end`, with these further files.
    ///
    /// # Errors
    /// See [`Sink::metadata`].
    fn extend(&mut self, end: u64, starts: &[FileStart]) -> Result<(), Self::Error>;

    /// Bytes of the raw segment.
    ///
    /// # Errors
    /// See [`Sink::metadata`].
    fn payload(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Chunks of the previous payload stream come next in the new one.
    ///
    /// # Errors
    /// See [`Sink::metadata`].
    fn inject(&mut self, chunks: &[Injection]) -> Result<(), Self::Error>;
}

/// What was decided about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its contents stay in their chunks.
    Reuse,
    /// Its contents are read.
    Read,
}

/// What of the current raw segment the sink knows.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Its end as far as known, and whether that is its end.
    end: u64,
    is_final: bool,
    /// The next file of the listing that the sink does not know of, and what it follows.
    next: usize,
    since: Option<Since>,
}

/// Encodes an archive according to plan (see the [module](super)).
///
/// The driver goes through the spool: everything without contents goes to [`Emit::push`]. For a file of the listing
/// [`Emit::fate`] says what to do: [`Emit::reuse`], or [`Emit::read`] and then [`Emit::contents`] until all bytes are there, or
/// [`Emit::skip`] if it vanished meanwhile.
#[derive(Debug)]
pub struct Emit<'a> {
    encoder: Encoder,
    is_split: bool,
    listing: &'a Listing,
    reuse: Option<(&'a Decision, &'a DynamicIndex, Placement<'a>)>,
    /// Bytes that the sink is to know ahead of those that it has.
    ahead: u64,
    /// The next file of the listing.
    next: usize,
    /// The last raw file.
    since: Option<Since>,
    segment: Option<Segment>,
    meta: Vec<u8>,
    payload: Vec<u8>,
    inject: Vec<Injection>,
    is_started: bool,
}

impl<'a> Emit<'a> {
    /// For a unified archive.
    pub fn unified(listing: &'a Listing) -> Self {
        Self::new(Encoder::unified(), listing, None, 0)
    }

    /// For a split archive, whose payload stream has chunks of at most `max_chunk` bytes. `reuse` is what was decided about which
    /// previous payload index.
    pub fn split(
        prelude: Option<&[u8]>,
        listing: &'a Listing,
        reuse: Option<(&'a Decision, &'a DynamicIndex)>,
        max_chunk: u64,
    ) -> Self {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        let encoder = Encoder::split(prelude, &mut meta, &mut payload);
        let reuse = reuse.map(|(decision, index)| (decision, index, Placement::new(index)));
        let ahead = max_chunk + MAX_BLOCK as u64;
        Self { meta, payload, is_split: true, ahead, ..Self::new(encoder, listing, reuse, ahead) }
    }

    fn new(
        encoder: Encoder,
        listing: &'a Listing,
        reuse: Option<(&'a Decision, &'a DynamicIndex, Placement<'a>)>,
        ahead: u64,
    ) -> Self {
        Self {
            encoder,
            is_split: false,
            listing,
            reuse,
            ahead,
            next: 0,
            since: None,
            segment: None,
            meta: Vec::new(),
            payload: Vec::new(),
            inject: Vec::new(),
            is_started: false,
        }
    }

    /// Bytes of the payload stream so far.
    pub fn payload_position(&self) -> u64 {
        self.encoder.payload_position()
    }

    /// What was decided about the file `number` of the listing.
    pub fn fate(&self, number: usize) -> Fate {
        match &self.reuse {
            Some((decision, ..)) if decision.reuses(number) => Fate::Reuse,
            _ => Fate::Read,
        }
    }

    /// Number of the file in the listing that comes next.
    pub fn next(&self) -> usize {
        self.next
    }

    /// What the metadata stream begins with, before the root's ENTRY.
    pub fn beginning(&self) -> &[u8] {
        &self.meta
    }

    /// Whether the new payload stream is the previous one: all files are used again where they are, in all chunks that there are. Nothing may have been
    /// encoded yet.
    pub fn has_same_payload(&self) -> bool {
        self.is_same_payload().unwrap_or(false)
    }

    fn is_same_payload(&self) -> Option<bool> {
        const MARKER: u64 = HEADER_SIZE as u64;
        let (decision, index, _) = self.reuse.as_ref()?;
        let (mut placement, mut inject) = (Placement::new(index), Vec::new());
        // Behind the start marker, a chunk of its own.
        let (mut position, mut next) = (MARKER, 1);
        let mut follow = |inject: &mut Vec<Injection>, position: &mut u64| {
            inject.drain(..).all(|chunk| {
                *position += chunk.size;
                next += 1;
                chunk.at + 1 == next
            })
        };
        for (number, file) in self.listing.files().iter().enumerate() {
            let old = file.old.filter(|_| decision.reuses(number))?;
            let new = placement.reuse(old, file.stored(), position, &mut inject).ok()?;
            if new != old || !follow(&mut inject, &mut position) {
                return Some(false);
            }
        }
        placement.flush(&mut inject);
        let is_in_order = follow(&mut inject, &mut position);
        let is_marker = |at| index.extent(at).is_some_and(|extent| extent.end - extent.start == MARKER);
        Some(is_in_order && next + 1 == index.count() && is_marker(0) && is_marker(next))
    }

    /// Instead of encoding anything, where [`Emit::has_same_payload`]: the payload stream. The metadata stream is left to the caller.
    ///
    /// # Errors
    /// Those of the sink; something is not used again.
    pub fn repeat_payload<S: Sink>(mut self, sink: &mut S) -> Result<(), S::Error> {
        /// Chunks that are injected at once.
        const MANY: usize = 1024;
        self.meta.clear();
        self.start(sink)?;
        let not_same = || Error::misuse(0, "only a payload stream that is the same is repeated");
        let Some((_, _, mut placement)) = self.reuse.take() else { return Err(not_same().into()) };
        let (mut position, mut inject) = (HEADER_SIZE as u64, Vec::new());
        let send = |inject: &mut Vec<Injection>, position: &mut u64, sink: &mut S| {
            *position += inject.iter().map(|chunk| chunk.size).sum::<u64>();
            let result = if inject.is_empty() { Ok(()) } else { sink.inject(inject) };
            inject.clear();
            result
        };
        for file in self.listing.files().iter() {
            let old = file.old.ok_or_else(not_same)?;
            // Where it comes to lie was looked at before.
            placement.reuse(old, file.stored(), position, &mut inject)?;
            if inject.len() >= MANY {
                send(&mut inject, &mut position, sink)?;
            }
        }
        placement.flush(&mut inject);
        send(&mut inject, &mut position, sink)?;
        sink.segment(position..position + PAYLOAD_TAIL_MARKER.len() as u64, Vec::new())?;
        sink.payload(&PAYLOAD_TAIL_MARKER)
    }

    /// Encodes something without contents; returns what a hard link to it must name.
    ///
    /// # Errors
    /// Those of the encoder and of the sink.
    pub fn push<S: Sink>(&mut self, event: &Event<'_>, sink: &mut S) -> Result<u64, S::Error> {
        self.start(sink)?;
        let filename = self.encoder.push(event, &mut self.meta, &mut self.payload)?;
        self.send_metadata(sink)?;
        Ok(filename)
    }

    /// Encodes the next file of the listing, which keeps its chunks.
    ///
    /// # Errors
    /// Those of the encoder and of the sink.
    pub fn reuse<S: Sink>(&mut self, node: Node<'_>, sink: &mut S) -> Result<u64, S::Error> {
        self.start(sink)?;
        let number = self.take_number()?;
        let file = self.listing.files().get(number);
        let (Some(old), Some((.., placement))) = (file.old, &mut self.reuse) else {
            return Err(Error::misuse(0, "only files of the previous archive are used again").into());
        };
        let position = self.encoder.payload_position();
        let offset = placement.reuse(old, HEADER_SIZE as u64 + file.size, position, &mut self.inject)?;
        if let Some(since) = &mut self.since {
            self.listing.pass(number, since);
        }
        self.segment = None;
        let payload = PayloadRef { offset, size: file.size };
        // The reference first: it may lie within the chunks that are injected now.
        let filename = self.push(&Event::Reference { node, payload }, sink)?;
        self.send_injections(sink)?;
        Ok(filename)
    }

    /// Encodes the next file of the listing, whose `size` bytes of contents come next, see [`Emit::contents`]. The size may differ from
    /// that in the listing.
    ///
    /// # Errors
    /// Those of the encoder and of the sink.
    pub fn read<S: Sink>(&mut self, node: Node<'_>, size: u64, sink: &mut S) -> Result<u64, S::Error> {
        self.start(sink)?;
        let number = self.take_number()?;
        if size != self.listing.files().get(number).size {
            // The files behind it move, so the rest of the segment is another one.
            self.segment = None;
        }
        if self.is_split && self.segment.is_none() {
            self.flush(sink)?;
            self.open_segment((HEADER_SIZE as u64).saturating_add(size), Some(number), sink)?;
        }
        self.since = Some(self.listing.since(number));
        self.file(node, size, sink)
    }

    /// Encodes a file that is not in the listing, as when the first name of a file vanished and the next one takes its place.
    ///
    /// # Errors
    /// Those of the encoder and of the sink.
    pub fn extra<S: Sink>(&mut self, node: Node<'_>, size: u64, sink: &mut S) -> Result<u64, S::Error> {
        self.start(sink)?;
        if self.is_split {
            self.flush(sink)?;
            self.open_segment((HEADER_SIZE as u64).saturating_add(size), None, sink)?;
        }
        self.file(node, size, sink)
    }

    /// Contents of the file that was encoded last: at most [`MAX_BLOCK`] bytes.
    ///
    /// # Errors
    /// More than the file's size; those of the sink.
    pub fn contents<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        self.encoder.contents(bytes.len() as u64)?;
        if !self.is_split {
            return sink.metadata(bytes);
        }
        self.look_ahead(sink)?;
        sink.payload(bytes)
    }

    /// Passes over the next file of the listing, which is not there any more.
    ///
    /// # Errors
    /// There is none.
    pub fn skip(&mut self) -> Result<(), Error> {
        let number = self.take_number()?;
        if let Some(since) = &mut self.since {
            self.listing.pass(number, since);
        }
        self.segment = None;
        Ok(())
    }

    /// Ends the archive; returns the sizes of both streams.
    ///
    /// # Errors
    /// The root was not closed, a file's contents are not complete; those of the sink.
    pub fn finish<S: Sink>(mut self, sink: &mut S) -> Result<(u64, u64), S::Error> {
        self.start(sink)?;
        if self.is_split {
            self.flush(sink)?;
        }
        let position = self.encoder.payload_position();
        let sizes = self.encoder.finish(&mut self.payload)?;
        if self.is_split {
            sink.segment(position..sizes.1, Vec::new())?;
            sink.payload(&self.payload)?;
        }
        Ok(sizes)
    }

    /// Hands over what the encoder wrote at once. The start marker is a segment of its own, as is the one at the end: so they are the
    /// same chunks in every archive, and not padding in the next one.
    fn start<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if core::mem::replace(&mut self.is_started, true) || !self.is_split {
            return Ok(());
        }
        self.send_metadata(sink)?;
        sink.segment(0..self.payload.len() as u64, Vec::new())?;
        sink.payload(&self.payload)?;
        self.payload.clear();
        Ok(())
    }

    fn take_number(&mut self) -> Result<usize, Error> {
        let number = self.next;
        if number >= self.listing.files().len() {
            return Err(Error::misuse(0, "the listing has no more files"));
        }
        self.next += 1;
        Ok(number)
    }

    fn file<S: Sink>(&mut self, node: Node<'_>, size: u64, sink: &mut S) -> Result<u64, S::Error> {
        let filename = self.push(&Event::File { node, size }, sink)?;
        if self.is_split {
            self.look_ahead(sink)?;
            sink.payload(&self.payload)?;
            self.payload.clear();
        }
        Ok(filename)
    }

    fn send_metadata<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        sink.metadata(&self.meta)?;
        self.meta.clear();
        Ok(())
    }

    /// Injects the chunks that wait for it: raw bytes come next.
    fn flush<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if let Some((.., placement)) = &mut self.reuse {
            placement.flush(&mut self.inject);
        }
        self.send_injections(sink)
    }

    fn send_injections<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.inject.is_empty() {
            return Ok(());
        }
        self.segment = None;
        for chunk in &self.inject {
            self.encoder.inject(chunk.size)?;
        }
        sink.inject(&self.inject)?;
        self.inject.clear();
        Ok(())
    }

    /// Opens a raw segment here. Its `first` bytes are not as the listing says: they are the file `number`, which is not as large as it
    /// was, or one that the listing does not have.
    fn open_segment<S: Sink>(
        &mut self,
        first: u64,
        number: Option<usize>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let position = self.encoder.payload_position();
        let end = position.saturating_add(first);
        let mut starts = Vec::new();
        let mut since = self.since;
        if let Some(number) = number {
            starts.push(self.listing.start(number, since, position));
            since = Some(self.listing.since(number));
        }
        let mut segment = Segment { end, is_final: false, next: self.next, since };
        self.offer(&mut segment, &mut starts);
        self.segment = Some(segment);
        sink.segment(position..segment.end, starts)
    }

    /// Tells the sink of more of the segment, if it knows too little of what comes.
    fn look_ahead<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let Some(mut segment) = self.segment else { return Ok(()) };
        if segment.is_final || segment.end >= self.encoder.payload_position().saturating_add(self.ahead) {
            return Ok(());
        }
        let mut starts = Vec::new();
        self.offer(&mut segment, &mut starts);
        self.segment = Some(segment);
        sink.extend(segment.end, &starts)
    }

    /// Makes the known part of a segment longer: by more than must be known, so that this does not happen for every file.
    fn offer(&self, segment: &mut Segment, starts: &mut Vec<FileStart>) {
        let enough = self.encoder.payload_position().saturating_add(2 * self.ahead);
        let files = self.listing.files();
        while !segment.is_final && segment.end < enough {
            if segment.next == files.len() || self.fate(segment.next) == Fate::Reuse {
                segment.is_final = true;
            } else {
                starts.push(self.listing.start(segment.next, segment.since, segment.end));
                segment.since = Some(self.listing.since(segment.next));
                let size = files.get(segment.next).size;
                segment.end = segment.end.saturating_add(HEADER_SIZE as u64).saturating_add(size);
                segment.next += 1;
            }
        }
    }
}
