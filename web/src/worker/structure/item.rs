//! Items that are much the same in all streams.

use crate::protocol::structure::Item;

use super::about;

/// An item of which nothing is known but its name.
pub fn bytes(offset: u64, size: u64, name: &str) -> Item {
    Item {
        offset,
        size,
        name: name.to_owned(),
        summary: count(size),
        entry: None,
        depth: 0,
        fields: Vec::new(),
        about: about::other(name).to_owned(),
        findings: Vec::new(),
        error: None,
    }
}

/// What decoding stopped at, up to the end of the stream.
pub fn damage(offset: u64, size: u64, error: String) -> Item {
    Item {
        summary: format!("decoding stopped here: {}", count(size)),
        error: Some(error),
        ..bytes(offset, size, "DAMAGED")
    }
}

/// A number of bytes with its unit.
pub fn count(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + if bytes == 1 { " byte" } else { " bytes" }
}
