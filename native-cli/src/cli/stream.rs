//! Formats of streams.

use clap::ValueEnum;

/// What a stream of entries is, see [`super::Extracting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamFormat {
    /// A tar archive (pax), with all that tar can hold: no sockets, no inode flags
    Tar,
    /// The same, compressed with zstd
    #[value(name = "tar.zst")]
    TarZst,
    /// A zip archive: files, directories and symlinks with permissions and times
    Zip,
    /// The contents of the one file that is selected
    Content,
}
