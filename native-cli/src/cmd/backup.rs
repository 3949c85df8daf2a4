//! `pxkit backup`: a snapshot of trees of files, and of images.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use pxkit_core::blob::MAX_PLAIN_SIZE;
use pxkit_core::chunk::{Cuts, Sizes};
use pxkit_core::pattern::MatchType;
use pxkit_core::reuse::state::Sharpness;
use pxkit_core::reuse::{Budget, Optimal, Policy};
use rustix::io::Errno;

use super::patterns;
use crate::backup::{
    self, Contents, DryRun, Image, Mode, Options, Small, Source, StatePolicy, States, Summary,
};
use crate::cli::{Backup, CutRule, DetectionMode, EntryOrder, ReusePolicy, StateArg};
use crate::crypt::{self, Crypt, Resolved};
use crate::linux::{ReadOptions, raise_open_files};
use crate::pace;
use crate::remote::Lost;
use crate::report::{Outcome, Report, Usage, check_signals, watch_signals};
use crate::store::{self, Group, NewSnapshot, Repository, SnapshotId, locate};
use crate::walk::{self, open_source};

/// Makes a snapshot.
///
/// # Errors
/// A source cannot be read, or the repository not be written; there is no snapshot then.
pub fn run(args: &Backup) -> anyhow::Result<Outcome> {
    raise_open_files();
    let report = Report::new(args.talk.quiet || args.talk.json || args.talk.verbose);
    if let Some(cores) = args.limit_cpu {
        pace::limit(cores);
    }
    let specs = &args.sources;
    for (at, spec) in specs.iter().enumerate() {
        let is_twice = specs[..at].iter().any(|other| other.name() == spec.name());
        ensure!(!is_twice, Usage(format!("the archive {} is named twice", spec.name())));
    }
    let Resolved { crypt, lines } = crypt::resolve(&args.crypt)?;
    let options = options(args, crypt)?;
    // A pipe can be read once, and waits for whoever writes: until here a signal ends that as it ends any program.
    let (blobs, images) = (read_small(specs)?, open_images(specs)?);
    watch_signals()?;
    let pipes = images.iter().any(|image| !image.can_be_read_again());
    let mut attempts = Attempts::new(args);
    let (summary, place) = loop {
        // Directories are opened anew for each: what is behind a name may have changed.
        let archives = open_sources(specs)?;
        let images = images.iter().map(Image::again).collect::<anyhow::Result<_>>()?;
        let contents = Contents { archives, images, blobs: blobs.clone() };
        let new = NewSnapshot { namespace: args.repository.ns.clone(), snapshot: attempts.snapshot_id()? };
        match attempt(args, &new, &lines, contents, &options, &report) {
            Ok(done) => break done,
            Err(error) if pipes => return Err(error),
            Err(error) => attempts.again(error, &report)?,
        }
    };
    let outcome = report.finish();
    let mut out = io::stdout().lock();
    if args.talk.json {
        let mut json = summary.to_json();
        json["repository"] = place.into();
        json["crypt_mode"] = options.crypt.mode().word().into();
        json["key_fingerprint"] = options.crypt.key().map(|key| key.fingerprint().to_string()).into();
        json["dry_run"] = args.dry_run.into();
        json["warnings"] = report.warnings().into();
        if args.talk.verbose {
            summary.text().lines().for_each(|line| report.line(line));
        }
        writeln!(out, "{json}").context("cannot write to standard output")?;
    } else if !args.talk.quiet {
        let end = if args.dry_run { "Nothing was written.\n" } else { "" };
        write!(out, "{}{end}", summary.text()).context("cannot write to standard output")?;
    }
    Ok(outcome)
}

/// Whether nothing is told but warnings. Programs are told the rest only if they ask for all.
const fn is_silent(args: &Backup) -> bool {
    args.talk.quiet || (args.talk.json && !args.talk.verbose)
}

/// Makes a snapshot, or nothing; also how messages name the repository.
fn attempt(
    args: &Backup,
    new: &NewSnapshot,
    lines: &[String],
    contents: Contents,
    options: &Options,
    report: &Report,
) -> anyhow::Result<(Summary, String)> {
    let (backup, place) = if args.dry_run { rehearse(args, new)? } else { begin(args, new, report)? };
    if !is_silent(args) {
        let namespace = if new.namespace.is_root() { String::new() } else { format!("[{}]:", new.namespace) };
        report.line(format_args!("Starting backup: {namespace}{} in {place}", new.snapshot));
        lines.iter().for_each(|line| report.line(line));
        if backup.previous().is_none() {
            report.line("No previous manifest available.");
        }
    }
    // A state belongs to the repository in which the snapshot is that it describes.
    let repository = format!("{place} {}", new.namespace);
    let state = options.state.clone().map(|states| States { repository, ..states });
    let options = &Options { state, ..options.clone() };
    Ok((backup::run(backup, contents, options, report)?, place))
}

/// Begins a snapshot; also how messages name the repository.
fn begin(
    args: &Backup,
    new: &NewSnapshot,
    report: &Report,
) -> anyhow::Result<(Box<dyn store::Backup>, String)> {
    let (repository, is_made) = locate::open_or_create(&args.repository)?;
    if is_made && !args.talk.quiet {
        report.line(format_args!("A datastore was made in {}", repository.name()));
    }
    if let Some(most) = repository.most_indexes() {
        let count = |is_such: fn(&Spec) -> bool| args.sources.iter().filter(|spec| is_such(spec)).count();
        let (archives, images) = (count(Spec::is_archive), count(Spec::is_image));
        let indexes = match args.change_detection_mode {
            DetectionMode::Legacy => archives + 1 + images,
            DetectionMode::Data | DetectionMode::Metadata => 2 * archives + images,
        };
        let (name, all) = (repository.name(), archives + images);
        ensure!(
            indexes <= most,
            "{all} archives have {indexes} indexes, and {name} takes {most} of a snapshot; make several backups of them"
        );
    }
    Ok((repository.begin(new)?, repository.name()))
}

/// As if a snapshot were begun; nothing is made, not even a datastore.
fn rehearse(args: &Backup, new: &NewSnapshot) -> anyhow::Result<(Box<dyn store::Backup>, String)> {
    let (repository, name) = locate::rehearse(&args.repository)?;
    let previous = match repository {
        Some(repository) => last_finished(&*repository, new)?,
        None => None,
    };
    Ok((Box::new(DryRun::new(new.snapshot.clone(), previous)), name))
}

/// What is to be backed up: `NAME.pxar:DIRECTORY`, `NAME.img:FILE`, `NAME.conf:FILE` or `NAME.log:FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The name without suffix.
    stem: String,
    suffix: String,
    path: PathBuf,
}

impl Spec {
    fn name(&self) -> String {
        format!("{}.{}", self.stem, self.suffix)
    }

    fn is_archive(&self) -> bool {
        self.suffix == "pxar"
    }

    fn is_image(&self) -> bool {
        self.suffix == "img"
    }

    /// What it names on disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads an argument.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        let form = "expected NAME.pxar:DIRECTORY (or NAME.img:FILE, NAME.conf:FILE, NAME.log:FILE)";
        let colon = text.as_bytes().iter().position(|&byte| byte == b':').ok_or(form)?;
        let (name, path) = (&text.as_bytes()[..colon], &text.as_bytes()[colon + 1..]);
        let (stem, suffix) =
            std::str::from_utf8(name).ok().and_then(|name| name.rsplit_once('.')).ok_or(form)?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if stem.is_empty() || !stem.bytes().all(is_word) {
            return Err("the name of an archive has letters, digits, '_' and '-'".into());
        }
        match suffix {
            "pxar" | "img" | "conf" | "log" if !path.is_empty() => {}
            _ => return Err(form.into()),
        }
        let path = PathBuf::from(OsStr::from_bytes(path));
        Ok(Self { stem: stem.to_owned(), suffix: suffix.to_owned(), path })
    }
}

/// Opens the directories before anything is made.
fn open_sources(specs: &[Spec]) -> anyhow::Result<Vec<Source>> {
    let open = |spec: &Spec| {
        let path = spec.path.display();
        let root = match open_source(&spec.path) {
            Err(Errno::LOOP) => bail!("{path} is a symlink; name the directory itself"),
            result => result.with_context(|| format!("cannot open the directory {path}"))?,
        };
        Ok(Source { name: spec.stem.clone(), root, path: path.to_string() })
    };
    specs.iter().filter(|spec| spec.is_archive()).map(open).collect()
}

/// Opens files and devices that are stored as they are.
fn open_images(specs: &[Spec]) -> anyhow::Result<Vec<Image>> {
    let open = |spec: &Spec| {
        let path = spec.path.display().to_string();
        let file = File::open(&spec.path).with_context(|| format!("cannot open the image {path}"))?;
        Image::new(spec.name(), path, file)
    };
    specs.iter().filter(|spec| spec.is_image()).map(open).collect()
}

/// Reads the small files.
fn read_small(specs: &[Spec]) -> anyhow::Result<Vec<Small>> {
    let read = |spec: &Spec| {
        let path = spec.path.display();
        let bytes = read_at_most(&spec.path).with_context(|| format!("cannot read {path}"))?;
        let size = bytes.len() as u64;
        ensure!(
            size <= MAX_PLAIN_SIZE,
            "{path} is larger than {} MiB, the most that {} can hold; store it as an image: {}.img:{path}",
            MAX_PLAIN_SIZE >> 20,
            spec.name(),
            spec.stem
        );
        Ok(Small { name: format!("{}.blob", spec.name()), bytes })
    };
    specs.iter().filter(|spec| !spec.is_archive() && !spec.is_image()).map(read).collect()
}

/// The contents of a regular file or pipe: all, or one byte more than a small file may have.
fn read_at_most(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A device may go on for ever.
    if !kind.is_file() && !kind.is_fifo() {
        return Err(io::Error::other("it is neither a file nor a pipe"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_PLAIN_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sessions that end before anything was said in them are begun again so often, whatever the user says: that costs nothing.
const EARLY: u32 = 3;
/// How long is waited before the first one; each time twice as long, but not longer than a minute.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a snapshot is begun.
struct Attempts<'a> {
    args: &'a Backup,
    /// Those after the first: in all, and those that ended before anything was said.
    done: u32,
    early: u32,
    pause: Duration,
    /// The time of the last one.
    last: i64,
}

impl<'a> Attempts<'a> {
    fn new(args: &'a Backup) -> Self {
        Self { args, done: 0, early: 0, pause: PAUSE, last: 0 }
    }

    /// The snapshot to be made now, later than any before.
    fn snapshot_id(&mut self) -> anyhow::Result<SnapshotId> {
        let host = rustix::system::uname();
        let id = match &self.args.backup_id {
            Some(id) => id.clone(),
            None => host.nodename().to_string_lossy().into_owned(),
        };
        let group =
            Group::new(self.args.backup_type.into(), &id).map_err(|error| match self.args.backup_id {
                Some(_) => Usage(format!("--backup-id: {error}")).into(),
                None => anyhow::Error::new(error).context("name the backup with --backup-id"),
            })?;
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        self.last = self.args.backup_time.unwrap_or_else(|| now().max(self.last + 1));
        Ok(SnapshotId { group, time: self.last })
    }

    /// Waits for the next attempt if there is to be one.
    fn again(&mut self, error: anyhow::Error, report: &Report) -> anyhow::Result<()> {
        check_signals()?;
        // Of a session that ended so early the server may keep an empty snapshot, so its time cannot be used again.
        let allowed = match error.downcast_ref::<Lost>() {
            Some(lost) if lost.is_early() && self.args.backup_time.is_some() => false,
            Some(lost) if lost.is_early() && self.early < EARLY => {
                self.early += 1;
                true
            }
            Some(_) if self.done < self.args.retry => {
                self.done += 1;
                true
            }
            _ => false,
        };
        if !allowed {
            return Err(error);
        }
        let seconds = self.pause.as_secs();
        report.line(format_args!("note: {error:#}; beginning again in {seconds} seconds"));
        let start = Instant::now();
        while start.elapsed() < self.pause {
            check_signals()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// What a backup would go on from.
fn last_finished(
    repository: &dyn Repository,
    new: &NewSnapshot,
) -> anyhow::Result<Option<std::sync::Arc<dyn store::OpenSnapshot>>> {
    let groups = repository.groups(&new.namespace)?;
    if !groups.iter().any(|info| info.group == new.snapshot.group) {
        return Ok(None);
    }
    let snapshots = repository.snapshots(&new.namespace, &new.snapshot.group)?;
    let last = snapshots.iter().rfind(|snapshot| snapshot.finished);
    last.map(|last| repository.open(&new.namespace, &last.id)).transpose()
}

fn options(args: &Backup, crypt: Crypt) -> anyhow::Result<Options> {
    let device = |path: &PathBuf| {
        let stat = rustix::fs::stat(path).with_context(|| format!("cannot find {}", path.display()))?;
        anyhow::Ok(stat.st_dev)
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map(usize::from);
    let walk = walk::Options {
        read: ReadOptions { skip_e2big_xattr: args.skip_e2big_xattr },
        all_file_systems: args.all_file_systems,
        include_devs: args.include_dev.iter().map(device).collect::<Result<_, _>>()?,
        patterns: patterns(&args.exclude, MatchType::Exclude)?,
        skip_lost_and_found: args.skip_lost_and_found,
        entries_max: args.entries_max,
        threads,
        ..walk::Options::default()
    };
    let policy = match args.reuse {
        ReusePolicy::Optimal => {
            // The price of a fragment should not exceed a quarter of what small files are cut into (change detection 10.13).
            let fragment = Optimal::default().fragment.min((u64::from(args.chunk_size) << 10) / 16);
            Policy::Optimal(Optimal { budget: args.padding_budget, fragment })
        }
        ReusePolicy::Threshold => Policy::Threshold { limit: 1 << 20 },
    };
    let cuts = match (args.cuts, args.reuse) {
        (Some(CutRule::Files), ReusePolicy::Threshold) => {
            bail!("--reuse=threshold goes with --cuts=reference, as the reference does")
        }
        (Some(CutRule::Files) | None, ReusePolicy::Optimal) => Cuts::Files,
        (Some(CutRule::Reference), _) | (None, ReusePolicy::Threshold) => Cuts::Reference,
    };
    let state_policy = match args.state {
        StateArg::Auto => Some(StatePolicy::Auto),
        StateArg::Strict => Some(StatePolicy::Sharp(Sharpness::Strict)),
        StateArg::Loose => Some(StatePolicy::Sharp(Sharpness::Loose)),
        StateArg::Compat => Some(StatePolicy::Sharp(Sharpness::Compatible)),
        StateArg::Off => None,
    };
    // Whoever has no home has no state.
    let state = state_policy.zip(States::default_directory().ok());
    let state = state.map(|(policy, directory)| States { policy, directory, repository: String::new() });
    Ok(Options {
        state,
        dry_run: args.dry_run,
        mode: match args.change_detection_mode {
            DetectionMode::Legacy => Mode::Legacy,
            DetectionMode::Data => Mode::Data,
            DetectionMode::Metadata => Mode::Metadata,
        },
        walk,
        policy,
        cuts,
        sizes: Sizes::new(u64::from(args.chunk_size) << 10)?,
        append: args.order == EntryOrder::Append,
        trust_mtime_size: args.trust_mtime_size,
        verify_reused: args.verify_reused.0,
        threads: threads.unwrap_or_else(cores),
        verbose: args.talk.verbose,
        quiet: is_silent(args),
        crypt,
    })
}

/// Of how many chunks one is compared with the files in it: a number, `all` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled(pub Option<NonZeroU32>);

impl FromStr for Sampled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(Some(NonZeroU32::MIN))),
            "off" => Ok(Self(None)),
            number => number
                .parse()
                .map(|number| Self(Some(number)))
                .map_err(|_| "expected a number from 1, all or off"),
        }
    }
}

/// The budget of padding: a number of percent.
pub fn parse_budget(text: &str) -> Result<Budget, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 4 {
        return Err("expected a number of percent with at most four decimals, like 10 or 2.5".into());
    }
    let millionths = format!("{whole}{fraction:0<4}").parse::<u32>().ok().filter(|&ppm| ppm <= 1_000_000);
    millionths.map(Budget::ppm).ok_or_else(|| "expected at most 100 percent".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named() {
        let spec = Spec::parse(OsStr::new("root.pxar:/a:b")).unwrap();
        assert_eq!((spec.name().as_str(), spec.path.to_str()), ("root.pxar", Some("/a:b")));
        assert!(Spec::parse(OsStr::from_bytes(b"x.conf:/\xff")).is_ok());
        assert!(Spec::parse(OsStr::new("d.img:/dev/sda")).is_ok_and(|spec| spec.is_image()));
        for bad in ["root.pxar", "root:/x", ".pxar:/x", "a b.pxar:/x", "root.pxar:", "root.zip:/x", "d.img:"]
        {
            assert!(Spec::parse(OsStr::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn samples_are_numbers_or_words() {
        for (text, one_in) in [("all", 1), ("1", 1), ("100", 100), ("off", 0)] {
            assert_eq!(text.parse(), Ok(Sampled(NonZeroU32::new(one_in))), "{text}");
        }
        for bad in ["", "0", "-1", "some", "1.5"] {
            assert!(bad.parse::<Sampled>().is_err(), "{bad}");
        }
    }

    #[test]
    fn budgets_are_percent() {
        for (text, ppm) in [("10", 100_000), ("2.5", 25_000), ("0", 0), ("100%", 1_000_000), ("0.0001", 1)] {
            assert_eq!(parse_budget(text), Ok(Budget::ppm(ppm)), "{text}");
        }
        for bad in ["", "x", "-1", "101", "1.23456", ".5", "1e3"] {
            assert!(parse_budget(bad).is_err(), "{bad}");
        }
    }
}
