//! What `stat` prints of an entry (specification 10.4), and its further attributes.

use std::io::{self, Write};

use pxkit_core::access::{Node, NodeContent};
use pxkit_core::format::{Attribute, Kind, flag_names, mode};

use super::path::shown;
use crate::text::{Lines, mode_string};

/// Writes all that is stored of an entry, but for contents.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, lines: &mut Lines, path: &[u8], node: &Node) -> io::Result<()> {
    let full = [b"/", path].concat();
    write!(out, "  File: {}", shown(&full))?;
    if let NodeContent::Target(target) | NodeContent::Hardlink { target, .. } = &node.content {
        write!(out, " -> {}", shown(target))?;
    }
    let (kind, stat) = (node.kind, &node.stat);
    let size = match node.content {
        NodeContent::Inline { size, .. } => size,
        NodeContent::Reference(reference) => reference.size,
        _ => 0,
    };
    writeln!(out, "\n  Size: {size:<13} Type: {}", type_of(node))?;
    let permissions = stat.mode & mode::PERMISSIONS;
    let text = mode_string(kind, stat);
    let text = String::from_utf8_lossy(&text);
    writeln!(out, "Access: ({permissions:04o}/{text})  Uid: {:<5} Gid: {:<5}", stat.uid, stat.gid)?;
    writeln!(out, "Modify: {}", lines.time(stat.mtime))?;
    if let NodeContent::Device(device) = node.content {
        writeln!(out, "Device: {},{}", device.major, device.minor)?;
    }
    if stat.flags != 0 {
        let names: Vec<&str> = flag_names(stat.flags).collect();
        writeln!(out, " Flags: {}", names.join(" "))?;
    }
    for attribute in node.attributes.iter() {
        match attribute {
            Attribute::Xattr { name, value } => {
                writeln!(out, " Xattr: {} ({} bytes)", shown(name), value.len())?;
            }
            Attribute::Fcaps(value) => writeln!(out, " Fcaps: {} bytes", value.len())?,
            Attribute::QuotaProjid(id) => writeln!(out, "Projid: {id}")?,
            _ => {}
        }
    }
    let entries = node.attributes.iter().filter(Attribute::is_acl).count();
    if entries > 0 {
        writeln!(out, "   ACL: {entries} entries")?;
    }
    Ok(())
}

const fn type_of(node: &Node) -> &'static str {
    match node.kind {
        Kind::Directory => "directory",
        Kind::File => "file",
        Kind::Symlink => "symlink",
        Kind::Hardlink => "hard link",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Device => match node.stat.mode & mode::TYPE {
            mode::BLOCK => "block special file",
            mode::CHAR => "character special file",
            _ => "device",
        },
    }
}
