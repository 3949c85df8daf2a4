//! `pxkit inspect`: the inspector in the browser, served from here.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use pxkit_core::blob::BackupType;

use crate::cli::{Inspect, RepositoryArgs};
use crate::report::{Outcome, Report, watch_signals};
use crate::serve::place::Place;
use crate::serve::sources::{Open, Sources, What};
use crate::serve::{Assets, LocalTree, Server, ServerTree, browser};
use crate::store::locate::{self, Located};
use crate::store::{
    ArchiveName, Group, Local, Namespace, OpenSnapshot, Options, SnapshotName, split_archive,
};

/// The halves of a split archive in files.
const HALVES: [(&str, &str); 2] = [("mpxar", "ppxar"), ("ppxar", "mpxar")];

/// Serves the inspector until a signal ends it.
///
/// # Errors
/// Something that was named cannot be opened, this program has no inspector in it, or the server cannot run. [`crate::report::Interrupted`] else.
pub fn run(args: &Inspect) -> anyhow::Result<Outcome> {
    let assets = match &args.assets {
        Some(directory) => Assets::in_directory(directory)?,
        None => Assets::embedded()?,
    };
    let sources = Wanted::of(args)?;
    let report = Report::new(true);
    let title = sources.to_string();
    let server = Server::bind(args.port, assets, sources)?;
    // Whoever has the address may end this at once.
    watch_signals()?;
    writeln!(io::stdout(), "{}", server.url())
        .and_then(|()| io::stdout().flush())
        .context("cannot write to standard output")?;
    report.line(format_args!("serving {title} to this machine; Ctrl-C ends it"));
    if !args.no_open {
        show(&server, &report);
    }
    match server.run()? {}
}

/// Starts a browser, or says what to do instead.
fn show(server: &Server, report: &Report) {
    if !browser::is_possible() {
        let port = server.port();
        report.line(format_args!(
            "there is no display here: from another machine, `ssh -L {port}:127.0.0.1:{port} HOST`, and open that address there"
        ));
        return;
    }
    let url = server.ticket_url();
    // It may take its time, and wants to be answered meanwhile.
    const NONE: &str = "no browser could be started: open that address in one";
    let opening = thread::Builder::new().spawn(move || {
        if !browser::open(&url) {
            Report::new(true).line(NONE);
        }
    });
    if opening.is_err() {
        report.line(NONE);
    }
}

/// Finds what the arguments name.
struct Wanted {
    located: RepositoryArgs,
    sources: Sources,
    /// Numbers of trees by the directories of their datastores.
    trees: HashMap<PathBuf, usize>,
    /// The repository, once somebody asked for it.
    repository: Option<Located>,
    /// The number of its tree, if it is on a server.
    server: Option<usize>,
}

impl Wanted {
    fn of(args: &Inspect) -> anyhow::Result<Sources> {
        let located = args.repository.located();
        let (sources, trees) = Default::default();
        let mut wanted = Self { located, sources, trees, repository: None, server: None };
        if args.what.is_empty()
            && let Some(repository) = locate::find(&wanted.located)?
        {
            wanted.whole(&repository)?;
        }
        for what in &args.what {
            wanted.add(what)?;
        }
        Ok(wanted.sources)
    }

    /// What exists under a name goes first, whatever it looks like, as with other commands.
    fn add(&mut self, what: &Path) -> anyhow::Result<()> {
        match fs::symlink_metadata(what) {
            Ok(_) => self.add_path(what),
            Err(error) => match what.to_str().filter(|text| is_in_repository(text)) {
                Some(text) => self.add_name(text),
                None => Err(error).with_context(|| format!("cannot open {}", what.display())),
            },
        }
    }

    fn add_path(&mut self, path: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot open {}", path.display());
        let full = path.canonicalize().with_context(cannot)?;
        let is_directory = full.metadata().with_context(cannot)?.is_dir();
        if let Some((root, place)) = place_in_store(&full) {
            let open = |namespace, what| Some(Open { namespace, what });
            let open = match place {
                Place::Namespace(_) | Place::Namespaces(_) | Place::Groups(..) => None,
                Place::Group(namespace, group) => open(namespace, What::Group(group)),
                Place::Snapshot(namespace, id) => open(namespace, What::Snapshot(id)),
                Place::File(namespace, id, name) => open(namespace, What::Archive(id, name)),
                Place::GroupFile(..) | Place::Chunk(..) => return self.sources.add_file(path),
                Place::Chunks | Place::ChunkPrefix(_) => {
                    bail!("{} is where a datastore keeps its chunks: name {}", path.display(), root.display())
                }
            };
            let tree = self.tree(root)?;
            if let Some(open) = open {
                self.sources.open(tree, open);
            }
            return Ok(());
        }
        if is_directory {
            bail!("{} is no datastore: it has no directory .chunks", path.display());
        }
        self.add_file(path)
    }

    /// Adds a file, and the other half of a split archive if it lies beside it.
    fn add_file(&mut self, path: &Path) -> anyhow::Result<()> {
        self.sources.add_file(path)?;
        let other =
            HALVES.iter().find(|(half, _)| path.extension().is_some_and(|extension| extension == *half));
        if let Some((_, other)) = other {
            let other = path.with_extension(other);
            if other.is_file() {
                self.sources.add_file(&other)?;
            }
        }
        Ok(())
    }

    /// Adds a group, a snapshot or an archive of the repository.
    fn add_name(&mut self, text: &str) -> anyhow::Result<()> {
        let namespace = self.located.ns.clone();
        let what = match text.split('/').count() {
            2 => {
                let group: Group = text.parse().with_context(|| format!("there is no file {text}"))?;
                let store = self.repository()?;
                // Says so if there is no such group.
                store.snapshots(&namespace, &group)?;
                What::Group(group)
            }
            3 => {
                let name = text.parse().with_context(|| format!("there is no file {text}"))?;
                What::Snapshot(self.snapshot(&name, &namespace)?.id().clone())
            }
            _ => {
                let names = split_archive(text).context("four names, the first of them a type")?;
                let (name, archive) = names.with_context(|| format!("there is no file {text}"))?;
                let snapshot = self.snapshot(&name, &namespace)?;
                let archive = match ArchiveName::find(snapshot.manifest(), archive)? {
                    ArchiveName::Unified(name)
                    | ArchiveName::Split { meta: name, .. }
                    | ArchiveName::Image(name)
                    | ArchiveName::Stream(name)
                    | ArchiveName::Blob(name) => name,
                    ArchiveName::Manifest => "index.json.blob".to_owned(),
                };
                What::Archive(snapshot.id().clone(), archive)
            }
        };
        let tree = self.repository_tree()?;
        self.sources.open(tree, Open { namespace, what });
        Ok(())
    }

    /// Opens a snapshot to see that it is there. It is not kept open: somebody who looks at it must not keep others from pruning it.
    fn snapshot(
        &mut self,
        name: &SnapshotName,
        namespace: &Namespace,
    ) -> anyhow::Result<Arc<dyn OpenSnapshot>> {
        name.open(&**self.repository()?, namespace)
    }

    /// Adds everything in a repository.
    fn whole(&mut self, repository: &Located) -> anyhow::Result<usize> {
        match repository {
            Located::Directory(store) => self.tree(store.root()),
            Located::Server(remote) => Ok(*self
                .server
                .get_or_insert_with(|| self.sources.add_tree(Box::new(ServerTree::new(remote.clone()))))),
        }
    }

    fn repository_tree(&mut self) -> anyhow::Result<usize> {
        let repository = self.repository()?.clone();
        self.whole(&repository)
    }

    fn repository(&mut self) -> anyhow::Result<&Located> {
        if self.repository.is_none() {
            self.repository = Some(locate::open(&self.located)?);
        }
        Ok(self.repository.as_ref().expect("it was just opened"))
    }

    /// The tree of the datastore in a directory; each is served once.
    fn tree(&mut self, root: &Path) -> anyhow::Result<usize> {
        // Says so if it is none, or only the cache of one.
        Local::open(root, Options::default())?;
        let key = root.canonicalize().with_context(|| format!("cannot open {}", root.display()))?;
        if let Some(&tree) = self.trees.get(&key) {
            return Ok(tree);
        }
        let tree = self.sources.add_tree(Box::new(LocalTree::open(root)?));
        self.trees.insert(key, tree);
        Ok(tree)
    }
}

/// Whether a text looks like something in a repository: a type of backup and one to three names.
fn is_in_repository(text: &str) -> bool {
    let is_type = text.split('/').next().is_some_and(|word| BackupType::from_word(word).is_some());
    is_type && (2..=4).contains(&text.split('/').count())
}

/// The datastore that holds a path without symlinks, and what the path is there. `None` if there is none, or nothing that belongs
/// into one.
fn place_in_store(path: &Path) -> Option<(&Path, Place)> {
    let root = path.ancestors().find(|root| root.join(".chunks").is_dir())?;
    let names: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(|name| name.to_str()).collect();
    Some((root, Place::of(names?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_repository_have_a_form() {
        for text in ["host/web", "vm/100/latest", "ct/1/2026-11-20T02:00:00Z/root.pxar", "host/"] {
            assert!(is_in_repository(text), "{text}");
        }
        for text in ["host", "root.pxar", "./host/web", "/host/web", "hosts/web", "host/a/b/c/d", ""] {
            assert!(!is_in_repository(text), "{text}");
        }
    }
}
