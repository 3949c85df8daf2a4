//! Jobs that other backup programs do, too: restic and borg, with `find` and `tar` for what only reads and what only writes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    pairs::{Before, Pairs, Side},
    shell, tools,
};

/// Versions as the programs tell them, for the head of the report. Installs what is missing.
pub fn versions() -> Result<String> {
    tools::install(&[("restic", "restic"), ("borg", "borgbackup")])?;
    let mut lines = Vec::new();
    for (program, option) in [("restic", "version"), ("borg", "--version"), ("find", "--version")] {
        let output = shell::output(Command::new(program).arg(option))?;
        lines.push(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned());
    }
    Ok(lines.join(", "))
}

/// The jobs on one tree.
pub struct Rivals<'a> {
    pub pxkit: &'a Path,
    /// What is backed up.
    pub tree: &'a Path,
    /// Repositories and restored trees; on the same disk as the tree.
    pub dir: &'a Path,
}

impl Rivals<'_> {
    /// First backup, backup of unchanged contents that reads them, restore.
    pub fn contents(&self, pairs: &mut Pairs) -> Result<()> {
        let (data, restore) = ("data, nothing changed", "restore");
        pairs.measure(
            "first split backup",
            vec![self.pxkit_first(), self.restic_first(), self.borg_first()],
        )?;
        if pairs.wants(data) || pairs.wants(restore) {
            // They need what the first job leaves; without it they make it.
            self.need(self.pxkit_first())?;
        }
        if pairs.wants(data) {
            self.need(self.restic_first())?;
        }
        let ours = Side::new("pxkit", self.backup("data")).before(Before::NextSecond);
        let mut force = self.restic_backup();
        force.arg("--force");
        pairs.measure(data, vec![ours, Side::new("restic --force", force)])?;
        if pairs.wants(restore) {
            let tar = self.dir.join("tree.tar");
            shell::quietly(Command::new("tar").arg("cf").arg(&tar).arg("-C").arg(self.tree).arg("."))?;
            let target = self.dir.join("tar-tree");
            let mut extract = Command::new("tar");
            extract.arg("xf").arg(&tar).arg("-C").arg(&target);
            let theirs = Side::new("tar xf", extract).before(Before::EmptyDir(target)).warm(vec![tar]);
            pairs.measure(restore, vec![self.pxkit_restore()?, theirs])?;
        }
        Ok(())
    }

    /// A backup that finds nothing changed. The round that is not counted is the first unchanged run, the others follow it.
    pub fn unchanged(&self, pairs: &mut Pairs) -> Result<()> {
        let job = "metadata, nothing changed";
        if !pairs.wants(job) {
            return Ok(());
        }
        self.need(self.pxkit_first())?;
        let mut find = Command::new("find");
        find.arg(self.tree).args(["-newermt", "2090-01-01"]);
        let ours = Side::new("pxkit", self.backup("metadata")).before(Before::NextSecond);
        pairs.measure(job, vec![ours, Side::new("find", find)])
    }

    /// The same with and without the state of the backup before, which two repositories keep apart.
    pub fn state(&self, pairs: &mut Pairs) -> Result<()> {
        let job = "metadata, nothing changed, by state";
        if !pairs.wants(job) {
            return Ok(());
        }
        let with = Rivals { dir: &self.dir.join("with"), ..*self };
        let without = Rivals { dir: &self.dir.join("without"), ..*self };
        for rivals in [&with, &without] {
            rivals.need(rivals.pxkit_first())?;
        }
        let mut stateless = without.backup("metadata");
        stateless.arg("--state=off");
        let mut find = Command::new("find");
        find.arg(self.tree).args(["-newermt", "2090-01-01"]);
        pairs.measure(
            job,
            vec![
                Side::new("pxkit", with.backup("metadata")).before(Before::NextSecond),
                Side::new("find", find),
                Side::new("pxkit --state=off", stateless).before(Before::NextSecond),
            ],
        )
    }

    /// Makes a first backup if its repository is not there.
    fn need(&self, mut first: Side) -> Result<()> {
        let Before::Repository(dir, init) = &mut first.before else {
            bail!("a first backup makes its repository")
        };
        if dir.exists() {
            return Ok(());
        }
        for command in init.iter_mut().chain([&mut first.command]) {
            let result = shell::output(command)?;
            if !result.status.success() {
                bail!(
                    "{} failed\n{}",
                    shell::shown(command),
                    String::from_utf8_lossy(&result.stderr).trim_end()
                );
            }
        }
        Ok(())
    }

    fn store(&self) -> PathBuf {
        self.dir.join("pxkit")
    }

    fn backup(&self, mode: &str) -> Command {
        let mut source = OsString::from("tree.pxar:");
        source.push(self.tree);
        let mut command = Command::new(self.pxkit);
        // State files, too, go where everything is removed in the end.
        command.env("XDG_CACHE_HOME", self.dir.join("cache"));
        command.arg("backup").arg(source).arg("--repository").arg(self.store());
        command.arg(format!("--change-detection-mode={mode}")).args(["--backup-id", "tree", "--quiet"]);
        command
    }

    fn pxkit_first(&self) -> Side {
        // Making the datastore is part of the backup, as it is on first use.
        Side::new("pxkit", self.backup("metadata")).before(Before::Repository(self.store(), None))
    }

    fn pxkit_restore(&self) -> Result<Side> {
        let snapshot = newest(&self.store().join("host/tree"))?;
        let target = self.dir.join("pxkit-tree");
        let mut command = Command::new(self.pxkit);
        command.arg("restore").arg(format!("host/tree/{snapshot}")).arg("tree.pxar").arg(&target);
        command.arg("--repository").arg(self.store()).arg("--quiet");
        Ok(Side::new("pxkit", command).before(Before::EmptyDir(target)).warm(vec![self.store()]))
    }

    fn restic(&self) -> Command {
        let mut command = Command::new("restic");
        command.env("RESTIC_PASSWORD", "benchmark").env("RESTIC_CACHE_DIR", self.dir.join("restic-cache"));
        command.arg("--repo").arg(self.dir.join("restic"));
        command
    }

    fn restic_backup(&self) -> Command {
        let mut command = self.restic();
        command.args(["backup", "--quiet", "--compression", "auto"]).arg(self.tree);
        command
    }

    fn restic_first(&self) -> Side {
        let mut init = self.restic();
        init.args(["init", "--repository-version", "2"]);
        Side::new("restic", self.restic_backup())
            .before(Before::Repository(self.dir.join("restic"), Some(init)))
    }

    fn borg(&self) -> Command {
        let mut command = Command::new("borg");
        // What it keeps about repositories goes beside this one; a repository at a place known before is no surprise.
        command.env("BORG_BASE_DIR", self.dir.join("borg-base"));
        command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command.env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
        command
    }

    fn borg_first(&self) -> Side {
        let repository = self.dir.join("borg");
        let mut init = self.borg();
        init.args(["init", "-e", "none"]).arg(&repository);
        let mut create = self.borg();
        create
            .args(["create", "-C", "zstd,1"])
            .arg(format!("{}::first", repository.display()))
            .arg(self.tree);
        Side::new("borg", create).before(Before::Repository(repository, Some(init)))
    }
}

/// The last name in a group: names of snapshots are times that sort.
fn newest(group: &Path) -> Result<String> {
    let names = group.read_dir().with_context(|| format!("cannot read {}", group.display()))?;
    let snapshots = names.flatten().filter(|entry| entry.path().is_dir());
    let newest = snapshots.map(|entry| entry.file_name().to_string_lossy().into_owned()).max();
    newest.with_context(|| format!("{} holds no snapshot", group.display()))
}
