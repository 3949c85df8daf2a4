//! The package in the smallest Debian: nothing that it needs may come from the machine that built it.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{VERSION, root::Root};
use crate::{shell, steps::Outcome};

/// The configuration of the checks; `/etc/pxkit/config.toml` is where the unit looks for it.
pub const CONFIGURATION: &str = "\
[repository.local]
location = \"/srv/check/store\"

[job.daily]
repository = \"local\"
sources = [\"tree.pxar:/srv/check/tree\"]
backup-id = \"check\"
keep = { last = 3 }
";

/// What is backed up.
const TREE: &str = "mkdir -p /srv/check/tree/sub && cp -a /usr/bin/dpkg /srv/check/tree/sub && \
    ln -s sub/dpkg /srv/check/tree/link && ln /srv/check/tree/sub/dpkg /srv/check/tree/other && \
    mkfifo -m 600 /srv/check/tree/pipe && chown 12:34 /srv/check/tree/sub";

pub fn check(package: &Path, dir: &Path) -> Result<Outcome> {
    let root = match Root::unpack(dir, &[]) {
        Ok(root) => root,
        Err(error) => return Ok(Outcome::Skipped(format!("no bare root: {error:#}"))),
    };
    let before = root.listing()?;
    install(&root, package)?;
    let version = root.sh("pxkit --version")?;
    ensure!(version.trim() == format!("pxkit {VERSION}"), "the version is {version}");
    brings_all(&root)?;
    backs_up(&root)?;
    units(&root)?;
    runs_as_the_unit(&root)?;

    root.sh("rm -r /srv/check")?;
    purge(&root)?;
    same(&before, &root.listing()?)?;
    println!("nothing is left of it");
    shell::remove_tree(dir)?;
    Ok(Outcome::Passed)
}

pub fn install(root: &Root, package: &Path) -> Result<()> {
    root.put(package, "tmp")?;
    root.sh("dpkg --install /tmp/*.deb && rm /tmp/*.deb").map(drop)
}

pub fn purge(root: &Root) -> Result<()> {
    root.sh("dpkg --purge pxkit").map(drop)
}

/// The tree that is backed up, and the configuration for it.
pub fn prepare(root: &Root) -> Result<()> {
    root.sh(TREE)?;
    root.write("/etc/pxkit/config.toml", CONFIGURATION)
}

/// The report and the snapshot of a run of the job.
pub fn ran(root: &Root) -> Result<()> {
    let path = root.path("/var/lib/pxkit/daily.json");
    let text = fs::read(&path).context("the run left no report")?;
    let report: Value = serde_json::from_slice(&text).context("the report is no JSON")?;
    ensure!(report["result"] == "ok", "the report says: {report}");
    let snapshot = report["backup"]["result"]["snapshot"].as_str().context("the report names no snapshot")?;
    println!("report: {snapshot}, {}", report["result"]);
    let repository = "--repository /srv/check/store";
    root.sh(&format!("pxkit verify {repository} {snapshot}"))?;
    let listed = root.sh(&format!("pxkit list {repository} {snapshot}/tree.pxar"))?;
    ensure!(listed.contains("sub/dpkg"), "the snapshot lacks a file");
    Ok(())
}

/// Man pages, completions, documents, the example and the inspector are where they belong.
fn brings_all(root: &Root) -> Result<()> {
    let files: BTreeSet<String> =
        root.sh("dpkg --listfiles pxkit | sort")?.lines().map(str::to_owned).collect();
    for file in [
        "/usr/bin/pxkit",
        "/usr/lib/systemd/system/pxkit@.service",
        "/usr/lib/systemd/system/pxkit@.timer",
        "/usr/share/bash-completion/completions/pxkit",
        "/usr/share/zsh/vendor-completions/_pxkit",
        "/usr/share/fish/vendor_completions.d/pxkit.fish",
        "/usr/share/doc/pxkit/copyright",
        "/usr/share/doc/pxkit/changelog.gz",
        "/usr/share/doc/pxkit/README.md",
        "/usr/share/doc/pxkit/book/index.html",
        "/usr/share/doc/pxkit/examples/config.toml",
        "/usr/share/man/man1/pxkit.1.gz",
    ] {
        ensure!(files.contains(file), "the package lacks {file}");
    }
    let help = root.sh("pxkit --help")?;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // Descriptions that are wrapped go on further to the right.
    let lines = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let commands: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(commands.len() > 30, "pxkit --help names only {} commands", commands.len());
    for command in commands {
        let page = format!("/usr/share/man/man1/pxkit-{command}.1.gz");
        ensure!(files.contains(&page), "the package lacks {page}");
    }
    root.sh("pxkit init --repository /srv/backup && \
        pxkit run --dry-run --config /usr/share/doc/pxkit/examples/config.toml && rm -r /srv/backup")?;
    // It is asked for its page as a browser would, by the shell that is all there is.
    let page = root.sh(
        "mkdir -p /srv/check && cd /srv/check && echo > file && { pxkit inspect --no-open file > address & } && \
        until grep -q http address; do sleep 0.1; done && \
        perl -MIO::Socket::INET -e '<STDIN> =~ m{http://(.*?)(/.*)}; $s = IO::Socket::INET->new($1); \
        print $s \"GET $2 HTTP/1.1\\r\\nHost: $1\\r\\nConnection: close\\r\\n\\r\\n\"; /data-wasm/ && print while <$s>' < address && \
        kill $! && ! wait $! && rm address file",
    )?;
    ensure!(page.contains("data-wasm="), "the inspector is not in the program");
    Ok(())
}

/// A backup, its listing, and the tree back.
fn backs_up(root: &Root) -> Result<()> {
    prepare(root)?;
    root.sh("cd /srv/check && pxkit backup --repository ./store --backup-id check tree.pxar:tree && \
        pxkit list -l --repository ./store host/check/latest/tree.pxar && \
        pxkit restore --repository ./store host/check/latest tree.pxar back")?;
    root.sh("look() { cd /srv/check/$1 && find . -printf '%p %y %m %U:%G %T@ %n %l\\n' | sort && \
        find . -type f | sort | xargs sha256sum; } && look tree > /tmp/tree && look back > /tmp/back && \
        cmp /tmp/tree /tmp/back && cat /tmp/back")?;
    root.sh("rm -r /srv/check/store /srv/check/back").map(drop)
}

/// systemd of this machine takes the units as they were installed.
fn units(root: &Root) -> Result<()> {
    let mut verify = Command::new("systemd-analyze");
    if !shell::succeeds(Command::new("systemd-analyze").arg("--version")) {
        println!("there is no systemd-analyze to verify the units with");
        return Ok(());
    }
    let units = root.path("/usr/lib/systemd/system");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    verify.arg(units.join("pxkit@daily.service")).arg(units.join("pxkit@daily.timer"));
    println!("$ {}", shell::shown(&verify));
    let said = shell::output(verify.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display())))?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    // That this machine has no /usr/bin/pxkit is no fault of the unit.
    let wrong = said.lines().find(|line| line.contains("pxkit") && !line.contains("is not executable"));
    ensure!(wrong.is_none(), "systemd-analyze: {}", wrong.unwrap_or_default());
    Ok(())
}

/// What systemd would do for the timer: the command of the unit, in the environment that the unit gives.
fn runs_as_the_unit(root: &Root) -> Result<()> {
    let unit = fs::read_to_string(root.path("/usr/lib/systemd/system/pxkit@.service"))?;
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let start = value("ExecStart").context("the unit starts nothing")?.replace("%i", "daily");
    let state = format!("/var/lib/{}", value("StateDirectory").context("the unit has no state")?);
    let mode = value("StateDirectoryMode").unwrap_or("0755");
    let said = root.sh(&format!("install -d -m {mode} {state} && STATE_DIRECTORY={state} {start} 2>&1"))?;
    ensure!(said.is_empty(), "a run that goes well says nothing, but: {said}");
    ran(root)
}

/// Whether two listings are the same.
pub fn same(before: &str, after: &str) -> Result<()> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let differ: Vec<_> = before.symmetric_difference(&after).map(String::as_str).collect();
    ensure!(differ.is_empty(), "what differs after the purge:\n{}", differ.join("\n"));
    Ok(())
}
