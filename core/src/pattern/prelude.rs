//! How an archive records the exclude patterns of the command line: as text in a file of a unified archive, and as JSON in the
//! PRELUDE of a split one. The JSON is one object with one key, so a few lines read and write it.

use alloc::vec::Vec;
use core::fmt;

use super::Pattern;

const KEY: &str = "exclude-patterns";

/// The patterns cannot be written into a PRELUDE, which is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8 {
    /// Position of the first offending byte in the text of [`exclude_text`].
    pub offset: usize,
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected exclude patterns in UTF-8 for a split archive, got other bytes at {}",
            self.offset
        )
    }
}

impl core::error::Error for NotUtf8 {}

/// The contents of `.pxarexclude-cli` (specification 5.5): one pattern a line.
pub fn exclude_text<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Vec<u8> {
    let mut text = Vec::new();
    for pattern in patterns {
        pattern.write_text(&mut text);
        text.push(b'\n');
    }
    text
}

/// The contents of the PRELUDE (specification 4.3), or `None` if there are no patterns and hence is no PRELUDE.
///
/// # Errors
/// The patterns are not UTF-8.
pub fn encode_prelude<'a>(
    patterns: impl IntoIterator<Item = &'a Pattern>,
) -> Result<Option<Vec<u8>>, NotUtf8> {
    let text = exclude_text(patterns);
    if text.is_empty() {
        return Ok(None);
    }
    let text = core::str::from_utf8(&text).map_err(|error| NotUtf8 { offset: error.valid_up_to() })?;
    let mut json = Vec::with_capacity(text.len() + 32);
    json.extend_from_slice(b"{\"");
    json.extend_from_slice(KEY.as_bytes());
    json.extend_from_slice(b"\":\"");
    escape(text, &mut json);
    json.extend_from_slice(b"\"}");
    Ok(Some(json))
}

fn escape(text: &str, json: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            0..0x20 => {
                let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
                json.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                continue;
            }
            _ => {
                json.push(byte);
                continue;
            }
        };
        json.extend_from_slice(&[b'\\', short]);
    }
}

/// Finds the patterns' text in the contents of a PRELUDE; `None` if they are something else, which the format allows.
///
/// Other keys are passed over, whatever their values. Never fails on what other programs may write here: the archive is as
/// good without.
pub fn decode_prelude(json: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { json };
    reader.expect(b'{')?;
    loop {
        let key = reader.string()?;
        reader.expect(b':')?;
        if key == KEY.as_bytes() {
            return reader.string();
        }
        reader.skip_value()?;
        reader.expect(b',')?;
    }
}

struct Reader<'a> {
    json: &'a [u8],
}

impl Reader<'_> {
    /// Passes white space and looks at the next byte.
    fn peek(&mut self) -> Option<u8> {
        self.json = self.json.trim_ascii_start();
        self.json.first().copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.json.split_first()?;
        self.json = rest;
        Some(first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.byte())?.map(|_| ())
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            match self.byte()? {
                b'"' => return Some(out),
                b'\\' => self.escaped(&mut out)?,
                byte => out.push(byte),
            }
        }
    }

    fn escaped(&mut self, out: &mut Vec<u8>) -> Option<()> {
        out.push(match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let mut unit = self.hex()?;
                if (0xd800..0xdc00).contains(&unit) && self.json.starts_with(b"\\u") {
                    let before = self.json;
                    self.json = &self.json[2..];
                    match self.hex()? {
                        low @ 0xdc00..0xe000 => unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                        _ => self.json = before,
                    }
                }
                // Half of a surrogate pair stands for no character.
                let char = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        });
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.json.split_off(..4)?;
        digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
    }

    /// Passes a value of any kind; counts brackets instead of recursing, so depth costs nothing.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.byte();
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.byte();
                }
                b',' | b':' if depth > 0 => {
                    self.byte();
                    continue;
                }
                byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
                    while matches!(self.json.first(), Some(b) if b.is_ascii_alphanumeric() || b"+-.".contains(b))
                    {
                        self.byte();
                    }
                }
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}
