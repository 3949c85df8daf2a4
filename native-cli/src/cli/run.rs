//! Jobs of the configuration file.

use std::path::PathBuf;

use clap::Args;

use crate::pace::Cores;

/// `pxkit run`
#[derive(Debug, Args)]
pub struct Run {
    /// The jobs to run, in this order [default: all]
    pub jobs: Vec<String>,
    /// The configuration [default: pxkit/config.toml in the user's configuration directory, else /etc/pxkit/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where reports and locks go [default: $STATE_DIRECTORY, or pxkit in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Most processor time of each backup and each pruning, as a number of cores (0.5) or in percent of one (50%), whatever the jobs say
    #[arg(long, value_name = "CORES|PERCENT%")]
    pub limit_cpu: Option<Cores>,
    /// Only check the configuration and show the commands that would run
    #[arg(short = 'n', long, conflicts_with = "json")]
    pub dry_run: bool,
    /// Print a JSON object for each job: what is in its report, too
    #[arg(long)]
    pub json: bool,
    /// Show what the commands say
    #[arg(short, long)]
    pub verbose: bool,
}
