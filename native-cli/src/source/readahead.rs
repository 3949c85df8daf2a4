//! Which bytes will be read soon, guessed from those that were: in one file as in files one after the other.

use std::ops::Range;
use std::sync::Mutex;

use super::ByteSource;

/// Readers whose places are remembered.
const READERS: usize = 16;
/// How far the next read may lie from the last and still be its continuation: the kernel asks for several pieces at once and in any order, and
/// between files lie headers and what is skipped.
const NEAR: u64 = 1 << 20;
/// Bytes in sequence after which more are expected.
const STEADY: u64 = 256 << 10;
/// Bytes that are asked for ahead then.
const AHEAD: u64 = 12 << 20;

/// The places of several readers in one stream.
#[derive(Debug, Default)]
pub struct Readahead(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    places: [Place; READERS],
    time: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Behind the furthest byte that was read.
    next: u64,
    /// Bytes in sequence so far.
    run: u64,
    /// Up to where bytes were asked for ahead.
    asked: u64,
    /// When it was used last; 0 if never.
    used: u64,
}

impl Readahead {
    /// Notes that these bytes are read now, and asks for those behind if somebody reads in sequence.
    pub fn passing(&self, source: &dyn ByteSource, range: Range<u64>) {
        // What reads files has the kernel for this.
        if source.unit(range.start).is_none() {
            return;
        }
        let ahead = self.0.lock().unwrap_or_else(|e| e.into_inner()).pass(&range, source.size());
        if let Some(ahead) = ahead {
            source.will_read(ahead);
        }
    }
}

impl Places {
    fn pass(&mut self, range: &Range<u64>, size: u64) -> Option<Range<u64>> {
        self.time += 1;
        let is_near = |place: &Place| place.used > 0 && place.next.abs_diff(range.start) <= NEAR;
        let Some(place) = self.places.iter_mut().find(|place| is_near(place)) else {
            let oldest = self.places.iter_mut().min_by_key(|place| place.used)?;
            *oldest = Place { next: range.end, run: 0, asked: range.end, used: self.time };
            return None;
        };
        place.used = self.time;
        place.run = place.run.saturating_add(range.end - range.start);
        place.next = place.next.max(range.end);
        let wanted = place.next.saturating_add(AHEAD).min(size);
        let is_due = place.asked < place.next + AHEAD / 2 && place.asked < wanted;
        if place.run < STEADY || !is_due {
            return None;
        }
        let ahead = place.asked.max(place.next)..wanted;
        place.asked = wanted;
        Some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 128 << 10;
    const SIZE: u64 = 1 << 40;

    #[test]
    fn readers_in_sequence_are_seen_among_others() {
        let mut places = Places::default();
        let mut asked = [0; 2];
        for step in 0..200 {
            for (reader, at) in [(0, step * PIECE), (1, (1 << 30) + step * PIECE)] {
                if let Some(ahead) = places.pass(&(at..at + PIECE), SIZE) {
                    assert!(ahead.start >= at + PIECE && ahead.end <= at + PIECE + AHEAD);
                    assert!(step >= 2, "two pieces are no sequence");
                    asked[reader] = ahead.end;
                }
                assert!(step < 3 || asked[reader] >= at + PIECE + AHEAD / 2, "{step}");
            }
            // Somebody who jumps does not get in their way.
            assert_eq!(places.pass(&((step + 2) << 32..((step + 2) << 32) + 10), SIZE), None);
        }
    }

    #[test]
    fn pieces_in_any_order_are_a_sequence_and_its_end_is_the_end() {
        let mut places = Places::default();
        let mut last = 0;
        for at in [1, 0, 3, 2, 5, 4, 7, 6] {
            if let Some(ahead) = places.pass(&(at * PIECE..(at + 1) * PIECE), 10 * PIECE) {
                last = ahead.end;
            }
        }
        assert_eq!(last, 10 * PIECE);
    }
}
