//! The package on a system that boots: systemd starts the timer, the timer the backup.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, bail, ensure};

use super::{bare, root::Root};
use crate::{shell, steps::Outcome, tools};

/// Instead of at midnight: at once.
const SOON: &str = "[Timer]\nOnCalendar=\nOnActiveSec=1s\nAccuracySec=1s\nRandomizedDelaySec=0\n";

/// The end of the job, good or bad, is the end of the system.
const ONCE: &str = "[Unit]\nSuccessAction=poweroff\nFailureAction=poweroff\n";

/// Longest time that the system may run.
const SECONDS: &str = "120";

pub fn check(package: &Path, dir: &Path) -> Result<Outcome> {
    if let Err(error) = tools::install(&[("systemd-nspawn", "systemd-container")]) {
        return Ok(Outcome::Skipped(format!("{error:#}")));
    }
    let root = match Root::unpack(dir, &["systemd-sysv"]) {
        Ok(root) => root,
        Err(error) => return Ok(Outcome::Skipped(format!("no root with systemd: {error:#}"))),
    };
    root.sh("mkdir -p /var/log/journal && systemd-machine-id-setup")?;
    let before = root.listing()?;
    bare::install(&root, package)?;
    bare::prepare(&root)?;
    root.sh("systemctl enable pxkit@daily.timer")?;
    let (soon, once) =
        ("/etc/systemd/system/pxkit@daily.timer.d", "/etc/systemd/system/pxkit@daily.service.d");
    root.write(&format!("{soon}/soon.conf"), SOON)?;
    root.write(&format!("{once}/once.conf"), ONCE)?;

    let mut boot = Command::new("timeout");
    boot.args([
        "--kill-after=10",
        SECONDS,
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--boot",
    ]);
    boot.args(["--machine=pxkit-check", "--private-network", "--console=pipe", "--directory"])
        .arg(root.dir());
    println!("$ {}", shell::shown(&boot));
    let done = shell::output(&mut boot)?;
    let has_journal = fs::read_dir(root.path("/var/log/journal"))?.next().is_some();
    if !has_journal {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Ok(Outcome::Skipped(format!(
            "no system boots here: {}",
            said.lines().last().unwrap_or_default()
        )));
    }
    let mut journal = Command::new("journalctl");
    journal.arg("--directory").arg(root.path("/var/log/journal")).args(["--no-pager", "--output=cat"]);
    let journal = shell::output(journal.args(["--unit=pxkit@daily.service", "--unit=pxkit@daily.timer"]))?;
    print!("{}", String::from_utf8_lossy(&journal.stdout));
    if !done.status.success() {
        bail!("the system ended with {}", done.status);
    }
    bare::ran(&root)?;

    for folder in [soon, once, "/srv/check"] {
        shell::remove_tree(&root.path(folder))?;
    }
    bare::purge(&root)?;
    let left = root.listing()?;
    let ours: Vec<_> = left.lines().filter(|line| line.contains("pxkit") && !before.contains(line)).collect();
    ensure!(ours.is_empty(), "what is left after the purge:\n{}", ours.join("\n"));
    println!("nothing is left of it");
    shell::remove_tree(dir)?;
    Ok(Outcome::Passed)
}
