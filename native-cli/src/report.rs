//! What a person sees besides the result: warnings, progress, the end by a signal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was done.
    Complete,
    /// Something was left out, and warned about.
    Incomplete,
}

/// The command ended because of a signal.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted(pub i32);

impl Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.0 == signal_hook::consts::SIGINT { "SIGINT" } else { "SIGTERM" };
        write!(f, "ended by {name}")
    }
}

impl std::error::Error for Interrupted {}

/// The signal that asked the program to end, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Lets SIGINT and SIGTERM end long work cleanly from here on; a second one ends it at once. Only for work that would leave
/// traces: what only prints is ended by a signal as any program is, also while it waits for a reader.
///
/// # Errors
/// The handlers cannot be set.
pub fn watch_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal finds the flag unset, the second one ends the program.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, second.clone())?;
        signal_hook::flag::register(signal, second.clone())?;
        signal_hook::flag::register_usize(signal, SIGNAL.clone(), signal as usize)?;
    }
    Ok(())
}

/// Ends the work if a signal asked for it.
///
/// # Errors
/// [`Interrupted`].
pub fn check_signals() -> Result<(), Interrupted> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => Ok(()),
        signal => Err(Interrupted(signal as i32)),
    }
}

/// Waits until a pipe has something to say. A signal ends this; reading alone would be taken up again after it.
///
/// # Errors
/// [`Interrupted`], or the pipe cannot be waited for.
pub fn wait_readable(file: &impl AsFd) -> io::Result<()> {
    let a_while = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    loop {
        check_signals().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&a_while)) {
            Ok(0) | Err(Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Warnings and progress of one command, from any thread.
#[derive(Debug)]
pub struct Report {
    warnings: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    bar: ProgressBar,
    start: Instant,
}

impl Report {
    /// For work of unknown size; shows progress only on a terminal and unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if !quiet && io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let (warnings, entries, bytes) = Default::default();
        Self { warnings, entries, bytes, bar, start: Instant::now() }
    }

    /// Says that something is left out or different from what was asked for.
    pub fn warn(&self, what: impl Display) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        self.note("warning", AnsiColor::Yellow, what);
    }

    /// Says that a part of the work failed.
    pub fn error(&self, what: impl Display) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        self.note("error", AnsiColor::Red, what);
    }

    fn note(&self, word: &str, colour: AnsiColor, what: impl Display) {
        let style = Style::new().fg_color(Some(colour.into())).bold();
        self.bar.suspend(|| {
            let mut stderr = anstream::stderr().lock();
            // Nobody is left to be told if this fails.
            let _ = writeln!(stderr, "{style}{word}{style:#}: {what}");
        });
    }

    /// Prints a line to standard error as it is.
    pub fn line(&self, what: impl Display) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{what}");
        });
    }

    /// Counts an entry and its contents.
    pub fn count(&self, bytes: u64) {
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        // What archives announce adds up to anything.
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
        if entries.is_multiple_of(64) && !self.bar.is_hidden() {
            let rate = bytes as f64 / self.start.elapsed().as_secs_f64().max(0.001);
            let (entries, bytes, rate) = (HumanCount(entries), HumanBytes(bytes), HumanBytes(rate as u64));
            self.bar.set_message(format!("{entries} entries, {bytes}, {rate}/s"));
        }
    }

    /// Entries counted.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Bytes of contents counted.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Warnings and errors so far.
    pub fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Time since the work began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends the progress display and says how the command ended.
    pub fn finish(&self) -> Outcome {
        self.bar.finish_and_clear();
        if self.warnings() == 0 { Outcome::Complete } else { Outcome::Incomplete }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether an error says that nobody reads standard output any more.
pub fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
