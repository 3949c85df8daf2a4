//! The look-ahead against the procedure of change detection 3.3 and 3.4, entry by entry with its cache and its floating point.
//!
//! Two things differ by intent: a range that ends where a chunk ends does not touch the next chunk, and a flush of nothing keeps the
//! held chunk.

use super::*;

#[derive(Clone, Copy)]
struct Covered {
    digest: Digest,
    end: u64,
    size: u64,
    padding: u64,
}

struct Cache<'i> {
    index: &'i DynamicIndex,
    limit: usize,
    entries: Vec<usize>,
    range: Range<u64>,
    held: Option<Covered>,
    last: u64,
    reused: Vec<bool>,
}

impl Cache<'_> {
    fn entry(&mut self, at: usize, file: File) {
        if self.entries.len() >= self.limit {
            self.flush(true);
        }
        self.reused.push(false);
        match file.old {
            Some(old) if old > self.last => {
                self.last = old;
                let range = old..old + file.size + 16;
                if self.range.end == 0 {
                    self.range = old..old;
                }
                if self.range.end == old {
                    self.range.end = range.end;
                } else {
                    self.flush(true);
                    self.range = range;
                }
                self.entries.push(at);
            }
            _ => {
                self.flush(false);
                self.held = None;
            }
        }
    }

    fn flush(&mut self, keep: bool) {
        let (range, entries) = (self.range.clone(), core::mem::take(&mut self.entries));
        self.range.start = self.range.end;
        if range.is_empty() {
            return;
        }
        let before = self.held.take();
        let (mut cover, unused) = self.lookup(&range);
        let total = range.end - range.start + unused;
        let same = before.filter(|held| held.digest == cover[0].digest && held.end == cover[0].end);
        let used_before = same.map_or(0, |held| held.size - held.padding);
        if (unused - used_before) as f64 / total as f64 > 0.1 {
            return;
        }
        cover[0].padding -= used_before;
        entries.into_iter().for_each(|at| self.reused[at] = true);
        if keep {
            self.held = cover.pop();
        }
    }

    fn lookup(&self, range: &Range<u64>) -> (Vec<Covered>, u64) {
        let mut cover = Vec::new();
        let mut start = 0;
        for chunk in self.index.chunks() {
            if chunk.end > range.start && start < range.end {
                cover.push(Covered {
                    digest: chunk.digest,
                    end: chunk.end,
                    size: chunk.end - start,
                    padding: range.start.saturating_sub(start) + chunk.end.saturating_sub(range.end),
                });
            }
            start = chunk.end;
        }
        let padding = cover.iter().map(|chunk| chunk.padding).sum();
        (cover, padding)
    }
}

#[test]
fn as_the_procedure_has_it() {
    let mut random = Random(5);
    let (mut reused, mut encoded) = (0, 0);
    for round in 0..4000 {
        let mut old = Vec::new();
        let mut offset = 16;
        let largest = 16 + random.below(400);
        for _ in 0..1 + random.below(60) {
            let size = random.below(largest);
            old.push(File { size, old: Some(offset) });
            offset += size + 16;
        }
        let mut end = 0;
        let mut chunks = Vec::new();
        let largest = 1 + random.below(3000);
        let digests = 1 + random.below(5);
        while end < offset + 16 {
            // Some chunks end where files start.
            let start = old.iter().filter_map(|file| file.old).find(|&start| start > end + largest / 2);
            end = start.filter(|_| random.one_in(2)).unwrap_or(end + 1 + random.below(largest));
            chunks.push((end, Digest([random.below(digests) as u8; 32])));
        }
        let index = index_of(chunks.into_iter());
        let mut files = Files::new();
        let events = 3 + random.below(30);
        for (at, &file) in old.iter().enumerate() {
            match random.below(6 * events) {
                0..3 => files.push(File { old: None, ..file }),
                3..5 => {}
                5 => files.push(old[(at * 7) % old.len()]),
                _ => files.push(file),
            }
        }
        let limit = 1 + random.below(20) as usize;
        let mut cache =
            Cache { index: &index, limit, entries: vec![], range: 0..0, held: None, last: 0, reused: vec![] };
        files.iter().enumerate().for_each(|(at, file)| cache.entry(at, file));
        cache.flush(false);
        let decision = decide(&files, &index, &Policy::Threshold { limit });
        assert_eq!(
            chosen(&decision, &files),
            cache.reused,
            "{round}: {limit}, {:?}, {files:?}",
            index.chunks()
        );
        emission::emit(&files, &index, &decision);
        reused += decision.totals.reused;
        encoded += decision.totals.reencoded;
    }
    assert!(reused > 10_000 && encoded > 10_000, "{reused} and {encoded}");
}
