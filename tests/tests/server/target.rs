//! The server that a test talks to: that of the tests, or a real one; and runs of pxkit with it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pbs::access::User;
use pxkit_tests::pbs::{Options, Server};
use pxkit_tests::skip::skip;

/// Name a real server to run against: all tests that do not need this one to misbehave.
const REPOSITORY: &str = "PXKIT_TEST_REPOSITORY";
const PASSWORD: &str = "PXKIT_TEST_PASSWORD";
const FINGERPRINT: &str = "PXKIT_TEST_FINGERPRINT";

/// A directory for a client, and the server that it talks to.
pub struct Place {
    scratch: Scratch,
    server: Option<Server>,
    /// How many streams the server takes.
    streams: usize,
    environment: Vec<(String, String)>,
    /// The group of this test.
    pub id: String,
}

impl Place {
    /// With whatever server there is.
    pub fn new() -> Self {
        match std::env::var(REPOSITORY) {
            Ok(repository) => Self::real(repository),
            Err(_) => Self::with(Options::default()),
        }
    }

    /// With the server of the tests, set up like this. `None` if there is a real one: it cannot be told to misbehave.
    pub fn special(name: &str, options: Options) -> Option<Self> {
        if std::env::var_os(REPOSITORY).is_some() {
            skip(name, "a real server is tested, which does nothing wrong on purpose");
            return None;
        }
        Some(Self::with(options))
    }

    fn with(options: Options) -> Self {
        let streams = usize::try_from(options.streams).expect("a small number");
        let server = Server::start(options);
        let environment = server.environment(server.token());
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { scratch: Scratch::new(), server: Some(server), streams, environment, id: new_id() }
    }

    fn real(repository: String) -> Self {
        let mut environment = vec![("PBS_REPOSITORY".to_owned(), repository)];
        for (from, to) in [(PASSWORD, "PBS_PASSWORD"), (FINGERPRINT, "PBS_FINGERPRINT")] {
            if let Ok(value) = std::env::var(from) {
                environment.push((to.to_owned(), value));
            }
        }
        Self { scratch: Scratch::new(), server: None, streams: 0, environment, id: new_id() }
    }

    /// The server of the tests, which must be the one.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server of the tests")
    }

    /// The server of the tests, if it is the one.
    pub fn own(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// From now on somebody else asks.
    pub fn become_user(&mut self, user: &User) {
        let environment = self.server().environment(user);
        self.environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    pub fn group(&self) -> String {
        format!("host/{}", self.id)
    }

    /// A variable of the environment that leads to the server.
    #[track_caller]
    pub fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value).unwrap_or_else(|| panic!("{name} is not set"))
    }

    /// The program in this directory, with this server.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = cli::command();
        command.current_dir(self.scratch.path()).args(args);
        for name in ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] {
            command.env(name, self.join(&name.to_lowercase()));
        }
        for name in ["PBS_NAMESPACE", "PBS_SERVER", "PBS_PORT", "PBS_DATASTORE", "PBS_AUTH_ID", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it. What it says holds no secret.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Run {
        self.finish(self.command(args))
    }

    /// With variables of the environment.
    #[track_caller]
    pub fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        self.finish(command)
    }

    /// Runs a command to its end. What it says holds no secret.
    #[track_caller]
    pub fn finish(&self, command: Command) -> Run {
        let mut secrets: Vec<Vec<u8>> = self.secrets(&command);
        let run = Run::of(command);
        // Those that it got meanwhile among them.
        secrets.extend(self.server.iter().flat_map(|server| server.tickets()).map(String::into_bytes));
        if let Some(server) = &self.server {
            crate::rules::check(&server.log(), self.streams);
        }
        for secret in secrets {
            for told in [&run.out, run.err.as_bytes()] {
                let is_told = told.windows(secret.len()).any(|window| window == secret);
                assert!(!is_told, "a secret was told:\n{}", run.err);
            }
        }
        run
    }

    /// What nobody may see: passwords and tokens that the client was given, tickets that it got, keys that lie about.
    fn secrets(&self, command: &Command) -> Vec<Vec<u8>> {
        let given = command.get_envs().filter(|(name, _)| name.to_string_lossy().contains("PASSWORD"));
        let mut secrets: Vec<Vec<u8>> =
            given.filter_map(|(_, value)| value.map(|value| value.as_encoded_bytes().to_vec())).collect();
        for file in files(self.scratch.path()) {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            // Key files and the cache of tickets.
            let mut open = vec![&json];
            while let Some(value) = open.pop() {
                let Some(object) = value.as_object() else { continue };
                for (key, value) in object {
                    match value.as_str() {
                        Some(text) if ["data", "ticket", "token"].contains(&&**key) => {
                            secrets.push(text.into())
                        }
                        _ => open.push(value),
                    }
                }
            }
        }
        secrets.retain(|secret| secret.len() >= 8);
        secrets
    }

    /// Makes a tree with files small and large.
    pub fn tree(&self) -> PathBuf {
        let tree = self.join("tree");
        if !tree.exists() {
            fs::create_dir_all(tree.join("sub/deep")).expect("a directory");
            write(&tree.join("a"), &noise(1, 300_000));
            write(&tree.join("b"), &[b'b'; 200_000]);
            write(&tree.join("sub/c"), b"small");
            write(&tree.join("sub/deep/d"), &noise(2, 150_000));
            write(&tree.join("empty"), b"");
            write(&self.join("x.conf"), b"settings of the test");
            settle();
        }
        tree
    }

    /// Arguments of a backup of the tree.
    pub fn backup_args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.tree();
        let own = ["backup", "root.pxar:tree", "--backup-id", &self.id, "--quiet", "--chunk-size", "64"];
        [&own[..], more].concat()
    }

    /// Backs the tree up.
    #[track_caller]
    pub fn backup(&self, more: &[&str]) -> Run {
        self.run(&self.backup_args(more))
    }

    /// Restores the last snapshot and compares it with the tree.
    #[track_caller]
    pub fn restores(&self, more: &[&str]) {
        let out = self.join("out");
        let _ = fs::remove_dir_all(&out);
        let latest = format!("{}/latest", self.group());
        let args = ["restore", &latest, "root.pxar", "out", "--quiet"];
        self.run(&[&args[..], more].concat()).succeeds();
        pxkit_tests::describe::assert_same(&self.tree(), &out);
    }

    /// The snapshots of the group that the server lists, finished or not.
    #[track_caller]
    pub fn snapshots(&self) -> Vec<serde_json::Value> {
        self.run(&["snapshots", &self.group(), "--json"]).exits(0).json()
    }

    /// The same; none if there is no such group.
    pub fn snapshots_or_none(&self) -> Vec<serde_json::Value> {
        let run = self.run(&["snapshots", "--json"]).exits(0);
        let group = self.group();
        run.json()
            .into_iter()
            .filter(|one| one["snapshot"].as_str().is_some_and(|name| name.starts_with(&group)))
            .collect()
    }
}

/// What a test made on a real server is removed.
impl Drop for Place {
    fn drop(&mut self) {
        if self.server.is_some() {
            return;
        }
        let run = Run::of(self.command(&["snapshots", &self.group(), "--json"]));
        for line in String::from_utf8_lossy(&run.out).lines() {
            let json: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(name) = json["snapshot"].as_str() {
                let _ = Run::of(self.command(&["unprotect", name]));
                let _ = Run::of(self.command(&["forget", name]));
            }
        }
    }
}

fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("pxkit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Waits until what was written is no longer so young that the next backup would read it again for that alone.
pub fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(150));
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("a time");
}

/// Bytes that no compressor makes smaller, different for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}

/// All files below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_hidden = path.file_name() == Some(OsStr::new(".pxkit-locks"));
        if path.is_dir() && !path.is_symlink() && !is_hidden {
            out.extend(files(&path));
        } else if path.is_file() {
            out.push(path);
        }
    }
    out
}
