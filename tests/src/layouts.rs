//! Layouts of anything: trees, indexes and payload bytes made of whatever bytes there are, and what must hold of them.

use pxkit_core::access::{Machine, Source, Tree, TreeBuilder, drive};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attributes, Device, Digest, Error, Kind, PayloadRef, Stat, Timestamp};
use pxkit_core::index::{ChunkId, DynamicIndex, ReadDynamic, WriteDynamic};
use pxkit_core::layout::compare::{compare, stored_again};
use pxkit_core::layout::{
    Batching, Canvas, ChunkTable, DigestOrder, DirectoryTotals, Format, GhostWalk, HeaderCheck, History,
    Layout, Map, MarkerCheck, Report, Sharing, ages, curve, treemap, write_changes, write_chunks,
    write_findings, write_padding, write_ranges, write_remnants,
};

/// Bytes of a stream that are walked through; more would only take longer.
const MOST: u64 = 1 << 16;

/// Takes numbers from bytes; zeros when there are none left.
struct Numbers<'d>(&'d [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Small ones mostly, and now and then any.
    fn number(&mut self) -> u64 {
        match self.byte() {
            0xff => (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte())),
            0xfe => u64::MAX - u64::from(self.byte()),
            byte if byte < 0x80 => byte.into(),
            byte => u64::from(byte & 0x7f) << 8 | u64::from(self.byte()),
        }
    }
}

fn tree(numbers: &mut Numbers<'_>, source: Source) -> Tree {
    let (mut builder, attributes) = (TreeBuilder::new(), Attributes::new());
    let entries = numbers.byte();
    let mut depth = 0;
    for number in 0..=u64::from(entries) {
        let what = if number == 0 { 0 } else { numbers.byte() % 12 };
        let name = [b'a' + numbers.byte() % 8];
        let name = if number == 0 { &[][..] } else { &name[..] };
        let mtime = Timestamp { secs: i64::from(numbers.byte() % 4), nanos: 0 };
        let stat = Stat { mtime, ..Stat::default() };
        let (kind, content) = match what {
            0 | 1 => (Kind::Directory, Content::None),
            2 if depth > 1 => {
                builder.leave();
                depth -= 1;
                continue;
            }
            3 => (Kind::Symlink, Content::Target(b"x")),
            4 => (
                Kind::Hardlink,
                Content::Hardlink { distance: numbers.number().wrapping_mul(100), target: b"y" },
            ),
            5 => (Kind::Device, Content::Device(Device { major: 1, minor: numbers.number() })),
            _ => {
                let (offset, size) = (numbers.number(), numbers.number());
                let is_inline = (source == Source::Meta) != (what == 6);
                let reference = Content::Reference(PayloadRef { offset, size });
                (Kind::File, if is_inline { Content::Inline { offset, size } } else { reference })
            }
        };
        depth += usize::from(kind == Kind::Directory);
        let filename = number * 100;
        let entry = Entry {
            path: name,
            name_start: 0,
            kind,
            stat: &stat,
            attributes: &attributes,
            content,
            filename,
            end: filename + 99,
            depth,
        };
        builder.add(&entry).expect("few entries");
    }
    builder.finish()
}

fn index(numbers: &mut Numbers<'_>) -> Option<DynamicIndex> {
    let count = numbers.byte() % 64;
    let mut chunks = Vec::new();
    let mut end = 0u64;
    for _ in 0..count {
        let Some(next) = end.checked_add(numbers.number().max(1)) else { break };
        end = next;
        chunks.push(ChunkId { end, digest: Digest([numbers.byte() % 16; 32]) });
    }
    if chunks.is_empty() {
        return None;
    }
    let (_, header) = WriteDynamic::new([0; 16], 0);
    let mut reader = ReadDynamic::new(4096 + 40 * chunks.len() as u64).expect("a size");
    reader.push(&header).expect("a header");
    chunks.iter().for_each(|chunk| reader.push(&chunk.to_bytes()).expect("ends increase"));
    Some(reader.finish().expect("all of it"))
}

/// Runs a machine over a stream that ends with zeros; wants must lie in it and be bounded.
fn run<M: Machine>(machine: M, bytes: &[u8], size: u64) -> M::Output {
    let output = drive(machine, |want, buffer| {
        assert!(
            want.offset.checked_add(want.len as u64).is_some_and(|end| end <= size),
            "{want:?} of {size}"
        );
        assert!(want.len <= Batching::default().longest.max(4096));
        let start = usize::try_from(want.offset).unwrap_or(usize::MAX);
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = start.checked_add(at).and_then(|at| bytes.get(at)).copied().unwrap_or_default();
        }
        Ok::<_, Error>(())
    });
    output.expect("whatever the bytes are")
}

/// Makes two archives of `data` and does everything with them.
///
/// # Panics
/// Something that must hold does not.
pub fn explore(data: &[u8]) {
    let numbers = &mut Numbers(data);
    let source = if numbers.byte() % 4 == 0 { Source::Meta } else { Source::Payload };
    let (old_tree, new_tree) = (tree(numbers, source), tree(numbers, source));
    let (old_index, new_index) = (index(numbers), index(numbers));
    let size = |numbers: &mut Numbers<'_>, tree: &Tree, index: &Option<DynamicIndex>| match numbers.byte() % 3
    {
        0 => Map::least_size(tree),
        1 => index.as_ref().map_or(1000, DynamicIndex::size),
        _ => numbers.number(),
    };
    let old_map = Map::new(&old_tree, source, size(numbers, &old_tree, &old_index));
    let new_map = Map::new(&new_tree, source, size(numbers, &new_tree, &new_index));
    let old = Layout::new(&old_tree, &old_map, old_index.as_ref());
    let new = Layout::new(&new_tree, &new_map, new_index.as_ref());
    let order = old_index.as_ref().map_or_else(DigestOrder::default, DigestOrder::new);
    let mut history = History::new();
    history.push(old, &order);
    alone(&new, numbers.0, &history);
    alone(&old, numbers.0, &History::new());
    together(&old, &new);
}

fn together(old: &Layout<'_>, new: &Layout<'_>) {
    let mut comparison = compare(old, new);
    for id in comparison.pending().collect::<Vec<_>>() {
        comparison.attributes(id, id % 2 == 0);
    }
    let sums = comparison.sums(old.tree(), new.tree());
    let removed = (0..old.tree().len() as u32).filter(|&id| comparison.after(id).is_none()).count();
    assert_eq!(sums.entries.iter().sum::<u64>(), (new.tree().len() + removed) as u64);
    for id in 0..new.tree().len() as u32 {
        assert!(comparison.before(id).is_none_or(|before| comparison.after(before) == Some(id)));
    }
    let _ = stored_again(old, new, &comparison, &mut |_, _| {});
    let mut text = String::new();
    write_changes(old, new, &comparison, Format::Json, &mut text).expect("a string");
    assert_eq!(text.lines().count(), comparison.changes().count());
    if let (Some(first), Some(second)) = (old.index(), new.index()) {
        let _ = (Sharing::new(first, second), ages(second, &[first]));
    }
}

fn alone(layout: &Layout<'_>, bytes: &[u8], history: &History<'_>) {
    let mut at = 0;
    for span in layout.spans(0..u64::MAX) {
        assert!(span.range.start == at && span.range.end > at);
        assert_eq!(layout.at(at).as_ref(), Some(&span));
        at = span.range.end;
    }
    assert_eq!(at, layout.size());
    let totals = layout.totals();
    let sum = totals.live + totals.padding.total() + totals.metadata + totals.markers;
    assert_eq!(sum, layout.size());
    assert_eq!(totals.live, layout.map().live());
    let columns = layout.columns(0..layout.size(), 7, |id| id as u8);
    let live: u64 = columns.iter().flat_map(|column| column.live).sum();
    assert_eq!(live, totals.live);
    let chunks = ChunkTable::new(layout);
    let covered = layout.index().map_or(0, DynamicIndex::size).min(layout.size());
    assert_eq!(chunks.iter(layout).map(|chunk| chunk.size()).sum::<u64>(), covered);
    for chunk in chunks.iter(layout) {
        assert_eq!(chunk.size(), chunk.live + chunk.markers + chunk.dead());
    }
    for id in 0..layout.tree().len() as u32 {
        let _ = (layout.around(id), layout.owned(id), layout.needs(id..layout.tree().end(id)));
    }
    let mut findings = layout.anomalies(&chunks);
    findings.append(&run(MarkerCheck::new(layout), bytes, layout.size()));
    let mut positions = 0..layout.map().files();
    while let Some(check) = HeaderCheck::next(layout, &mut positions, Batching::default()) {
        findings.append(&run(check, bytes, layout.size()));
    }
    let mut text = String::new();
    for gap in layout.gaps(0..layout.size()).filter(|gap| gap.range.end - gap.range.start < MOST) {
        let len = gap.range.end - gap.range.start;
        let found = run(GhostWalk::new(gap, 100), bytes, layout.size());
        assert_eq!(found.ghost_bytes + found.marker_bytes + found.unknown_bytes, len);
        write_remnants(layout, &found.kept, history, Format::Csv, &mut text).expect("a string");
    }
    let gone = history.padding(layout);
    assert_eq!(gone.iter().sum::<u64>(), totals.padding.total());
    for rewrite in curve(layout, &chunks) {
        assert!(rewrite.reads <= layout.size());
        assert!(rewrite.frees <= totals.padding.total().min(i64::MAX as u64) as i64);
    }
    let sums = DirectoryTotals::new(layout.tree());
    for tile in treemap(layout.tree(), &sums, 0, &totals.padding, &Canvas::default()) {
        assert!(tile.width >= 0.0 && tile.height >= 0.0, "{tile:?}");
    }
    write_ranges(layout, 0..layout.size(), Format::Csv, &mut text).expect("a string");
    write_padding(layout, 0..layout.size(), history, Format::Json, &mut text).expect("a string");
    write_findings(layout, &findings, Format::Json, &mut text).expect("a string");
    write_chunks(layout, chunks.iter(layout), None, Format::Json, &mut text).expect("a string");
    let (findings, history) = (&findings, Some(history));
    let report = Report {
        layout: *layout,
        chunks: &chunks,
        findings,
        checked: true,
        remnants: None,
        ages: None,
        history,
    };
    assert_eq!(report.to_json()["size"].as_u64(), Some(layout.size()));
}
