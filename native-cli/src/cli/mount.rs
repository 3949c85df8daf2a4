//! Commands about mounts.

use std::path::PathBuf;

use clap::Args;

use super::{OpenArgs, RepositoryArgs};

/// `pxkit mount`
#[derive(Debug, Args)]
pub struct Mount {
    /// What to mount: an archive (a file, or SNAPSHOT/ARCHIVE such as host/elsa/latest/root.pxar), a snapshot (host/elsa/latest), or a
    /// group (host/elsa)
    pub source: PathBuf,
    /// The directory where it is to appear
    pub mountpoint: PathBuf,
    /// The payload file of a split archive [default: the .ppxar beside the .mpxar]
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    /// Stay in the foreground; messages go to standard error
    #[arg(short, long, conflicts_with = "log")]
    pub foreground: bool,
    /// Let other users in, too; what they may read follows from owners and permissions
    #[arg(long)]
    pub allow_other: bool,
    /// Where messages go [default: pxkit/mount.log in the user's state directory]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Threads that answer the kernel [default: two for each core, at least four]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Serve as the process that another one waits for
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub daemon: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit umount`
#[derive(Debug, Args)]
pub struct Umount {
    /// Where something was mounted by `pxkit mount`
    pub mountpoint: PathBuf,
    /// Take it away although somebody uses it; whoever has files open cannot read on
    #[arg(short = 'z', long)]
    pub lazy: bool,
}
