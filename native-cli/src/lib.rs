//! `pxkit`: creates, lists, dumps and extracts Proxmox pxar archives.
#![warn(missing_docs)]

pub mod backup;
pub mod bench;
pub mod cli;
pub mod cmd;
pub mod codec;
pub mod compare;
pub mod crypt;
pub mod export;
pub mod input;
pub mod job;
pub mod linux;
pub mod mount;
pub mod output;
pub mod pace;
pub mod pipeline;
pub mod remote;
pub mod report;
pub mod restore;
pub mod secret;
pub mod select;
pub mod serve;
pub mod shell;
pub mod source;
pub mod store;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod text;
pub mod walk;
