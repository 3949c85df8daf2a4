//! Arguments, commands, exit status.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use pxkit::cli::{Cli, Command};
use pxkit::report::{Interrupted, Outcome, Usage, check_signals};
use pxkit::{cmd, report};

/// Wrong usage, as `sysexits.h` has it; 2 would be taken for a failure.
const USAGE: u8 = 64;

/// Something failed.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(error) => {
            // Printing may fail only where nobody reads it.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            };
        }
    };
    let result = match &cli.command {
        Command::Create(args) => cmd::create::run(args),
        Command::List(args) => cmd::list::run(args),
        Command::Dump(args) => cmd::dump::run(args),
        Command::Extract(args) => cmd::extract::run(args),
        Command::Backup(args) => cmd::backup::run(args),
        Command::Run(args) => cmd::run::run(args),
        Command::Restore(args) => cmd::restore::run(args),
        Command::Mount(args) => cmd::mount::run(args),
        Command::Umount(args) => cmd::umount::run(args),
        Command::Files(args) => cmd::files::run(args),
        Command::Catalog(args) => cmd::catalog::run(args),
        Command::Find(args) => cmd::find::run(args),
        Command::Shell(args) => cmd::shell::run(args),
        Command::Compare(args) => cmd::compare::run(args),
        Command::Layout(args) => cmd::layout::run(args),
        Command::Inspect(args) => cmd::inspect::run(args),
        Command::Snapshots(args) => cmd::snapshots::run(args),
        Command::Forget(args) => cmd::forget::run(args),
        Command::Prune(args) => cmd::prune::run(args),
        Command::Gc(args) => cmd::gc::run(args),
        Command::Verify(args) => cmd::verify::run(args),
        Command::Status(args) => cmd::status::run(args),
        Command::Protect(args) => cmd::protect::run(args, true),
        Command::Unprotect(args) => cmd::protect::run(args, false),
        Command::Notes(args) => cmd::notes::run(args),
        Command::ChangeOwner(args) => cmd::change_owner::run(args),
        Command::Namespace(args) => cmd::namespace::run(args),
        Command::UploadLog(args) => cmd::upload_log::run(args),
        Command::Login(args) => cmd::login::login(args),
        Command::Logout(args) => cmd::login::logout(args),
        Command::Benchmark(args) => cmd::benchmark::run(args),
        Command::Version(args) => cmd::version::run(args),
        Command::Init(args) => cmd::init::run(args),
        Command::Key(command) => cmd::key::run(command),
        Command::Bench(command) => cmd::bench::run(command),
        Command::Completions(args) => cmd::generate::completions(args),
        Command::ManPages(args) => cmd::generate::man_pages(args),
    };
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete | Outcome::Different) => ExitCode::from(1),
        Ok(Outcome::Failed) => ExitCode::from(FAILED),
        // Whoever read the text has seen enough; of an archive or an image, that could not be said.
        Err(error) if !writes_data(&cli.command) && is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// The arguments; `pxkit help COMMAND` is `pxkit COMMAND --help`.
fn arguments() -> Vec<OsString> {
    let mut all: Vec<_> = env::args_os().collect();
    if all.get(1).is_some_and(|word| word == "help") {
        all.remove(1);
        all.push("--help".into());
    }
    all
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Whatever failed after a signal asked for the end: that is why.
    if let Err(Interrupted(signal)) = check_signals() {
        return ExitCode::from(128 + signal as u8);
    }
    let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into())).bold();
    let _ = writeln!(anstream::stderr(), "{style}error{style:#}: {error:#}");
    let _ = io::stderr().flush();
    let is_usage = error.chain().any(|cause| cause.is::<Usage>());
    ExitCode::from(if is_usage { USAGE } else { FAILED })
}

/// Whether standard output may be something else than text.
const fn writes_data(command: &Command) -> bool {
    matches!(command, Command::Create(_) | Command::Restore(_) | Command::Extract(_))
}

/// Whether nobody reads standard output any more.
fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref().is_some_and(report::is_broken_pipe))
}
