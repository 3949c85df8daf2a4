//! The commands that are not about making and reading snapshots, against the server of the tests; and what they say if something is wrong.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::pbs::access::User;
use pxkit_tests::pbs::{Options, Server};
use serde_json::json;

const FIRST: &str = "host/a/2020-09-13T12:26:40Z";
const SECOND: &str = "host/a/2020-09-13T12:27:40Z";
const TIMES: [&str; 2] = ["1600000000", "1600000060"];

/// A directory of a client, and a server that answers refused logins at once.
pub struct Client {
    pub scratch: Scratch,
    pub server: Server,
    environment: Vec<(&'static str, String)>,
}

impl Client {
    fn new() -> Self {
        Self::with(Vec::new())
    }

    /// With more users than usual.
    fn with(users: Vec<User>) -> Self {
        let mut options = Options { delay: std::time::Duration::ZERO, ..Options::default() };
        options.users.extend(users);
        let server = Server::start(options);
        let environment = server.environment(server.token()).to_vec();
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("tree")).expect("a directory");
        fs::write(scratch.join("tree/file"), "contents").expect("written");
        fs::create_dir(scratch.join("run")).expect("a directory");
        Self { scratch, server, environment }
    }

    /// With two snapshots of `host/a`.
    pub fn filled() -> Self {
        let client = Self::new();
        for time in TIMES {
            client.backup(&["--backup-time", time]).succeeds();
        }
        client
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cli::command();
        command.current_dir(self.scratch.path()).args(args).stdin(std::process::Stdio::null());
        command.env("HOME", self.scratch.path()).env("XDG_RUNTIME_DIR", self.scratch.join("run"));
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "ALL_PROXY", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(name);
        }
        for name in
            ["REPOSITORY", "SERVER", "PORT", "DATASTORE", "AUTH_ID", "NAMESPACE", "PASSWORD", "FINGERPRINT"]
        {
            command.env_remove(format!("PBS_{name}"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args))
    }

    /// With another variable, or without it.
    fn run_with(&self, name: &str, value: Option<&str>, args: &[&str]) -> Run {
        let mut command = self.command(args);
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        Run::of(command)
    }

    pub fn backup(&self, more: &[&str]) -> Run {
        let own = ["backup", "root.pxar:tree", "--backup-id", "a", "--quiet"];
        self.run(&[&own[..], more].concat())
    }

    /// The files of all chunks on the server.
    pub fn chunks(&self) -> Vec<PathBuf> {
        let entries =
            |path| fs::read_dir(path).expect("readable").map(|entry| entry.expect("an entry").path());
        let prefixes = entries(self.server.root().join(".chunks")).filter(|path| path.is_dir());
        prefixes.flat_map(entries).collect()
    }

    fn become_user(&mut self, user: &User) {
        self.environment = self.server.environment(user).to_vec();
    }
}

#[test]
fn snapshots_are_listed_protected_and_removed() {
    let client = Client::filled();
    let list = client.run(&["snapshots", "--json"]).succeeds().json();
    assert_eq!((list.len(), &list[0]["snapshot"], &list[1]["snapshot"]), (2, &json!(FIRST), &json!(SECOND)));
    let names: Vec<_> =
        list[0]["files"].as_array().expect("a list").iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["root.ppxar.didx", "root.mpxar.didx"]);
    assert_eq!((&list[0]["owner"], &list[0]["finished"]), (&json!("tester@pbs!tok"), &json!(true)));
    assert!(client.run(&["snapshots", "host/a"]).succeeds().text().contains(SECOND));
    client.run(&["snapshots", "host/b"]).fails(2, &["no group host/b"]);

    let files = client.run(&["files", "host/a/latest"]).succeeds();
    assert!(
        files.text().contains("root.mpxar.didx") && !files.text().contains("missing"),
        "{}",
        files.text()
    );
    assert!(client.run(&["catalog", "host/a/latest"]).succeeds().text().contains("/file"));

    client.run(&["protect", FIRST]).succeeds();
    assert_eq!(client.run(&["snapshots", "--json"]).succeeds().json()[0]["protected"], json!(true));
    client.run(&["forget", FIRST]).fails(2, &["is protected", "pxkit unprotect"]);
    client.run(&["unprotect", FIRST]).succeeds();
    assert_eq!(client.run(&["forget", FIRST]).succeeds().text(), format!("Removed {FIRST}\n"));
    assert_eq!(client.run(&["snapshots", "--json"]).succeeds().json().len(), 1);
    // What is there is named.
    client
        .run(&["list", &format!("{FIRST}/root.pxar")])
        .fails(2, &["no snapshot", "the group has 2020-09-13T12:27:40Z"]);
    client.run(&["list", "host/b/latest/root.pxar"]).fails(2, &["no group host/b", "it has host/a"]);
    client
        .run(&["list", "host/a/latest/none.pxar"])
        .fails(2, &["none.pxar is not in the snapshot", "root.mpxar.didx"]);
}

#[test]
fn namespaces_come_and_go() {
    let client = Client::new();
    client.run(&["namespace", "create", "a/b"]).fails(2, &["namespace"]);
    for name in ["a", "a/b"] {
        client.run(&["namespace", "create", name]).succeeds();
    }
    // As in a directory, it may be there already.
    client.run(&["namespace", "create", "a"]).succeeds();
    assert_eq!(client.run(&["namespace", "list"]).succeeds().text(), "a\na/b\n");
    assert_eq!(client.run(&["namespace", "list", "--ns", "a"]).succeeds().text(), "a/b\n");
    client.backup(&["--ns", "a/b"]).succeeds();
    // Rule 58.
    client.backup(&["--ns", "none"]).fails(2, &["namespace"]);
    client.run(&["snapshots", "--ns", "none"]).fails(2, &["no namespace `none` in "]);
    assert_eq!(
        client.run_with("PBS_NAMESPACE", Some("a/b"), &["snapshots", "--json"]).succeeds().json().len(),
        1
    );
    assert_eq!(client.run(&["snapshots", "--json"]).succeeds().json().len(), 0);
    client.run(&["namespace", "delete", "a"]).exits(2);
    client.run(&["namespace", "delete", "a", "--delete-groups"]).succeeds();
    assert_eq!(client.run(&["namespace", "list"]).succeeds().text(), "");
}

#[test]
fn upkeep_is_followed() {
    let client = Client::filled();
    client.run(&["gc", "--dry-run"]).fails(2, &["by its own rules"]);
    client.run(&["gc"]).succeeds();
    // The log of the task is not part of the result.
    let gc = client.run(&["gc", "--json"]).exits(0).json();
    assert!(gc[0]["disk-chunks"].as_u64().expect("a number") > 0, "{gc:?}");
    let run = client.run(&["verify", "--on-server"]).succeeds();
    assert!(run.text().contains(FIRST) && run.text().contains(SECOND), "{}", run.text());
    let list = client.run(&["snapshots", "--json"]).succeeds().json();
    assert_eq!(list[0]["verified"], json!(true));
    let run = client.run(&["verify"]).succeeds();
    assert!(run.text().starts_with(&format!("ok       {FIRST}\nok       {SECOND}\n")), "{}", run.text());
    let status = &client.run(&["status", "--json"]).succeeds().json()[0];
    assert_eq!((&status["groups"], &status["snapshots"]), (&json!(1), &json!(2)));
    assert!(status["total"].as_u64() > Some(0));
    client.run(&["status"]).succeeds();

    // A chunk that is damaged there is found from here, and by the server.
    for chunk in client.chunks() {
        let mut bytes = fs::read(&chunk).expect("readable");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&chunk, bytes).expect("written");
    }
    client.run(&["verify", FIRST]).fails(2, &["1 of 1 snapshots failed", "root.mpxar.didx: chunk"]);
    client
        .run(&["verify", FIRST, "--on-server"])
        .fails(2, &["the server's task failed: verification failed"]);
    assert_eq!(client.run(&["snapshots", "--json"]).succeeds().json()[0]["verified"], json!(false));
}

#[test]
fn groups_change_hands() {
    let joe = User::with("joe@pbs", "a secret of joe", &["Datastore.Backup"]);
    let mut client = Client::with(vec![joe.clone()]);
    client.backup(&["--backup-time", TIMES[0]]).succeeds();
    let token = client.server.token().clone();
    client.become_user(&joe);
    client.backup(&["--backup-time", TIMES[1]]).fails(2, &["belongs to somebody else", "joe@pbs"]);
    client.run(&["change-owner", "host/a", "joe@pbs"]).exits(2);
    client.become_user(&token);
    client.run(&["change-owner", "host/a", "joe@pbs"]).succeeds();
    client.become_user(&joe);
    client.backup(&["--backup-time", TIMES[1]]).succeeds();
    // He may not collect garbage.
    client.run(&["gc"]).fails(2, &["cannot collect garbage", "a permission is missing"]);
}

/// A ticket is kept only if somebody asks for it, where nobody else can read it.
#[test]
fn logins_are_kept_and_forgotten() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut client = Client::new();
    client.run(&["login"]).fails(2, &["is a token, which needs no login"]);
    let user = client.server.user().clone();
    client.become_user(&user);
    let cache = client.scratch.join("run/proxmox-backup/tickets");
    client.backup(&["--backup-time", TIMES[0]]).succeeds();
    assert!(!cache.exists());
    let without = |args: &[&str]| client.run_with("PBS_PASSWORD", None, args);
    without(&["snapshots"]).fails(2, &["no password for tester@pbs", "pxkit login"]);
    let run = client.run(&["login"]).succeeds();
    assert_eq!(run.text(), "Logged in as tester@pbs at 127.0.0.1, for two hours\n");
    assert_eq!(cache.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(without(&["snapshots", "--json"]).succeeds().json().len(), 1);
    without(&["notes", FIRST, "by a ticket"]).succeeds();
    // Rule 16: nobody uses one that is too old.
    let text = fs::read_to_string(&cache).expect("readable");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let entry = &mut json["127.0.0.1"]["tester@pbs"];
    entry["timestamp"] = (entry["timestamp"].as_i64().expect("a time") - 7140).into();
    fs::write(&cache, json.to_string()).expect("written");
    without(&["snapshots"]).fails(2, &["no password"]);
    fs::write(&cache, text).expect("written");
    assert_eq!(client.run(&["logout"]).succeeds().text(), "Logged out as tester@pbs at 127.0.0.1\n");
    without(&["snapshots"]).fails(2, &["no password"]);
    assert!(client.run(&["logout"]).succeeds().text().starts_with("There was no login"));
    client.run_with("PBS_PASSWORD", Some("wrong"), &["login"]).fails(2, &["cannot log in as tester@pbs"]);
}

/// Rules 2, 3, 5 and 9, and where everything comes from.
#[test]
fn r02_servers_are_named_by_parts_and_variables() {
    let client = Client::filled();
    let parts = |command: &mut Command| {
        command.env_remove("PBS_REPOSITORY").env("PBS_SERVER", "127.0.0.1").env("PBS_DATASTORE", "store1");
        command.env("PBS_PORT", client.server.port().to_string()).env("PBS_AUTH_ID", "tester@pbs!tok");
    };
    let mut command = client.command(&["snapshots", "--json"]);
    parts(&mut command);
    assert_eq!(Run::of(command).succeeds().json().len(), 2);
    // What is wrong with a port does not count, nor with a user.
    let mut command =
        client.command(&["snapshots", "--server-port", &client.server.port().to_string(), "--json"]);
    parts(&mut command);
    command.env("PBS_PORT", "many");
    assert_eq!(Run::of(command).succeeds().json().len(), 2);
    client.run(&["snapshots", "--server", "x", "--repository", "x:store"]).exits(64);
    client.run(&["snapshots", "--server", "x"]).fails(2, &["no datastore", "--datastore"]);
    client
        .run_with("PBS_PASSWORD", None, &["snapshots"])
        .fails(2, &["no secret for the token tester@pbs!tok"]);

    // Of the password the first line counts, and an empty one is one.
    let secret = client.server.token().secret.clone();
    let (file, right) = (client.scratch.join("secret"), format!("{secret}\r\nmore\n"));
    fs::write(&file, right).expect("written");
    let run = |variables: &[(&str, &str)]| {
        let mut command = client.command(&["snapshots"]);
        command.env_remove("PBS_PASSWORD").envs(variables.iter().copied());
        Run::of(command)
    };
    let path = file.to_str().expect("text");
    run(&[("PBS_PASSWORD_FILE", path), ("PBS_PASSWORD_CMD", "false")]).succeeds();
    run(&[("PBS_PASSWORD_CMD", &format!("cat '{path}'"))]).succeeds();
    run(&[("PBS_PASSWORD_CMD", "false")]).fails(2, &["PBS_PASSWORD_CMD"]);
    run(&[("PBS_PASSWORD", ""), ("PBS_PASSWORD_FILE", path)]).fails(2, &["does not let us in"]);
    // Credentials of services count as a whole.
    let credentials = client.scratch.join("credentials");
    fs::create_dir(&credentials).expect("a directory");
    let credential = credentials.join("proxmox-backup-client.password");
    fs::write(&credential, &secret).expect("written");
    run(&[("CREDENTIALS_DIRECTORY", credentials.to_str().expect("text"))]).succeeds();
    fs::write(&credential, format!("{secret}\n")).expect("written");
    run(&[("CREDENTIALS_DIRECTORY", credentials.to_str().expect("text"))]).exits(2);
    assert!(!client.scratch.join(".config/proxmox-backup/fingerprints").exists());
}

#[test]
fn what_is_wrong_is_said() {
    let nobody = User::with("nobody@pbs", "a secret of nobody", &[]);
    let mut client = Client::with(vec![nobody.clone()]);
    let repository = |name: &str| client.run_with("PBS_REPOSITORY", Some(name), &["snapshots"]);
    repository("host.invalid:store").fails(2, &["cannot reach the server host.invalid:8007"]);
    // At this address of the machine nobody but this test listens, whatever ports others are given.
    let free =
        std::net::TcpListener::bind("127.86.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let run =
        client.run_with("PBS_REPOSITORY", Some(&format!("tester@pbs!tok@{free}:store1")), &["snapshots"]);
    run.fails(2, &[&format!("cannot reach the server {free}"), "refused"]);
    repository("user@pam@store").fails(2, &["PBS_REPOSITORY", "./user@pam@store"]);
    repository("nothere").fails(2, &["no directory `nothere`"]);

    let other = client.server.fingerprint().replace(['1', '2'], "3");
    let run = client.run_with("PBS_FINGERPRINT", Some(&other), &["snapshots"]);
    run.fails(2, &[&other, client.server.fingerprint()]);
    let upper = client.server.fingerprint().to_uppercase();
    client.run_with("PBS_FINGERPRINT", Some("rubbish"), &["snapshots", "--fingerprint", &upper]).succeeds();
    client
        .run_with("PBS_FINGERPRINT", Some("rubbish"), &["snapshots"])
        .fails(2, &["PBS_FINGERPRINT", "32 pairs"]);
    client.run_with("PBS_FINGERPRINT", None, &["snapshots"]).fails(2, &["certificate"]);

    client.run_with("PBS_PASSWORD", Some("wrong"), &["snapshots"]).fails(2, &["does not let us in"]);
    client.become_user(&nobody);
    client.run(&["snapshots"]).fails(2, &["cannot list snapshots", "a permission is missing"]);
    client.backup(&[]).fails(2, &["a permission is missing", "Datastore.Backup"]);
    client.run(&["init"]).fails(2, &["is on a server"]);
}
