//! Commands that write what is made from the list of commands.

use std::path::PathBuf;

use clap::Args;

/// `pxkit completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// `pxkit man-pages`
#[derive(Debug, Args)]
pub struct ManPages {
    /// Where to; made if it does not exist
    pub directory: PathBuf,
}
