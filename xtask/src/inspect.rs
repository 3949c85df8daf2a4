//! The end of the demo: the inspector on the demo's datastore, for a person or for a check.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::shell;

/// Status of a program that ended because of SIGTERM, in good order.
const TERMINATED: i32 = 128 + 15;

/// `pxkit inspect` on a file archive in two snapshots of a datastore.
fn command(pxkit: &Path, store: &Path, [older, newer]: [&str; 2]) -> Command {
    let mut command = Command::new(pxkit);
    command.arg("inspect").args([older, newer].map(|snapshot| format!("{snapshot}/checkout.pxar")));
    command.arg("--repository").arg(store);
    command
}

/// Serves until somebody presses Ctrl-C.
pub fn serve(pxkit: &Path, store: &Path, snapshots: [&str; 2]) -> Result<()> {
    let mut command = command(pxkit, store, snapshots);
    println!("$ {}", shell::shown(&command));
    let status = command.stdin(Stdio::null()).status().context("cannot start pxkit")?;
    if !matches!(status.code(), Some(130 | TERMINATED)) {
        bail!("{} ended with {status}", shell::shown(&command));
    }
    Ok(())
}

/// Proves that it answers, with the inspector and with the bytes of the datastore, and that it ends when it is told to.
pub fn check(pxkit: &Path, store: &Path, snapshots: [&str; 2]) -> Result<()> {
    let mut command = command(pxkit, store, snapshots);
    command.arg("--no-open");
    println!("$ {}", shell::shown(&command));
    let mut server = Server::start(&mut command)?;
    server.check_page()?;
    server.check_sources(snapshots)?;
    for snapshot in snapshots {
        for file in ["index.json.blob", "checkout.mpxar.didx"] {
            let path = format!("{snapshot}/{file}");
            let served = server.get(&format!("d/0/file/{path}"))?;
            ensure!(served == fs::read(store.join(&path))?, "{path} is served with other bytes than it has");
            println!("{path}: {} bytes, as on disk", served.len());
        }
    }
    server.end()
}

struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    host: String,
    /// `/TOKEN/`
    root: String,
}

impl Server {
    fn start(command: &mut Command) -> Result<Server> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", shell::shown(command)))?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("pxkit has no output")?).read_line(&mut line)?;
        print!("{line}");
        let address = line.trim_end().strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        let (Some((host, path)), Ok(None)) = (address, child.try_wait()) else {
            bail!("{} ended with {}", shell::shown(command), child.wait()?);
        };
        let root = format!("/{}", path.trim_end_matches("?served"));
        Ok(Server { child, host: host.to_owned(), root })
    }

    /// The page, and the program to which it refers.
    fn check_page(&self) -> Result<()> {
        let page = String::from_utf8(self.get("?served")?)?;
        let reference = |name: &str| {
            let value = page.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            value.map(|(value, _)| value).with_context(|| format!("the page has no {name}"))
        };
        self.get(reference("data-app")?)?;
        let program = self.get(reference("data-wasm")?)?;
        ensure!(program.starts_with(b"\0asm"), "the inspector's program is no WebAssembly");
        println!("the page, and its program of {} bytes", program.len());
        Ok(())
    }

    fn check_sources(&self, snapshots: [&str; 2]) -> Result<()> {
        let list: Value = serde_json::from_slice(&self.get("sources.json")?)?;
        let open = list["sources"][0]["open"].as_array().context("no datastore is served")?;
        let served: Vec<_> = open.iter().filter_map(|open| open["snapshot"].as_str()).collect();
        ensure!(served == snapshots, "{served:?} are served, not {snapshots:?}");
        println!("sources.json: {list}");
        Ok(())
    }

    /// The body of a response that says that all is well.
    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let (host, path) = (&self.host, format!("{}{path}", self.root));
        let mut stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {host}"))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head =
            answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("the answer has no head")?;
        let body = answer.split_off(head + 4);
        let head = String::from_utf8_lossy(&answer).into_owned();
        ensure!(head.starts_with("HTTP/1.1 200 "), "{path}: {}", head.lines().next().unwrap_or_default());
        Ok(body)
    }

    /// Ends it as a service manager would.
    fn end(&mut self) -> Result<()> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process without id")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.code() == Some(TERMINATED), "pxkit ended with {status} after SIGTERM");
        println!("it answers, and ended when it was told to");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
