//! The project's own commands: `cargo xtask demo`, `cargo xtask test` and what belongs to them.

mod args;
mod bench;
mod browser;
mod compare;
mod curves;
mod demo;
mod dist;
mod inspect;
mod measure;
mod million;
mod mounted;
mod pairs;
mod paths;
mod rivals;
mod sets;
mod shell;
mod steps;
mod svg;
mod test;
mod tools;
mod wasm;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND [OPTION...]

  demo                  build pxkit and the inspector, and show them on a copy of this checkout; serves until Ctrl-C
      --check               end when it is proven that the inspector is served
  test                  check and test everything (what CI runs)
      --fuzz-seconds N      time for each fuzz target (default 20)
      --only WORD           only the steps with WORD in their name
  soak                  the same tests with larger numbers and longer fuzz runs
      --fuzz-seconds N      time for each fuzz target (default 300)
      --linux               also archive and extract the Linux source tree
  web                   build the inspector into target/inspector, and tell its size
      --debug               quickly, into target/inspector-debug
      --serve               build it with Trunk instead, serve it, and again when it changes (further options are Trunk's)
  dist                  build what is given away into target/dist: a static program, an archive with it, a Debian package
      --check               install the package in a bare Debian and run it there, also by systemd's timer
      --package FILE        with --check: this package instead of one that is built now
  browser               test the inspector in Chromium
      --debug               with a debug build
      --files WORD          only the files of tests with WORD in their name
      --only REGEX          only the tests whose names match
      --screenshots         put the pictures into the book
  bench                 measure pxkit against tar; prints a Markdown table
      --rivals              measure backups against restic, borg, find and tar instead
      --state               measure backups of an unchanged tree with and without state, against find, instead
      --mount               measure reading through a mount against restore instead
      --runs N              runs of each command (default 5)
      --only WORD           only the jobs with WORD in their name
      --tree DIR            measure on DIR instead of the newest Linux source tree
      --small DIR           with --rivals or --state: DIR instead of a tree of 500,000 small files
      --million             also measure memory with a tree of 1,000,000 files
      --no-decode           leave out the benchmark of the decoder
      --output FILE         write the table to FILE too
      --json FILE           write the figures to FILE as JSON
  curves                measure reuse over padding budgets and sizes of chunks; what was measured stays
      --append              also in append order
      --set DIR             a set of `pxkit bench prepare` instead of the generations of the Linux sources
      --runs N              runs of each (default 1)
      --results DIR         where the figures go (default docs/figures)
  plots                 draw the curves
      --results DIR         where the figures are (default docs/figures)
      --output DIR          where the pictures go (default docs/src/img)
  million FILE [FILE]   write an archive of a million entries: FILE.pxar, or FILE.mpxar and FILE.ppxar
      --entries N           so many entries instead
      --payload GIB         contents of all files, holes of a sparse file (default 20)
      --seed N              another tree (default 1)
  linux-tree            fetch the newest Linux source tree and print its path
      --dir DIR             unpack below DIR instead of the cache folder
";

fn main() -> ExitCode {
    let mut args = args::Args::from_env();
    let command = args.command();
    // Also behind a command.
    if args.flag("--help") || args.flag("-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = match command.as_deref() {
        Some("demo") => demo::run(args),
        Some("test") => test::run(args, &test::QUICK),
        Some("soak") => test::run(args, &test::SOAK),
        Some("bench") => bench::run(args),
        Some("curves") => curves::run(args),
        Some("plots") => curves::plot(args),
        Some("dist") => dist::run(args),
        Some("browser") => browser::run(args),
        Some("web") => web::run(args),
        Some("million") => million::run(args),
        Some("linux-tree") => sets::linux_tree(args),
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
