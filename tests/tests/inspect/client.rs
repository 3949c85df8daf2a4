//! The server as a process, and requests to it byte by byte.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use rustix::process::Signal;
use serde_json::Value;

/// What the tests have in place of the inspector, so that they do not depend on whether it was built.
pub const PAGE: &str = "<!doctype html><title>not the inspector</title>";

/// A client that waits longer than this has waited in vain.
const PATIENCE: Duration = cli::PATIENCE;

/// A folder with [`PAGE`] in it.
pub fn assets(scratch: &Scratch) -> PathBuf {
    let assets = scratch.join("assets");
    fs::create_dir_all(assets.join("static")).expect("a folder");
    fs::write(assets.join("index.html"), PAGE).expect("a file");
    fs::write(assets.join("static/boot.js"), "// nothing").expect("a file");
    fs::write(assets.join("app_bg.wasm"), b"\0asm").expect("a file");
    assets
}

/// A copy of the golden datastore, which may be changed.
pub fn store(scratch: &Scratch) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).expect("a copy") }
        }
    }
    let root = scratch.join("store");
    copy(&pxkit_tests::golden::path("datastore"), &root);
    root
}

/// `pxkit inspect` with a page of its own, for a user who has no datastore and no browser.
pub fn command(scratch: &Scratch) -> Command {
    let mut command = cli::command();
    command.env("HOME", scratch.path()).env_remove("XDG_DATA_HOME").env_remove("PBS_REPOSITORY");
    for variable in ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"] {
        command.env_remove(variable);
    }
    command.arg("inspect").arg("--assets").arg(assets(scratch));
    command
}

/// A server that runs until it is dropped.
pub struct Inspector {
    child: Option<Child>,
    pub port: u16,
    pub token: String,
    /// The path and query of the page.
    pub page: String,
}

impl Inspector {
    /// Serves these arguments.
    #[track_caller]
    pub fn of<A: AsRef<OsStr>>(scratch: &Scratch, args: &[A]) -> Self {
        let mut command = command(scratch);
        command.arg("--no-open").args(args);
        Self::start(command)
    }

    /// Starts a command and waits for the address that it prints.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|run| panic!("no address: {:?}, {}", run.code, run.err))
    }

    /// The same; how it ended instead, if it did.
    #[track_caller]
    pub fn try_start(mut command: Command) -> Result<Self, Run> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
        let Some(rest) = line.trim_end().strip_prefix("http://127.0.0.1:") else {
            assert_eq!(line, "", "no address");
            return Err(child.wait_with_output().expect("the program ends").into());
        };
        let (port, page) = rest.split_once('/').expect("a path");
        let (token, query) = page.split_once('/').expect("a token");
        assert_eq!(query, "?served");
        assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
        let port = port.parse().expect("a port");
        Ok(Self { child: Some(child), port, token: token.to_owned(), page: format!("/{page}") })
    }

    pub fn child(&self) -> &Child {
        self.child.as_ref().expect("it runs")
    }

    /// Ends it with a signal; returns how it ended and what it said on standard error.
    pub fn end(mut self, signal: Signal) -> Run {
        cli::send(self.child(), signal);
        self.wait()
    }

    /// Waits until it has said this on standard error, which is not returned again.
    #[track_caller]
    pub fn says(&mut self, words: &str) {
        let err = self.child.as_mut().and_then(|child| child.stderr.as_mut()).expect("a pipe");
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&said).contains(words) {
            assert_eq!(err.read(&mut byte).expect("readable"), 1, "{}", String::from_utf8_lossy(&said));
            said.push(byte[0]);
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Run {
        Run::from(self.child.take().expect("it runs").wait_with_output().expect("the program ends"))
    }

    /// `/TOKEN/` and the rest.
    pub fn path(&self, rest: &str) -> String {
        format!("/{}/{rest}", self.token)
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// Sends bytes as they are and returns everything that comes until the server closes; nothing if it just closes.
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses may close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A request with a method, a whole path, and headers besides `Connection`; `Host` unless there is one among them.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(method, path, headers, "close");
        Answer::parse(&self.raw(request.as_bytes()), method == "HEAD")
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], connection: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: {connection}\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request.push_str(&format!("Host: {}\r\n", self.host()));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request + "\r\n"
    }

    /// What lies below the token.
    #[track_caller]
    pub fn get(&self, rest: &str) -> Answer {
        self.ask("GET", &self.path(rest), &[])
    }

    #[track_caller]
    pub fn get_range(&self, rest: &str, range: &str) -> Answer {
        self.ask("GET", &self.path(rest), &[("Range", range)])
    }

    /// The list of what there is.
    #[track_caller]
    pub fn sources(&self) -> Value {
        let list = self.get("sources.json").json();
        assert_eq!(list["version"], 1);
        assert!(list["title"].is_string());
        list["sources"].clone()
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body is as long as the head says.
    pub is_whole: bool,
}

impl Answer {
    #[track_caller]
    pub fn parse(bytes: &[u8], is_head: bool) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let status = status[..3].parse().expect("a status");
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec(), is_whole: true };
        let length: Option<usize> =
            answer.header("content-length").map(|text| text.parse().expect("a length"));
        answer.is_whole = is_head || length.is_none_or(|length| length == answer.body.len());
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(other, _)| other == name);
        let first = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} is there twice");
        first
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The body of a response with this status.
    #[track_caller]
    pub fn bytes(self, status: u16) -> Vec<u8> {
        assert_eq!((self.status, self.is_whole), (status, true), "{}", self.text());
        self.body
    }
}
