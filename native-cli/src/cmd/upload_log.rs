//! `pxkit upload-log`: puts the log of a backup beside its snapshot on a server.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, ensure};
use pxkit_core::blob::MAX_PLAIN_SIZE;

use crate::cli::UploadLog;
use crate::crypt::{self, Resolved};
use crate::report::Outcome;
use crate::store::{encode_blob, locate};

/// The log of a snapshot as servers name it.
const LOG: &str = "client.log.blob";

/// Uploads a log; encrypted, if backups are.
///
/// # Errors
/// It cannot be read or is too large, there is a log already, there is no such snapshot, or it is not on a server.
pub fn run(args: &UploadLog) -> anyhow::Result<Outcome> {
    let Resolved { crypt, .. } = crypt::resolve(&args.crypt)?;
    let text = read(&args.log).with_context(|| format!("cannot read {}", args.log.display()))?;
    let (blob, _) = encode_blob(LOG, &text, &crypt)?;
    locate::open_server(&args.repository)?.upload_log(&args.repository.ns, &args.snapshot, blob)?;
    Ok(Outcome::Complete)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let from: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) };
    let mut text = Vec::new();
    from.take(MAX_PLAIN_SIZE + 1).read_to_end(&mut text)?;
    ensure!(text.len() as u64 <= MAX_PLAIN_SIZE, "it has more than {MAX_PLAIN_SIZE} bytes");
    Ok(text)
}
