//! A file system that is really full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit_tests::cli::Run;
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip;

use crate::Job;
use crate::store::Store;

/// A mounted tmpfs.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, kib: u64) -> Option<Self> {
        fs::create_dir(at).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "pxkit-test"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn resize(&self, kib: u64) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={kib}k")]).arg(&self.0);
        assert!(mount.status().expect("mount runs").success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// Backups on a file system with ever more room, until one succeeds: each one that fails leaves what was there.
#[test]
fn backups_until_there_is_room() {
    const NAME: &str = "faults: backups_until_there_is_room";
    if !rustix::process::geteuid().is_root() {
        return skip::skip(NAME, "needs root");
    }
    let scratch = Scratch::new();
    let Some(small) = Small::mount(&scratch.join("small"), 1 << 16) else {
        return skip::skip(NAME, "needs to mount a tmpfs");
    };
    let store = Store::new();
    Job::Gc.run(&store).exits(0);
    let store = store.moved_to(&small.0.join("store"));
    let used = |path: &Path| {
        let stat = rustix::fs::statvfs(path).expect("a file system");
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize / 1024
    };
    let before = store.names();
    let mut failures = 0;
    for room in (0..).map(|step| step * 16) {
        small.resize(used(&small.0) + room);
        let run = Run::of(store.backup_of("a", 4000));
        if run.code == Some(0) {
            break;
        }
        failures += 1;
        run.fails(2, &["No space left on device"]);
        assert_eq!((store.temporary(), store.names()), (Vec::new(), before.clone()));
        store.run(&["verify"]);
        // Chunks stay for the next one, so that the room for them is counted once.
    }
    assert!(failures > 5, "{failures} backups failed");
    small.resize(1 << 16);
    store.check(&Job::Backup.leaves());
    store.check_next_backup(&Job::Backup.leaves(), 5000);
    store.check_housekeeping();
    drop(store);
}
