//! How fast a first backup goes to a server, beside the same into a datastore on this machine:
//! `cargo run --release -p pxkit-tests --example throughput -- [--tree DIR] [--mib N] [--rounds N] [--latencies MS,MS] [--in DIR] [--encrypted]`.
//!
//! The server is that of the tests in a process of its own, takes chunks over TLS and keeps none. It gets the last quarter of the
//! processors (at least one), the client the others, with a server as without. Each round makes all measurements once, one after the
//! other, so that what else the machine does meets all of them; medians are printed. Files are read once before, so that no disk counts
//! but the one that the local datastore is on. With `--encrypted` each of them is made with a key, too.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use pxkit_tests::cli;

struct Arguments {
    tree: Option<PathBuf>,
    mib: u64,
    rounds: usize,
    latencies: Vec<u64>,
    place: PathBuf,
    encrypted: bool,
}

/// What is measured: into a local datastore, or to a server at this latency; with a key or without.
#[derive(Clone, Copy)]
struct Case {
    latency: Option<u64>,
    encrypted: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = arguments();
    let processors = thread::available_parallelism()?.get();
    let ours = (processors - (processors / 4).max(1)).max(1);
    let client = format!("0-{}", ours - 1);
    let server = format!("{}-{}", ours.min(processors - 1), processors - 1);
    let temp = tempfile::tempdir_in(&arguments.place)?;
    let tree = match &arguments.tree {
        Some(tree) => tree.clone(),
        None => make(&temp.path().join("tree"), arguments.mib)?,
    };
    let (files, bytes) = read(&tree)?;
    println!("{files} files, {bytes} bytes; client on processors {client}, server on {server}");
    let places = || std::iter::once(None).chain(arguments.latencies.iter().copied().map(Some));
    let mut cases: Vec<Case> = places().map(|latency| Case { latency, encrypted: false }).collect();
    if arguments.encrypted {
        cases.extend(places().map(|latency| Case { latency, encrypted: true }));
    }
    let key = temp.path().join("key.json");
    let made = Command::new(cli::binary()).args(["key", "create", "--kdf", "none"]).arg(&key).output()?;
    anyhow::ensure!(made.status.success(), "no key can be made");
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for round in 0..arguments.rounds {
        for (case, times) in cases.iter().zip(&mut times) {
            let key = case.encrypted.then_some(&*key);
            let took = match case.latency {
                None => {
                    let store = temp.path().join("store");
                    fs::create_dir_all(store.join(".chunks"))?;
                    let environment = [("PBS_REPOSITORY".to_owned(), store.display().to_string())];
                    let took = backup(&tree, &client, &environment, key)?;
                    fs::remove_dir_all(&store)?;
                    took
                }
                Some(latency) => {
                    let running = Running::start(latency, &server, temp.path())?;
                    backup(&tree, &client, &running.environment, key)?
                }
            };
            times.push(took);
            eprintln!("round {round}: {}: {took:.2?}", name(*case));
        }
    }
    println!("| into | seconds | MB/s | of local |\n|---|--:|--:|--:|");
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for (case, seconds) in cases.iter().zip(&medians) {
        let (rate, share) = (bytes as f64 / seconds / 1e6, 100.0 * medians[0] / seconds);
        println!("| {} | {seconds:.2} | {rate:.0} | {share:.0} % |", name(*case));
    }
    Ok(())
}

fn arguments() -> Arguments {
    let mut out = Arguments {
        tree: None,
        mib: 2048,
        rounds: 3,
        latencies: vec![0, 1, 50, 200],
        place: env::temp_dir(),
        encrypted: false,
    };
    let mut all = env::args().skip(1);
    while let Some(argument) = all.next() {
        if argument == "--encrypted" {
            out.encrypted = true;
            continue;
        }
        let value = all.next().unwrap_or_else(|| panic!("{argument} takes a value"));
        let number = |text: &str| text.parse::<u64>().expect("a number");
        match &*argument {
            "--tree" => out.tree = Some(value.into()),
            "--mib" => out.mib = number(&value),
            "--rounds" => out.rounds = usize::try_from(number(&value)).expect("a number"),
            "--latencies" => out.latencies = value.split(',').map(number).collect(),
            "--in" => out.place = value.into(),
            _ => panic!("no such option: {argument}"),
        }
    }
    out
}

fn name(Case { latency, encrypted }: Case) -> String {
    let place =
        latency.map_or_else(|| "a local datastore".to_owned(), |latency| format!("a server at {latency} ms"));
    if encrypted { format!("{place}, encrypted") } else { place }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// A tree as home directories are: many small files, most bytes in few large ones; a third of the bytes cannot be compressed.
fn make(tree: &Path, mib: u64) -> anyhow::Result<PathBuf> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut left = mib << 20;
    let mut number = 0;
    while left > 0 {
        let size = if number % 20 == 0 { 4 << 20 } else { 1 + random() % (64 << 10) }.min(left);
        let is_dense = number % 3 == 0;
        let mut bytes = Vec::with_capacity(usize::try_from(size)? + 8);
        while (bytes.len() as u64) < size {
            let word = if is_dense { random() } else { random() & 0x0f0f_0f0f_0303_0707 };
            bytes.extend(word.to_le_bytes());
        }
        bytes.truncate(usize::try_from(size)?);
        let directory = tree.join(format!("{:03}", number / 200));
        if number % 200 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("{number:06}")), bytes)?;
        left -= size;
        number += 1;
    }
    Ok(tree.to_owned())
}

/// Reads all files; returns how many, and their bytes.
fn read(directory: &Path) -> anyhow::Result<(u64, u64)> {
    let mut totals = (0, 0);
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let (files, bytes) = read(&entry.path())?;
            totals = (totals.0 + files, totals.1 + bytes);
        } else if kind.is_file() {
            totals = (totals.0 + 1, totals.1 + fs::read(entry.path())?.len() as u64);
        }
    }
    Ok(totals)
}

/// How long a first backup takes.
fn backup(
    tree: &Path,
    processors: &str,
    environment: &[(String, String)],
    key: Option<&Path>,
) -> anyhow::Result<Duration> {
    let mut command = Command::new("taskset");
    command.args(["-c", processors]).arg(cli::binary()).args(["backup", "--quiet", "--backup-id", "bench"]);
    command.arg(format!("root.pxar:{}", tree.display()));
    if let Some(key) = key {
        command.arg("--keyfile").arg(key);
    }
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("XDG_CONFIG_HOME", "/nonexistent");
    let start = Instant::now();
    let status = command.status()?;
    anyhow::ensure!(status.success(), "pxkit failed: {status}");
    Ok(start.elapsed())
}

/// The server in a process of its own; killed when it is dropped.
struct Running {
    child: Child,
    environment: Vec<(String, String)>,
    _output: BufReader<ChildStdout>,
}

impl Running {
    fn start(latency: u64, processors: &str, temp: &Path) -> anyhow::Result<Self> {
        // `TARGET/PROFILE/examples/throughput`
        let program = env::current_exe()?.with_file_name("pbs");
        anyhow::ensure!(
            program.exists(),
            "build the server first: cargo build --release -p pxkit-tests --examples"
        );
        let store = temp.join("server");
        let _ = fs::remove_dir_all(&store);
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).arg(program).args(["--null", "--latency", &latency.to_string()]);
        command.arg("--dir").arg(&store).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut environment = Vec::new();
        for line in output.by_ref().lines().take(3) {
            let line = line?;
            let (name, value) = line.split_once('=').expect("a variable");
            environment.push((name.to_owned(), value.to_owned()));
        }
        // It says more, and would end if nobody could hear it.
        Ok(Self { child, environment, _output: output })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
