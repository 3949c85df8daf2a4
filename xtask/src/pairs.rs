//! Commands measured side by side: alternating runs, medians, rows of a table.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    measure::{Sample, measure},
    shell,
};

/// What happens before each run and is not measured.
pub enum Before {
    Nothing,
    /// These files are removed.
    NoFiles(Vec<PathBuf>),
    /// This folder is emptied.
    EmptyDir(PathBuf),
    /// This folder is removed, and made a repository by the command, unless the program does that by itself.
    Repository(PathBuf, Option<Command>),
    /// The next second is waited for: snapshots have their names from the time in seconds.
    NextSecond,
}

/// One of the programs that do the same job.
pub struct Side {
    /// The program's name.
    pub name: &'static str,
    pub command: Command,
    pub before: Before,
    /// What the command reads, as far as clearing and waiting for the disk may have driven it out of the page cache.
    pub warm: Vec<PathBuf>,
}

impl Side {
    pub fn new(name: &'static str, command: Command) -> Self {
        Side { name, command, before: Before::Nothing, warm: Vec::new() }
    }

    pub fn before(self, before: Before) -> Self {
        Side { before, ..self }
    }

    pub fn warm(self, warm: Vec<PathBuf>) -> Self {
        Side { warm, ..self }
    }
}

/// Results of all jobs on one tree.
pub struct Pairs<'a> {
    /// Of each side, after one that is not counted.
    pub runs: usize,
    /// Only jobs with this word in their name.
    pub only: Option<&'a str>,
    /// Where the measuring process leaves its report.
    pub dir: PathBuf,
    rows: Vec<Row>,
}

struct Row {
    job: String,
    /// The first is ours.
    sides: Vec<(&'static str, Summary)>,
}

impl<'a> Pairs<'a> {
    pub fn new(dir: PathBuf, runs: usize, only: Option<&'a str>) -> Self {
        Pairs { runs, only, dir, rows: Vec::new() }
    }

    pub fn wants(&self, job: &str) -> bool {
        self.only.is_none_or(|word| job.contains(word))
    }

    /// Measures the sides, of which the first is ours, in turn.
    pub fn measure(&mut self, job: &str, mut sides: Vec<Side>) -> Result<()> {
        if !self.wants(job) {
            return Ok(());
        }
        for (at, side) in sides.iter().enumerate() {
            eprintln!(
                "{}{}",
                if at == 0 { format!("{job}: ") } else { "    against ".into() },
                shell::shown(&side.command)
            );
        }
        let mut samples = vec![Vec::new(); sides.len()];
        for round in 0..=self.runs {
            for (side, samples) in sides.iter_mut().zip(&mut samples).rev() {
                let sample = self.sample(side)?;
                // The first round warms the page cache.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        for side in &sides {
            // Archives and repositories stay for the jobs that read them.
            if let Before::EmptyDir(tree) = &side.before {
                shell::remove_tree(tree)?;
            }
        }
        let summaries = samples.iter().map(|samples| Summary::of(samples));
        let sides: Vec<_> = sides.iter().map(|side| side.name).zip(summaries).collect();
        for (name, summary) in &sides {
            eprintln!("    {name}: {}", summary.times());
        }
        self.rows.push(Row { job: job.to_owned(), sides });
        Ok(())
    }

    fn sample(&self, side: &mut Side) -> Result<Sample> {
        match &mut side.before {
            Before::Nothing => {}
            Before::NoFiles(files) => files.iter().try_for_each(|file| remove(file))?,
            // All sides extract into an empty folder that is there.
            Before::EmptyDir(dir) => shell::fresh_dir(dir)?,
            Before::Repository(dir, init) => {
                shell::remove_tree(dir)?;
                if let Some(init) = init {
                    let result = shell::output(init)?;
                    if !result.status.success() {
                        let text = String::from_utf8_lossy(&result.stderr);
                        anyhow::bail!("{} failed\n{}", shell::shown(init), text.trim_end());
                    }
                }
            }
            Before::NextSecond => thread::sleep(Duration::from_millis(1100)),
        }
        // What earlier runs wrote must not be written back during this one.
        shell::quietly(&mut Command::new("sync"))?;
        side.warm.iter().try_for_each(|path| read_all(path))?;
        measure(&side.command, &self.dir.join("report"))
    }

    /// A row for each job and other program.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| job | pxkit, seconds (min / median / max) | against | seconds | pxkit : other | processor seconds, pxkit | \
             other | peak MiB, pxkit | other |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for Row { job, sides } in &self.rows {
            let [(_, ours), others @ ..] = sides.as_slice() else { continue };
            if others.is_empty() {
                let _ = writeln!(
                    table,
                    "| {job} | {} | | | | {:.2} | | {:.1} | |",
                    ours.times(),
                    ours.cpu,
                    ours.peak_mib
                );
            }
            for (name, other) in others {
                // Writing to a string does not fail.
                let _ = writeln!(
                    table,
                    "| {job} | {} | {name} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} |",
                    ours.times(),
                    other.times(),
                    ours.median / other.median,
                    ours.cpu,
                    other.cpu,
                    ours.peak_mib,
                    other.peak_mib
                );
            }
        }
        table
    }

    pub fn json(&self) -> Value {
        let side = |(name, summary): &(&str, Summary)| {
            json!({
                "program": name,
                "seconds": [summary.min, summary.median, summary.max],
                "processor_seconds": summary.cpu,
                "peak_mib": summary.peak_mib,
            })
        };
        let row =
            |row: &Row| json!({ "job": row.job, "programs": row.sides.iter().map(side).collect::<Vec<_>>() });
        self.rows.iter().map(row).collect()
    }
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Reads a file, or all files below a folder.
fn read_all(path: &Path) -> Result<()> {
    let failed = || format!("cannot read {}", path.display());
    if path.is_dir() {
        for entry in path.read_dir().with_context(failed)? {
            let entry = entry.with_context(failed)?;
            // Nothing that is read here is reached through a symlink.
            if !entry.file_type().with_context(failed)?.is_symlink() {
                read_all(&entry.path())?;
            }
        }
        return Ok(());
    }
    let mut file = fs::File::open(path).with_context(failed)?;
    io::copy(&mut file, &mut io::sink()).with_context(failed)?;
    Ok(())
}

#[derive(Clone)]
struct Summary {
    min: f64,
    median: f64,
    max: f64,
    /// Median.
    cpu: f64,
    peak_mib: f64,
}

impl Summary {
    fn of(samples: &[Sample]) -> Self {
        let sorted = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let median = |values: &[f64]| (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        let times = sorted(|sample| sample.seconds);
        let cpu = median(&sorted(|sample| sample.cpu_seconds));
        let peak = samples.iter().map(|sample| sample.peak_kib).max().unwrap_or_default();
        Summary {
            min: times[0],
            median: median(&times),
            max: times[times.len() - 1],
            cpu,
            peak_mib: peak as f64 / 1024.0,
        }
    }

    fn times(&self) -> String {
        format!("{:.3} / {:.3} / {:.3}", self.min, self.median, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: f64) -> Sample {
        Sample { seconds, cpu_seconds: 2.0 * seconds, peak_kib: (seconds * 1024.0) as u64 }
    }

    #[test]
    fn a_row_for_each_rival() {
        let summary = |seconds: [f64; 3]| Summary::of(&seconds.map(sample));
        let sides =
            vec![("pxkit", summary([3.0, 1.0, 2.0])), ("a", summary([4.0; 3])), ("b", summary([1.0; 3]))];
        let mut pairs = Pairs::new(PathBuf::new(), 3, Some("first"));
        pairs.rows.push(Row { job: "first backup".into(), sides });
        pairs.rows.push(Row { job: "alone".into(), sides: vec![("pxkit", summary([1.0; 3]))] });
        assert!(pairs.wants("the first") && !pairs.wants("restore"));
        let table = pairs.table();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| first backup | 1.000 / 2.000 / 3.000 | a | 4.000 / 4.000 / 4.000 | 0.50 | 4.00 | 8.00 | 3.0 | 4.0 |"
        );
        assert!(rows[1].contains("| b |") && rows[1].contains("| 2.00 |") && rows.len() == 3);
        assert_eq!(rows[2], "| alone | 1.000 / 1.000 / 1.000 | | | | 2.00 | | 1.0 | |");
        assert_eq!(pairs.json()[0]["programs"][1]["program"], "a");
        assert_eq!(pairs.json()[0]["programs"][0]["seconds"][1], 2.0);
    }
}
