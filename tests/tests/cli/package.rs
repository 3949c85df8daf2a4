//! What the Debian package is made of, as far as it can be told without building one; `cargo xtask dist --check` installs it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit_tests::cli::Run;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").to_owned()
}

#[test]
fn what_the_package_takes_from_the_checkout_is_there() {
    let manifest = fs::read_to_string(checkout().join("native-cli/Cargo.toml")).unwrap();
    let sources = manifest.lines().filter_map(|line| line.trim().strip_prefix("[\"../")?.split_once('"'));
    let mut count = 0;
    for (source, rest) in sources {
        let path = checkout().join(source.trim_end_matches("/*"));
        let is_there = if source.ends_with("/*") { path.is_dir() } else { path.is_file() };
        assert!(is_there, "{}", path.display());
        assert!(rest.contains("\"usr/"), "{rest}");
        count += 1;
    }
    assert!(count >= 4, "{count}");
    // The unit starts the program where the package puts it.
    let unit = fs::read_to_string(checkout().join("dist/systemd/pxkit@.service")).unwrap();
    assert!(
        unit.contains("\nExecStart=/usr/bin/pxkit ") && manifest.contains(r#"pxkit", "usr/bin/", "755"]"#)
    );
}

#[test]
fn scripts_of_the_package_are_shell() {
    let scripts = fs::read_dir(checkout().join("dist/debian")).unwrap().map(|entry| entry.unwrap().path());
    let mut names = Vec::new();
    for script in scripts {
        let mut command = Command::new("sh");
        command.arg("-n").arg(&script);
        Run::of(command).succeeds();
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.starts_with("#!/bin/sh\nset -e\n"), "{}", script.display());
        assert_eq!(
            fs::metadata(&script).unwrap().permissions().mode() & 0o111,
            0o111,
            "{}",
            script.display()
        );
        names.push(script.file_name().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["postinst", "postrm", "prerm"]);
}
