//! `pxkit create`: an archive of a directory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Device, Kind, MAX_NAME_LEN, Stat};
use pxkit_core::pattern::{MatchType, Pattern, encode_prelude, exclude_text};
use rustix::io::Errno;
use serde_json::json;

use super::{features, patterns};
use crate::cli::Create;
use crate::linux::raise_open_files;
use crate::output::{Output, is_same_place};
use crate::report::{Outcome, Report, Usage, check_signals, watch_signals};
use crate::text::quoted;
use crate::walk::{self, Content, FileReader, Options, Step, Walk, open_source};

/// The file that unified archives keep the exclude patterns in (specification 5.5).
const EXCLUDE_CLI: &[u8] = b".pxarexclude-cli";

/// Creates an archive.
///
/// # Errors
/// The source cannot be read, or the archive not be written; no file is left behind then.
pub fn run(args: &Create) -> anyhow::Result<Outcome> {
    raise_open_files();
    if args.talk.json && args.archive == Path::new("-") {
        bail!(Usage("--json writes to standard output, where the archive goes".into()));
    }
    if args.payload_output.is_none() && args.archive.extension().is_some_and(|extension| extension == "mpxar")
    {
        bail!(Usage(format!(
            "{} is a name for the metadata of a split archive: name the file of its contents with --payload-output, or the \
            archive .pxar",
            args.archive.display()
        )));
    }
    if args.archive == Path::new("-") && io::stdout().is_terminal() {
        bail!("standard output is a terminal, which no archive should go to; redirect it or name a file");
    }
    let report = Report::new(args.talk.quiet || args.talk.json || args.talk.verbose);
    let mut options = options(args)?;
    let root = match open_source(&args.source) {
        // "Too many levels of symbolic links" would be true of none here.
        Err(Errno::LOOP) => bail!("{} is a symlink; name the directory itself", args.source.display()),
        result => result.with_context(|| format!("cannot open the directory {}", args.source.display()))?,
    };
    let excludes = options.patterns.clone();
    let skip_lost_and_found = options.skip_lost_and_found.then(Pattern::lost_and_found);
    let excludes: Vec<Pattern> = excludes.into_iter().chain(skip_lost_and_found).collect();
    if args.archive != Path::new("-") {
        watch_signals()?;
    }
    let mut writer = Writer::new(&args.archive, args.payload_output.as_deref(), &excludes)?;
    options.leave_out = writer.identities()?;
    let walked =
        Walk::new(root, options).map_err(Into::into).and_then(|walk| writer.run(walk, args, &report));
    // Nothing of the unfinished files stays, see `Output`.
    walked.with_context(|| format!("cannot archive {}", args.source.display()))?;
    let (archive_size, payload_size) = writer.finish()?;
    let outcome = report.finish();
    if args.talk.json {
        writeln!(
            io::stdout(),
            "{}",
            json!({
                "entries": report.entries(),
                "contents": report.bytes(),
                "warnings": report.warnings(),
                "archive_size": archive_size,
                "payload_size": payload_size,
                "seconds": report.elapsed().as_secs_f64(),
            })
        )?;
    }
    Ok(outcome)
}

fn options(args: &Create) -> anyhow::Result<Options> {
    let device = |path: &std::path::PathBuf| {
        let stat = rustix::fs::stat(path).with_context(|| format!("cannot find {}", path.display()))?;
        anyhow::Ok(stat.st_dev)
    };
    Ok(Options {
        features: features(&args.leave_out),
        all_file_systems: args.all_file_systems,
        include_devs: args.include_dev.iter().map(device).collect::<Result<_, _>>()?,
        patterns: patterns(&args.exclude, MatchType::Exclude)?,
        skip_lost_and_found: args.skip_lost_and_found,
        entries_max: args.entries_max,
        no_device_nodes: args.leave_out.no_device_nodes,
        no_fifos: args.leave_out.no_fifos,
        no_sockets: args.leave_out.no_sockets,
        threads: args.threads.map(usize::from),
        ..Options::default()
    })
}

/// Where a file with several names was stored.
struct FirstName {
    /// Position of its FILENAME.
    filename: u64,
    path: Box<[u8]>,
    /// Names that were met, this one included.
    met: u64,
    /// Most names that it was said to have; the number may change while the tree is walked.
    nlink: u64,
}

/// Encodes the steps of a walk and writes them to one file or two.
struct Writer {
    encoder: Encoder,
    meta: Output,
    /// The payload file of a split archive.
    payload: Option<Output>,
    /// Where payload headers go of unified archives: nowhere, they have none.
    no_payload: Vec<u8>,
    /// First names of files with several of which more may come: by device and inode.
    first_names: HashMap<(u64, u64), FirstName>,
    /// The text of `.pxarexclude-cli`, empty if there is to be none.
    exclude_cli: Vec<u8>,
    block: Vec<u8>,
}

impl Writer {
    fn new(archive: &Path, payload: Option<&Path>, excludes: &[Pattern]) -> anyhow::Result<Self> {
        if payload.is_some_and(|payload| archive != Path::new("-") && is_same_place(payload, archive)) {
            bail!("the two files of a split archive need different names");
        }
        if payload == Some(Path::new("-")) {
            bail!("the payload of a split archive cannot go to standard output");
        }
        let prelude = if payload.is_some() { encode_prelude(excludes)? } else { None };
        let mut meta = Output::create(archive)?;
        let mut payload = payload.map(Output::create).transpose()?;
        let mut exclude_cli = Vec::new();
        let encoder = match &mut payload {
            Some(payload) => Encoder::split(prelude.as_deref(), meta.buffer(), payload.buffer()),
            None => {
                exclude_cli = exclude_text(excludes);
                Encoder::unified()
            }
        };
        let (no_payload, block) = (Vec::new(), Vec::new());
        Ok(Self { encoder, meta, payload, no_payload, first_names: HashMap::new(), exclude_cli, block })
    }

    /// The files that are written, as far as the walk may meet them.
    fn identities(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        [Some(&self.meta), self.payload.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|output| output.identity().transpose())
            .collect()
    }

    fn run(&mut self, mut walk: Walk, args: &Create, report: &Report) -> anyhow::Result<()> {
        let mut depth = 0usize;
        while let Some(step) = walk.next()? {
            check_signals()?;
            match step {
                Step::Enter(node) => {
                    depth += 1;
                    self.name_entry(args, report, node.path);
                    report.count(0);
                    self.push(&Event::Directory(encoder_node(&node)), node.path)?;
                }
                Step::Node(node) => {
                    self.name_entry(args, report, node.path);
                    self.node(node, report)?;
                }
                Step::Leave => {
                    depth -= 1;
                    if depth == 0 && !self.exclude_cli.is_empty() {
                        self.write_exclude_cli()?;
                    }
                    self.push(&Event::Leave, b"")?;
                }
                Step::Warning(warning) if warning.what.is_loss() => report.warn(warning),
                Step::Warning(warning) => report.line(format_args!("note: {warning}")),
            }
        }
        Ok(())
    }

    fn name_entry(&self, args: &Create, report: &Report, path: &[u8]) {
        if args.talk.verbose {
            report.line(quoted(path));
        }
    }

    fn node(&mut self, mut node: walk::Node<'_>, report: &Report) -> anyhow::Result<()> {
        let content = std::mem::replace(&mut node.content, Content::None);
        let encoded = encoder_node(&node);
        report.count(0);
        match (node.kind, content) {
            (Kind::File, content) => {
                if node.nlink > 1 && self.link(&node, report)? {
                    return Ok(());
                }
                let filename = self.push(&Event::File { node: encoded, size: node.size }, node.path)?;
                if node.nlink > 1 {
                    let new = || FirstName { filename, path: Box::default(), met: 1, nlink: node.nlink };
                    let first = self.first_names.entry((node.dev, node.ino)).or_insert_with(new);
                    // There is one already if its path is too long to be linked to; this may do better.
                    (first.filename, first.path) = (filename, node.path.into());
                }
                match content {
                    Content::Bytes(bytes) => {
                        report.count_bytes(bytes.len() as u64);
                        self.contents(bytes)
                    }
                    Content::File(reader) => self.read(reader, node.path, report),
                    _ => bail!("a defect of pxkit: a file without contents in the walk"),
                }
            }
            (Kind::Symlink, Content::Target(target)) => {
                self.push(&Event::Symlink { node: encoded, target }, node.path).map(drop)
            }
            (Kind::Device, _) => {
                let device = Device::from_dev_t(node.rdev);
                self.push(&Event::Device { node: encoded, device }, node.path).map(drop)
            }
            (Kind::Fifo, _) => self.push(&Event::Fifo(encoded), node.path).map(drop),
            (Kind::Socket, _) => self.push(&Event::Socket(encoded), node.path).map(drop),
            (kind, _) => bail!("a defect of pxkit: a {} in the walk that is none", kind.name()),
        }
    }

    /// Stores a further name of a file as a hard link; says whether that was possible.
    fn link(&mut self, node: &walk::Node<'_>, report: &Report) -> anyhow::Result<bool> {
        let Entry::Occupied(mut first) = self.first_names.entry((node.dev, node.ino)) else {
            return Ok(false);
        };
        let FirstName { filename, path, met, nlink } = first.get_mut();
        *met += 1;
        *nlink = node.nlink.max(*nlink);
        if path.len() > MAX_NAME_LEN {
            report.warn(format_args!(
                "{}: stored as a file of its own: the path of its first name is too long for a hard link",
                walk::DisplayPath(node.path)
            ));
            return Ok(false);
        }
        let filename = *filename;
        // After the last name there is nothing to remember it for.
        let target = if met >= nlink { first.remove().path } else { path.clone() };
        self.push(&Event::Hardlink { name: node.name, filename, target: &target }, node.path)?;
        Ok(true)
    }

    /// Reads a file that is too large to have been read ahead.
    fn read(&mut self, mut reader: FileReader, path: &[u8], report: &Report) -> anyhow::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        loop {
            check_signals()?;
            let bytes = reader
                .next_block(&mut block)
                .with_context(|| format!("cannot read {}", walk::DisplayPath(path)))?;
            if bytes.is_empty() {
                break;
            }
            report.count_bytes(bytes.len() as u64);
            self.contents(bytes)?;
        }
        self.block = block;
        if let Some(change) = reader.change() {
            report.warn(format_args!("{}: {change}", walk::DisplayPath(path)));
        }
        Ok(())
    }

    fn write_exclude_cli(&mut self) -> anyhow::Result<()> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let stat = Stat { mode: 0o100_600, uid, gid, ..Stat::default() };
        let node = Node { name: EXCLUDE_CLI, stat: &stat, attributes: &Attributes::new() };
        let text = std::mem::take(&mut self.exclude_cli);
        self.push(&Event::File { node, size: text.len() as u64 }, EXCLUDE_CLI)?;
        self.contents(&text)
    }

    /// Encodes an event about the node at `path`.
    fn push(&mut self, event: &Event<'_>, path: &[u8]) -> anyhow::Result<u64> {
        let payload = self.payload.as_mut().map_or(&mut self.no_payload, Output::buffer);
        let filename = self.encoder.push(event, self.meta.buffer(), payload);
        let filename = filename.with_context(|| walk::DisplayPath(path).to_string())?;
        self.meta.flush_if_full()?;
        Ok(filename)
    }

    fn contents(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.encoder.contents(bytes.len() as u64)?;
        self.payload.as_mut().unwrap_or(&mut self.meta).append(bytes)
    }

    /// Completes both files; returns their sizes.
    fn finish(mut self) -> anyhow::Result<(u64, Option<u64>)> {
        let payload_buffer = self.payload.as_mut().map_or(&mut self.no_payload, Output::buffer);
        let (meta_size, payload_size) = self.encoder.finish(payload_buffer)?;
        let Some(mut payload) = self.payload else {
            self.meta.publish()?;
            return Ok((meta_size, None));
        };
        // The payload first: metadata without contents would look like an archive.
        payload.publish()?;
        if let Err(error) = self.meta.publish() {
            payload.retract();
            return Err(error);
        }
        Ok((meta_size, Some(payload_size)))
    }
}

fn encoder_node<'a>(node: &'a walk::Node<'_>) -> Node<'a> {
    Node { name: node.name, stat: &node.stat, attributes: node.attributes }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn names_are_forgotten_after_the_last() {
        let dir = tempfile::TempDir::new().unwrap();
        let source = dir.path().join("src");
        fs::create_dir_all(source.join("sub")).unwrap();
        for name in ["a", "b"] {
            fs::write(source.join(name), name).unwrap();
            fs::hard_link(source.join(name), source.join(format!("{name}-2"))).unwrap();
            fs::hard_link(source.join(name), source.join(format!("sub/{name}-3"))).unwrap();
        }
        let remembered = || {
            let (archive, report) = (dir.path().join("a.pxar"), Report::new(true));
            let cli = Cli::parse_from([Path::new("pxkit"), Path::new("create"), &archive, &source]);
            let Command::Create(args) = cli.command else { panic!("another command") };
            let walk = Walk::new(open_source(&source).unwrap(), options(&args).unwrap()).unwrap();
            let mut writer = Writer::new(&archive, None, &[]).unwrap();
            writer.run(walk, &args, &report).unwrap();
            let mut names: Vec<_> = writer.first_names.values().map(|first| first.path.to_vec()).collect();
            names.sort();
            (report.entries(), report.bytes(), names)
        };
        // Contents count where they are stored.
        assert_eq!(remembered(), (8, 2, vec![]));
        // A name that does not come keeps the others waiting for it.
        fs::rename(source.join("sub/b-3"), dir.path().join("outside")).unwrap();
        assert_eq!(remembered(), (7, 2, vec![b"b".to_vec()]));
    }
}
