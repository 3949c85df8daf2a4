//! Any archive through `pxkit extract`, in this process: it ends, nothing outside of the target changes, and no defect is
//! admitted. The input begins with one byte of options, one of patterns, and two that say how many bytes of the rest are the
//! archive; with zero, all are, and else the others are its payload file.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use clap::Parser as _;
use libfuzzer_sys::fuzz_target;
use pxkit::cli::{self, Cli, Extract};
use pxkit::cmd;
use pxkit_tests::canary::Place;
use rustix::stdio::{dup2_stderr, stderr};

/// What can be asked for: paths of the seeds, and patterns.
const PATTERNS: [&str; 16] = [
    "**/*",
    "/d",
    "/d/secret",
    "/f",
    "/l",
    "/x",
    "/dir/file",
    "/dir/deep/er",
    "/hard-2",
    "/link",
    "/z",
    "/a/a",
    "*e*",
    "!d",
    "[a-f]*/",
    "/dir/*",
];

/// A pipe takes this without a reader.
const PIPE: usize = 60_000;

/// Standard error as it was: warnings of the program would fill it, but panics must be seen.
static STDERR: OnceLock<OwnedFd> = OnceLock::new();

fn init() {
    if Path::new("/dev/shm").is_dir() && std::env::var_os("TMPDIR").is_none() {
        tempfile::env::override_temp_dir(Path::new("/dev/shm")).expect("nothing overrode it before");
    }
    let kept = stderr().try_clone_to_owned().expect("a descriptor");
    STDERR.set(kept).expect("this runs once");
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        speak();
        hook(panic);
    }));
}

fn speak() {
    let _ = dup2_stderr(STDERR.get().expect("set at the start"));
}

fn options(bits: u8, patterns: u8, place: &Place, archive: &Path, payload: bool) -> Extract {
    let (target, payload_file) = (place.join("target"), place.join("a.ppxar"));
    // A mutant could as well be the disk that this runs on. Options by their names: new ones do not matter here.
    let mut args: Vec<&OsStr> =
        ["pxkit", "extract", "--quiet", "--no-device-nodes", "--threads=1"].map(OsStr::new).into();
    let flags = ["--overwrite", "--allow-existing-dirs", "--overwrite-files", "--overwrite-symlinks"];
    let flags = flags.iter().chain(&["--overwrite-hardlinks", "--strict"]);
    args.extend(flags.enumerate().filter(|(n, _)| bits & (2 << n) != 0).map(|(_, flag)| OsStr::new(flag)));
    let chosen = [patterns & 15, patterns >> 4].map(|n| PATTERNS[usize::from(n)]);
    let chosen = if bits & 128 == 0 { &[][..] } else { &chosen[..] };
    args.extend(chosen.iter().flat_map(|pattern| ["--pattern", pattern]).map(OsStr::new));
    if payload {
        args.extend([OsStr::new("--payload-input"), payload_file.as_os_str()]);
    }
    args.extend([archive.as_os_str(), target.as_os_str()]);
    match Cli::try_parse_from(args).expect("options of the program").command {
        cli::Command::Extract(extract) => extract,
        other => panic!("{other:?}"),
    }
}

/// Removes a target in which an archive may have set any mode and flag.
fn remove(target: &Path) {
    if target.exists() && fs::remove_dir_all(target).is_err() {
        let script = "chattr -R -f -i -a \"$1\"; chmod -R u+rwx \"$1\"; rm -rf \"$1\"";
        let _ = Command::new("sh").args(["-c", script, "sh"]).arg(target).status();
        assert!(!target.exists(), "the target cannot be removed");
    }
}

fuzz_target!(init: init(), |data: &[u8]| {
    let Some((&[bits, patterns, low, high], streams)) = data.split_first_chunk::<4>() else { return };
    let split = usize::from(u16::from_le_bytes([low, high]));
    let (archive, payload) = match streams.split_at_checked(split) {
        Some((archive, payload)) if split > 0 => (archive, Some(payload)),
        _ => (streams, None),
    };
    let place = Place::new();
    if let Some(payload) = payload {
        fs::write(place.join("a.ppxar"), payload).expect("a payload file");
    }
    let mut pipe = None;
    let path = if bits & 1 != 0 && archive.len() <= PIPE {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(archive).expect("the pipe has room");
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        pipe = Some(reader);
        path.into()
    } else {
        let path = place.join("a.pxar");
        fs::write(&path, archive).expect("an archive");
        path
    };
    let args = options(bits, patterns, &place, &path, payload.is_some());

    let null = fs::OpenOptions::new().write(true).open("/dev/null").expect("/dev/null");
    dup2_stderr(&null).expect("a descriptor");
    let result = cmd::extract::run(&args);
    speak();
    drop(pipe);
    if let Err(error) = result {
        let error = format!("{error:#}");
        assert!(!error.contains("defect"), "{error}");
    }
    place.check(&["target", "a.pxar", "a.ppxar"]).unwrap_or_else(|error| panic!("{error}"));
    remove(&args.target);
});
