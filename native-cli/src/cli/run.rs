//! Jobs of the configuration file.

use std::path::PathBuf;

use clap::Args;

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
