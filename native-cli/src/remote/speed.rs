//! How fast a server takes what is sent to it, in a session that leaves nothing behind (server protocol 8.13).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use hyper::body::Bytes;
use pxkit_core::blob::BackupType;

use super::Remote;
use super::reader::snapshot_params;
use super::session::{Protocol, Session};
use crate::store::{Group, Namespace, SnapshotId};

/// The group of benchmarks, and nothing else.
const GROUP: &str = "benchmark";

impl Remote {
    /// Sends copies of `block` for a while; returns how many bytes a second the server took.
    ///
    /// # Errors
    /// The server lets us make no backups, or is lost.
    pub fn upload_speed(&self, block: &[u8], time: Duration) -> anyhow::Result<f64> {
        let group = Group::new(BackupType::Host, GROUP)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let id = SnapshotId { group, time: now };
        let mut params = snapshot_params(&self.api().address().store, &Namespace::default(), &id);
        params.push(("benchmark", true.into()));
        let block = Bytes::copy_from_slice(block);
        self.api().net.wait(async {
            let session = Session::open(self.api(), Protocol::Backup, &params).await;
            let session = &session.context("cannot begin a benchmark")?;
            let start = Instant::now();
            // One is on its way while the answer to the other comes.
            let send = async || {
                let mut sent = 0;
                while start.elapsed() < time {
                    session.upload("speedtest", &[], block.clone()).await?;
                    sent += block.len();
                }
                anyhow::Ok(sent)
            };
            let (first, second) = tokio::try_join!(send(), send())?;
            Ok((first + second) as f64 / start.elapsed().as_secs_f64())
        })
    }
}
