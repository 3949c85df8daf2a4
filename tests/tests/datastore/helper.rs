//! A second process: this test program once more, with something to do.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use pxkit::store::{Collect, Faults, Local, SyncLevel};
use pxkit_tests::cli::Run;

use crate::{fill, options};

/// What to do, and in which store: `backup:TIME:STORE`, `gc:STORE`.
const VARIABLE: &str = "PXKIT_TEST_HELPER";

/// Runs `what` in a second process, as another user if that is asked for, with `fault` as `PXKIT_FAULT` has it.
pub fn run(what: &str, store: &Path, fault: Option<&str>, user: Option<u32>) -> Run {
    let mut command = Command::new(env::current_exe().expect("the path of this test"));
    command.args(["--exact", "helper::in_a_second_process", "--ignored", "--nocapture"]);
    command.env(VARIABLE, format!("{what}:{}", store.display())).env_remove("PXKIT_FAULT");
    if let Some(fault) = fault {
        command.env("PXKIT_FAULT", fault);
    }
    if let Some(user) = user {
        command.uid(user).gid(user).current_dir("/");
    }
    Run::of(command)
}

#[test]
#[ignore = "is run by other tests"]
fn in_a_second_process() {
    let text = env::var(VARIABLE).expect("another test says what to do");
    let (what, store) = text.rsplit_once(':').expect("WHAT:STORE");
    let store = Local::open(Path::new(store), options(SyncLevel::File, Faults::from_env())).expect("a store");
    if let Some(time) = what.strip_prefix("backup:") {
        let time = time.parse().expect("seconds");
        let chunks: [&[u8]; 3] = [b"one", b"two", format!("chunk of {time}").leak().as_bytes()];
        let (backup, manifest) = fill(&store, time, &chunks).expect("a backup");
        backup.finish(&manifest).expect("a backup");
    } else {
        let now = Timestamp::now().as_second();
        let collected = store.collect_garbage(&Collect::new(now, &|_| {})).expect("a collection");
        assert_eq!((what, collected.removed_bad), ("gc", 0));
    }
}
