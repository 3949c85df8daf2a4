//! Single ranges of a part of the stream, for labels.

use std::ops::Range as Bytes;

use pxkit_core::layout::{Layout, Owner, Span};

use super::columns::{by_chunks, cut_ghosts};
use super::kind;
use crate::protocol::layout::{Padding, Range, What};
use crate::worker::text::escape;

/// The ranges and chunks of a part of the stream, or `None` if there are more than `most`.
pub fn single(
    layout: &Layout<'_>,
    ghosts: &[Bytes<u64>],
    part: Bytes<u64>,
    most: usize,
) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for span in layout.spans(part.clone()).take(most + 1) {
        each(layout, ghosts, span, &mut |range| ranges.push(range));
        if ranges.len() > most {
            return None;
        }
    }
    for (_, chunk) in by_chunks(layout, part).take(most + 1 - ranges.len()) {
        ranges.extend(chunk.and_then(|number| self::chunk(layout, number)));
    }
    (ranges.len() <= most).then_some(ranges)
}

/// The pieces of a span: padding is cut where ghosts begin and end.
pub fn each(
    layout: &Layout<'_>,
    ghosts: &[Bytes<u64>],
    Span { range, owner }: Span,
    see: &mut dyn FnMut(Range),
) {
    let mut give =
        |range: Bytes<u64>, what, label| see(Range { start: range.start, end: range.end, what, label });
    match owner {
        Owner::Payload(id) => give(range, What::Payload(id), escape(layout.tree().name(id))),
        Owner::StartMarker => give(range, What::Marker, "start marker".to_owned()),
        Owner::TailMarker => give(range, What::Marker, "tail marker".to_owned()),
        Owner::Metadata => give(range, What::Metadata, "metadata".to_owned()),
        Owner::Padding(class) => {
            let first = ghosts.partition_point(|ghost| ghost.end <= range.start);
            cut_ghosts(&ghosts[first..], range, |piece, is_ghost| {
                let kind = if is_ghost { Padding::Ghost } else { kind(class) };
                give(piece, What::Padding(kind), kind.word().to_owned());
            });
        }
    }
}

/// A chunk as a range.
pub fn chunk(layout: &Layout<'_>, number: usize) -> Option<Range> {
    let index = layout.index()?;
    let extent = index.extent(number)?;
    let digest = index.chunks()[number].digest.to_string();
    let label = digest.get(..8).unwrap_or(&digest).to_owned();
    Some(Range {
        start: extent.start,
        end: extent.end.min(layout.size()),
        what: What::Chunk(number as u32),
        label,
    })
}
