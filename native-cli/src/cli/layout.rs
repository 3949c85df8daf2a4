//! The command that shows what lies where.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{OpenArgs, RepositoryArgs};

/// `pxkit layout`
#[derive(Debug, Args)]
pub struct Layout {
    /// The archive: a file, or SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar); `-` is standard input
    pub archive: PathBuf,
    /// The payload file of a split archive
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    /// The index (.didx) of the payload file, or of a unified archive; those of snapshots are found
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
    /// An older archive of the same tree, the youngest first: SNAPSHOT/ARCHIVE, or a metadata archive and the index of its payload file, with a
    /// comma between
    #[arg(long, value_name = "ARCHIVE[,INDEX]")]
    pub previous: Vec<PathBuf>,
    /// Look at the header in front of the contents of each file, and at the markers of the payload file
    #[arg(long)]
    pub check: bool,
    /// Look into the padding for files that are gone
    #[arg(long)]
    pub ghosts: bool,
    /// Everything as one JSON object; or a list, an object a line
    #[arg(long, value_name = "LIST", num_args = 0..=1, require_equals = true)]
    pub json: Option<Option<List>>,
    /// A list with the columns that the book describes
    #[arg(long, value_name = "LIST", conflicts_with = "json")]
    pub csv: Option<List>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// Lists of `pxkit layout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum List {
    /// What lies where: payloads, padding, markers, metadata
    Ranges,
    /// Chunks with what is used of them
    Chunks,
    /// What is irregular
    Findings,
    /// Padding, with the files that are gone (--ghosts) and those that needed it last (--previous)
    Padding,
    /// What differs from the previous archive
    Changes,
}
