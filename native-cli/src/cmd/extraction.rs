//! Entries of an archive back to disk: what `extract` and `restore` share.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use pxkit_core::access::{ReadNode, Resolve, Resolved};
use pxkit_core::decode::{Content, Event};
use pxkit_core::format::{Features, Kind};
use pxkit_core::pattern::{MatchType, Pattern};
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde_json::json;

use super::{features, patterns};
use crate::cli::{Extracting, StreamFormat};
use crate::export::Exporter;
use crate::input::{EntryReader, Opened, Payload, RandomAccess, Stream};
use crate::linux::raise_open_files;
use crate::output::Output;
use crate::report::{Outcome, Report, Usage, check_signals, watch_signals};
use crate::restore::{Extractor, Options, Parent, Receiver, Sources};
use crate::select::Selection;
use crate::source::ByteSource;
use crate::text::quoted;

/// What is to be extracted, where to, and how.
#[derive(Debug)]
pub struct Extraction<'a> {
    /// The archive.
    pub opened: Opened,
    /// The directory; it is made if it does not exist.
    pub target: &'a Path,
    /// Patterns of what to extract; everything if there are none, here and in a file.
    pub patterns: &'a [OsString],
    /// Options.
    pub how: &'a Extracting,
}

impl Extraction<'_> {
    /// Extracts.
    ///
    /// # Errors
    /// The archive cannot be read or is damaged, nothing more can be written, or, in strict mode, anything at all. What was
    /// restored before stays.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let format = self.how.format;
        self.run_as(format)
    }

    /// As [`Extraction::run`], into a stream if there is a format.
    ///
    /// # Errors
    /// Those of [`Extraction::run`]. Of a stream nothing stays but what was written to standard output.
    pub fn run_as(self, format: Option<StreamFormat>) -> anyhow::Result<Outcome> {
        let Self { opened, target, patterns, how } = self;
        if how.talk.json && format.is_some() && target == Path::new("-") {
            bail!(Usage("--json writes to standard output, where the stream goes".into()));
        }
        raise_open_files();
        let Opened { name, stream, payload, payload_hint } = opened.archive()?;
        let patterns = all_patterns(patterns, how.files_from.as_deref())?;
        let sources = Sources { archive: stream.source().cloned(), payload, payload_hint };
        if let (None, Some(archive)) = (&sources.payload, &sources.archive) {
            refuse_missing_payload(archive, &name, payload_hint)?;
        }
        watch_signals()?;
        let directory = if format.is_none() { Some(open_target(target)?) } else { None };
        let report = Report::new(how.talk.quiet || how.talk.json || how.talk.verbose);
        let is_partial = !patterns.is_empty();
        let run = Run { how, report: &report };
        let paths = literal_paths(&patterns);
        let (archive, payload) = (sources.archive.clone(), sources.payload.clone());
        let search = paths.as_ref().zip(archive.as_ref()).and_then(|(paths, archive)| {
            let error = match searchable(&**archive, payload.as_ref(), paths) {
                Ok(access) => return Some((access, paths)),
                Err(error) => error,
            };
            report.warn(format_args!("the archive cannot be searched, it is read from its start: {error:#}"));
            None
        });
        let body = |receiver: &mut dyn Receiver| match search {
            Some((access, paths)) => run.paths(receiver, stream, &access, paths),
            None => run.everything(receiver, stream, patterns.clone()),
        };
        let what = || format!("cannot extract {name}");
        if let Some(format) = format {
            let create = if how.overwrites_files() { Output::replace } else { Output::create };
            let mut out = create(target)?;
            let features = options(how).features;
            let exporter = Exporter::new(format, &mut out, sources, features, is_partial, &report)?;
            let mut exporter = exporter.verbose(how.talk.verbose);
            body(&mut exporter).and_then(|()| exporter.finish()).with_context(what)?;
            out.publish()?;
        } else if let Some(directory) = directory {
            Extractor::run(directory, options(how), sources, is_partial, &report, |extractor| {
                body(extractor)
            })
            .with_context(what)?;
        }
        let outcome = report.finish();
        if how.talk.json {
            let (entries, contents) = (report.entries(), report.bytes());
            let (warnings, seconds) = (report.warnings(), report.elapsed().as_secs_f64());
            let summary = json!({
                "entries": entries,
                "contents": contents,
                "warnings": warnings,
                "seconds": seconds,
            });
            writeln!(io::stdout(), "{summary}").context("cannot write to standard output")?;
        }
        Ok(outcome)
    }
}

fn options(how: &Extracting) -> Options {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let owner = if how.no_owner { Features::OWNER } else { Features(0) };
    Options {
        features: features(&how.leave_out).without(owner),
        allow_existing_dirs: how.allow_existing_dirs,
        overwrite_files: how.overwrites_files(),
        overwrite_symlinks: how.overwrite || how.overwrite_symlinks,
        overwrite_hardlinks: how.overwrite || how.overwrite_hardlinks,
        strict: how.strict,
        verbose: how.talk.verbose,
        threads: how.threads.map_or_else(cores, usize::from),
    }
}

/// Refuses a split archive without its payload stream before anything is made. Only as much of it is read as goes before the
/// first file; what is wrong with it is for the extraction to say.
pub(super) fn refuse_missing_payload(
    archive: &Arc<dyn ByteSource>,
    name: &str,
    hint: &str,
) -> anyhow::Result<()> {
    let mut reader = EntryReader::new(Stream::over(archive.clone()));
    loop {
        let skipped = match reader.step() {
            Ok(Event::Entry(entry)) => match entry.content {
                Content::Reference(_) => bail!("{name} is a split archive: {hint}"),
                Content::Inline { .. } => return Ok(()),
                _ => 0,
            },
            Ok(Event::Skip(bytes)) => bytes,
            Ok(Event::End) | Err(_) => return Ok(()),
            Ok(_) => 0,
        };
        if reader.skip(skipped).is_err() {
            return Ok(());
        }
    }
}

/// Opens an archive for looking up paths, if its tables allow that.
fn searchable<'a>(
    archive: &'a dyn ByteSource,
    payload: Option<&'a Payload>,
    paths: &[Wanted<'_>],
) -> anyhow::Result<RandomAccess<'a>> {
    let access = RandomAccess::open(archive, payload)?;
    access.run(ReadNode::root(&access.archive))?;
    for Wanted { path, .. } in paths {
        access.run(Resolve::new(&access.archive, path))?;
    }
    Ok(access)
}

/// Those of the file first, so that those of the command line, which come later, decide.
fn all_patterns(given: &[OsString], file: Option<&Path>) -> anyhow::Result<Vec<Pattern>> {
    let mut all = Vec::new();
    if let Some(path) = file {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.is_empty() && line[0] != b'#');
        let lines: Vec<OsString> = lines.map(|line| OsString::from_vec(line.to_vec())).collect();
        // Everything would be extracted, which a list that came out empty by mistake does not mean.
        ensure!(!lines.is_empty(), "{} holds no patterns", path.display());
        // The command line is not what is wrong.
        all =
            patterns(&lines, MatchType::Include).map_err(|error| anyhow!("{}: {error:#}", path.display()))?;
    }
    all.extend(patterns(given, MatchType::Include)?);
    Ok(all)
}

/// Makes the target directory, with all above it, where it is missing, and opens it.
fn open_target(path: &Path) -> anyhow::Result<OwnedFd> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the directory {}", path.display()))?;
    openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open the directory {}", path.display()))
}

/// A path to be looked up.
struct Wanted<'p> {
    /// Without leading slash.
    path: &'p [u8],
    dirs_only: bool,
}

/// The paths that the patterns mean, if they can all be looked up: in the order in which one comes right before all below it.
fn literal_paths(patterns: &[Pattern]) -> Option<Vec<Wanted<'_>>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let path = pattern.literal_path().filter(|_| pattern.match_type() == MatchType::Include)?;
        // Neither the root nor a path with an empty component matches anything.
        let path =
            path.strip_prefix(b"/").filter(|path| path.split(is_slash).all(|part| !part.is_empty()))?;
        paths.push(Wanted { path, dirs_only: pattern.dirs_only() });
    }
    paths.sort_by(|a, b| a.path.split(is_slash).cmp(b.path.split(is_slash)));
    Some(paths).filter(|paths| !paths.is_empty())
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// Whether `path` is `above` or below it.
fn is_within(path: &[u8], above: &[u8]) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.first().is_none_or(is_slash))
}

struct Run<'a> {
    how: &'a Extracting,
    report: &'a Report,
}

impl Run<'_> {
    /// Reads the archive from its start to its end and restores what the patterns select.
    fn everything(
        &self,
        extractor: &mut dyn Receiver,
        stream: Stream,
        patterns: Vec<Pattern>,
    ) -> anyhow::Result<()> {
        let mut selection = Selection::new(patterns);
        let mut reader = EntryReader::new(stream);
        self.follow(extractor, &mut reader, &mut selection)?;
        if extractor.is_ended() {
            return Ok(());
        }
        if !selection.is_all() && !selection.has_matches() {
            self.report.warn("no entry matches the patterns");
        }
        let trailing = reader.trailing_bytes();
        if trailing > 0 {
            self.report.warn(format_args!("{trailing} bytes follow the end of the archive"));
        }
        Ok(())
    }

    /// Looks the paths up and reads nothing but them.
    fn paths(
        &self,
        extractor: &mut dyn Receiver,
        mut stream: Stream,
        access: &RandomAccess<'_>,
        paths: &[Wanted<'_>],
    ) -> anyhow::Result<()> {
        if let (Some(target), Some((offset, bytes))) = (&self.how.prelude_target, access.archive.prelude) {
            let mut prelude = Prelude::create(target, self.how)?;
            stream.skip(offset).context("cannot read the archive")?;
            let missing = stream.copy(bytes, &mut prelude.file)?;
            ensure!(missing == 0, "the archive ends within its prelude");
        }
        let root = access.run(ReadNode::root(&access.archive))?;
        let (stat, attributes) = (root.stat, root.attributes);
        extractor.enter(Parent { name: Vec::new(), stat, attributes })?;
        // Directories that were entered, and the path that was restored last, whose directory is the innermost of them.
        let mut open: Vec<&[u8]> = Vec::new();
        let mut done: Option<&[u8]> = None;
        for &Wanted { path, dirs_only } in paths {
            check_signals()?;
            if extractor.is_ended() {
                break;
            }
            if done.is_some_and(|done| is_within(path, done)) {
                continue;
            }
            let found = access.run(Resolve::new(&access.archive, path))?;
            let Some(Resolved { node, .. }) =
                found.filter(|found| found.node.kind == Kind::Directory || !dirs_only)
            else {
                self.report.warn(format_args!("{} is not in the archive", quoted(path)));
                continue;
            };
            while open.last().is_some_and(|last| !is_within(path, last)) {
                open.pop();
                extractor.leave();
            }
            let slashes = path.iter().enumerate().filter(|(_, b)| is_slash(b));
            for above in slashes.map(|(at, _)| &path[..at]) {
                if open.last().is_some_and(|last| is_within(last, above)) {
                    continue;
                }
                if let Some(Resolved { node, .. }) = access.run(Resolve::new(&access.archive, above))? {
                    let (stat, attributes) = (node.stat, node.attributes);
                    let name = above.rsplit(is_slash).next().unwrap_or(above).to_vec();
                    extractor.enter(Parent { name, stat, attributes })?;
                    open.push(above);
                }
            }
            let parent = &path[..path.iter().rposition(is_slash).unwrap_or_default()];
            let mut reader = EntryReader::child(stream, node.filename, parent)?;
            let mut selection = Selection::new(Vec::new());
            self.follow(extractor, &mut reader, &mut selection)?;
            stream = reader.into_stream();
            done = Some(path);
        }
        for _ in open {
            extractor.leave();
        }
        extractor.leave();
        Ok(())
    }

    /// Hands the entries of a reader to the extractor.
    fn follow(
        &self,
        extractor: &mut dyn Receiver,
        reader: &mut EntryReader,
        selection: &mut Selection,
    ) -> anyhow::Result<()> {
        let mut wanted = false;
        let mut prelude = None;
        while !extractor.is_ended() {
            match reader.step()? {
                Event::Need(_) => {}
                Event::Entry(entry) => {
                    check_signals()?;
                    wanted = extractor.entry(&entry, selection.entry(&entry))?;
                }
                Event::Skip(bytes) => {
                    if std::mem::take(&mut wanted) {
                        extractor.contents(&mut |out| reader.copy(bytes, out))?;
                    } else if let Some(Prelude { mut file }) = prelude.take() {
                        reader.copy(bytes, &mut file)?;
                    } else {
                        reader.skip(bytes)?;
                    }
                }
                Event::Leave { .. } => {
                    selection.leave();
                    extractor.leave();
                }
                Event::Version(version) if self.how.talk.verbose => {
                    self.report.line(format_args!("pxar format version 'Version{version}'"));
                }
                Event::Prelude { size } => {
                    if let Some(target) = &self.how.prelude_target {
                        prelude = Some(Prelude::create(target, self.how)?).filter(|_| size > 0);
                    }
                }
                Event::Version(_) => {}
                Event::End => break,
            }
        }
        for finding in reader.warnings() {
            self.report.warn(format_args!("offset {}: {}", finding.offset, finding.what));
        }
        Ok(())
    }
}

/// The file that the archive's prelude goes to.
struct Prelude {
    file: File,
}

impl Prelude {
    fn create(path: &Path, how: &Extracting) -> anyhow::Result<Self> {
        let overwrite = how.overwrites_files();
        let mut options = OpenOptions::new();
        options.write(true).mode(0o640).truncate(overwrite).create(overwrite).create_new(!overwrite);
        let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file })
    }
}
