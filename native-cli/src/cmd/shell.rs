//! `pxkit shell`: look around in an archive and restore parts of it.

use super::argument::{self, Needs, Single};
use crate::cli::Shell;
use crate::report::Outcome;
use crate::shell::{self, Archive};
use crate::store::ArchiveName;

/// Opens the archive and reads commands.
///
/// # Errors
/// The archive cannot be opened.
pub fn run(args: &Shell) -> anyhow::Result<Outcome> {
    let beside = args.source.with_extension("ppxar");
    let is_split = args.source.extension().is_some_and(|extension| extension == "mpxar");
    let beside = (is_split && args.source.exists() && beside.exists()).then_some(&*beside);
    let payload = args.payload_input.as_deref().or(beside);
    let Single { opened, stored } =
        argument::open_single(&args.source, payload, &args.repository, &args.open, Needs::Contents)?;
    let catalog = stored.as_ref().and_then(|(reader, archive)| {
        let (ArchiveName::Unified(name) | ArchiveName::Split { meta: name, .. }) = archive else {
            return None;
        };
        Some((shell::open_catalog(reader)?, &**name))
    });
    shell::run(Archive::open(opened, catalog)?)
}
