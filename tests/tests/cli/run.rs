//! `pxkit run`: what the configuration may say, what a run does, says and leaves behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pxkit;
use pxkit_tests::skip::skip;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde_json::Value;

/// A tree, a place for a datastore and reports, and a configuration of it.
struct Place {
    dir: Scratch,
}

impl Place {
    fn new() -> Self {
        let dir = Scratch::new();
        fs::create_dir_all(dir.join("tree/sub")).unwrap();
        fs::write(dir.join("tree/sub/file"), "contents").unwrap();
        Self { dir }
    }

    /// With a datastore that is empty.
    fn with_store() -> Self {
        let place = Self::new();
        pxkit!["init", "--repository", place.path("store")].succeeds();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the configuration; `@` stands for the directory of it all.
    fn configure(&self, jobs: &str) {
        let text = format!("[repository.here]\nlocation = \"@/store\"\n{jobs}");
        fs::write(self.path("config.toml"), text.replace('@', self.dir.path().to_str().unwrap())).unwrap();
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = cli::command();
        command.args(["run", "--config"]).arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state")).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args))
    }

    fn report(&self, job: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path("state").join(format!("{job}.json"))).unwrap()).unwrap()
    }

    fn snapshots(&self) -> Vec<String> {
        let all = pxkit!["snapshots", "--json", "--repository", self.path("store")].succeeds().json();
        all.iter().map(|snapshot| snapshot["snapshot"].as_str().unwrap().to_owned()).collect()
    }
}

const JOB: &str =
    "[job.daily]\nrepository = \"here\"\nsources = [\"root.pxar:@/tree\"]\nbackup-id = \"web\"\n";

#[test]
fn a_job_backs_up_prunes_and_reports_without_a_word() {
    let place = Place::new();
    place.configure(&format!("{JOB}exclude = [\"*.tmp\"]\nchunk-size = 64\nkeep = {{ last = 1 }}\n"));
    fs::write(place.path("tree/a.tmp"), "left out").unwrap();
    pxkit![
        "backup",
        format!("root.pxar:{}", place.path("tree").display()),
        "--repository",
        place.path("store"),
        "--backup-id=web",
        "--backup-time=1000",
        "-q"
    ]
    .exits(0);
    let run = place.run(&[]).succeeds();
    assert_eq!(run.text(), "");
    let report = place.report("daily");
    assert_eq!((&report["job"], &report["result"]), (&"daily".into(), &"ok".into()), "{report}");
    let snapshot = report["backup"]["result"]["snapshot"].as_str().unwrap();
    assert_eq!(place.snapshots(), [snapshot]);
    let pruned = report["prune"]["result"].as_array().unwrap();
    let removed = |line: &&Value| line["removed"] == true;
    assert_eq!(pruned.iter().filter(removed).count(), 1, "{report}");
    let listed = pxkit!["list", format!("{snapshot}/root.pxar"), "--repository", place.path("store")];
    assert!(listed.text().contains("sub/file") && !listed.text().contains("a.tmp"), "{}", listed.text());
}

#[test]
fn the_report_is_printed_when_asked_for() {
    let place = Place::with_store();
    place.configure(JOB);
    let run = place.run(&["daily", "--json"]).succeeds();
    assert_eq!(run.json(), [place.report("daily")]);
    assert!(run.json()[0].get("prune").is_none(), "there were no rules");
}

#[test]
fn a_job_that_fails_is_one_line_and_the_others_run() {
    let place = Place::with_store();
    let broken = JOB.replace("daily", "broken").replace("@/tree", "@/tree/sub/file");
    place.configure(&format!("{broken}keep = {{ last = 1 }}\n{JOB}"));
    let run =
        place.run(&[]).fails(2, &["error: broken: backup failed: cannot open the directory", "sub/file"]);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert_eq!(place.report("daily")["result"], "ok");
    let report = place.report("broken");
    assert_eq!(report["result"], "failed");
    assert!(report["error"].as_str().unwrap().contains("sub/file"), "{report}");
    assert!(report.get("prune").is_none(), "nothing is removed after a backup that failed");
    let run = place.run(&["broken", "--verbose"]).exits(2);
    assert!(run.err.starts_with("error: cannot open the directory"), "{}", run.err);
    place.run(&["weekly"]).fails(2, &["there is no [job.weekly], but: broken, daily"]);
    place.run(&["daily", "daily"]).fails(64, &["named twice"]);
}

#[test]
fn what_was_left_out_is_one_line() {
    let place = Place::new();
    place.configure(&format!("{JOB}keep = {{ last = 1 }}\n"));
    for time in ["1000", "2000"] {
        let source = format!("root.pxar:{}", place.path("tree").display());
        pxkit![
            "backup",
            source,
            "--repository",
            place.path("store"),
            "--backup-id=web",
            "--backup-time",
            time,
            "-q"
        ]
        .exits(0);
    }
    // Somebody reads one of the snapshots that are to go.
    let lock = snapshot_lock(&place.path("store"), "1970-01-01T00:16:40Z");
    flock(&lock, FlockOperation::NonBlockingLockShared).unwrap();
    let run = place.run(&[]).fails(1, &["warning: daily: prune: host/web/1970-01-01T00:16:40Z stays: "]);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert_eq!(place.report("daily")["result"], "incomplete");
    assert_eq!(place.snapshots().len(), 2);
}

/// The lock file of a snapshot, which is there since it was made.
fn snapshot_lock(store: &Path, time: &str) -> File {
    let time = time.replace('-', "\\x2d").replace(':', "\\x3a");
    let mut stack = vec![store.join(".pxkit-locks")];
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                stack.push(entry.path());
            } else if entry.file_name().to_str().unwrap().ends_with(&time) {
                return File::options().read(true).write(true).open(entry.path()).unwrap();
            }
        }
    }
    panic!("no lock of {time}");
}

#[test]
fn a_datastore_that_is_not_there_is_not_made() {
    let place = Place::new();
    // Where a disk is to be mounted, and is not.
    let away = "[repository.disk]\nlocation = \"@/mnt/store\"\n[job.away]\nrepository = \"disk\"\n\
                sources = [\"root.pxar:@/tree\"]\n";
    place.configure(&format!("{away}{JOB}"));
    pxkit!["init", "--repository", place.path("store")].succeeds();
    let words = ["error: away: ", "is its disk mounted?", "`pxkit init --repository ", "mnt/store"];
    place.run(&["-n"]).fails(2, &words);
    let run = place.run(&[]).fails(2, &words);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(!place.path("mnt").exists());
    assert_eq!(place.report("away")["result"], "failed");
    assert_eq!(place.report("daily")["result"], "ok");
    // The directory that it would be mounted on.
    fs::create_dir_all(place.path("mnt/store")).unwrap();
    place.run(&["away"]).fails(2, &["is its disk mounted?", "no datastore"]);
    assert_eq!(fs::read_dir(place.path("mnt/store")).unwrap().count(), 0);
}

#[test]
fn a_rehearsal_finds_what_is_not_there() {
    let place = Place::with_store();
    for (job, word) in [
        (JOB.replace("@/tree", "@/nowhere"), "nowhere"),
        (format!("{JOB}keyfile = \"@/no.key\"\n"), "no.key"),
    ] {
        place.configure(&job);
        let run = place.run(&["-n"]).fails(2, &["error: daily: cannot find ", word]);
        assert!(run.text().contains("pxkit backup"), "{}", run.text());
    }
}

#[test]
fn all_that_the_commands_say_is_shown_when_asked_for() {
    let place = Place::with_store();
    place.configure(&format!("{JOB}keep = {{ last = 1 }}\n"));
    let run = place.run(&["--verbose"]).exits(0);
    for words in ["Starting backup: host/web/", "sub/file", "root.ppxar: had to backup", "Duration: ", "keep"]
    {
        assert!(run.err.contains(words), "{words:?}:\n{}", run.err);
    }
    assert_eq!(run.text(), "");
    let report = place.report("daily");
    assert_eq!((&report["result"], &report["backup"]["warnings"]), (&"ok".into(), &Value::Array(vec![])));
}

#[test]
fn a_job_does_not_run_twice_at_a_time() {
    let place = Place::with_store();
    place.configure(JOB);
    fs::create_dir(place.path("state")).unwrap();
    let lock = File::create(place.path("state/daily.lock")).unwrap();
    fs::write(place.path("state/daily.lock"), "4711\n").unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    place.run(&[]).fails(2, &["daily: the job daily is running already (process 4711)"]);
    // Whoever has the lock since a moment has not said yet who he is.
    fs::write(place.path("state/daily.lock"), "").unwrap();
    let run = place.run(&[]).fails(2, &["daily: the job daily is running already"]);
    assert!(!run.err.contains("process"), "{}", run.err);
    assert!(place.snapshots().is_empty());
    drop(lock);
    place.run(&[]).succeeds();
}

#[test]
fn a_signal_ends_the_step_and_leaves_no_snapshot() {
    let place = Place::with_store();
    // Opening a pipe that nobody writes to takes for ever.
    place.configure(&JOB.replace("\"root.pxar:@/tree\"", "\"root.pxar:@/tree\", \"a.conf:@/pipe\""));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::create_dir(place.path("state")).unwrap();
    fs::write(place.path("state/daily.json"), r#"{"result":"ok"}"#).unwrap();
    let mut command = place.command(&["--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let parent = child.id().to_string();
    cli::wait_until("a child", || !children(&parent).is_empty());
    cli::send(&child, Signal::TERM);
    let run = Run::from(child.wait_with_output().unwrap()).exits(143);
    assert!(children(&parent).is_empty() && place.snapshots().is_empty());
    // The report is not that of the run before.
    let report = place.report("daily");
    assert_eq!((&report["result"], &report["error"]), (&"interrupted".into(), &"ended by SIGTERM".into()));
    assert_eq!(report["backup"]["status"], 143, "{report}");
    assert_eq!(run.json(), [report]);
}

fn children(parent: &str) -> Vec<String> {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    read(format!("/proc/{parent}/task/{parent}/children")).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_rehearsal_shows_the_commands() {
    let place = Place::with_store();
    place.configure(&format!(
        "password-file = \"/etc/pxkit/my token\"\n{JOB}trust-mtime-size = true\nkeep = {{ daily = 7 }}\n"
    ));
    let run = place.run(&["-n"]).succeeds();
    let dir = place.dir.path().display();
    let expected = format!(
        "# daily\nexport PBS_PASSWORD_FILE='/etc/pxkit/my token'\npxkit backup --repository={dir}/store \
        --backup-id=web --trust-mtime-size -- root.pxar:{dir}/tree\npxkit prune --repository={dir}/store \
        --keep-daily=7 host/web\n"
    );
    assert_eq!(run.text(), expected);
    assert!(!place.path("state").exists() && place.snapshots().is_empty());
}

#[test]
fn a_limit_of_processor_time_is_handed_on() {
    let place = Place::with_store();
    place.configure(&format!("{JOB}limit-cpu = \"150%\"\nkeep = {{ last = 1 }}\n"));
    let shown = |args: &[&str]| place.run(&[&["-n"], args].concat()).succeeds().text().to_owned();
    let times = |text: &str, part: &str| text.matches(part).count();
    // To the backup, and to what removes old ones.
    assert_eq!(times(&shown(&[]), " --limit-cpu='150%' "), 2, "{}", shown(&[]));
    // That of the command line goes first.
    let run = shown(&["--limit-cpu", "25%"]);
    assert!(times(&run, " --limit-cpu=0.25 ") == 2 && !run.contains("150"), "{run}");
    place.configure(&format!("{JOB}limit-cpu = 2\nkeep = {{ last = 1 }}\n"));
    place.run(&["--limit-cpu", "0.9"]).succeeds();
    assert_eq!(place.report("daily")["result"], "ok");
    place.run(&["--limit-cpu", "0"]).fails(64, &["at least 1%"]);
    place.configure(&format!("{JOB}limit-cpu = \"much\"\n"));
    place.run(&[]).fails(2, &["[job.daily]", "limit-cpu", "percent"]);
}

#[test]
fn mistakes_in_the_configuration_are_told_at_once() {
    let place = Place::new();
    for (text, words) in [
        ("[job", &["line 3"][..]),
        ("[jobs.x]\n", &["unknown key jobs"]),
        ("[job]\nx = 1\n", &["job.x is not a table: write [job.x]"]),
        ("[job.\"a b\"]\n", &["the name of a job", "a b"]),
        (
            "[job.a]\nrepository = \"there\"\nsources = [\"r.pxar:/\"]\n",
            &["[job.a]", "no [repository.there], but: here"],
        ),
        ("[job.a]\nrepository = \"here\"\n", &["[job.a]", "sources is a list"]),
        ("[job.a]\nrepository = \"here\"\nsources = []\n", &["[job.a]", "sources is a list"]),
        ("[job.a]\nrepository = \"here\"\nsources = [\"r.zip:/\"]\n", &["[job.a]", "NAME.pxar:DIRECTORY"]),
        (&format!("{JOB}colour = \"red\"\n"), &["[job.daily]", "unknown key colour", "pxkit backup"]),
        (&format!("{JOB}chunk-size = 100\n"), &["[job.daily]", "chunk-size", "64, 128"]),
        (&format!("{JOB}chunk-size = true\n"), &["chunk-size takes a value"]),
        (&format!("{JOB}chunk-size = [64]\n"), &["chunk-size takes one value"]),
        (&format!("{JOB}trust-mtime-size = 1\n"), &["trust-mtime-size is true or false"]),
        (&format!("{JOB}dry-run = true\n"), &["dry-run cannot be set"]),
        (&format!("{JOB}keep = 3\n"), &["keep is a table"]),
        (&format!("{JOB}keep = {{}}\n"), &["no rule"]),
        (&format!("{JOB}keep = {{ often = 3 }}\n"), &["unknown rule often"]),
        (&format!("{JOB}keep = {{ last = 0 }}\n"), &["--keep-last", "0"]),
        (&format!("{JOB}nice = 20\n"), &["nice is a number from 0 to 19"]),
        (&format!("password = \"secret\"\n{JOB}"), &["[repository.here]", "password-file"]),
        (&format!("password-file = \"/a\"\npassword-command = \"b\"\n{JOB}"), &["either password-file or"]),
        (&format!("keep = 1\n{JOB}"), &["[repository.here]", "unknown key keep"]),
    ] {
        place.configure(text);
        let run = place.run(&[]).fails(2, words);
        assert!(run.err.contains("config.toml") && !run.err.contains("secret"), "{}", run.err);
    }
    place.configure("");
    place.run(&[]).fails(2, &["there is no [job.NAME]"]);
    fs::remove_file(place.path("config.toml")).unwrap();
    place.run(&[]).fails(2, &["cannot read the configuration"]);
    let mut command = cli::command();
    command.arg("run").env("XDG_CONFIG_HOME", place.path("none"));
    Run::of(command)
        .fails(2, &["there is no configuration: write", "none/pxkit/config.toml or /etc/pxkit/config.toml"]);
    assert!(!place.path("store").exists());
}

#[test]
fn systemd_takes_the_units() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return skip("systemd_takes_the_units", "needs systemd-analyze");
    }
    let (place, units) = (Scratch::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/systemd"));
    for (unit, instance) in [("pxkit@.service", "pxkit@daily.service"), ("pxkit@.timer", "pxkit@daily.timer")]
    {
        let text = fs::read_to_string(units.join(unit)).unwrap();
        // The program must be where the unit says.
        let text = text.replace("/usr/bin/pxkit", cli::binary().to_str().unwrap());
        fs::write(place.join(unit), text).unwrap();
        let mut command = std::process::Command::new("systemd-analyze");
        command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(place.join(instance));
        let output =
            command.env("SYSTEMD_UNIT_PATH", format!("{}:", place.path().display())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("pxkit")).collect();
        assert!(output.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn the_example_is_a_configuration() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/config.toml");
    let place = Place::with_store();
    let text = fs::read_to_string(example).unwrap();
    assert!(text.contains("\"/srv/backup\""));
    let text = text.replace("/srv/backup", place.path("store").to_str().unwrap());
    fs::write(place.path("config.toml"), text).unwrap();
    let run = place.run(&["--dry-run"]).succeeds();
    assert!(run.text().contains("--keep-last=3 --keep-daily=7 --keep-weekly=4"), "{}", run.text());
}

#[test]
fn the_passphrase_of_the_configuration_counts() {
    let place = Place::with_store();
    let key = place.path("key.json");
    let mut command = cli::command();
    command.args(["key", "create"]).arg(&key).env("PBS_ENCRYPTION_PASSWORD", "that of the file");
    Run::of(command).exits(0);
    fs::write(place.path("passphrase"), "that of the file\n").unwrap();
    place.configure(&format!("{JOB}keyfile = \"@/key.json\"\nencryption-password-file = \"@/passphrase\"\n"));
    let mut command = place.command(&[]);
    command.env("PBS_ENCRYPTION_PASSWORD", "another one");
    Run::of(command).succeeds();
    assert_eq!(place.report("daily")["result"], "ok");
}
