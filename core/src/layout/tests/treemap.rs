//! Sums of directories, and treemaps: areas, nesting, nothing outside, nothing twice.

use super::*;

#[test]
fn directories_sum_up() {
    let mut random = Random(9);
    for _ in 0..300 {
        let tree = random_tree(&mut random, 120);
        let totals = DirectoryTotals::new(&tree);
        for id in 0..tree.len() as u32 {
            let total = totals.get(&tree, id);
            if tree.kind(id) != Kind::Directory {
                assert_eq!(total, DirectoryTotal::default());
                assert_eq!(totals.size(&tree, id), tree.size(id));
                continue;
            }
            let below = id + 1..tree.end(id);
            let bytes = below.clone().map(|entry| tree.size(entry)).sum();
            let files = below.clone().filter(|&entry| tree.kind(entry) == Kind::File).count() as u32;
            assert_eq!(total, DirectoryTotal { bytes, files, entries: below.len() as u32 });
            assert_eq!(totals.size(&tree, id), bytes);
        }
        assert_eq!(totals.memory(), totals.directories().len() * 16);
    }
}

#[test]
fn categories_sum_up() {
    let mut random = Random(11);
    for _ in 0..100 {
        let tree = random_tree(&mut random, 60);
        // Some entries have no category, some an unknown one.
        let known = random.below(tree.len() as u64 + 1);
        let categories: Vec<u8> = (0..known).map(|_| random.below(20) as u8).collect();
        let first = random.below(tree.len() as u64 + 1) as u32;
        let (mut sums, mut expected) = ([7; 16], [7; 16]);
        for id in first..tree.len() as u32 {
            let category = categories.get(id as usize).map_or(0, |&category| usize::from(category));
            expected[category.min(15)] += tree.size(id);
        }
        add_by_category(&tree, first..tree.len() as u32, &categories, &mut sums);
        assert_eq!(sums, expected);
    }
    let tree = references(&[(16, u64::MAX), (20, u64::MAX)]);
    let mut sums = [0; 16];
    add_by_category(&tree, 0..tree.len() as u32, &[3; 9], &mut sums);
    assert_eq!(sums[3], u64::MAX);
}

#[test]
fn enormous_sizes_do_not_wrap() {
    let tree = references(&[(16, u64::MAX), (20, u64::MAX)]);
    let totals = DirectoryTotals::new(&tree);
    assert_eq!(totals.size(&tree, 0), u64::MAX);
    let tiles = treemap(&tree, &totals, 0, &Padding([u64::MAX / 5; 5]), &Canvas::default());
    assert!(tiles.iter().all(|tile| tile.width.is_finite() && tile.height.is_finite()));
}

fn area(tile: &Tile) -> f64 {
    f64::from(tile.width) * f64::from(tile.height)
}

#[test]
fn areas_are_proportional_and_apart() {
    let mut random = Random(10);
    for round in 0..200 {
        let tree = random_tree(&mut random, 150);
        let totals = DirectoryTotals::new(&tree);
        let padding =
            if random.one_in(2) { Padding([random.below(500), 0, 30, 0, 5]) } else { Padding::default() };
        let canvas = Canvas {
            width: 50.0 + random.below(900) as f32,
            height: 50.0 + random.below(900) as f32,
            least: 1.0 + random.below(100) as f32,
            frame: 0.0,
            title: 0.0,
            depth: 64,
        };
        let tiles = treemap(&tree, &totals, 0, &padding, &canvas);
        assert_eq!(tiles, treemap(&tree, &totals, 0, &padding, &canvas));
        let all = totals.size(&tree, 0) + padding.total();
        if all == 0 {
            assert!(tiles.is_empty());
            continue;
        }
        let scale = f64::from(canvas.width) * f64::from(canvas.height) / all as f64;
        for tile in &tiles {
            let expected = tile.bytes as f64 * scale;
            assert!(
                (area(tile) - expected).abs() < 1.0 + expected / 100.0,
                "round {round}: {tile:?} {expected}"
            );
            assert!(tile.x >= 0.0 && tile.x + tile.width <= canvas.width + 0.1);
            assert!(tile.y >= 0.0 && tile.y + tile.height <= canvas.height + 0.1);
        }
        // Closed tiles cover everything once.
        let closed: Vec<_> = tiles.iter().filter(|tile| !matches!(tile.what, Block::Open(_))).collect();
        assert_eq!(closed.iter().map(|tile| tile.bytes).sum::<u64>(), all);
        for (at, a) in closed.iter().enumerate() {
            for b in &closed[at + 1..] {
                let width = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
                let height = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
                assert!(width < 0.1 || height < 0.1, "round {round}: {a:?} and {b:?}");
            }
        }
        let least = canvas.least * 0.99;
        for tile in &closed {
            if let Block::Entry(_) = tile.what {
                assert!(area(tile) >= f64::from(least) || tile.depth == 0, "{tile:?}");
            }
        }
    }
}

#[test]
fn contents_lie_in_their_directories() {
    let mut random = Random(11);
    let tree = random_tree(&mut random, 3000);
    let totals = DirectoryTotals::new(&tree);
    let canvas = Canvas { frame: 2.0, title: 5.0, ..Canvas::default() };
    let tiles = treemap(&tree, &totals, 0, &Padding::default(), &canvas);
    let find = |id: u32| tiles.iter().find(|tile| matches!(tile.what, Block::Open(at) if at == id));
    let mut seen = 0;
    for (at, tile) in tiles.iter().enumerate() {
        let parent = match tile.what {
            Block::Open(id) | Block::Entry(id) if id > 0 => tree.parent(id),
            Block::Rest { directory, .. } => directory,
            _ => continue,
        };
        let Some(outer) = find(parent) else { panic!("{tile:?}: its directory is not open") };
        assert!(tiles.iter().position(|tile| tile == outer).is_some_and(|outer| outer < at));
        assert_eq!(tile.depth, outer.depth + 1);
        let title = if outer.width.min(outer.height) >= 15.0 { 5.0 } else { 0.0 };
        assert!(tile.x >= outer.x + 1.9 && tile.y >= outer.y + 1.9 + title);
        assert!(tile.x + tile.width <= outer.x + outer.width - 1.9);
        assert!(tile.y + tile.height <= outer.y + outer.height - 1.9);
        seen += 1;
    }
    assert!(seen > 100);
    // Squares, rather than stripes.
    let files =
        tiles.iter().filter(|tile| matches!(tile.what, Block::Entry(id) if tree.kind(id) == Kind::File));
    let mut ratios: Vec<_> =
        files.map(|tile| tile.width.max(tile.height) / tile.width.min(tile.height)).collect();
    ratios.sort_by(f32::total_cmp);
    assert!(ratios[ratios.len() / 2] < 2.5, "{}", ratios[ratios.len() / 2]);
    // Depth is bounded where it was asked for.
    let flat = treemap(&tree, &totals, 0, &Padding::default(), &Canvas { depth: 1, ..canvas });
    assert!(flat.iter().all(|tile| tile.depth <= 1));
    assert!(flat.len() < tiles.len());
}
