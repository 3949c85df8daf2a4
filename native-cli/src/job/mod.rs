//! Unattended runs: the configuration file with its repositories and jobs, and what a run of a job does (backup, prune, report).
//!
//! A job runs this same program as children, so each step is exactly the command that a person would type, a crash costs one step, and
//! secrets stay in the files or commands that the configuration names.

mod child;
mod config;
mod lock;
mod options;
mod place;
mod run;

pub use config::{Config, Job, Repository};
pub use lock::Lock;
pub use place::{config_file, state_dir};
pub use run::{Done, Talk, run};
