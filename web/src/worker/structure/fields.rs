//! Fields of an item, read from its bytes.

use crate::protocol::Stream;
use crate::protocol::structure::Field;
use crate::worker::text;

/// Bytes of a text that are shown.
const SHOWN: usize = 4096;

/// Reads fields one after the other. What lies behind the bytes that are there is left out.
pub struct Fields<'a> {
    /// Position of `bytes` in the stream.
    offset: u64,
    bytes: &'a [u8],
    next: usize,
    fields: Vec<Field>,
}

impl<'a> Fields<'a> {
    /// Of the bytes at `offset`.
    pub const fn new(offset: u64, bytes: &'a [u8]) -> Self {
        Self { offset, bytes, next: 0, fields: Vec::new() }
    }

    /// The next bytes; `None` if they are not there.
    fn take(&mut self, len: usize) -> Option<(u64, &'a [u8])> {
        let bytes = self.bytes.get(self.next..self.next.checked_add(len)?)?;
        let at = self.offset + self.next as u64;
        self.next += len;
        Some((at, bytes))
    }

    fn push(&mut self, name: &str, offset: u64, size: usize, value: String, meaning: String) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.fields.push(Field { name: name.to_owned(), offset, size, value, meaning, link: None });
    }

    /// A number of 8 bytes.
    pub fn u64(&mut self, name: &str, meaning: impl FnOnce(u64) -> String) -> Option<u64> {
        let (at, bytes) = self.take(8)?;
        let value = u64::from_le_bytes(bytes.try_into().ok()?);
        self.push(name, at, 8, value.to_string(), meaning(value));
        Some(value)
    }

    /// A number of 8 bytes that counts nothing.
    pub fn id(&mut self, name: &str, meaning: impl Into<String>) -> Option<u64> {
        let (at, bytes) = self.take(8)?;
        let value = u64::from_le_bytes(bytes.try_into().ok()?);
        self.push(name, at, 8, format!("{value:#018x}"), meaning.into());
        Some(value)
    }

    /// A number of 8 bytes with a sign.
    pub fn i64(&mut self, name: &str, meaning: impl FnOnce(i64) -> String) -> Option<i64> {
        let (at, bytes) = self.take(8)?;
        let value = i64::from_le_bytes(bytes.try_into().ok()?);
        self.push(name, at, 8, value.to_string(), meaning(value));
        Some(value)
    }

    /// A number of 4 bytes.
    pub fn u32(&mut self, name: &str, meaning: impl FnOnce(u32) -> String) -> Option<u32> {
        let (at, bytes) = self.take(4)?;
        let value = u32::from_le_bytes(bytes.try_into().ok()?);
        self.push(name, at, 4, value.to_string(), meaning(value));
        Some(value)
    }

    /// Bytes in hexadecimal digits: a digest, a magic number.
    pub fn hex(&mut self, name: &str, len: usize, meaning: impl Into<String>) -> Option<&'a [u8]> {
        let (at, bytes) = self.take(len)?;
        self.push(name, at, len, crate::worker::words::hex(bytes), meaning.into());
        Some(bytes)
    }

    /// Bytes that are shown as text.
    pub fn text(&mut self, name: &str, len: usize, meaning: impl Into<String>) -> Option<&'a [u8]> {
        let (at, bytes) = self.take(len)?;
        self.push(name, at, len, text::escape(&bytes[..len.min(SHOWN)]), meaning.into());
        Some(bytes)
    }

    /// A byte that ends a text.
    pub fn nul(&mut self) {
        if let Some((at, bytes)) = self.take(1) {
            let meaning = if bytes == [0] { "ends the text; its length counts it" } else { "should be 0" };
            self.push("NUL", at, 1, bytes[0].to_string(), meaning.to_owned());
        }
    }

    /// Something that is not read: contents, data, records.
    pub fn region(&mut self, name: &str, offset: u64, size: u64, value: String, meaning: impl Into<String>) {
        self.push(name, offset, usize::try_from(size).unwrap_or(usize::MAX), value, meaning.into());
    }

    /// What the field read last means.
    pub fn explain(&mut self, meaning: impl Into<String>) {
        if let Some(field) = self.fields.last_mut() {
            field.meaning = meaning.into();
        }
    }

    /// The next bytes, which remain to be read.
    pub fn peek(&self, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.next..self.next.checked_add(len)?)
    }

    /// How many bytes are before the next NUL, and how many behind it.
    pub fn split_at_nul(&self) -> (usize, usize) {
        let rest = &self.bytes[self.next..];
        let name = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
        (name, rest.len().saturating_sub(name + 1))
    }

    /// Adds the fields of other bytes.
    pub fn append(&mut self, other: Fields<'_>) {
        self.fields.extend(other.fields);
    }

    /// What the field read last leads to.
    pub fn link(&mut self, stream: Stream, offset: u64) {
        if let Some(field) = self.fields.last_mut() {
            field.link = Some((stream, offset));
        }
    }

    /// Bytes that are there and were not read.
    pub fn rest(&self) -> usize {
        self.bytes.len() - self.next
    }

    /// The fields.
    pub fn finish(self) -> Vec<Field> {
        self.fields
    }
}
