//! The choice for a given price against all choices, whose cost is counted from the pieces that they write.

use super::super::bits::Bits;
use super::super::fill::fill;
use super::super::optimal::Costs;
use super::super::steps::Steps;
use super::*;

/// A small old archive and files of a new one: old positions in order, out of order, overlapping, twice, outside.
pub(super) fn instance(random: &mut Random, most: u64) -> (DynamicIndex, Files) {
    let mut end = 0;
    let chunks = 1 + random.below(8);
    let largest = 1 + random.below(300);
    let ends: Vec<u64> = (0..chunks)
        .map(|_| {
            end += 1 + random.below(largest);
            end
        })
        .collect();
    let digests = 1 + random.below(4);
    let index = index_of(ends.iter().map(|&end| (end, Digest([(end % digests) as u8; 32]))));
    let mut files = Files::new();
    let mut next = 16;
    let disorder = 2 + random.below(20);
    let size = 1 + random.below(250);
    for _ in 0..random.below(most + 1) {
        let size = if random.one_in(6) { 0 } else { random.below(size) };
        let old = match random.below(10) {
            0 => None,
            _ if random.one_in(disorder) => Some(random.below(end + 20)),
            1 => Some(next + random.below(40)),
            _ => Some(next),
        };
        next = old.unwrap_or(next) + size + 16;
        if next >= end {
            next = 16;
        }
        files.push(File { size, old });
    }
    (index, files)
}

/// Whether the rules allow to re-use a file.
fn can(index: &DynamicIndex, file: File) -> bool {
    file.old.is_some_and(|old| old >= 16 && old + file.size + 16 <= index.size())
}

enum Written {
    Raw,
    /// Number of a chunk and the old position behind the last file in it.
    Chunk(usize, u64),
}

/// Writes the files whose bit is set in `reused` with their chunks: bytes encoded needlessly, entries and further segments, padding.
fn simulate(index: &DynamicIndex, files: &Files, reused: u32) -> (i128, i128, i128) {
    let mut written = vec![Written::Raw];
    let (mut encoded, mut fragments, mut padding) = (0, 0, 0);
    for (at, file) in files.iter().enumerate() {
        if reused >> at & 1 == 0 {
            encoded += if can(index, file) { i128::from(file.size) + 16 } else { 0 };
            if !matches!(written.last(), Some(Written::Raw)) {
                written.push(Written::Raw);
                fragments += 1;
            }
            continue;
        }
        let from = file.old.unwrap();
        let to = from + file.size + 16;
        padding -= i128::from(to - from);
        for chunk in 0..index.count() {
            let extent = index.extent(chunk).unwrap();
            if extent.end <= from || extent.start >= to {
                continue;
            }
            match written.last_mut() {
                Some(Written::Chunk(there, used)) if *there == chunk && *used <= from => *used = to,
                _ => {
                    written.push(Written::Chunk(chunk, to));
                    fragments += 1;
                    padding += i128::from(extent.end - extent.start);
                }
            }
        }
    }
    (encoded, fragments, padding)
}

fn masks(index: &DynamicIndex, files: &Files) -> impl Iterator<Item = u32> {
    let fixed = files.iter().enumerate().filter(|&(_, file)| !can(index, file));
    let fixed = fixed.fold(0_u32, |mask, (at, _)| mask | 1 << at);
    (0..1_u32 << files.len()).filter(move |mask| mask & fixed == 0)
}

#[test]
fn the_choice_for_a_price_is_the_best_of_all() {
    let mut random = Random(10);
    let mut mixed = 0;
    for round in 0..6000 {
        let (index, files) = instance(&mut random, if round % 8 == 0 { 11 } else { 8 });
        let fragment = [0, 1, 10, 100][random.below(4) as usize];
        let price = Price::from_raw(match random.below(4) {
            0 => Price::LEAST.raw(),
            1 => Price::ONE.raw(),
            2 => 1 + random.below(Price::ONE.raw()),
            _ => random.below(20 * Price::ONE.raw()),
        });
        // Least cost, and among equals the least padding.
        let cost = |mask| {
            let (encoded, fragments, padding) = simulate(&index, &files, mask);
            let bytes = encoded + fragments * i128::from(fragment);
            (bytes * i128::from(Price::ONE.raw()) + padding * i128::from(price.raw()), padding)
        };
        let best = masks(&index, &files).map(cost).min().unwrap();
        let steps = Steps::new(&files, &index);
        let costs = Costs::new(&steps.steps, fragment);
        let bits = steps.expand(&costs.choose(price));
        let mask = (0..files.len()).filter(|&at| bits.get(at)).fold(0, |mask, at| mask | 1 << at);
        assert_eq!(cost(mask), best, "{round}: {price}, {fragment}, {:?}, {files:?}", index.chunks());
        assert_eq!(costs.padding(price), best.1, "{round}");
        mixed +=
            usize::from(mask != 0 && mask.count_ones() < masks(&index, &files).max().unwrap().count_ones());
    }
    assert!(mixed > 500, "{mixed} instances have something to weigh");
}

/// Decisions within a budget: what they say of themselves is what is written, and together they encode little more than the best of
/// all choices within the budget would.
#[test]
fn budgets_and_totals_of_small_instances() {
    let mut random = Random(11);
    let (mut ours, mut best) = (0, 0);
    for round in 0..4000 {
        let (index, files) = instance(&mut random, if round % 8 == 0 { 10 } else { 7 });
        let budget = Budget::ppm([0, 10_000, 50_000, 100_000, 300_000, 2_000_000][random.below(6) as usize]);
        let optimal = Optimal { budget, fragment: random.below(50) };
        let decision = decide(&files, &index, &Policy::Optimal(optimal));
        let mask = (0..files.len()).filter(|&at| decision.reuses(at)).fold(0, |mask, at| mask | 1 << at);
        let keeps =
            |padding: i128| padding * 1_000_000 <= i128::from(files.live()) * i128::from(budget.as_ppm());
        let (encoded, _, padding) = simulate(&index, &files, mask);
        assert_eq!(padding, i128::from(decision.padding()), "{round}");
        assert!(keeps(padding), "{round}: {padding} of {}", files.live());
        emission::emit(&files, &index, &decision);
        assert_eq!(decision, decide(&files, &index, &Policy::Optimal(optimal)));
        if decision.price == Some(Price::LEAST) {
            continue;
        }
        let sums = masks(&index, &files).map(|mask| simulate(&index, &files, mask));
        best += sums.filter(|&(.., padding)| keeps(padding)).map(|(encoded, ..)| encoded).min().unwrap();
        ours += encoded;
    }
    assert!(best > 100_000 && ours * 100 <= best * 103, "{ours} bytes encoded again, {best} at best");
}

/// Whatever is left of a budget, filling it never uses more.
#[test]
fn filling_keeps_to_its_room() {
    let mut random = Random(12);
    let mut between = 0;
    for round in 0..6000 {
        let (index, files) = instance(&mut random, 11);
        let steps = Steps::new(&files, &index);
        let fragment = [0, 5, 50][random.below(3) as usize];
        let costs = Costs::new(&steps.steps, fragment);
        let low = Price::from_raw(1 + random.below(Price::ONE.raw()));
        let high = Price::from_raw(low.raw() * (1 + random.below(20)));
        let (mut poorer, mut richer) = (costs.choose(high), costs.choose(low));
        if round % 2 == 0 {
            // Choices of any kind: those of two prices seldom lack what the poorer one has.
            for (at, step) in steps.steps.iter().enumerate() {
                poorer.put(at, step.entries > 0 && random.one_in(2));
                richer.put(at, step.entries > 0 && random.one_in(2));
            }
        }
        let padding = |steps_chosen: &Bits| {
            let bits = steps.expand(steps_chosen);
            let mask = (0..files.len()).filter(|&at| bits.get(at)).fold(0, |mask, at| mask | 1 << at);
            simulate(&index, &files, mask).2
        };
        let difference = 0.max(padding(&richer) - padding(&poorer));
        for room in [0, random.below(1 + difference as u64) as i128, difference] {
            let mut filled = poorer.clone();
            fill(&steps.steps, &mut filled, &richer, fragment, room);
            let more = padding(&filled) - padding(&poorer);
            assert!(more <= room, "{round}: {more} in {room}, {:?}, {files:?}", index.chunks());
            between += usize::from(filled != poorer && filled != richer);
        }
    }
    assert!(between > 100, "{between} pass from one choice to the other on the way");
}
