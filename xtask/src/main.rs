//! The project's own commands: `cargo xtask demo`, `cargo xtask test` and what belongs to them.

mod args;
mod bench;
mod compare;
mod demo;
mod linux;
mod measure;
mod paths;
mod shell;
mod steps;
mod test;
mod tools;
mod wasm;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND [OPTION...]

  demo                  build pxkit and show it on a copy of this checkout
  test                  check and test everything (what CI runs)
      --fuzz-seconds N      time for each fuzz target (default 20)
      --only WORD           only the steps with WORD in their name
  soak                  the same tests with larger numbers and longer fuzz runs
      --fuzz-seconds N      time for each fuzz target (default 300)
      --linux               also archive and extract the Linux source tree
  bench                 measure pxkit against tar; prints a Markdown table
      --runs N              runs of each command (default 5)
      --tree DIR            measure on DIR instead of the Linux source tree
      --million             also measure memory with a tree of 1,000,000 files
      --no-decode           leave out the benchmark of the decoder
      --output FILE         write the table to FILE too
  linux-tree            fetch the Linux source tree and print its path
      --dir DIR             unpack below DIR instead of the cache folder
";

fn main() -> ExitCode {
    let mut args = args::Args::from_env();
    let outcome = match args.command().as_deref() {
        Some("demo") => demo::run(args),
        Some("test") => test::run(args, &test::QUICK),
        Some("soak") => test::run(args, &test::SOAK),
        Some("bench") => bench::run(args),
        Some("linux-tree") => linux::run(args),
        Some("measure") => return measure::child(args),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
