//! Commands about the snapshots of a repository and its upkeep.

use clap::{ArgGroup, Args, Subcommand};

use super::{OpenArgs, RepositoryArgs};
use crate::pace::Cores;
use crate::store::{Group, Namespace, SnapshotId, SnapshotName};

/// `pxkit snapshots`
#[derive(Debug, Args)]
pub struct Snapshots {
    /// Only those of this group, such as host/elsa
    pub group: Option<Group>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// A JSON object for each snapshot
    #[arg(long)]
    pub json: bool,
}

/// `pxkit files`
#[derive(Debug, Args)]
pub struct Files {
    /// The snapshot: TYPE/ID/TIME, or TYPE/ID/latest
    pub snapshot: SnapshotName,
    /// A JSON object for each file
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit catalog`
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// The snapshot: TYPE/ID/TIME, or TYPE/ID/latest
    pub snapshot: SnapshotName,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit forget`
#[derive(Debug, Args)]
pub struct Forget {
    /// The snapshot, such as host/elsa/2026-11-22T21:15:52Z
    pub snapshot: SnapshotId,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}

/// `pxkit prune`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["group", "all"]))]
pub struct Prune {
    /// The group whose snapshots are looked at, such as host/elsa
    pub group: Option<Group>,
    /// All groups of the namespace, each for itself
    #[arg(long)]
    pub all: bool,
    /// Keep the last N snapshots
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_last: Option<u64>,
    /// Keep the newest of each of the last N hours that have any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_hourly: Option<u64>,
    /// Keep the newest of each of the last N days that have any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_daily: Option<u64>,
    /// Keep the newest of each of the last N weeks that have any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_weekly: Option<u64>,
    /// Keep the newest of each of the last N months that have any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_monthly: Option<u64>,
    /// Keep the newest of each of the last N years that have any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_yearly: Option<u64>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// Only say what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Most processor time, as a number of cores (0.5) or in percent of one (50%) [default: no limit]
    #[arg(long, value_name = "CORES|PERCENT%")]
    pub limit_cpu: Option<Cores>,
    /// A JSON object for each snapshot
    #[arg(long)]
    pub json: bool,
}

/// `pxkit gc`
#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// Remove chunks that were not used for this many minutes; fewer than 1445 rely on a file system that notes each access [default: 1445]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=2880))]
    pub cutoff: Option<u64>,
    /// Only count what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pxkit verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Only this snapshot or group [default: everything in the namespace and below it]
    pub what: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
    /// Threads that check chunks [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Let the server do it, which notes the result; nothing is transferred but its log
    #[arg(long, conflicts_with_all = ["threads", "keyfile", "keyfd", "ignore_signature", "json"])]
    pub on_server: bool,
    /// A JSON object for each snapshot
    #[arg(long)]
    pub json: bool,
}

/// `pxkit status`
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// Print it as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pxkit protect` and `pxkit unprotect`
#[derive(Debug, Args)]
pub struct Protect {
    /// The snapshot, such as host/elsa/2026-11-22T21:15:52Z
    pub snapshot: SnapshotId,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}

/// `pxkit notes`
#[derive(Debug, Args)]
pub struct Notes {
    /// The snapshot (TYPE/ID/TIME or TYPE/ID/latest) or group
    pub what: String,
    /// The new notes; none if empty [default: print those that are there]
    pub text: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}

/// `pxkit namespace`
#[derive(Debug, Args)]
pub struct NamespaceArgs {
    /// What to do with namespaces.
    #[command(subcommand)]
    pub command: NamespaceCommand,
}

/// What to do with namespaces.
#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// List the namespaces below the one of --ns
    List {
        #[command(flatten)]
        #[allow(missing_docs)]
        repository: RepositoryArgs,
    },
    /// Make a namespace
    Create {
        /// Its whole name, such as a/b; a must exist
        name: Namespace,
        #[command(flatten)]
        #[allow(missing_docs)]
        repository: RepositoryArgs,
    },
    /// Remove a namespace, with all namespaces in it
    Delete {
        /// Its whole name, such as a/b
        name: Namespace,
        /// Remove the groups and snapshots in it, too
        #[arg(long)]
        delete_groups: bool,
        #[command(flatten)]
        #[allow(missing_docs)]
        repository: RepositoryArgs,
    },
}

/// `pxkit change-owner`
#[derive(Debug, Args)]
pub struct ChangeOwner {
    /// The group, such as host/elsa
    pub group: Group,
    /// Whom it is to belong to: USER@REALM, or USER@REALM!TOKEN
    pub owner: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}

/// `pxkit init`
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}
