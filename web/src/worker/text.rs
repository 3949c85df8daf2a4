//! Names and paths as text.

use std::fmt::Write as _;

use pxkit_core::access::Tree;

/// Bytes as text: what is not UTF-8 becomes `\xNN`, what cannot be seen is escaped, too.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '"' => out.push(c),
                c => out.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The path of an entry with a slash before it; `/` for the root.
pub fn path(tree: &Tree, entry: u32) -> String {
    let mut path = b"/".to_vec();
    tree.path(entry, &mut path);
    escape(&path)
}
