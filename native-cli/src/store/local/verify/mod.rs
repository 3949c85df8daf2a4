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

use std::sync::Arc;

use pxkit_core::blob::{FileEntry, Frame, Manifest};

use self::chunks::{Checked, Form, Wanted};
use super::Store;
use super::snapshot::{Index, load_blob, load_index, load_manifest};
use super::upid::{set_verify_state, upid};
use crate::codec;
use crate::crypt::{EncryptionKey, Keyring, Origin, Refusal, Standing};
use crate::report::check_signals;
use crate::store::{Namespace, SnapshotId};

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
    store: Arc<Store>,
    checked: Checked,
    keyring: Keyring,
    now: i64,
}

impl Verification {
    pub(super) fn new(store: Arc<Store>, threads: usize, now: i64) -> Self {
        Self { checked: Checked::new(store.clone(), threads), keyring: Keyring::default(), store, now }
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

    /// Verifies a snapshot and notes the result in its manifest.
    ///
    /// # Errors
    /// A signal came. Everything else is part of the result.
    pub fn snapshot(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<Verified> {
        let mut out =
            Verified { id: id.clone(), verdict: Verdict::Skipped, errors: Vec::new(), notes: Vec::new() };
        let directory = self.store.layout.snapshot(namespace, id);
        let gone = || format!("{id} does not exist (any more)");
        if !directory.is_dir() {
            out.errors.push(gone());
            return Ok(out);
        }
        let _lock = match self.store.locks.reader(namespace, id, &directory) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                out.errors.push(format!("{id} is in use: it is being made or removed"));
                return Ok(out);
            }
            Err(error) => {
                out.errors.push(format!("{error:#}"));
                return Ok(out);
            }
        };
        if !directory.is_dir() {
            out.errors.push(gone());
            return Ok(out);
        }
        match load_manifest(&directory) {
            Ok(manifest) => {
                let signature = self.keyring.check(&manifest)?;
                let is_ours = signature == Ok(Standing::Signed);
                if let Err(refusal @ (Refusal::Stripped(_) | Refusal::Forged(_))) = &signature {
                    self.refuse(refusal, &mut out);
                }
                self.files(&directory, &manifest, is_ours, &mut out)?;
                self.note_result(namespace, &mut out);
                // Nothing need be wrong with it, so servers are not told.
                if let Err(refusal @ (Refusal::Other { .. } | Refusal::Unsigned)) = &signature {
                    self.refuse(refusal, &mut out);
                }
            }
            Err(error) => out.errors.push(format!("manifest load error: {error:#}")),
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

    fn files(
        &self,
        directory: &std::path::Path,
        manifest: &Manifest,
        is_ours: bool,
        out: &mut Verified,
    ) -> anyhow::Result<()> {
        let mut indexes: Vec<(&FileEntry, Index)> = Vec::new();
        let key = self.checked.key().filter(|_| is_ours);
        for file in &manifest.files {
            check_signals()?;
            let result = if file.filename.ends_with(".blob") {
                load_blob(directory, file).and_then(|mut blob| check_blob(&mut blob, key))
            } else {
                load_index(directory, file).map(|index| indexes.push((file, index)))
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
                    archive::check(&self.checked, form, file, meta, payload, &mut wanted, out)?;
                }
                // Why there is none was said above, if the manifest names it.
                _ if manifest.file(&format!("{stem}.ppxar.didx")).is_some() => {}
                _ => out
                    .errors
                    .push(format!("{}: the payload archive that belongs to it is missing", file.filename)),
            }
        }
        out.errors.extend(self.checked.check(wanted)?);
        Ok(())
    }

    /// What has not changed is noted, too: the server tells by it how old the verification is. A store that is read-only keeps none.
    fn note_result(&self, namespace: &Namespace, out: &mut Verified) {
        let worker = format!("{}:{}", self.store.name(), out.id);
        let upid = upid("verify", &worker, &self.store.auth_id, self.now);
        let ok = out.errors.is_empty();
        let updated =
            self.store.update_manifest(namespace, &out.id, |manifest| set_verify_state(manifest, ok, &upid));
        if let Err(error) = updated {
            out.notes.push(format!("manifest update error: {error:#}"));
        }
    }
}

/// Checks what can be checked of a blob with the key or without one.
fn check_blob(blob: &mut [u8], key: Option<&EncryptionKey>) -> anyhow::Result<()> {
    if Frame::parse(blob)?.seal.is_none() || key.is_some() {
        codec::decode_blob(blob, key)?;
    }
    Ok(())
}
