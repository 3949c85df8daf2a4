//! The real program: where its binary is, and what a run of it did.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::tree::{Node, Visit};
use crate::{back, observe};

/// A run that should end soon and does not, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The program: what `PXKIT_BIN` names, else built by cargo in the profile and target directory of this test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("PXKIT_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    // `TARGET/PROFILE/deps/test-0123`
    let test = env::current_exe().expect("the path of this test");
    let profile_dir = test.ancestors().nth(2).expect("the directory of a profile");
    let target = profile_dir.parent().expect("the target directory");
    let profile = match profile_dir.file_name().and_then(OsStr::to_str).expect("a name") {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "pxkit", "--profile", profile, "--target-dir"]).arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "cargo could not build pxkit");
    profile_dir.join("pxkit")
}

/// A run of the program, with nothing from this process's environment that changes what it says.
pub fn command() -> Command {
    clean(Command::new(binary()))
}

/// A run of the program through a shell: `script` finds it as `$PXKIT`, and `args` as `$1` and so on.
pub fn shell(script: &str, args: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = clean(Command::new("bash"));
    command.env("PXKIT", binary()).args(["-c", script, "bash"]).args(args);
    command
}

fn clean(mut command: Command) -> Command {
    command.env("TZ", "UTC").env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.stdin(Stdio::null());
    // Whoever runs the tests may have a key of his own.
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("PBS_ENCRYPTION_PASSWORD")
        .env_remove("ALL_PROXY");
    // State files go beside the program. Those of one test are no use to another: their stores have other paths.
    command.env("XDG_CACHE_HOME", binary().with_file_name("cache-of-tests"));
    command
}

/// What a run did.
#[derive(Debug)]
pub struct Run {
    /// Its exit status; `None` if a signal killed it.
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        command.output().expect("the program runs").into()
    }

    /// Runs a command with `input` on its standard input, which is a pipe.
    pub fn with_input(mut command: Command, input: &[u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        thread::scope(|scope| {
            // The program may end before it has read everything.
            scope.spawn(move || _ = stdin.write_all(input));
            child.wait_with_output().expect("the program ends").into()
        })
    }

    /// Its standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text")
    }

    /// Each line of its standard output as JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.text().lines().map(parse).collect()
    }

    /// The run ended with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard error:\n{}", self.err);
        self
    }

    /// The run ended well and said nothing on standard error.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!((self.code, &*self.err), (Some(0), ""));
        self
    }

    /// The run ended with `code` and says all of `words` on standard error.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "expected {word:?} in:\n{}", self.err);
        }
        self.exits(code)
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), out: output.stdout, err }
    }
}

/// Runs `pxkit` with these arguments to its end.
#[macro_export]
macro_rules! pxkit {
    ($($argument:expr),* $(,)?) => {{
        let mut command = $crate::cli::command();
        $(command.arg($argument);)*
        $crate::cli::Run::of(command)
    }};
}

/// Waits for something that another process does.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that was started here.
pub fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is there");
}

/// Ends a process and returns its exit status, or kills it if it takes too long.
#[track_caller]
pub fn wait(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("a child");
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The tree that a unified archive holds, as core decodes it.
pub fn read(archive: &Path) -> Node {
    let bytes = fs::read(archive).expect("an archive");
    back::tree(&bytes, None, &mut observe::one_window()).expect("a good archive").0
}

/// The tree that a split archive holds.
pub fn read_split(meta: &Path, payload: &Path) -> Node {
    let (meta, payload) = (fs::read(meta).expect("an archive"), fs::read(payload).expect("a payload file"));
    back::tree(&meta, Some(&payload), &mut observe::one_window()).expect("a good archive").0
}

/// The paths of a tree in the order of an archive, without the root.
pub fn paths(root: &Node) -> Vec<String> {
    let mut paths = Vec::new();
    root.walk(&mut |path, visit| {
        if matches!(visit, Visit::Node(_)) && !path.is_empty() {
            paths.push(path.escape_ascii().to_string());
        }
    });
    paths
}

/// The contents of a file in a tree.
#[track_caller]
pub fn contents(root: &mut Node, path: &str) -> Vec<u8> {
    match &root.at_mut(path.as_bytes()).unwrap_or_else(|| panic!("no {path}")).kind {
        crate::tree::Kind::File(contents) => contents.bytes().into_owned(),
        other => panic!("{path} is no file but {other:?}"),
    }
}
