//! Failures on demand, for tests: everything that changes a datastore passes here first.
//!
//! A plan counts the calls and lets one of them fail, or ends the process there as a power cut would. Programs under test get it from
//! the environment variable `PXKIT_FAULT`: `kill:17` kills the process before the 17th call, `stop:17` stops it there until it gets
//! SIGCONT, `EIO:17` and `ENOSPC:17` let the call fail, and `ENOSPC:17+` all from there on (a disk that stays full). Without a plan this
//! is one look at an `Option`.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an error number.
    Error(Errno),
    /// The process is killed before it.
    Kill,
    /// The process is stopped before it, and goes on with SIGCONT.
    Stop,
}

/// Which calls fail.
#[derive(Debug)]
pub struct Faults {
    fault: Fault,
    /// The first call that fails, from 1.
    first: u64,
    /// Later ones fail, too.
    lasting: bool,
    calls: AtomicU64,
}

impl Faults {
    /// A plan: `fault` at call `first`, counted from 1, and if `lasting` at all later ones.
    pub fn new(fault: Fault, first: u64, lasting: bool) -> Arc<Self> {
        Arc::new(Self { fault, first, lasting, calls: AtomicU64::new(0) })
    }

    /// The plan that `PXKIT_FAULT` asks for, one for the whole process; `None` if it is not set or makes no sense.
    pub fn from_env() -> Option<Arc<Self>> {
        static PLAN: LazyLock<Option<Arc<Faults>>> =
            LazyLock::new(|| Faults::parse(std::env::var("PXKIT_FAULT").ok()?.as_str()));
        PLAN.clone()
    }

    fn parse(text: &str) -> Option<Arc<Self>> {
        let (word, count) = text.split_once(':')?;
        let fault = match word {
            "kill" => Fault::Kill,
            "stop" => Fault::Stop,
            "EIO" => Fault::Error(Errno::IO),
            "ENOSPC" => Fault::Error(Errno::NOSPC),
            _ => return None,
        };
        let first = count.trim_end_matches('+').parse().ok()?;
        Some(Self::new(fault, first, count.ends_with('+')))
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a call; `grows` if it needs space.
    ///
    /// # Errors
    /// It is one that fails. A full disk lets files be removed, so what needs no space does not fail for want of it.
    pub(super) fn step(&self, grows: bool) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if !grows && self.fault == Fault::Error(Errno::NOSPC) {
            return Ok(());
        }
        if call != self.first && !(self.lasting && call > self.first) {
            return Ok(());
        }
        match self.fault {
            Fault::Error(errno) => Err(errno.into()),
            Fault::Kill => {
                kill_process(getpid(), Signal::KILL)?;
                // The signal is on its way.
                loop {
                    std::thread::park();
                }
            }
            Fault::Stop => Ok(kill_process(getpid(), Signal::STOP)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_parsed_and_count() {
        let fails = |plan: &Faults| (0..4).map(|_| plan.step(true).is_err()).collect::<Vec<_>>();
        assert_eq!(fails(&Faults::parse("EIO:2").unwrap()), [false, true, false, false]);
        assert_eq!(fails(&Faults::parse("ENOSPC:3+").unwrap()), [false, false, true, true]);
        let full = Faults::parse("ENOSPC:1+").unwrap();
        assert!(full.step(false).is_ok() && full.step(true).is_err());
        assert_eq!(full.calls(), 2);
        assert_eq!(Faults::parse("kill:7").unwrap().fault, Fault::Kill);
        assert_eq!(Faults::parse("stop:7").unwrap().fault, Fault::Stop);
        for wrong in ["", "kill", "kill:", "EIO:x", "ouch:1"] {
            assert!(Faults::parse(wrong).is_none(), "{wrong}");
        }
    }
}
