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
    /// Something failed, and that was said already.
    Failed,
    /// What was compared is different.
    Different,
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

/// The command line is wrong in a way that its parser does not see.
#[derive(Clone, Debug)]
pub struct Usage(pub String);

impl Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The signal that asked the program to end, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// Signals are watched.
static WATCHING: AtomicBool = AtomicBool::new(false);
/// Whether a signal has come, so that the next one ends the program.
static IS_SECOND: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Lets SIGINT and SIGTERM end long work cleanly from here on; a second one ends it at once. Only for work that would leave
/// traces: what only prints is ended by a signal as any program is, also while it waits for a reader.
///
/// # Errors
/// The handlers cannot be set.
pub fn watch_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    // Handlers add up, and a process that extracts many archives would call all of them.
    if WATCHING.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    BY_DEFAULT.store(false, Ordering::Relaxed);
    let second = &*IS_SECOND;
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal finds the flag unset, the second one ends the program.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, second.clone())?;
        signal_hook::flag::register(signal, second.clone())?;
        signal_hook::flag::register_usize(signal, SIGNAL.clone(), signal as usize)?;
    }
    Ok(())
}

/// Signals end the program as they do any other, until they are watched or held.
static BY_DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));
/// A signal that came while signals were held.
static HELD: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Signals do not end the program while this lives, but right after.
#[derive(Debug)]
pub struct HeldSignals(());

impl HeldSignals {
    /// From now on. If signals are watched, nothing changes.
    ///
    /// # Errors
    /// The system refuses handlers.
    pub fn begin() -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        static READY: AtomicBool = AtomicBool::new(false);
        if !READY.swap(true, Ordering::Relaxed) {
            for signal in [SIGINT, SIGTERM] {
                signal_hook::flag::register_conditional_default(signal, BY_DEFAULT.clone())?;
                signal_hook::flag::register_usize(signal, HELD.clone(), signal as usize)?;
            }
        }
        BY_DEFAULT.store(false, Ordering::Relaxed);
        Ok(Self(()))
    }

    /// Waits until something can be read; `false` if a signal came before.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait_readable(&self, file: &impl AsFd) -> io::Result<bool> {
        loop {
            if HELD.load(Ordering::Relaxed) != 0 || check_signals().is_err() {
                return Ok(false);
            }
            if is_readable_soon(file)? {
                return Ok(true);
            }
        }
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        let signal = HELD.swap(0, Ordering::Relaxed);
        if WATCHING.load(Ordering::Relaxed) {
            return;
        }
        BY_DEFAULT.store(true, Ordering::Relaxed);
        if signal != 0 {
            // Nothing is left to be done if this fails: it ends the program.
            let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
        }
    }
}

/// Forgets that SIGINT ended some work, for programs with which that is not the end.
pub fn forget_interrupt() {
    let interrupt = signal_hook::consts::SIGINT as usize;
    if SIGNAL.compare_exchange(interrupt, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        IS_SECOND.store(false, Ordering::Relaxed);
    }
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
    loop {
        check_signals().map_err(io::Error::other)?;
        if is_readable_soon(file)? {
            return Ok(());
        }
    }
}

/// Waits a fifth of a second, or until a file can be read or a signal comes; whether it can be read.
fn is_readable_soon(file: &impl AsFd) -> io::Result<bool> {
    let a_while = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&a_while)) {
        Err(Errno::INTR) => Ok(false),
        result => Ok(result? > 0),
    }
}

/// Warnings and progress of one command, from any thread.
#[derive(Debug)]
pub struct Report {
    warnings: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    bar: ProgressBar,
    /// Somebody looks at the bar.
    is_shown: bool,
    /// Time since the start after which the bar's message is renewed, in milliseconds.
    next_message: AtomicU64,
    start: Instant,
}

impl Report {
    /// For work of unknown size; shows progress only on a terminal and unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let is_shown = !quiet && io::stderr().is_terminal();
        if is_shown {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let (warnings, entries, bytes, next_message) = Default::default();
        Self { warnings, entries, bytes, bar, is_shown, next_message, start: Instant::now() }
    }

    /// Says that something is left out or different from what was asked for.
    pub fn warn(&self, what: impl Display) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        self.note("warning", AnsiColor::Yellow, what);
    }

    /// Says what somebody should think about, although all is done as he asked.
    pub fn caution(&self, what: impl Display) {
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
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.count_bytes(bytes);
    }

    /// Counts contents of an entry that was counted without them.
    pub fn count_bytes(&self, bytes: u64) {
        // What archives announce adds up to anything; this wraps around then.
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.is_shown {
            self.renew_message();
        }
    }

    /// Shows the counts, but not more often than anybody can read them.
    fn renew_message(&self) {
        let elapsed = self.start.elapsed();
        let now = elapsed.as_millis() as u64;
        let next = self.next_message.load(Ordering::Relaxed);
        let mine = now >= next
            && self
                .next_message
                .compare_exchange(next, now + 100, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            self.bar.set_message(message(self.entries(), self.bytes(), elapsed));
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

/// What progress looks like.
fn message(entries: u64, bytes: u64, elapsed: Duration) -> String {
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let (entries, bytes, rate) = (HumanCount(entries), HumanBytes(bytes), HumanBytes(rate as u64));
    format!("{entries} entries, {bytes}, {rate}/s")
}

/// Whether an error says that nobody reads standard output any more.
pub fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_renewed_by_time() {
        let mut report = Report::new(true);
        report.is_shown = true;
        report.start = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        // The first entry shows at once, and then what comes within the next tenth of a second does not.
        report.count(0);
        let first = report.bar.message();
        assert_eq!(first, "1 entries, 0 B, 0 B/s");
        report.next_message.store(u64::MAX, Ordering::Relaxed);
        report.count_bytes(1 << 20);
        assert_eq!(report.bar.message(), first);
        // A block of a large file shows as well as an entry.
        report.next_message.store(0, Ordering::Relaxed);
        report.count_bytes(1 << 20);
        let second = report.bar.message();
        assert!(second.starts_with("1 entries, 2.00 MiB, "), "{second}");
        assert!(report.next_message.load(Ordering::Relaxed) >= 2_100);
        assert_eq!((report.entries(), report.bytes()), (1, 2 << 20));
    }

    #[test]
    fn progress_in_words() {
        let text = message(1_234_567, 3 << 30, Duration::from_secs(3));
        assert_eq!(text, "1,234,567 entries, 3.00 GiB, 1.00 GiB/s");
    }
}
