//! `pxkit shell`: look around in archives and restore parts of them.

use std::sync::Arc;

use super::argument::{self, Needs, Single};
use crate::cli::Shell;
use crate::report::Outcome;
use crate::shell::{self, Archive, Archives};
use crate::store::ArchiveName;

/// Opens the archives and reads commands.
///
/// # Errors
/// An archive cannot be opened.
pub fn run(args: &Shell) -> anyhow::Result<Outcome> {
    let beside = args.source.with_extension("ppxar");
    let is_split = args.source.extension().is_some_and(|extension| extension == "mpxar");
    let beside = (is_split && args.source.exists() && beside.exists()).then_some(&*beside);
    let payload = args.payload_input.as_deref().or(beside);
    let all = argument::open_all(&args.source, payload, &args.repository, &args.open, Needs::Contents)?;
    // All come from one snapshot, or it is one.
    let catalog =
        all.first().and_then(|single| shell::open_catalog(&single.stored.as_ref()?.0)).map(Arc::new);
    let open = |Single { opened, label, stored }| {
        let name = stored.and_then(|(_, name)| match name {
            ArchiveName::Unified(name) | ArchiveName::Split { meta: name, .. } => Some(name),
            _ => None,
        });
        Archive::open(opened, label, catalog.clone().zip(name))
    };
    shell::run(Archives::new(all.into_iter().map(open).collect::<anyhow::Result<_>>()?))
}
