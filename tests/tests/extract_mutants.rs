//! Damaged and malicious archives by the thousand through `pxkit extract`, `list` and `dump`, in this process: no panic, an end within seconds,
//! memory within a bound, and nothing outside of the target changes.
//!
//! 1,500 cases, 200,000 with PXKIT_SOAK=1, any number with PXKIT_CASES. A case follows from its number alone; PXKIT_CASE=n runs
//! only that one, and lets the program talk. This file holds a single test, because allocator, standard streams and umask
//! are those of the whole process.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use pxkit::cli::{Dump, Extract, Extracting, LeaveOut, List, OpenArgs, RepositoryArgs, Talk};
use pxkit::cmd;
use pxkit::report::Outcome;
use pxkit_tests::canary::Place;
use pxkit_tests::mutate::{Seed, mutate};
use pxkit_tests::random::Rng;
use pxkit_tests::{cases, golden, odd, traps};
use rustix::stdio::{dup2_stderr, dup2_stdout};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What a command may hold at most: a block for each thread, windows, findings, and so many times the input.
const FIXED: usize = 6 << 20;
const TIMES: usize = 4;

/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn seeds(canary: &[u8]) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let small = ["kinds.mpxar", "names.pxar", "names.mpxar", "attributes.pxar", "attributes.mpxar"];
    for _ in 0..4 {
        seeds.extend(small.iter().map(|file| Seed::new(golden::archive(file))));
    }
    for (_, bytes) in odd::legal() {
        if bytes.len() < 20_000 {
            seeds.push(Seed::new(bytes));
        }
    }
    for split in [false, true] {
        seeds.extend(traps::all(canary, split).into_iter().map(|trap| Seed::new(trap.meta)));
    }
    seeds.push(Seed::new(golden::archive("kinds.pxar")));
    seeds
}

/// Paths of the seeds that can be asked for.
fn paths() -> Vec<String> {
    let lists = ["kinds", "attributes"].map(|name| golden::read(&format!("archives/{name}.list.txt")));
    let text = String::from_utf8(lists.concat()).expect("text");
    let golden = text.lines().map(|line| line.trim_matches('"').to_owned());
    let mut paths: Vec<String> = golden.filter(|path| path.len() > 1 && !path.contains('\\')).collect();
    paths.extend(
        ["/d", "/d/secret", "/f", "/l", "/x", "/dir/file", "/link", "/z", "/a", "/a/a", "/b/a", "/c"]
            .map(str::to_owned),
    );
    paths
}

struct Bench {
    place: Place,
    seeds: Vec<Seed>,
    paths: Vec<String>,
    payloads: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Seen {
    complete: u64,
    incomplete: u64,
    failed: u64,
    /// Entries in the targets.
    made: u64,
    /// The most memory of any run.
    most: usize,
}

impl Bench {
    fn new() -> Self {
        let place = Place::new();
        let canary = place.join("canary");
        let names = ["names", "kinds", "attributes"];
        let mut contents = names.map(|name| golden::archive(&format!("{name}.ppxar"))).to_vec();
        contents.extend(traps::all(b"", true).into_iter().take(3).filter_map(|trap| trap.payload));
        let write = |(n, bytes): (usize, Vec<u8>)| {
            let path = place.join(&format!("{n}.ppxar"));
            fs::write(&path, bytes).expect("a payload file");
            path
        };
        let payloads = contents.into_iter().enumerate().map(write).collect();
        let seeds = seeds(canary.as_os_str().as_bytes());
        Self { place, seeds, paths: paths(), payloads }
    }

    fn options(&self, rng: &mut Rng) -> Extract {
        let mut patterns: Vec<OsString> = Vec::new();
        match rng.below(4) {
            0 => patterns.push("**/*".into()),
            1 => patterns.extend((0..1 + rng.below(4)).map(|_| rng.pick(&self.paths).into())),
            _ => {}
        }
        let overwrite = rng.one_in(2);
        Extract {
            archive: self.place.join("a.pxar"),
            target: self.place.join("target"),
            payload_input: (!rng.one_in(8)).then(|| rng.pick(&self.payloads).clone()),
            patterns,
            repository: RepositoryArgs::default(),
            open: OpenArgs::default(),
            how: Extracting {
                files_from: None,
                format: None,
                allow_existing_dirs: rng.one_in(2),
                overwrite,
                overwrite_files: rng.one_in(3),
                overwrite_symlinks: rng.one_in(3),
                overwrite_hardlinks: rng.one_in(3),
                // A mutant could as well be the disk that this runs on.
                leave_out: LeaveOut { no_device_nodes: true, ..nothing() },
                no_owner: false,
                strict: rng.one_in(8),
                prelude_target: None,
                threads: Some(2),
                talk: Talk { quiet: true, verbose: false, json: false },
            },
        }
    }

    fn case(&self, number: u64, seen: &mut Seen) {
        let mut rng = Rng::new(number);
        let canary = self.place.join("canary");
        let bytes = match rng.below(3) {
            0 => traps::random(&mut rng, canary.as_os_str().as_bytes()),
            _ => mutate(&mut rng, &self.seeds),
        };
        let mut args = self.options(&mut rng);
        fs::write(&args.archive, &bytes).expect("an archive");
        let outcome = if rng.one_in(3) {
            piped(&bytes, |path| {
                args.archive = path;
                bounded(seen, bytes.len(), || cmd::extract::run(&args))
            })
        } else {
            bounded(seen, bytes.len(), || cmd::extract::run(&args))
        };
        if cases::only().is_some() {
            println!("{args:?}: {outcome:?}");
        }
        match &outcome {
            Ok(Outcome::Complete) => seen.complete += 1,
            Ok(Outcome::Incomplete) => seen.incomplete += 1,
            Ok(other) => panic!("an extraction ends {other:?}"),
            Err(error) => {
                seen.failed += 1;
                assert!(!format!("{error:#}").contains("defect"), "{error:#}");
            }
        }
        seen.made += fs::read_dir(&args.target).map_or(0, |entries| entries.count() as u64);
        let mut beside = vec!["target".to_owned(), "a.pxar".to_owned()];
        beside.extend((0..self.payloads.len()).map(|n| format!("{n}.ppxar")));
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        self.place.check(&beside).unwrap_or_else(|error| panic!("{error}"));
        remove(&args.target);

        let (archive, payload_input) = (self.place.join("a.pxar"), args.payload_input.clone());
        let (long, json) = (rng.one_in(2), rng.one_in(2));
        let (patterns, verbose) = (args.patterns.clone(), rng.one_in(2));
        let repository = RepositoryArgs::default();
        let list = List {
            archive,
            patterns,
            payload_input,
            long,
            json: json && !long,
            verbose,
            repository,
            open: OpenArgs::default(),
        };
        // What they say is of no matter here.
        let _ = bounded(seen, bytes.len(), || cmd::list::run(&list));
        let List { archive, payload_input, repository, .. } = list;
        let dump = Dump {
            archive,
            payload_input,
            json,
            findings: rng.one_in(4),
            repository,
            open: OpenArgs::default(),
        };
        let _ = bounded(seen, bytes.len(), || cmd::dump::run(&dump));
    }
}

/// Leaves nothing out.
fn nothing() -> LeaveOut {
    LeaveOut {
        no_xattrs: false,
        no_acls: false,
        no_fcaps: false,
        no_device_nodes: false,
        no_fifos: false,
        no_sockets: false,
    }
}

fn bounded<T>(seen: &mut Seen, input: usize, run: impl FnOnce() -> T) -> T {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let result = run();
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    assert!(peak <= FIXED + TIMES * input, "{peak} bytes of memory for {input} of input");
    seen.most = seen.most.max(peak);
    result
}

/// Runs `body` with the path of a pipe through which `bytes` come.
fn piped<T>(bytes: &[u8], body: impl FnOnce(PathBuf) -> T) -> T {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    thread::scope(|scope| {
        // Who reads may have seen enough before the end.
        scope.spawn(move || _ = writer.write_all(bytes));
        // Dropped in any case, or the writer would wait for ever.
        let reader = reader;
        body(format!("/dev/fd/{}", reader.as_raw_fd()).into())
    })
}

/// Removes a target in which an archive may have set any mode and flag.
fn remove(target: &Path) {
    if target.exists() && fs::remove_dir_all(target).is_err() {
        let script = "chattr -R -f -i -a \"$1\"; chmod -R u+rwx \"$1\"; rm -rf \"$1\"";
        let status = Command::new("sh").args(["-c", script, "sh"]).arg(target).status();
        assert!(status.expect("a shell").success(), "the target cannot be removed");
    }
}

/// Ends the process if a case takes too long: nothing else could stop a thread that hangs.
fn watch(case: &'static AtomicU64, mut talk: File) {
    thread::spawn(move || {
        let mut last = (case.load(Ordering::Relaxed), Instant::now());
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = case.load(Ordering::Relaxed);
            if now == u64::MAX {
                break;
            }
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                let _ = writeln!(talk, "PXKIT_CASE={now} does not end");
                std::process::abort();
            }
        }
    });
}

#[test]
fn damaged_archives_do_no_damage_on_disk() {
    static CASE: AtomicU64 = AtomicU64::new(0);
    let bench = Bench::new();
    let mut seen = Seen::default();
    let (cases, only) = (cases::count(1500, 200_000), cases::only());
    let start = Instant::now();
    let stdout = own(std::io::stdout());
    let stderr = own(std::io::stderr());
    watch(&CASE, stderr.try_clone().expect("a descriptor"));
    if only.is_none() {
        let null = OpenOptions::new().write(true).open("/dev/null").expect("/dev/null");
        dup2_stdout(&null).expect("a descriptor");
        dup2_stderr(&null).expect("a descriptor");
    }
    let mut failed = None;
    for number in only.map_or(0..cases, |only| only..only + 1) {
        CASE.store(number, Ordering::Relaxed);
        if catch_unwind(AssertUnwindSafe(|| bench.case(number, &mut seen))).is_err() {
            failed = Some(number);
            break;
        }
    }
    CASE.store(u64::MAX, Ordering::Relaxed);
    dup2_stdout(&stdout).expect("a descriptor");
    dup2_stderr(&stderr).expect("a descriptor");
    remove(&bench.place.join("target"));
    assert_eq!(failed, None, "PXKIT_CASE with this number failed");
    println!("{cases} cases in {:.1?}: {seen:?}", start.elapsed());
    if only.is_none() && cases >= 1000 {
        // The damage is neither so small that everything passes, nor so great that nothing gets far.
        let share = |n: u64| n * 100 / cases;
        assert!(
            share(seen.complete) > 0 && share(seen.incomplete) > 10 && share(seen.failed) > 10,
            "{seen:?}"
        );
        assert!(seen.made > cases, "{seen:?}");
    }
}

/// A descriptor of its own for a standard stream.
fn own(stream: impl AsFd) -> File {
    File::from(stream.as_fd().try_clone_to_owned().expect("a descriptor"))
}
