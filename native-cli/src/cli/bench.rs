//! `pxkit bench`

use std::ffi::OsString;
use std::num::{NonZeroU8, NonZeroU16};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `pxkit bench`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Make a set of generations
    Prepare(BenchPrepare),
    /// Back up the generations of a set in each change detection mode
    Run(BenchRun),
}

/// `pxkit bench prepare`
#[derive(Debug, Args)]
pub struct BenchPrepare {
    /// Which set
    #[arg(value_enum, default_value_t = BenchSet::Linux)]
    pub set: BenchSet,
    /// The directory of the set; a set that is there is left as it is, or completed
    #[arg(long, value_name = "DIR")]
    pub target: PathBuf,
    /// linux: these versions of Debian's package, or `newest` [default: the five of the published figures]
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    pub versions: Vec<String>,
    /// coco: the number of files as a part of 118,000 (19 GB) [default: 1]
    #[arg(long, value_name = "PART")]
    pub scale: Option<f64>,
    /// small: the number of files [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub files: Option<u64>,
    /// coco, small: the number of generations [default: 5]
    #[arg(long, value_name = "N")]
    pub generations: Option<NonZeroU8>,
    /// coco, small: which of many such sets [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Where the generations of a set come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchSet {
    /// The Linux sources in successive Debian packages
    Linux,
    /// Incompressible files of the sizes of the COCO images
    Coco,
    /// Text files of 512 to 6144 bytes
    Small,
}

/// `pxkit bench run`
#[derive(Debug, Args)]
pub struct BenchRun {
    /// A set, or any directory, which is then backed up twice; `NAME.pxar:` in front names the archive
    #[arg(value_name = "[NAME.pxar:]DIR")]
    pub source: OsString,
    /// Change detection modes
    #[arg(long, value_name = "MODE", value_delimiter = ',', default_value = "legacy,data,metadata",
        value_parser = ["legacy", "data", "metadata"])]
    pub modes: Vec<String>,
    /// As of `backup`
    #[arg(long, value_name = "POLICY")]
    pub reuse: Option<String>,
    /// As of `backup`
    #[arg(long, value_name = "PERCENT")]
    pub padding_budget: Option<String>,
    /// As of `backup`
    #[arg(long, value_name = "RULE")]
    pub cuts: Option<String>,
    /// As of `backup`
    #[arg(long, value_name = "KIB")]
    pub chunk_size: Option<String>,
    /// As of `backup`
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
    /// Make the stores of the modes in this directory and leave them there [default: in the set, removed at the end; needed for a directory that is no set]
    #[arg(long, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// How often to do everything; figures are medians
    #[arg(long, value_name = "N", default_value = "1")]
    pub runs: NonZeroU16,
    /// Go on with N generations made by edits like those before
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub extend: u8,
    /// Restore the last generation of each mode, too
    #[arg(long)]
    pub restore: bool,
    /// Print the figures as a JSON object
    #[arg(long)]
    pub json: bool,
}
