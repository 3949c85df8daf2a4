//! Pictures against pictures made byte by byte.

use std::ops::Range;

use pxkit_core::access::{Source, Tree};
use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::{ChunkTable, Layout, Map, Owner};

use super::colouring::Colours;
use super::columns::{self, Grid};
use super::fill::{Fill, Palette};
use super::lanes;
use super::testing::{Random, ends, index, tree};
use super::{colour, draw};
use crate::protocol::layout::{Colouring, Lane, MapQuery, Padding};

/// A small stream with gaps and chunks anywhere, and ghosts in its padding.
struct Case {
    tree: Tree,
    map: Map,
    index: Option<DynamicIndex>,
    ghosts: Vec<Range<u64>>,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let endings = ["txt", "pdf", "png", "mp3", "zip", "so", "db", "xyz"];
        let (mut at, mut files) = (16, Vec::new());
        for number in 0..1 + random.below(40) {
            at += if random.below(3) == 0 { random.below(90) } else { 0 };
            let size = random.below(120);
            files.push((format!("{number}.{}", endings[random.below(8) as usize]), at, size));
            at += 16 + size;
        }
        at += random.below(60);
        let size = at + 16;
        let ends = ends(random, size, 150);
        let index = (random.below(4) > 0).then(|| index(&ends));
        let tree = tree(&files);
        let map = Map::new(&tree, Source::Payload, size);
        let mut case = Self { tree, map, index, ghosts: Vec::new() };
        let padding = case.layout().spans(0..size).filter(|span| matches!(span.owner, Owner::Padding(_)));
        let mut ghosts: Vec<Range<u64>> = Vec::new();
        for span in padding.collect::<Vec<_>>() {
            let (start, end) = (span.range.start, span.range.end);
            if random.below(2) == 0 {
                let from = start + random.below(end - start);
                // Ghosts may go on into the next chunk, and even into what is alive, if bytes only look like a header.
                let to = from + 1 + random.below(end - from + 20);
                if ghosts.last().is_none_or(|last| last.end <= from) {
                    ghosts.push(from..to);
                }
            }
        }
        case.ghosts = ghosts;
        case
    }

    fn layout(&self) -> Layout<'_> {
        Layout::new(&self.tree, &self.map, self.index.as_ref())
    }

    /// What a byte is.
    fn byte(&self, offset: u64, colours: &Colours) -> Fill {
        let span = self.layout().at(offset).unwrap();
        match span.owner {
            Owner::Payload(id) => Fill::Live(match colours.categories() {
                super::Categories::Entries(of) => of[id as usize],
                super::Categories::Chunks(of) => of[self.index.as_ref().unwrap().find(offset).unwrap()],
            }),
            Owner::Padding(class) => {
                let is_ghost = self.ghosts.iter().any(|ghost| ghost.contains(&offset));
                Fill::Dead(if is_ghost { Padding::Ghost } else { super::kind(class) })
            }
            _ => Fill::Frame,
        }
    }

    /// The piece of the stream with one fill or one owner that a byte is in.
    fn piece(&self, offset: u64, colours: &Colours) -> Range<u64> {
        let span = self.layout().at(offset).unwrap().range;
        if !matches!(self.byte(offset, colours), Fill::Dead(_)) {
            return span;
        }
        // Padding is cut where ghosts begin and end.
        let mut piece = span;
        for ghost in &self.ghosts {
            for border in [ghost.start, ghost.end] {
                if border > offset {
                    piece.end = piece.end.min(border);
                } else {
                    piece.start = piece.start.max(border);
                }
            }
        }
        piece
    }
}

/// The column that shows `bytes`, byte by byte; `None` where two things are equally much.
fn brute(
    case: &Case,
    bytes: Range<u64>,
    is_wide: impl Fn(u64) -> bool,
    colours: &Colours,
) -> (Vec<(Fill, u64)>, bool) {
    let mut amounts: Vec<(Fill, u64)> = Vec::new();
    let mut is_narrow = false;
    for offset in bytes {
        let fill = case.byte(offset, colours);
        let piece = case.piece(offset, colours);
        is_narrow |= !is_wide(piece.end - piece.start);
        match amounts.iter_mut().find(|amount| amount.0 == fill) {
            Some(amount) => amount.1 += 1,
            None => amounts.push((fill, 1)),
        }
    }
    (amounts, is_narrow)
}

#[test]
fn columns_hold_what_counting_bytes_gives() {
    let mut random = Random(7);
    for _ in 0..400 {
        let case = Case::random(&mut random);
        let layout = case.layout();
        let table = ChunkTable::new(&layout);
        let colouring = if case.index.is_some() && random.below(2) == 0 {
            Colouring::ChunkUse
        } else {
            Colouring::FileType
        };
        let colours = Colours::new(&layout, colouring, &table, None);
        let start = random.below(layout.size());
        let end = start + 1 + random.below(layout.size() - start);
        let width = 1 + random.below(300) as u32;
        let grid = Grid::new(start..end, width);
        let marked = 2..5;
        let columns = columns::of_payloads(&layout, grid, &colours.categories(), &case.ghosts, &marked, 4);
        let (len, count) = (end - start, u64::from(width).min(end - start));
        assert_eq!(columns.len() as u64, count);
        for (number, column) in columns.iter().enumerate() {
            let number = number as u64;
            let bytes = start + number * len / count..start + (number + 1) * len / count;
            let is_wide = |bytes: u64| bytes * u64::from(width) >= 4 * len;
            let (amounts, is_narrow) = brute(&case, bytes.clone(), is_wide, &colours);
            let mut found: Vec<_> = column.parts().collect();
            let mut expected = amounts;
            let key = |amount: &(Fill, u64)| format!("{amount:?}");
            found.sort_by_key(key);
            expected.sort_by_key(key);
            assert_eq!(found, expected, "{bytes:?}");
            assert_eq!(column.is_narrow, is_narrow, "{bytes:?}");
            let is_marked = |&offset: &u64| matches!(layout.at(offset).unwrap().owner, Owner::Payload(id) if marked.contains(&id));
            assert_eq!(column.marked, bytes.filter(is_marked).count() as u64);
        }
        // The same sums as core's.
        if colouring == Colouring::FileType {
            let super::Categories::Entries(of) = colours.categories() else { panic!() };
            for (mine, core) in
                columns.iter().zip(layout.columns(start..end, count as usize, |id| of[id as usize]))
            {
                assert_eq!((0..16).map(|c| mine.live(c)).collect::<Vec<_>>(), core.live);
                assert_eq!(mine.all_dead(), core.padding.total());
            }
        }
    }
}

#[test]
fn runs_fill_their_lane_and_show_what_there_is() {
    let mut random = Random(9);
    for _ in 0..300 {
        let case = Case::random(&mut random);
        let layout = case.layout();
        let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::new(&layout), None);
        let grid = Grid::new(0..layout.size(), 1 + random.below(200) as u32);
        let columns = columns::of_payloads(&layout, grid, &colours.categories(), &case.ghosts, &(0..0), 4);
        for column in &columns {
            let height = 2 + random.below(60) as u32;
            for lane in [Lane::Overview, Lane::Payloads, Lane::Padding] {
                let runs = lanes::runs(lane, column, (column.all_dead() > 0).then_some(true), height, 1);
                assert_eq!(runs.iter().map(|run| run.1).sum::<u32>(), height, "{lane:?} {runs:?}");
                let lines = |is: fn(&Fill) -> bool| {
                    runs.iter().filter(|run| is(&run.0)).map(|run| run.1).sum::<u32>()
                };
                let dead = lines(|fill| matches!(fill, Fill::Dead(_) | Fill::Edge));
                let kept = lines(|fill| matches!(fill, Fill::Live(_) | Fill::Frame));
                let (bytes, total) = (column.all_dead(), column.total());
                if !column.is_narrow {
                    assert_eq!(runs.len(), 1);
                    continue;
                }
                let exact = |part: u64| f64::from(height) * part as f64 / total as f64;
                match lane {
                    Lane::Overview => {
                        assert_eq!(dead + kept, height);
                        assert!(dead > 0 || bytes == 0);
                        assert!((f64::from(dead) - exact(bytes)).abs() <= 2.0, "{column:?} {runs:?}");
                    }
                    Lane::Payloads => {
                        assert_eq!(dead, 0);
                        assert!(kept > 0 || bytes == total);
                        assert!((f64::from(kept) - exact(total - bytes)).abs() <= 1.0);
                    }
                    Lane::Padding => {
                        assert_eq!(kept, 0);
                        assert!(dead > 0 || bytes == 0);
                        assert!((f64::from(dead) - exact(bytes)).abs() <= 3.0);
                    }
                    Lane::Chunks => {}
                }
            }
        }
    }
}

fn query(range: Range<u64>, width: u32, lanes: &[(Lane, u32)]) -> MapQuery {
    MapQuery {
        start: range.start,
        end: range.end,
        width,
        scale: 1.0,
        lanes: lanes.to_vec(),
        colouring: Colouring::FileType,
        hidden: Vec::new(),
        marked: None,
        dark: false,
        ranges: 0,
    }
}

#[test]
fn one_byte_of_padding_in_a_hundred_gigabytes_is_seen() {
    let files: Vec<_> = (0..1000_u64)
        .map(|n| (format!("{n}.txt"), 16 + n * 100_000_000 + u64::from(n > 500), 99_999_984))
        .collect();
    let tree = tree(&files);
    let map = Map::new(&tree, Source::Payload, 16 + 1000 * 100_000_000 + 1 + 16);
    let layout = Layout::new(&tree, &map, None);
    assert_eq!(layout.totals().padding.total(), 1);
    let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::new(&layout), None);
    let lanes = [(Lane::Overview, 30), (Lane::Padding, 30)];
    for dark in [false, true] {
        for scale in [1, 2] {
            let query = MapQuery { dark, scale: f64::from(scale), ..query(0..layout.size(), 800, &lanes) };
            let picture = draw(&layout, &colours, &[], &query).unwrap();
            let at = 16 + 501 * 100_000_000;
            let x = (at * 800 / layout.size()) as u32;
            let palette = Palette::new(colours.tones(), &[], dark, scale);
            // In the overview the dead part stands out from its neighbours on both sides ...
            assert_ne!(picture.pixel(x, 0), picture.pixel(x - 1, 0));
            assert_ne!(picture.pixel(x, 0), picture.pixel(x + 1, 0));
            assert_eq!(picture.pixel(x, 10), palette.pixel(Fill::Live(0), x, 10));
            // ... and in its own lane it is a line from top to bottom where there is nothing else.
            for y in 30..60 {
                assert!(picture.pixel(x, y)[3] >= 120 || y >= 60 - 3 * scale, "{y}");
                assert_eq!(picture.pixel(x - 1, y), [0; 4]);
                assert_eq!(picture.pixel(x + 1, y), [0; 4]);
            }
        }
    }
}

#[test]
fn near_and_alone() {
    // A tick among many is not drawn as loudly as one alone.
    let files: Vec<_> = (0..1000_u64).map(|n| (format!("{n}.txt"), 16 + n * 10_001, 9_984)).collect();
    let tree = tree(&files);
    let map = Map::new(&tree, Source::Payload, 16 + 1000 * 10_001 + 16);
    let layout = Layout::new(&tree, &map, None);
    let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::new(&layout), None);
    let picture =
        draw(&layout, &colours, &[], &query(0..layout.size(), 500, &[(Lane::Padding, 20)])).unwrap();
    let palette = Palette::new(colours.tones(), &[], false, 1);
    for x in 10..490 {
        assert_eq!(picture.pixel(x, 2), palette.pixel(Fill::Near { alone: false }, x, 2));
    }
}

#[test]
fn looking_close_shows_bytes_with_borders() {
    let tree = tree(&[("a.txt".into(), 16, 4), ("b.png".into(), 36, 4), ("c.txt".into(), 66, 2)]);
    let map = Map::new(&tree, Source::Payload, 100);
    let index = index(&[16, 40, 62, 100]);
    let layout = Layout::new(&tree, &map, Some(&index));
    let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::new(&layout), None);
    let lanes = [(Lane::Chunks, 2), (Lane::Payloads, 2), (Lane::Padding, 2)];
    let picture = draw(&layout, &colours, &[], &query(0..100, 1000, &lanes)).unwrap();
    let palette = Palette::new(colours.tones(), &[], false, 1);
    for x in 0..1000 {
        let byte = u64::from(x / 10);
        let payload = match byte {
            0..16 | 84..100 => Fill::Frame,
            16..36 | 66..84 => Fill::Live(0),
            36..56 => Fill::Live(2),
            _ => Fill::Nothing,
        };
        let fill = if matches!(x, 160 | 360 | 660 | 840) { Fill::Nothing } else { payload };
        assert_eq!(picture.pixel(x, 3), palette.pixel(fill, x, 3), "{x}");
        let padding = match byte {
            56..62 => Fill::Dead(Padding::Tail),
            62..66 => Fill::Dead(Padding::Head),
            _ => Fill::Nothing,
        };
        let fill = if matches!(x, 560 | 619 | 620 | 659) { Fill::Edge } else { padding };
        assert_eq!(picture.pixel(x, 5), palette.pixel(fill, x, 5), "{x}");
        let shade = [0, 1, 0, 1][[16, 40, 62, 100].iter().position(|&end| byte < end).unwrap()];
        let expected = colour::SHADES[shade].light.alpha(255);
        let is_border = matches!(x, 160 | 400 | 620);
        assert_eq!(picture.pixel(x, 0), if is_border { [0; 4] } else { expected }, "{x}");
    }
}

#[test]
fn marks_frame_the_columns_of_the_entry() {
    let tree = tree(&[("a.txt".into(), 16, 84), ("b.txt".into(), 116, 84), ("c.txt".into(), 216, 84)]);
    let map = Map::new(&tree, Source::Payload, 332);
    let layout = Layout::new(&tree, &map, None);
    let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::new(&layout), None);
    let query = MapQuery { marked: Some(2), ..query(0..332, 332, &[(Lane::Payloads, 20)]) };
    let picture = draw(&layout, &colours, &[], &query).unwrap();
    let mark = colour::MARK.light.alpha(255);
    for x in 0..332 {
        let is_marked = (116..216).contains(&x);
        assert_eq!(picture.pixel(x, 0) == mark, is_marked, "{x}");
        assert_eq!(picture.pixel(x, 10) == mark, matches!(x, 116 | 215), "{x}");
    }
}

#[test]
fn strange_queries_are_harmless() {
    let mut random = Random(5);
    for _ in 0..200 {
        let case = Case::random(&mut random);
        let layout = case.layout();
        for colouring in [Colouring::FileType, Colouring::Directory, Colouring::ChunkUse, Colouring::Age] {
            let colours = Colours::new(&layout, colouring, &ChunkTable::new(&layout), None);
            let ends = [0, 1, layout.size() - 1, layout.size(), layout.size() + 5, u64::MAX];
            let (start, end) = (ends[random.below(6) as usize], ends[random.below(6) as usize]);
            let lanes = [
                (Lane::Chunks, random.below(9) as u32),
                (Lane::Padding, random.below(3) as u32),
                (Lane::Overview, 1),
            ];
            let query = MapQuery {
                scale: [0.0, -1.0, f64::NAN, 1.25, 9.0][random.below(5) as usize],
                marked: [None, Some(0), Some(u32::MAX)][random.below(3) as usize],
                colouring,
                ..query(start..end, random.below(400) as u32, &lanes)
            };
            let picture = draw(&layout, &colours, &case.ghosts, &query).unwrap();
            let height = lanes.iter().map(|lane| lane.1).sum::<u32>();
            assert_eq!(picture.into_rgba().len() as u32, query.width * height * 4);
        }
    }
    let layout_of_nothing = Map::new(&Tree::default(), Source::Payload, 0);
    let tree = Tree::default();
    let layout = Layout::new(&tree, &layout_of_nothing, None);
    for colouring in [Colouring::FileType, Colouring::Directory, Colouring::ChunkUse, Colouring::Age] {
        let colours = Colours::new(&layout, colouring, &ChunkTable::default(), None);
        assert!(draw(&layout, &colours, &[], &query(0..10, 10, &[(Lane::Overview, 4)])).is_some());
    }
    let colours = Colours::new(&layout, Colouring::FileType, &ChunkTable::default(), None);
    assert!(draw(&layout, &colours, &[], &query(0..1, u32::MAX, &[(Lane::Overview, u32::MAX)])).is_none());
}

#[test]
fn legends_add_up_to_the_totals() {
    let mut random = Random(3);
    for _ in 0..100 {
        let case = Case::random(&mut random);
        let layout = case.layout();
        let table = ChunkTable::new(&layout);
        let totals = layout.totals();
        for colouring in [Colouring::FileType, Colouring::Directory, Colouring::ChunkUse] {
            let legend = Colours::new(&layout, colouring, &table, None).legend(&layout, &table);
            let bytes: u64 = legend.categories.iter().map(|category| category.bytes).sum();
            let files: u64 = legend.categories.iter().map(|category| category.files).sum();
            assert_eq!(bytes, totals.live);
            match (colouring, &case.index) {
                (Colouring::ChunkUse, Some(_)) => assert!(files >= totals.files),
                _ => assert_eq!(files, totals.files),
            }
        }
    }
}

#[test]
fn ages_are_classes_of_chunks() {
    let tree = tree(&[("a.txt".into(), 16, 64)]);
    let map = Map::new(&tree, Source::Payload, 112);
    let index = index(&[16, 48, 96, 112]);
    let layout = Layout::new(&tree, &map, Some(&index));
    let table = ChunkTable::new(&layout);
    let ages = [0, 1, 9, 200];
    let colours = Colours::new(&layout, Colouring::Age, &table, Some(&ages));
    let super::Categories::Chunks(of) = colours.categories() else { panic!() };
    assert_eq!(of, [0, 1, 4, 5]);
    let legend = colours.legend(&layout, &table);
    assert_eq!(legend.categories.len(), 6);
    assert_eq!(legend.categories[0].name, "new here");
    assert_eq!((legend.categories[1].bytes, legend.categories[1].files), (32, 1));
}

#[test]
fn areas_are_as_large_as_their_files() {
    use crate::protocol::layout::TreemapQuery;
    use crate::protocol::{Reply, Request};
    use crate::worker::testing::Bench;

    let mut random = Random(8);
    let (meta, payload) = super::testing::padded(&mut random, 3, 20);
    let size = payload.len() as u64;
    let bench = Bench::new();
    let opened = bench.open(vec![("a.mpxar", meta), ("a.ppxar", payload)]);
    let document = bench.worker.document(opened.documents[0].id).unwrap();
    document.set_index(std::rc::Rc::new(index(&ends(&mut random, size, 900))));
    let query = TreemapQuery {
        root: 0,
        width: 900,
        height: 600,
        scale: 1.0,
        colouring: Colouring::FileType,
        hidden: Vec::new(),
        marked: None,
        dark: false,
    };
    let draw = |query| match bench.ask(Request::Treemap(document.id(), query)) {
        Ok(Reply::Treemap(map)) => *map,
        other => panic!("{other:?}"),
    };
    let map = draw(query.clone());
    let parts = document.parts().unwrap();
    let totals = parts.layout().totals();
    let (files, padding): (Vec<_>, Vec<_>) = map.areas.iter().partition(|area| !area.padding);
    assert_eq!(padding.iter().map(|area| area.size).sum::<u64>(), totals.padding.total());
    let area = |area: &crate::protocol::layout::Area| f64::from(area.rect.2) * f64::from(area.rect.3);
    let dead: f64 = padding.iter().map(|one| area(one)).sum();
    let root = files.iter().find(|area| area.entry == Some(0)).unwrap();
    let share = totals.padding.total() as f64 / (totals.padding.total() + root.size) as f64;
    assert!((dead / (900.0 * 600.0) - share).abs() < 0.01);
    // Each pixel has the colour of the innermost area, or is a border.
    let colours = Colours::new(&parts.layout(), Colouring::FileType, &document.table().unwrap(), None);
    let super::Categories::Entries(of) = colours.categories() else { panic!() };
    let palette = Palette::new(colours.tones(), &[], false, 1);
    let mut seen = 0;
    for one in files.iter().filter(|area| area.entry.is_some_and(|id| parts.tree.size(id) > 0)) {
        let (x, y, width, height) = one.rect;
        let at = ((y + height / 2) * map.width + x + width / 2) as usize * 4;
        let pixel: [u8; 4] = map.rgba[at..at + 4].try_into().unwrap();
        assert_eq!(pixel, palette.pixel(Fill::Live(of[one.entry.unwrap() as usize]), 0, 0), "{one:?}");
        seen += 1;
    }
    assert!(seen > 40);
    // Within a directory areas are proportional to bytes.
    let directory = files.iter().find(|area| area.label == "dir0001").unwrap().entry.unwrap();
    let inside: Vec<_> = files
        .iter()
        .filter(|area| area.entry.is_some_and(|id| id != 0 && parts.tree.parent(id) == directory))
        .collect();
    let scale = inside.iter().map(|one| area(one)).sum::<f64>()
        / inside.iter().map(|one| one.size).sum::<u64>() as f64;
    for one in &inside {
        let ratio = area(one) / (one.size as f64 * scale);
        assert!((0.8..1.25).contains(&ratio), "{one:?} {ratio}");
    }
    // What is selected is framed, also if it has no area of its own.
    let mark = colour::MARK.light.alpha(255);
    let marked = |id| {
        let map = draw(TreemapQuery { marked: Some(id), ..query.clone() });
        map.rgba.chunks(4).filter(|pixel| **pixel == mark).count()
    };
    assert!((directory..parts.tree.end(directory)).all(|id| marked(id) > 0));
    // Into a directory: the padding of the chunks that hold its files.
    let inner = draw(TreemapQuery { root: directory, ..query.clone() });
    let needs = parts.layout().needs(directory..parts.tree.end(directory));
    let table = document.table().unwrap();
    let dead: u64 =
        needs.runs.into_iter().flatten().map(|n| table.get(&parts.layout(), n).unwrap().dead()).sum();
    assert_eq!(inner.areas.iter().filter(|area| area.padding).map(|area| area.size).sum::<u64>(), dead);
    assert!(bench.ask(Request::Treemap(document.id(), TreemapQuery { root: 1 << 30, ..query })).is_err());
}
