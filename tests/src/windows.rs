//! Feeds a slice to a machine that decodes windows, so that every seam between two windows is tried.

use std::fmt::Debug;

use pxkit_core::decode::{Decoder, Entries, Event, Step};
use pxkit_core::format::Error;

use crate::random::Rng;

/// The sizes of windows that every decoder test is repeated with.
pub const SIZES: [usize; 7] = [1, 2, 3, 7, 16, 17, 4096];

/// How many more bytes become visible when the machine needs more.
#[derive(Clone, Debug)]
pub enum Windows {
    /// All at once.
    Whole,
    /// Always so many, as from reads of this size.
    Fixed(usize),
    /// Mostly few, now and then many.
    Random(Rng),
}

impl Windows {
    /// One shot, all of [`SIZES`], and `splits` different random ones.
    pub fn all(splits: u64) -> impl Iterator<Item = Self> {
        let random = (0..splits).map(|seed| Self::Random(Rng::new(seed)));
        [Self::Whole].into_iter().chain(SIZES.map(Self::Fixed)).chain(random)
    }

    fn next(&mut self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Fixed(size) => *size,
            Self::Random(rng) => {
                let most = *rng.pick(&[1, 2, 8, 40, 300]);
                1 + rng.below(most)
            }
        }
    }
}

/// What a machine did with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done with so many bytes (none is an answer, too).
    Used(usize),
    /// The window must hold so many.
    Need(usize),
    /// The next so many bytes of the stream may be skipped.
    Skip(u64),
    /// It has come to its end.
    End,
}

/// How a stream went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The machine ended here.
    Ended(usize),
    /// The bytes ended here, and the machine wanted so many more, counted from here.
    Truncated { at: usize, needed: u64 },
}

/// Feeds `bytes` to `step`.
///
/// A machine must make progress: it panics on a need that the window fulfils, and on 1,000 answers in a row without a byte used.
///
/// # Errors
/// Those of `step`.
pub fn feed<E>(
    bytes: &[u8],
    mut windows: Windows,
    mut step: impl FnMut(&[u8]) -> Result<Answer, E>,
) -> Result<Outcome, E> {
    let (mut at, mut seen) = (0, 0usize);
    let mut idle = 0;
    loop {
        seen = seen.max(at);
        if seen == at {
            seen = seen.saturating_add(windows.next()).min(bytes.len());
        }
        let window = &bytes[at..seen];
        idle += 1;
        match step(window)? {
            Answer::Used(used) => {
                assert!(used <= window.len(), "the machine used {used} of {} bytes", window.len());
                if used > 0 {
                    idle = 0;
                }
                at += used;
            }
            Answer::Need(least) => {
                assert!(least > window.len(), "the machine has {} bytes and needs {least}", window.len());
                if least > bytes.len() - at {
                    return Ok(Outcome::Truncated { at, needed: least as u64 });
                }
                while seen - at < least {
                    seen = seen.saturating_add(windows.next()).min(bytes.len());
                }
            }
            Answer::Skip(count) => {
                if count > (bytes.len() - at) as u64 {
                    return Ok(Outcome::Truncated { at, needed: count });
                }
                at += count as usize;
            }
            Answer::End => return Ok(Outcome::Ended(at)),
        }
        assert!(idle < 1000, "the machine makes no progress at {at}");
    }
}

/// Everything that a decoder said about a stream, in words, to be compared between windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub lines: Vec<String>,
    /// With offsets.
    pub findings: Vec<String>,
    pub end: Option<Result<Outcome, Error>>,
}

impl Transcript {
    fn add(&mut self, line: &impl Debug) {
        self.lines.push(format!("{line:?}"));
    }
}

/// What the decoder of items says about `bytes`.
pub fn items(bytes: &[u8], windows: Windows) -> Transcript {
    let mut decoder = Decoder::new();
    let mut transcript = Transcript::default();
    let end = feed(bytes, windows, |window| {
        let step = decoder.step(window)?;
        if !matches!(step, Step::Need(_)) {
            transcript.add(&step);
        }
        Ok(match step {
            Step::Item { used, .. } => Answer::Used(used),
            Step::Known(_) => Answer::Used(0),
            Step::Need(least) => Answer::Need(least),
            Step::Skip(count) => Answer::Skip(count),
            Step::End => Answer::End,
        })
    });
    transcript.end = Some(end);
    transcript.findings = decoder.findings().drain().map(|finding| format!("{finding:?}")).collect();
    transcript
}

/// What the layer of entries says about `bytes`.
pub fn entries(bytes: &[u8], windows: Windows) -> Transcript {
    let mut entries = Entries::new();
    let mut transcript = Transcript::default();
    // Bytes used by an answer that also asks for something: the ask comes with the next window.
    let mut ask = None;
    let end = feed(bytes, windows, |window| {
        if let Some(answer) = ask.take() {
            return Ok(answer);
        }
        let progress = entries.step(window)?;
        let answer = match &progress.event {
            Event::Need(least) => Answer::Need(*least),
            Event::Skip(count) => Answer::Skip(*count),
            Event::End => Answer::End,
            _ => Answer::Used(progress.used),
        };
        if !matches!(answer, Answer::Need(_)) {
            transcript.add(&progress.event);
        }
        if progress.used > 0 && !matches!(answer, Answer::Used(_)) {
            // A need counts from the bytes behind those used; asking again tells it anew for the window then.
            ask = Some(answer).filter(|answer| !matches!(answer, Answer::Need(_)));
            return Ok(Answer::Used(progress.used));
        }
        Ok(answer)
    });
    transcript.end = Some(end);
    transcript.findings = entries.findings().drain().map(|finding| format!("{finding:?}")).collect();
    transcript
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine for records of a length byte and as many bytes.
    fn record(window: &[u8]) -> Result<Answer, ()> {
        let Some(&len) = window.first() else { return Ok(Answer::Need(1)) };
        let whole = 1 + usize::from(len);
        Ok(match len {
            0 => Answer::End,
            255 => Answer::Skip(3),
            _ if window.len() < whole => Answer::Need(whole),
            _ => Answer::Used(whole),
        })
    }

    #[test]
    fn all_windows_lead_to_the_same_end() {
        for windows in Windows::all(20) {
            assert_eq!(
                feed(&[2, 9, 9, 255, 0, 0, 1, 9, 0, 7], windows.clone(), record),
                Ok(Outcome::Ended(8))
            );
            let truncated = Outcome::Truncated { at: 3, needed: 6 };
            assert_eq!(feed(&[2, 9, 9, 5, 0], windows.clone(), record), Ok(truncated));
            assert_eq!(feed(&[1], windows, record), Ok(Outcome::Truncated { at: 0, needed: 2 }));
        }
    }

    #[test]
    #[should_panic(expected = "no progress")]
    fn a_machine_that_stands_still_is_found() {
        let _ = feed(&[1], Windows::Whole, |_| Ok::<_, ()>(Answer::Used(0)));
    }
}
