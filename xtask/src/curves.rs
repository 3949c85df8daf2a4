//! `cargo xtask curves` measures reuse over padding budgets and sizes of chunks; `cargo xtask plots` draws what was measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    args::Args,
    demo, paths, sets, shell,
    svg::{Chart, Line},
};

/// Percent.
const BUDGETS: [u64; 5] = [1, 2, 5, 10, 20];
/// KiB, averages of cuts by hash. Where files start, chunks are cut from a quarter of it on, but from 256 KiB at most.
const SIZES: [u64; 5] = [256, 512, 1024, 2048, 4096];
/// Percent, of the curve over sizes.
const BUDGETS_OF_SIZES: [u64; 2] = [5, 10];
const MIB: f64 = 1048576.0;

/// One run of the benchmark: a point of a curve.
struct Point {
    /// The curve, and the line in it.
    curve: &'static str,
    line: String,
    x: u64,
    options: Vec<String>,
    /// Not every run measures it.
    is_optional: bool,
}

fn points() -> Vec<Point> {
    let budgets = [false, true].into_iter().flat_map(|is_append| {
        BUDGETS.map(|budget| {
            let line = if is_append { "append order" } else { "name order" };
            let mut options = vec![format!("--padding-budget={budget}")];
            options.extend(is_append.then(|| "--order=append".to_owned()));
            Point { curve: "budget", line: line.to_owned(), x: budget, options, is_optional: is_append }
        })
    });
    let sizes = BUDGETS_OF_SIZES.iter().flat_map(|budget| {
        SIZES.map(|size| Point {
            curve: "size",
            line: format!("budget {budget} %"),
            x: size,
            options: vec![format!("--padding-budget={budget}"), format!("--chunk-size={size}")],
            is_optional: false,
        })
    });
    budgets.chain(sizes).collect()
}

impl Point {
    fn file(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}-{}-{}.json", self.curve, self.line.replace([' ', '%'], ""), self.x))
    }
}

/// Measures what is not there yet.
pub fn run(mut args: Args) -> Result<()> {
    let set = args.path("--set")?;
    let runs = args.number("--runs", 1usize)?.max(1);
    let append = args.flag("--append");
    let restore = args.flag("--restore");
    let dir = args.path("--results")?.map_or_else(results, Ok)?;
    args.finish()?;
    let pxkit = demo::release_build()?;
    let set = match set {
        Some(set) => set,
        None => sets::linux(&pxkit, None)?,
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for point in points().iter().filter(|point| append || !point.is_optional) {
        let file = point.file(&dir);
        if file.exists() {
            continue;
        }
        let mut command = Command::new(&pxkit);
        command.args(["bench", "run", "--json", "--modes", "metadata"]).args(&point.options);
        command.args(restore.then_some("--restore"));
        command.arg(format!("--runs={runs}")).arg(&set);
        println!("$ {}", shell::shown(&command));
        let result = shell::output(&mut command)?;
        if !result.status.success() {
            bail!(
                "{} failed\n{}",
                shell::shown(&command),
                String::from_utf8_lossy(&result.stderr).trim_end()
            );
        }
        fs::write(&file, &result.stdout).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("The figures are in {}; `cargo xtask plots` draws them.", dir.display());
    Ok(())
}

/// Draws all curves.
pub fn plot(mut args: Args) -> Result<()> {
    let dir = args.path("--results")?.map_or_else(results, Ok)?;
    let images = args.path("--output")?.unwrap_or_else(|| paths::root().join("docs/src/img"));
    args.finish()?;
    let mut measured = Vec::new();
    for point in points() {
        let file = point.file(&dir);
        if point.is_optional && !file.exists() {
            continue;
        }
        let text = fs::read(&file)
            .with_context(|| format!("cannot read {}; `cargo xtask curves` measures", file.display()))?;
        let value: Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let figures = Figures::of(&value).with_context(|| format!("{} lacks figures", file.display()))?;
        measured.push((point, figures));
    }
    for (curve, x_label) in
        [("budget", "padding budget, % of contents"), ("size", "average size of chunks, KiB")]
    {
        for (figure, title, y_label, value) in FIGURES {
            let mut lines: Vec<Line> = Vec::new();
            for (point, figures) in measured.iter().filter(|(point, _)| point.curve == curve) {
                let Some(value) = value(figures) else { continue };
                let at = (point.x as f64, value);
                match lines.iter_mut().find(|line| line.name == point.line) {
                    Some(line) => line.points.push(at),
                    None => lines.push(Line { name: point.line.clone(), points: vec![at] }),
                }
            }
            if lines.is_empty() {
                continue;
            }
            let chart = Chart { title, x_label, y_label, x_is_logarithmic: true, lines };
            let file = images.join(format!("curve-{curve}-{figure}.svg"));
            fs::write(&file, chart.svg()).with_context(|| format!("cannot write {}", file.display()))?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

/// Of a run over all updates of a set.
#[derive(Debug, PartialEq)]
struct Figures {
    /// Bytes of unchanged files that were read, all updates.
    read_again: f64,
    /// Bytes stored, all updates.
    stored: f64,
    /// Of the last generation.
    chunks: f64,
    /// Not every run measures it.
    restore_seconds: Option<f64>,
}

/// The pictures of each curve: name, title, axis, value.
type Figure = (&'static str, &'static str, &'static str, fn(&Figures) -> Option<f64>);
const FIGURES: [Figure; 4] = [
    ("read", "Unchanged contents read again, sum of the updates", "MiB", |figures| {
        Some(figures.read_again / MIB)
    }),
    ("stored", "New data as stored, sum of the updates", "MiB", |figures| Some(figures.stored / MIB)),
    ("chunks", "Chunks of the contents of the last generation", "chunks", |figures| Some(figures.chunks)),
    ("restore", "Restore of the last generation", "seconds", |figures| figures.restore_seconds),
];

impl Figures {
    fn of(value: &Value) -> Option<Self> {
        let mode = &value["modes"]["metadata"];
        let backups = mode["backups"].as_array()?;
        let sum = |key: &str| backups.iter().skip(1).map(|backup| backup[key].as_f64()).sum::<Option<f64>>();
        Some(Figures {
            read_again: sum("bytes_read_again")?,
            stored: sum("bytes_new_compressed")?,
            chunks: backups.last()?["chunks"].as_f64()?,
            restore_seconds: mode["restore_seconds"].as_f64(),
        })
    }
}

/// Figures are kept in the checkout: pictures can be drawn again without measuring.
fn results() -> Result<PathBuf> {
    Ok(paths::root().join("docs/figures"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_sums_of_the_updates() {
        let backup = |bytes: u64| serde_json::json!({ "bytes_read_again": bytes, "bytes_new_compressed": 2 * bytes, "chunks": bytes });
        let mut value = serde_json::json!({ "modes": { "metadata": {
            "backups": [backup(100), backup(10), backup(5)], "restore_seconds": 1.5 } } });
        let expected = Figures { read_again: 15.0, stored: 30.0, chunks: 5.0, restore_seconds: Some(1.5) };
        assert_eq!(Figures::of(&value), Some(expected));
        value["modes"]["metadata"]["backups"][2]["chunks"] = Value::Null;
        assert_eq!(Figures::of(&value), None);
    }

    #[test]
    fn points_have_files_of_their_own() {
        let points = points();
        let mut files: Vec<_> = points.iter().map(|point| point.file(Path::new(""))).collect();
        assert!(files.contains(&PathBuf::from("budget-appendorder-20.json")), "{files:?}");
        files.sort();
        files.dedup();
        assert_eq!(files.len(), points.len());
        assert_eq!(points.len(), 20);
    }
}
