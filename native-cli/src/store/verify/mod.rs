//! Verification (datastore specification 17): every chunk, index, blob and manifest, and that every file of a split archive is found where
//! its metadata says.
//!
//! With a key signatures are checked, and of the snapshots that it signed the encrypted chunks as plain ones are; without one of encrypted
//! chunks the CRC, as servers do.
//!
//! Chunks are checked by several threads, each chunk once in a run. One that is damaged is set aside, so that the next backup stores it
//! again, and fails every snapshot that uses it. Unlike the server's, a result counts what every thread found, and a chunk that is sound
//! but has another length than a broken index says stays where it is.

mod archive;
mod chunks;
mod opened;

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use pxkit_core::blob::{CryptMode, FileEntry, Frame, Manifest};
use pxkit_core::index::DynamicIndex;

pub use self::chunks::Chunks;
use self::chunks::{Checked, Form, Wanted};
use self::opened::Elsewhere;
use super::{Index, Namespace, Repository, SnapshotId};
use crate::codec;
use crate::crypt::{EncryptionKey, Keyring, Origin, Refusal, Standing};
use crate::report::check_signals;

/// Checks the chunks of an index that is kept as `mode`, and sets aside those that are damaged; how many. Without the key of encrypted ones their CRC tells.
///
/// # Errors
/// A signal came.
pub fn set_damaged_aside(
    chunks: &dyn Chunks,
    index: &DynamicIndex,
    mode: CryptMode,
    key: Option<&Arc<EncryptionKey>>,
) -> anyhow::Result<u64> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let checked = Checked::new(threads).with_key(key.cloned());
    let mut wanted = Wanted::default();
    wanted.add("", &Index::Dynamic(index.clone()), Form::of(mode, key.is_some()));
    checked.check(chunks, wanted)?;
    Ok(checked.set_aside())
}

/// Where snapshots are that can be verified.
pub trait Place: Debug + Send + Sync {
    /// Opens a snapshot. The inner error is why it fails, or is left out.
    ///
    /// # Errors
    /// Nothing can be verified any more.
    fn open(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
    ) -> anyhow::Result<Result<Box<dyn Files>, (Verdict, String)>>;

    /// Notes what was found in a snapshot that is open.
    ///
    /// # Errors
    /// It cannot be noted.
    fn note(&self, namespace: &Namespace, id: &SnapshotId, ok: bool) -> anyhow::Result<()>;
}

/// The files of a snapshot, which nobody removes meanwhile.
pub trait Files: Debug + Send + Sync {
    /// What it is made of.
    fn manifest(&self) -> &Manifest;

    /// A blob as it is encoded; size and checksum are those of the manifest.
    ///
    /// # Errors
    /// It cannot be read, or is not what the manifest says.
    fn blob(&self, entry: &FileEntry) -> anyhow::Result<Vec<u8>>;

    /// An index; size and checksum are those of the manifest.
    ///
    /// # Errors
    /// As for [`Files::blob`].
    fn index(&self, entry: &FileEntry) -> anyhow::Result<Index>;

    /// Its chunks, once their indexes were read.
    fn chunks(&self) -> &dyn Chunks;

    /// What makes everything that was found out since worth nothing.
    ///
    /// # Errors
    /// That.
    fn check(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// How a snapshot fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is there and right.
    Ok,
    /// Something is missing or wrong.
    Failed,
    /// Somebody makes or removes it, or it is gone.
    Skipped,
}

/// What a verification found in one snapshot.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Which snapshot.
    pub id: SnapshotId,
    /// How it fared.
    pub verdict: Verdict,
    /// What is wrong, or why it was skipped.
    pub errors: Vec<String>,
    /// What is worth knowing, but not wrong.
    pub notes: Vec<String>,
}

/// A run of verification over any number of snapshots.
#[derive(Debug)]
pub struct Verification {
    place: Box<dyn Place>,
    checked: Checked,
    keyring: Keyring,
}

impl Verification {
    /// Verifies snapshots of any repository by reading them; nothing is noted or set aside there.
    pub fn of(repository: Arc<dyn Repository>, threads: usize) -> Self {
        Self::new(Box::new(Elsewhere(repository)), threads)
    }

    pub(super) fn new(place: Box<dyn Place>, threads: usize) -> Self {
        Self { place, checked: Checked::new(threads), keyring: Keyring::default() }
    }

    /// Checks signatures, too, and what the key opens.
    ///
    /// # Errors
    /// The key cannot be opened.
    pub fn with_keyring(self, keyring: Keyring) -> anyhow::Result<Self> {
        Ok(Self { checked: self.checked.with_key(keyring.key()?), keyring, ..self })
    }

    /// Chunks that were read so far, and their encoded and plain bytes as far as those are known.
    pub fn chunks(&self) -> u64 {
        self.checked.count()
    }

    /// Plain bytes of the chunks that were read so far.
    pub fn bytes(&self) -> u64 {
        self.checked.bytes()
    }

    /// Chunks that were set aside.
    pub fn set_aside(&self) -> u64 {
        self.checked.set_aside()
    }

    /// Verifies a snapshot; in a directory the result is noted in its manifest.
    ///
    /// # Errors
    /// A signal came, or the server is lost. Everything else is part of the result.
    pub fn snapshot(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<Verified> {
        let mut out =
            Verified { id: id.clone(), verdict: Verdict::Skipped, errors: Vec::new(), notes: Vec::new() };
        let files = match self.place.open(namespace, id)? {
            Ok(files) => files,
            Err((verdict, why)) => {
                out.errors.push(why);
                return Ok(Verified { verdict, ..out });
            }
        };
        let signature = self.keyring.check(files.manifest())?;
        let is_ours = signature == Ok(Standing::Signed);
        if let Err(refusal @ (Refusal::Stripped(_) | Refusal::Forged(_))) = &signature {
            self.refuse(refusal, &mut out);
        }
        self.files(&*files, is_ours, &mut out)?;
        files.check()?;
        if let Err(error) = self.place.note(namespace, id, out.errors.is_empty()) {
            out.notes.push(format!("manifest update error: {error:#}"));
        }
        // Nothing need be wrong with it, so servers are not told.
        if let Err(refusal @ (Refusal::Other { .. } | Refusal::Unsigned)) = &signature {
            self.refuse(refusal, &mut out);
        }
        out.verdict = if out.errors.is_empty() { Verdict::Ok } else { Verdict::Failed };
        Ok(out)
    }

    /// Counts a signature as wrong, or only tells of it: if the user said so, or nobody said that this is the key.
    fn refuse(&self, refusal: &Refusal, out: &mut Verified) {
        let is_other = matches!(refusal, Refusal::Other { .. });
        let is_told = self.keyring.ignores() || (is_other && self.keyring.origin() == Some(Origin::Default));
        let to = if is_told { &mut out.notes } else { &mut out.errors };
        to.push(format!("signature: {refusal}"));
    }

    fn files(&self, files: &dyn Files, is_ours: bool, out: &mut Verified) -> anyhow::Result<()> {
        let (manifest, chunks) = (files.manifest(), files.chunks());
        let mut indexes: Vec<(&FileEntry, Index)> = Vec::new();
        let key = self.checked.key().filter(|_| is_ours);
        for file in &manifest.files {
            check_signals()?;
            let result = if file.filename.ends_with(".blob") {
                files.blob(file).and_then(|mut blob| check_blob(&mut blob, key))
            } else {
                files.index(file).map(|index| indexes.push((file, index)))
            };
            out.errors.extend(result.err().map(|error| format!("{}: {error:#}", file.filename)));
        }
        let mut wanted = Wanted::default();
        for (file, index) in &indexes {
            wanted.add(&file.filename, index, Form::of(file.crypt_mode, is_ours));
        }
        for (file, index) in &indexes {
            let Some(stem) = file.filename.strip_suffix(".mpxar.didx") else { continue };
            let payload = format!("{stem}.ppxar.didx");
            let payload = indexes.iter().find(|(file, _)| file.filename == payload);
            let form = Form::of(file.crypt_mode, is_ours);
            if form == Form::Closed {
                continue;
            }
            match (index, payload) {
                (Index::Dynamic(meta), Some((_, Index::Dynamic(payload)))) => {
                    archive::check((&self.checked, chunks), form, file, meta, payload, &mut wanted, out)?;
                }
                // Why there is none was said above, if the manifest names it.
                _ if manifest.file(&format!("{stem}.ppxar.didx")).is_some() => {}
                _ => out
                    .errors
                    .push(format!("{}: the payload archive that belongs to it is missing", file.filename)),
            }
        }
        out.errors.extend(self.checked.check(chunks, wanted)?);
        Ok(())
    }
}

/// Checks what can be checked of a blob with the key or without one.
fn check_blob(blob: &mut [u8], key: Option<&EncryptionKey>) -> anyhow::Result<()> {
    if Frame::parse(blob)?.seal.is_none() || key.is_some() {
        codec::decode_blob(blob, key)?;
    }
    Ok(())
}
