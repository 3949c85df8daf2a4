//! A limit of processor time for the whole process: workers sleep between tasks when all threads together have used more than their share.
//!
//! What does the work looks here at its seams ([`keep`]), so nothing is stopped while it holds a lock or talks to a server, and no thread has to watch
//! the others. Threads that are not asked count all the same: the workers then sleep longer.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::report::check_signals;

/// Time that may be used at once after a pause, by the clock.
const BURST: f64 = 0.1;
/// How long somebody sleeps without looking for signals.
const NAP: Duration = Duration::from_millis(100);

/// So much processor time as a number of cores has: `1.5` or `150%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cores(f64);

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let cores = number.parse::<f64>().ok().filter(|_| is_plain).map(|number| number / unit);
        cores.filter(|cores| (0.01..=1024.0).contains(cores)).map(Self).ok_or_else(|| {
            "expected cores such as 0.5 or 2, or percent of one such as 50% or 200%, at least 1%".into()
        })
    }
}

/// As it is read.
impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

static METER: OnceLock<Mutex<Meter>> = OnceLock::new();

/// Limits this process from now on; the first limit counts.
pub fn limit(cores: Cores) {
    METER.get_or_init(|| Mutex::new(Meter { cores: cores.0, cpu: used(), seen: Instant::now(), debt: 0.0 }));
}

/// Sleeps as long as the process has used more than it may; at once back without a limit, or when a signal wants the end.
pub fn keep() {
    let Some(meter) = METER.get() else { return };
    let mut rest = {
        let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.step(used(), Instant::now())
    };
    while !rest.is_zero() && check_signals().is_ok() {
        let nap = rest.min(NAP);
        thread::sleep(nap);
        rest -= nap;
    }
}

/// Processor time of all threads so far.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// What was used, against what may be.
#[derive(Debug)]
struct Meter {
    cores: f64,
    cpu: Duration,
    seen: Instant,
    /// Seconds of processor time that were used too early; negative if there are some left.
    debt: f64,
}

impl Meter {
    /// Takes notice of the processor time so far, and says how long it takes until that was allowed.
    fn step(&mut self, cpu: Duration, now: Instant) -> Duration {
        let used = cpu.saturating_sub(self.cpu).as_secs_f64();
        let allowed = now.saturating_duration_since(self.seen).as_secs_f64() * self.cores;
        self.debt = (self.debt + used - allowed).max(-BURST * self.cores);
        (self.cpu, self.seen) = (self.cpu.max(cpu), self.seen.max(now));
        Duration::from_secs_f64(self.debt.max(0.0) / self.cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_cores_or_percent_of_one() {
        for (text, cores) in
            [("1", 1.0), ("0.5", 0.5), ("50%", 0.5), ("200%", 2.0), ("1%", 0.01), (".5", 0.5)]
        {
            assert_eq!(text.parse(), Ok(Cores(cores)), "{text}");
            assert_eq!(Cores(cores).to_string().parse(), Ok(Cores(cores)));
        }
        for wrong in ["", "0", "0%", "-1", "x", "1e3", "inf", "NaN", "50 %", "%", "2000", "1.2.3"] {
            assert!(wrong.parse::<Cores>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_used_too_early_is_waited_for() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut meter = Meter { cores: 0.5, cpu: ms(10), seen: start, debt: 0.0 };
        // Within the limit.
        assert_eq!(meter.step(ms(60), start + ms(100)), ms(0));
        // 100 ms of work in 100 ms: 50 too many, which take 100 to be allowed.
        let wait = meter.step(ms(160), start + ms(200));
        assert!(wait.abs_diff(ms(100)) < ms(1), "{wait:?}");
        // After that nothing is owed; a long pause gives no more than a little in advance.
        assert!(meter.step(ms(160), start + ms(300)) < ms(1));
        assert_eq!(meter.step(ms(160), start + ms(60_000)), ms(0));
        let wait = meter.step(ms(310), start + ms(60_000));
        assert!(wait.abs_diff(ms(200)) < ms(1), "{wait:?}");
        // Another thread that looked later is told the same.
        let again = meter.step(ms(310), start + ms(60_000));
        assert_eq!(again, wait);
    }
}
