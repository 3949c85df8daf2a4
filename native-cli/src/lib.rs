//! `pxkit`: creates, lists, dumps and extracts Proxmox pxar archives.
#![warn(missing_docs)]

pub mod linux;
#[cfg(test)]
mod testing;
pub mod walk;
