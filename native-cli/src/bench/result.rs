//! Figures of a benchmark: medians, a table, JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::set::Generation;

/// What is counted of a backup, by the names in JSON.
pub(super) const COUNTS: [&str; 7] = [
    "bytes_read",
    "bytes_read_again",
    "bytes_new",
    "bytes_new_compressed",
    "padding",
    "index_bytes",
    "chunks",
];

/// Of one backup, or the medians of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub seconds: f64,
    /// In the order of [`COUNTS`].
    pub counts: [u64; COUNTS.len()],
    /// Padding that the previous snapshot had, too, if it is known.
    pub inherited: Option<u64>,
}

impl Figures {
    /// Each figure's median by itself.
    fn median(of: &[Self]) -> Self {
        let middle = |mut values: Vec<u64>| {
            values.sort_unstable();
            u64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
        };
        Self {
            seconds: median(of.iter().map(|figures| figures.seconds)),
            counts: std::array::from_fn(|at| middle(of.iter().map(|figures| figures.counts[at]).collect())),
            inherited: of.iter().map(|figures| figures.inherited).collect::<Option<_>>().map(middle),
        }
    }

    fn json(&self) -> Value {
        let mut out = Map::new();
        out.insert("seconds".into(), json!(self.seconds));
        out.extend(COUNTS.iter().zip(self.counts).map(|(name, count)| (name.to_string(), json!(count))));
        out.insert("padding_inherited".into(), json!(self.inherited));
        Value::Object(out)
    }
}

/// The middle value, or the mean of the two; there must be one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// All runs of one mode.
#[derive(Debug)]
pub(super) struct Mode {
    pub name: String,
    /// For each generation the figures of each run.
    pub backups: Vec<Vec<Figures>>,
    /// Seconds of restoring the last generation, of each run; none if that was not asked for.
    pub restores: Vec<f64>,
}

impl Mode {
    fn medians(&self) -> Vec<Figures> {
        self.backups.iter().map(|runs| Figures::median(runs)).collect()
    }

    fn restore(&self) -> Option<f64> {
        (!self.restores.is_empty()).then(|| median(self.restores.iter().copied()))
    }
}

/// A benchmark that is done.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What it was: the set, the options, the machine.
    pub about: Map<String, Value>,
    pub generations: Vec<Generation>,
    pub modes: Vec<Mode>,
}

impl Outcome {
    pub fn json(&self) -> Value {
        let mut out = self.about.clone();
        out.insert("generations".into(), self.generations.iter().map(Generation::json).collect());
        let modes = self.modes.iter().map(|mode| {
            let backups: Vec<Value> = mode.medians().iter().map(Figures::json).collect();
            (mode.name.clone(), json!({ "backups": backups, "restore_seconds": mode.restore() }))
        });
        out.insert("modes".into(), Value::Object(modes.collect()));
        Value::Object(out)
    }

    /// In Markdown; sizes in MiB, indexes in KiB. Sums are over the generations behind the first.
    pub fn table(&self) -> String {
        let mut out = String::from(
            "| mode | generation | changed | seconds | read | unchanged, read again | new | new, stored | padding | \
             of it inherited | padding % | index KiB | chunks |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for mode in &self.modes {
            let medians = mode.medians();
            for (generation, figures) in self.generations.iter().zip(&medians) {
                row(
                    &mut out,
                    &mode.name,
                    &generation.name,
                    generation.changed_bytes,
                    figures,
                    Some(generation.bytes),
                );
            }
            if medians.len() > 2 {
                let changed = self.generations[1..].iter().map(|generation| generation.changed_bytes).sum();
                let sum = Figures {
                    inherited: None,
                    seconds: medians[1..].iter().map(|figures| figures.seconds).sum(),
                    counts: std::array::from_fn(|at| {
                        medians[1..].iter().map(|figures| figures.counts[at]).sum()
                    }),
                };
                row(&mut out, &mode.name, "sum of updates", changed, &sum, None);
            }
        }
        for mode in &self.modes {
            if let Some(seconds) = mode.restore() {
                let _ = writeln!(out, "\nRestore of the last generation, {}: {seconds:.3} s.", mode.name);
            }
        }
        out
    }
}

/// `live`: bytes of contents; none for a sum of several generations.
fn row(out: &mut String, mode: &str, name: &str, changed: u64, figures: &Figures, live: Option<u64>) {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let [streams @ .., padding, index_bytes, chunks] = figures.counts;
    let mut cells = vec![mode.to_owned(), name.to_owned(), mib(changed), format!("{:.3}", figures.seconds)];
    cells.extend(streams.map(mib));
    // What snapshots share would be counted several times in a sum.
    cells.extend(live.map_or([const { String::new() }; 5], |live| {
        [
            mib(padding),
            figures.inherited.map_or("?".into(), mib),
            format!("{:.2}", 100.0 * padding as f64 / live.max(1) as f64),
            format!("{:.1}", index_bytes as f64 / 1024.0),
            chunks.to_string(),
        ]
    }));
    // Writing to a string does not fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(seconds: f64, first: u64) -> Figures {
        let mut counts = std::array::from_fn(|at| (at as u64) << 20);
        counts[0] = first;
        Figures { seconds, counts, inherited: Some(3 << 20) }
    }

    fn outcome() -> Outcome {
        let generation = |name: &str| Generation {
            name: name.into(),
            files: 3,
            bytes: 90 << 20,
            changed_files: 2,
            changed_bytes: 1 << 19,
            digest: String::new(),
        };
        let runs = vec![figures(3.0, 1 << 20), figures(1.0, 2 << 20), figures(2.5, 9 << 20)];
        let mode = Mode { name: "data".into(), backups: vec![runs; 3], restores: vec![2.0, 1.0] };
        let generations = ["a", "b", "c"].map(generation).into();
        Outcome { about: Map::new(), generations, modes: vec![mode] }
    }

    #[test]
    fn figures_are_medians() {
        let json = outcome().json();
        let backup = &json["modes"]["data"]["backups"][1];
        assert_eq!(backup["seconds"], 2.5);
        assert_eq!(backup["bytes_read"], 2 << 20);
        assert_eq!(backup["chunks"], 6 << 20);
        assert_eq!(json["modes"]["data"]["restore_seconds"], 1.5);
        assert_eq!(json["generations"][2]["name"], "c");
        assert_eq!(Figures::median(&[figures(1.0, 2), figures(2.0, 5)]), figures(1.5, 3));
    }

    #[test]
    fn the_table_has_a_row_for_each_generation() {
        let table = outcome().table();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| data | a | 0.5 | 2.500 | 2.0 | 1.0 | 2.0 | 3.0 | 4.0 | 3.0 | 4.44 | 5120.0 | 6291456 |"
        );
        assert_eq!(rows[3], "| data | sum of updates | 1.0 | 5.000 | 4.0 | 2.0 | 4.0 | 6.0 |  |  |  |  |  |");
        assert_eq!(rows[5], "Restore of the last generation, data: 1.500 s.");
        let columns = |line: &str| line.matches('|').count();
        assert!(table.lines().take(6).all(|line| columns(line) == columns(rows[0])), "{table}");
    }
}
