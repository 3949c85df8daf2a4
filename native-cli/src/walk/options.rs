use pxkit_core::format::Features;
use pxkit_core::pattern::Pattern;

use crate::linux::ReadOptions;

/// What to walk and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Metadata to read: [`Features::DEFAULT`] without what the user does not want.
    pub features: Features,
    /// Leniency in reading attributes.
    pub read: ReadOptions,
    /// Enters every file system but virtual ones.
    pub all_file_systems: bool,
    /// Devices (`st_dev`) to enter besides the root's.
    pub include_devs: Vec<u64>,
    /// Exclude patterns of the command line, in their order.
    pub patterns: Vec<Pattern>,
    /// Excludes `lost+found`, at every level.
    pub skip_lost_and_found: bool,
    /// Most entries of a directory and the listings above it (specification 8.6).
    pub entries_max: u64,
    /// Leaves out block and character devices.
    pub no_device_nodes: bool,
    /// Leaves out named pipes.
    pub no_fifos: bool,
    /// Leaves out sockets.
    pub no_sockets: bool,
    /// Nodes to leave out without a word, by `st_dev` and `st_ino`: what is being written meanwhile.
    pub leave_out: Vec<(u64, u64)>,
    /// What is done with nodes besides listing them.
    pub prepare: Prepare,
    /// Without contents: metadata is read without opening files where kernel and file system allow it. The result
    /// is the same without, only slower.
    pub by_name: bool,
    /// Threads that work ahead; none at all is possible. `None` means as many as there are processors.
    pub threads: Option<usize>,
    /// How far they may.
    pub bounds: Bounds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            features: Features::DEFAULT,
            read: ReadOptions::default(),
            all_file_systems: false,
            include_devs: Vec::new(),
            patterns: Vec::new(),
            skip_lost_and_found: false,
            entries_max: 1 << 20,
            no_device_nodes: false,
            no_fifos: false,
            no_sockets: false,
            leave_out: Vec::new(),
            prepare: Prepare::Everything,
            by_name: true,
            threads: None,
            bounds: Bounds::default(),
        }
    }
}

/// What is done with nodes besides listing them. Directories are always opened, links always read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// Regular files are opened, their attributes and, if small, contents read.
    Everything,
    /// The metadata of regular files is read, by name where that tells everything ([`Options::by_name`]), contents are not;
    /// [`super::Walk::directory`] lends the descriptor to open them by.
    ///
    /// A file that may not be opened may be among the nodes then, unlike with `Everything`. One that was replaced after it had
    /// been listed stands as it was, if neither has attributes; who opens it compares ([`super::Identity`]).
    Metadata,
    /// As [`Prepare::Metadata`], but only what `stat` tells is read of files and directories; for those of which more is wanted,
    /// [`super::Walk::read_last`] reads it. If that is most of them, [`super::Walk::read_ahead`] has it read by the workers.
    Stat,
}

impl Prepare {
    /// Whether contents are left to somebody else.
    pub fn is_without_contents(self) -> bool {
        self != Self::Everything
    }
}

/// How much may lie ready before it is consumed. Only workers keep to it, each with one task over it at most: a directory must
/// be listed as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries of directories that the walk has not come to.
    pub entries: usize,
    /// Bytes of contents and of the records about nodes.
    pub bytes: usize,
    /// Directories that were entered, hence are open.
    pub directories: usize,
    /// Files up to this size are read ahead, larger ones are handed over open.
    pub small_file: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 32_000, bytes: 16 << 20, directories: 256, small_file: 128 << 10 }
    }
}
