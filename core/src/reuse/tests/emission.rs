//! What a plan does with a decision.

use super::*;

/// One thing that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of file `.0`, header and contents.
    Raw(usize, u64),
    /// A chunk, at this position.
    Chunk(u64, Injection),
}

pub(super) struct Emission {
    /// New position of each file.
    pub(super) offsets: Vec<u64>,
    pub(super) pieces: Vec<Piece>,
    /// Position in front of the tail marker.
    pub(super) end: u64,
}

impl Emission {
    /// Number, position and padding of the chunks.
    pub(super) fn chunks(&self) -> Vec<(usize, u64, u64)> {
        let chunk = |piece: &Piece| match *piece {
            Piece::Raw(..) => None,
            Piece::Chunk(position, chunk) => Some((chunk.at, position, chunk.size - chunk.used)),
        };
        self.pieces.iter().filter_map(chunk).collect()
    }
}

/// Writes files as decided, and holds I5 of change detection 5.5 and the totals on the way.
pub(super) fn emit(files: &Files, index: &DynamicIndex, decision: &Decision) -> Emission {
    let mut placement = Placement::new(index);
    let mut out = Emission { offsets: Vec::new(), pieces: Vec::new(), end: 16 };
    let mut chunks = Vec::new();
    let mut last = 0;
    for (at, file) in files.iter().enumerate() {
        if decision.reuses(at) {
            let offset = placement.reuse(file.old.unwrap(), file.stored(), out.end, &mut chunks).unwrap();
            assert!(offset >= out.end && offset > last, "file {at}: {offset}, {} and {last}", out.end);
            last = offset;
            inject(&mut chunks, &mut out);
        } else {
            placement.flush(&mut chunks);
            inject(&mut chunks, &mut out);
            last = out.end;
            out.pieces.push(Piece::Raw(at, file.stored()));
            out.end += file.stored();
        }
        out.offsets.push(last);
    }
    let pending = placement.pending();
    placement.flush(&mut chunks);
    assert_eq!(chunks.iter().map(|chunk| chunk.size).sum::<u64>(), pending);
    inject(&mut chunks, &mut out);
    assert_eq!(totals(files, decision, &out), decision.totals);
    out
}

fn inject(chunks: &mut Vec<Injection>, out: &mut Emission) {
    for chunk in chunks.drain(..) {
        assert!(chunk.used > 0 && chunk.used <= chunk.size, "{chunk:?}");
        out.pieces.push(Piece::Chunk(out.end, chunk));
        out.end += chunk.size;
    }
}

fn totals(files: &Files, decision: &Decision, out: &Emission) -> Totals {
    let mut totals = Totals::default();
    for (at, file) in files.iter().enumerate() {
        if decision.reuses(at) {
            totals.reused += 1;
            totals.reused_bytes += file.stored();
        } else if file.old.is_some() {
            totals.reencoded += 1;
            totals.reencoded_bytes += file.stored();
        }
    }
    let mut used = 0;
    for piece in &out.pieces {
        if let Piece::Chunk(_, chunk) = piece {
            totals.injected += 1;
            totals.injected_bytes += chunk.size;
            totals.partial += usize::from(chunk.used < chunk.size);
            used += chunk.used;
        }
    }
    assert_eq!(used, totals.reused_bytes, "bytes used of chunks are those of the files");
    totals
}
