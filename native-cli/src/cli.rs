//! The one list of commands and options: the parser, the help, the man pages and the completions are made from it.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "texts of the help have square brackets that are no links"
)]

mod backup;
mod bench;
mod everyday;
mod generate;
mod inspect;
mod key;
mod layout;
mod mount;
mod run;
mod server;
mod store;
mod stream;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::remote::environment::parse_fingerprint;
use crate::remote::{AuthId, Fingerprint};
use crate::store::{Namespace, SnapshotName};

pub use self::backup::{Backup, BackupTypeArg, CutRule, DetectionMode, EntryOrder, ReusePolicy, StateArg};
pub use self::bench::{BenchCommand, BenchPrepare, BenchRun, BenchSet};
pub use self::everyday::{Compare, Find, Shell};
pub use self::generate::{Completions, ManPages};
pub use self::inspect::Inspect;
pub use self::key::{
    CryptArgs, CryptModeArg, KdfArg, KeyArgs, KeyCommand, KeyCreate, KeyImport, KeyProtection, KeyShow,
    MasterImport, OpenArgs, PaperFormat, Paperkey,
};
pub use self::layout::{Layout, List as LayoutList};
pub use self::mount::{Mount, Umount};
pub use self::run::Run;
pub use self::server::{Benchmark, Login, UploadLog, Version};
pub use self::store::{
    CatalogArgs, ChangeOwner, Files, Forget, Gc, Init, NamespaceArgs, NamespaceCommand, Notes, Protect,
    Prune, Snapshots, Status, Verify,
};
pub use self::stream::StreamFormat;

/// Creates, lists, dumps and extracts Proxmox file archives (pxar); backs up to directories and to Proxmox Backup Servers.
#[derive(Debug, Parser)]
#[command(name = "pxkit", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 done; 1 done, but something was left out, with a warning; 2 failed; 64 wrong \
    usage; 130 or 143 ended by SIGINT or SIGTERM."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an archive of a directory
    Create(Create),
    /// List the entries of an archive
    List(List),
    /// Show every item of an archive with its offset, and what is irregular
    Dump(Dump),
    /// Restore the entries of an archive
    Extract(Extract),
    /// Make a snapshot of directories
    Backup(Backup),
    /// Run the jobs of the configuration: back up, prune, report
    Run(Run),
    /// Restore an archive, an image or a small file of a snapshot
    Restore(Restore),
    /// Show an archive, a snapshot or a group as a directory
    Mount(Mount),
    /// Take away what `mount` has made
    Umount(Umount),
    /// Show what a snapshot is made of
    Files(Files),
    /// List the names in all archives of a snapshot
    Catalog(CatalogArgs),
    /// Find entries of archives by their paths
    Find(Find),
    /// Look around in archives and restore parts of them
    Shell(Shell),
    /// Show what differs between two snapshots, archives or directories
    Compare(Compare),
    /// Show what lies where in an archive: contents, padding, chunks
    Layout(Layout),
    /// Look into archives and snapshots in the browser
    Inspect(Inspect),
    /// List the snapshots of a repository
    Snapshots(Snapshots),
    /// Remove a snapshot
    Forget(Forget),
    /// Remove the snapshots that no rule keeps
    Prune(Prune),
    /// Remove chunks that no snapshot uses
    Gc(Gc),
    /// Check that snapshots are complete and undamaged
    Verify(Verify),
    /// Show where a repository is and what is in it
    Status(Status),
    /// Keep a snapshot from being removed
    Protect(Protect),
    /// Let a snapshot be removed again
    Unprotect(Protect),
    /// Show or change the notes of a snapshot or group
    Notes(Notes),
    /// Give a group to another user or token
    ChangeOwner(ChangeOwner),
    /// List, make and remove namespaces
    Namespace(NamespaceArgs),
    /// Put the log of a backup beside its snapshot on a server
    UploadLog(UploadLog),
    /// Keep a ticket of a server, so that no password is needed for two hours
    Login(Login),
    /// Forget the ticket of a server
    Logout(Login),
    /// Measure how fast this machine hashes, compresses and encrypts, and how fast a server takes what is sent
    Benchmark(Benchmark),
    /// Print the version of this program, and of the server
    Version(Version),
    /// Make a datastore, or complete one so that a server can take it over
    Init(Init),
    /// Make, show and change keys for encrypted backups
    #[command(subcommand)]
    Key(KeyCommand),
    /// Measure backups of successive generations of a tree
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the completions for a shell
    Completions(Completions),
    /// Write the man pages into a directory
    ManPages(ManPages),
}

/// Options that hide metadata or kinds of nodes from `create` and `extract`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct LeaveOut {
    /// Leave out extended attributes (when creating: ACLs and file capabilities, too)
    #[arg(long)]
    pub no_xattrs: bool,
    /// Leave out ACLs
    #[arg(long)]
    pub no_acls: bool,
    /// Leave out file capabilities
    #[arg(long)]
    pub no_fcaps: bool,
    /// Leave out device nodes
    #[arg(long)]
    pub no_device_nodes: bool,
    /// Leave out named pipes
    #[arg(long)]
    pub no_fifos: bool,
    /// Leave out sockets
    #[arg(long)]
    pub no_sockets: bool,
}

/// Where snapshots are.
#[derive(Clone, Debug, Default, Args)]
pub struct RepositoryArgs {
    /// The directory of a datastore, as PATH or file:PATH, or a datastore on a server as [[USER@REALM[!TOKEN]@]HOST[:PORT]:]DATASTORE
    /// [default: $PBS_REPOSITORY, or pxkit/store in the user's data directory]
    #[arg(long, value_name = "REPOSITORY", conflicts_with_all = ["server", "datastore", "auth_id"])]
    pub repository: Option<OsString>,
    /// The namespace in it, such as a/b [default: $PBS_NAMESPACE, or the root]
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "",
        hide_default_value = true,
        env = "PBS_NAMESPACE",
        hide_env = true
    )]
    pub ns: Namespace,
    /// The server's port [default: $PBS_PORT, or 8007]
    // `--port` is the stock client's name of it; in `inspect` that is the inspector's own port.
    #[arg(long = "server-port", alias = "port", value_name = "PORT", conflicts_with = "repository", help_heading = SERVER)]
    #[arg(id = "server_port", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// The heading of options for servers.
const SERVER: &str = "Servers";

/// How a server is reached, besides its port.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// The server's name or address, apart from the repository [default: $PBS_SERVER, or localhost]
    #[arg(long, value_name = "HOST", help_heading = SERVER)]
    pub server: Option<String>,
    /// The name of the datastore on the server [default: $PBS_DATASTORE]
    #[arg(long, value_name = "NAME", help_heading = SERVER)]
    pub datastore: Option<String>,
    /// Who asks: USER@REALM, or USER@REALM!TOKEN [default: $PBS_AUTH_ID, or root@pam]
    #[arg(long, value_name = "USER", help_heading = SERVER)]
    pub auth_id: Option<AuthId>,
    /// The certificate that the server must have, by its SHA-256 [default: $PBS_FINGERPRINT, or any that the system trusts]
    #[arg(long, value_name = "FINGERPRINT", help_heading = SERVER, value_parser = parse_fingerprint)]
    pub fingerprint: Option<Fingerprint>,
    /// Send and receive at most so many bytes a second each, such as 500K, 10MB or 4MiB [default: as fast as it goes]
    #[arg(long, value_name = "BYTES", help_heading = SERVER, value_parser = bytes)]
    pub rate: Option<u64>,
    /// Bytes that may go at once after a pause [default: those of one second]
    #[arg(long, value_name = "BYTES", help_heading = SERVER, value_parser = bytes, requires = "rate")]
    pub burst: Option<u64>,
}

/// Options of how to talk.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Talk {
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Name each entry on standard error
    #[arg(short, long)]
    pub verbose: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pxkit create`
#[derive(Debug, Args)]
pub struct Create {
    /// The archive to write; it must not exist. `-` is standard output
    pub archive: PathBuf,
    /// The directory to archive
    pub source: PathBuf,
    /// Write a split archive: metadata into ARCHIVE (.mpxar), contents into this file (.ppxar)
    #[arg(long, value_name = "FILE")]
    pub payload_output: Option<PathBuf>,
    /// Leave out what matches; `!` in front takes back, `/` in front ties to the root, `/` behind to directories
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub leave_out: LeaveOut,
    /// Enter all mounted file systems
    #[arg(long, conflicts_with = "include_dev")]
    pub all_file_systems: bool,
    /// Enter the file system that holds this path, too
    #[arg(long, value_name = "PATH")]
    pub include_dev: Vec<PathBuf>,
    /// Leave out everything named lost+found
    #[arg(long)]
    pub skip_lost_and_found: bool,
    /// Fail if a directory and those above it have more entries than this
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    pub entries_max: u64,
    /// Threads that list and read; the archive does not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// `pxkit list`
#[derive(Debug, Args)]
pub struct List {
    /// The archive: a file, or SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar); `-` is standard input
    pub archive: PathBuf,
    /// Only what matches (and what is below it); `!` in front takes back
    pub patterns: Vec<OsString>,
    /// The payload file of a split archive: check that the contents are where they should be
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    /// Type, permissions, owner, time and size of each entry
    #[arg(short, long)]
    pub long: bool,
    /// A JSON object for each entry
    #[arg(long, conflicts_with = "long")]
    pub json: bool,
    /// Tell version, prelude and padding on standard error
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit dump`
#[derive(Debug, Args)]
pub struct Dump {
    /// The archive: a file, the payload file of a split one, or SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar); `-` is standard input
    pub archive: PathBuf,
    /// The payload file of a split archive: check the header in front of each file's contents
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    /// A JSON object for each item and each finding
    #[arg(long)]
    pub json: bool,
    /// Only what is irregular
    #[arg(long)]
    pub findings: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit extract`
#[derive(Debug, Args)]
pub struct Extract {
    /// The archive: a file, or SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar); `-` is standard input
    pub archive: PathBuf,
    /// Where to; made if it does not exist
    #[arg(default_value = ".")]
    pub target: PathBuf,
    /// The payload file of a split archive
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    /// Only what matches (and what is below it); `!` in front takes back
    #[arg(long = "pattern", value_name = "PATTERN")]
    pub patterns: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub how: Extracting,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// Options of `extract` and `restore`.
#[derive(Debug, Default, Args)]
pub struct Extracting {
    /// Read patterns from this file, a line each; those of the command line come after them
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Take directories that exist
    #[arg(long)]
    pub allow_existing_dirs: bool,
    /// Replace whatever exists, but for directories
    #[arg(long)]
    pub overwrite: bool,
    /// Replace files and special files that exist
    #[arg(long)]
    pub overwrite_files: bool,
    /// Make symlinks in place of what exists, but for directories
    #[arg(long)]
    pub overwrite_symlinks: bool,
    /// Make hard links in place of what exists, but for directories
    #[arg(long)]
    pub overwrite_hardlinks: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub leave_out: LeaveOut,
    /// Leave everything to the user who extracts
    #[arg(long)]
    pub no_owner: bool,
    /// Stop at the first error
    #[arg(long)]
    pub strict: bool,
    /// Write the prelude of the archive into this file
    #[arg(long, value_name = "FILE")]
    pub prelude_target: Option<PathBuf>,
    /// Write what is selected as a stream instead, to TARGET, which is a file or `-` for standard output
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<StreamFormat>,
    /// Threads that write; what is restored does not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

impl Extracting {
    /// Whether files and special files replace what exists.
    pub const fn overwrites_files(&self) -> bool {
        self.overwrite || self.overwrite_files
    }
}

/// `pxkit restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The snapshot: TYPE/ID/TIME, or TYPE/ID/latest
    pub snapshot: SnapshotName,
    /// What of it: an archive (.pxar), an image (.img), a small file (.conf, .log)
    pub archive: String,
    /// Where to: the directory of an archive, which is made if it does not exist; of everything else, of a stream and of a single file a file. `-` is standard output
    pub target: PathBuf,
    /// Only what matches (and what is below it); `!` in front takes back
    pub patterns: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub how: Extracting,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// A number of bytes, at least 1: with K, M, G or T for powers of 1000, Ki, Mi and so on for those of 1024, and B behind it or not.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "expected a number of bytes such as 500K, 10MB, 4MiB or 1.5G".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().trim_end_matches(['B', 'b']).to_ascii_lowercase();
    let (letter, base) = unit.strip_suffix('i').map_or((&*unit, 1000.0), |letter| (letter, 1024.0));
    let power = ["", "k", "m", "g", "t"].iter().position(|name| *name == letter).ok_or_else(wrong)?;
    let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
    let number: f64 = number.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
    let bytes = number * f64::powi(base, power as i32);
    let is_sensible = (1.0..1e18).contains(&bytes) && (base < 1024.0 || power > 0);
    if is_sensible { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (text, expected) in [
            ("1", 1),
            ("500K", 500_000),
            ("10MB", 10_000_000),
            ("10 mb", 10_000_000),
            ("4MiB", 4 << 20),
            ("1.5G", 1_500_000_000),
            ("0.5KiB", 512),
            ("1Ti", 1 << 40),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for bad in ["", "0", "K", "-1", "1.", ".5", "1X", "1iB", "1e3", "99999999T", "1..2", "NaN"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
