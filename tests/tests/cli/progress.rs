//! Progress is for people: on a terminal, for work that takes a while, and nowhere else.

use std::fs::File;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip;

#[test]
fn long_work_shows_progress_on_a_terminal_only() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip::skip("cli: long_work_shows_progress_on_a_terminal_only", "needs script for a terminal");
    }
    let scratch = Scratch::new();
    let source = scratch.join("src");
    std::fs::create_dir(&source).unwrap();
    // Nothing on the disk, but long enough to read for the display to be renewed.
    File::create(source.join("large")).unwrap().set_len(2 << 30).unwrap();
    // Standard error is the terminal; `script` prints what it shows.
    let create = r#"script -qec "'$PXKIT' create $2 - '$1' > /dev/null" /dev/null"#;
    let shown = Run::of(cli::shell(create, &[&source, &""])).exits(0);
    assert!(shown.text().contains("entries") && shown.text().contains("MiB/s"), "{:?}", shown.text());
    let quiet = Run::of(cli::shell(create, &[&source, &"--quiet"])).exits(0);
    assert!(!quiet.text().contains("entries"), "{:?}", quiet.text());
    let piped = Run::of(cli::shell(r#""$PXKIT" create - "$1" > /dev/null"#, &[&source])).exits(0);
    assert_eq!(piped.err, "");
}
