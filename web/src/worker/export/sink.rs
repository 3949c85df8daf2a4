//! Where a file that is made goes: into a `Blob` of the browser, piece by piece, so that the worker never holds more than one piece.

use std::fmt;

use crate::worker::Handle;

/// Bytes of a piece.
#[cfg(target_arch = "wasm32")]
const PIECE: usize = 8 << 20;

/// A file in the making.
#[derive(Default)]
pub struct Sink {
    #[cfg(target_arch = "wasm32")]
    parts: js_sys::Array,
    buffer: Vec<u8>,
    size: u64,
    /// Bytes that a test only claims, each with its place in the buffer.
    #[cfg(test)]
    holes: Vec<(usize, u64)>,
}

impl Sink {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its bytes so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        #[cfg(target_arch = "wasm32")]
        if self.buffer.len() >= PIECE {
            self.flush();
        }
    }

    /// Appends another file.
    pub fn append(&mut self, other: Self) {
        #[cfg(target_arch = "wasm32")]
        {
            self.flush();
            other.parts.iter().for_each(|part| _ = self.parts.push(&part));
            self.size += other.size - other.buffer.len() as u64;
        }
        self.push(&other.buffer);
    }

    /// Makes as if so many zeros had been appended.
    #[cfg(test)]
    pub fn hole(&mut self, bytes: u64) {
        self.size += bytes;
        self.holes.push((self.buffer.len(), bytes));
    }

    /// What was appended: each time how long the hole before is.
    #[cfg(test)]
    pub fn pieces(&self) -> Vec<(u64, &[u8])> {
        let starts = [(0, 0)].into_iter().chain(self.holes.iter().copied());
        let ends = self.holes.iter().map(|hole| hole.0).chain([self.buffer.len()]);
        starts.zip(ends).map(|((start, hole), end)| (hole, &self.buffer[start..end])).collect()
    }

    /// Hands the piece to the browser, which may put it on disk.
    #[cfg(target_arch = "wasm32")]
    fn flush(&mut self) {
        let bytes = js_sys::Uint8Array::from(&self.buffer[..]);
        if let Ok(part) = web_sys::Blob::new_with_u8_array_sequence(&js_sys::Array::of1(&bytes)) {
            self.parts.push(&part);
        }
        crate::worker::port::release(&bytes.buffer());
        self.buffer.clear();
    }

    /// The file.
    #[cfg(target_arch = "wasm32")]
    pub fn finish(mut self, _name: &str) -> Option<Handle> {
        self.flush();
        let blob = web_sys::Blob::new_with_blob_sequence(&self.parts).ok()?;
        // A piece that the browser refused must not go unnoticed.
        (blob.size() as u64 == self.size).then(|| Handle::Js(blob.into()))
    }

    /// The file.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn finish(self, name: &str) -> Option<Handle> {
        let memory = crate::worker::source::memory::Memory::new(name.to_owned(), self.buffer);
        Some(Handle::Source(std::rc::Rc::new(memory)))
    }
}

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Makes a JSON array of lines that hold an object each.
pub struct JsonArray<'a> {
    sink: &'a mut Sink,
    is_first: bool,
    is_at_start: bool,
}

impl<'a> JsonArray<'a> {
    /// Begins an array.
    pub fn new(sink: &'a mut Sink) -> Self {
        sink.push(b"[");
        Self { sink, is_first: true, is_at_start: true }
    }

    /// Ends it.
    pub fn finish(self) {
        self.sink.push(b"\n]\n");
    }
}

impl fmt::Write for JsonArray<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Within JSON strings ends of lines are escaped: each of these is one between objects.
        for piece in text.split_inclusive('\n') {
            if self.is_at_start {
                self.sink.push(if self.is_first { b"\n" } else { b",\n" });
                (self.is_first, self.is_at_start) = (false, false);
            }
            let line = piece.strip_suffix('\n');
            self.sink.push(line.unwrap_or(piece).as_bytes());
            self.is_at_start = line.is_some();
        }
        Ok(())
    }
}
