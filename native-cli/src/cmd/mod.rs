//! One file a command: what was asked for, resolved once, and run.

pub mod argument;
pub mod backup;
pub mod bench;
pub mod benchmark;
pub mod catalog;
pub mod change_owner;
pub mod compare;
pub mod create;
pub mod dump;
pub mod extract;
pub mod extraction;
pub mod files;
pub mod find;
pub mod forget;
pub mod gc;
pub mod generate;
pub mod init;
pub mod inspect;
pub mod key;
pub mod layout;
pub mod list;
pub mod login;
pub mod mount;
pub mod namespace;
pub mod notes;
pub mod protect;
pub mod prune;
pub mod restore;
pub mod run;
pub mod shell;
pub mod snapshots;
pub mod status;
mod table;
mod task;
pub mod umount;
pub mod upload_log;
pub mod verify;
pub mod version;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use pxkit_core::format::Features;
use pxkit_core::pattern::{MatchType, Pattern};

use crate::cli::LeaveOut;
use crate::report::Usage;

/// The features that are read or restored, when these are left out.
fn features(leave_out: &LeaveOut) -> Features {
    let mut features = Features::DEFAULT;
    for (left_out, feature) in [
        (leave_out.no_xattrs, Features::XATTRS),
        (leave_out.no_acls, Features::ACL),
        (leave_out.no_fcaps, Features::FCAPS),
        (leave_out.no_device_nodes, Features::DEVICE_NODES),
        (leave_out.no_fifos, Features::FIFOS),
        (leave_out.no_sockets, Features::SOCKETS),
    ] {
        if left_out {
            features = features.without(feature);
        }
    }
    features
}

/// Parses patterns that are of type `default` unless they start with `!`.
fn patterns<'a>(
    texts: impl IntoIterator<Item = &'a OsString>,
    default: MatchType,
) -> anyhow::Result<Vec<Pattern>> {
    let parse = |text: &OsString| {
        Pattern::parse(text.as_bytes(), default)
            .map_err(|error| Usage(format!("the pattern {} is malformed: {error}", text.display())).into())
    };
    texts.into_iter().map(parse).collect()
}
