//! Commands for the days between making backups and needing them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{OpenArgs, RepositoryArgs};

/// `pxkit compare`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 nothing differs; 1 something differs; 2 failed, or something could not be compared."
)]
pub struct Compare {
    /// What was: a snapshot (host/elsa/latest), one of its archives (host/elsa/latest/root.pxar), an archive in a file, or a directory
    pub old: PathBuf,
    /// What is, in the same forms
    pub new: PathBuf,
    /// Only what matches (and what is below it); `!` in front takes back
    pub patterns: Vec<OsString>,
    /// The payload file of OLD [default: the .ppxar beside an .mpxar]
    #[arg(long, value_name = "FILE")]
    pub old_payload: Option<PathBuf>,
    /// The payload file of NEW [default: the .ppxar beside an .mpxar]
    #[arg(long, value_name = "FILE")]
    pub new_payload: Option<PathBuf>,
    /// Only how many entries and bytes differ in each way
    #[arg(long)]
    pub stat: bool,
    /// A JSON object for each difference; with --stat one for all
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}
