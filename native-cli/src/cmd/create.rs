//! `pxkit create`: an archive of a directory.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Device, Kind, Stat};
use pxkit_core::pattern::{MatchType, Pattern, encode_prelude, exclude_text};
use rustix::io::Errno;
use serde_json::json;

use super::{features, patterns};
use crate::cli::Create;
use crate::linux::{ReadOptions, raise_open_files};
use crate::output::Output;
use crate::report::{Outcome, Report, check_signals, watch_signals};
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
        bail!("--json writes to standard output, where the archive goes");
    }
    let report = Report::new(args.talk.quiet || args.talk.json || args.talk.verbose);
    let options = options(args)?;
    let root = match open_source(&args.source) {
        // "Too many levels of symbolic links" would be true of none here.
        Err(Errno::LOOP) => bail!("{} is a symlink; name the directory itself", args.source.display()),
        result => result.with_context(|| format!("cannot open the directory {}", args.source.display()))?,
    };
    let excludes = options.patterns.clone();
    let skip_lost_and_found = options.skip_lost_and_found.then(Pattern::lost_and_found);
    let excludes: Vec<Pattern> = excludes.into_iter().chain(skip_lost_and_found).collect();
    let walk =
        Walk::new(root, options).with_context(|| format!("cannot archive {}", args.source.display()))?;
    if args.archive != Path::new("-") {
        watch_signals()?;
    }
    let mut writer = Writer::new(&args.archive, args.payload_output.as_deref(), &excludes)?;
    if let Err(error) = writer.run(walk, args, &report) {
        // Nothing of the unfinished files stays, see `Output`.
        return Err(error.context(format!("cannot archive {}", args.source.display())));
    }
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
        read: ReadOptions { skip_e2big_xattr: args.skip_e2big_xattr },
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

/// Where a file with several names was stored: position of its FILENAME and path.
type FirstName = (u64, Box<[u8]>);

/// Encodes the steps of a walk and writes them to one file or two.
struct Writer {
    encoder: Encoder,
    meta: Output,
    /// The payload file of a split archive.
    payload: Option<Output>,
    /// Where payload headers go of unified archives: nowhere, they have none.
    no_payload: Vec<u8>,
    /// First names of files with several: by device and inode.
    first_names: HashMap<(u64, u64), FirstName>,
    /// The text of `.pxarexclude-cli`, empty if there is to be none.
    exclude_cli: Vec<u8>,
    block: Vec<u8>,
}

impl Writer {
    fn new(archive: &Path, payload: Option<&Path>, excludes: &[Pattern]) -> anyhow::Result<Self> {
        if payload.is_some_and(|payload| payload == archive) {
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

    fn run(&mut self, mut walk: Walk, args: &Create, report: &Report) -> anyhow::Result<()> {
        let mut depth = 0usize;
        while let Some(step) = walk.next()? {
            check_signals()?;
            match step {
                Step::Enter(node) => {
                    depth += 1;
                    self.name_entry(args, report, node.path);
                    report.count(0);
                    self.push(&Event::Directory(encoder_node(&node)))?;
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
                    self.push(&Event::Leave)?;
                }
                Step::Warning(warning) if warning.what.is_loss() => report.warn(warning),
                Step::Warning(warning) => report.line(format_args!("note: {warning}")),
            }
        }
        Ok(())
    }

    fn name_entry(&self, args: &Create, report: &Report, path: &[u8]) {
        if args.talk.verbose {
            report.line(walk::DisplayPath(path));
        }
    }

    fn node(&mut self, mut node: walk::Node<'_>, report: &Report) -> anyhow::Result<()> {
        let content = std::mem::replace(&mut node.content, Content::None);
        let encoded = encoder_node(&node);
        report.count(if node.kind == Kind::File { node.size } else { 0 });
        match (node.kind, content) {
            (Kind::File, content) => {
                let identity = (node.dev, node.ino);
                if node.nlink > 1
                    && let Some((filename, target)) = self.first_names.get(&identity)
                {
                    let (filename, target) = (*filename, target.clone());
                    let link = Event::Hardlink { name: node.name, filename, target: &target };
                    return self.push(&link).map(drop);
                }
                let filename = self.push(&Event::File { node: encoded, size: node.size })?;
                if node.nlink > 1 {
                    self.first_names.insert(identity, (filename, node.path.into()));
                }
                match content {
                    Content::Bytes(bytes) => self.contents(bytes),
                    Content::File(reader) => self.read(reader, node.path, report),
                    _ => bail!("a defect of pxkit: a file without contents in the walk"),
                }
            }
            (Kind::Symlink, Content::Target(target)) => {
                self.push(&Event::Symlink { node: encoded, target }).map(drop)
            }
            (Kind::Device, _) => {
                let device = Device::from_dev_t(node.rdev);
                self.push(&Event::Device { node: encoded, device }).map(drop)
            }
            (Kind::Fifo, _) => self.push(&Event::Fifo(encoded)).map(drop),
            (Kind::Socket, _) => self.push(&Event::Socket(encoded)).map(drop),
            (kind, _) => bail!("a defect of pxkit: a {} in the walk that is none", kind.name()),
        }
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
        self.push(&Event::File { node, size: text.len() as u64 })?;
        self.contents(&text)
    }

    fn push(&mut self, event: &Event<'_>) -> anyhow::Result<u64> {
        let payload = self.payload.as_mut().map_or(&mut self.no_payload, Output::buffer);
        let filename = self.encoder.push(event, self.meta.buffer(), payload)?;
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
