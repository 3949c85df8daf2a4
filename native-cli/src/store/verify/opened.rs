//! Snapshots that are verified by reading them, from wherever they are.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use pxkit_core::blob::{FileEntry, Manifest};
use pxkit_core::format::Digest;

use super::{Chunks, Files, Place, Verdict};
use crate::remote::{Lost, Refused};
use crate::store::{ChunkError, ChunkProblem, Index, Namespace, OpenSnapshot, Repository, SnapshotId};

/// A repository that is only read.
#[derive(Debug)]
pub(super) struct Elsewhere(pub Arc<dyn Repository>);

impl Place for Elsewhere {
    fn open(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
    ) -> anyhow::Result<Result<Box<dyn Files>, (Verdict, String)>> {
        match self.0.open(namespace, id) {
            Ok(snapshot) => Ok(Ok(Box::new(Opened { snapshot, lost: Mutex::default() }))),
            Err(error) if is_end(&error) => Err(error),
            Err(error) => {
                let is_gone = error.is::<Refused>();
                let verdict = if is_gone { Verdict::Skipped } else { Verdict::Failed };
                Ok(Err((verdict, format!("{error:#}"))))
            }
        }
    }

    fn note(&self, _: &Namespace, _: &SnapshotId, _: bool) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Whether there is no sense in going on.
fn is_end(error: &anyhow::Error) -> bool {
    error.is::<Lost>()
        || error.is::<crate::report::Interrupted>()
        || error.downcast_ref::<Refused>().is_some_and(|refused| matches!(refused.status, 401 | 403))
}

/// A snapshot that is open.
#[derive(Debug)]
struct Opened {
    snapshot: Arc<dyn OpenSnapshot>,
    /// Why nothing more can be read.
    lost: Mutex<Option<String>>,
}

impl Files for Opened {
    fn manifest(&self) -> &Manifest {
        self.snapshot.manifest()
    }

    fn blob(&self, entry: &FileEntry) -> anyhow::Result<Vec<u8>> {
        self.snapshot.encoded_blob(&entry.filename)
    }

    fn index(&self, entry: &FileEntry) -> anyhow::Result<Index> {
        let name = &entry.filename;
        if name.ends_with(".fidx") {
            self.snapshot.image(name).map(Index::Fixed)
        } else {
            self.snapshot.index(name).map(Index::Dynamic)
        }
    }

    fn chunks(&self) -> &dyn Chunks {
        self
    }

    fn check(&self) -> anyhow::Result<()> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        lost.map_or(Ok(()), |why| Err(anyhow!("{why}")))
    }
}

impl Chunks for Opened {
    fn read_encoded(&self, digest: &Digest, blob: &mut Vec<u8>) -> Result<(), ChunkError> {
        self.snapshot.encoded_chunk(digest, blob).map_err(|error| {
            let why = format!("{error:#}");
            if is_end(&error) {
                *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
            }
            ChunkError { digest: *digest, why: ChunkProblem::Unreadable(io::Error::other(why)) }
        })
    }

    fn set_aside(&self, _: &Digest) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }
}
