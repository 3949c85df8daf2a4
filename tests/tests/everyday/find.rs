//! `pxkit find`.

use pxkit_tests::golden;

use super::{ENCRYPTED, LEGACY, META, key, run};

fn paths(args: &[&str]) -> Vec<String> {
    let args = [&["find", META, "--json"], args].concat();
    let lines = run(&args).succeeds().json();
    lines.iter().map(|line| line["path"].as_str().expect("a path").to_owned()).collect()
}

#[test]
fn texts_and_patterns() {
    assert_eq!(paths(&["new-f"]), ["/dir2/new-file"]);
    assert_eq!(paths(&["2/new"]), ["/dir2/new-file"]);
    assert_eq!(paths(&["medium", "!/dir[1245]/**"]), ["/dir0/medium"]);
    assert_eq!(paths(&["/dir0"]), ["/dir0"]);
    assert_eq!(paths(&["small0?", "!/dir[^1]/**"]).len(), 10);
    assert_eq!(paths(&["no such thing"]), [""; 0]);
    // What is taken back is so with all that is below.
    assert_eq!(paths(&["medium", "!/dir[1245]", "!r3"]), ["/dir0/medium"]);
    assert_eq!(paths(&["/**/medium", "!/dir[1-5]/"]), ["/dir0/medium"]);
}

#[test]
fn filters() {
    assert_eq!(paths(&["*", "--type", "d"]), ["/dir0", "/dir1", "/dir2", "/dir3", "/dir4", "/dir5"]);
    assert_eq!(paths(&["dir0", "--size", "+100K"]), ["/dir0/medium"]);
    assert_eq!(paths(&["dir0", "--size", "500"]), ["/dir0/small00"]);
    assert_eq!(paths(&["dir0", "--size", "-600"]), ["/dir0/small00"]);
    assert_eq!(
        paths(&["dir", "--type", "f", "--newer", "2023-11-14T22:13:20Z"]),
        ["/dir1/small07", "/dir2/new-file"]
    );
    run(&["find", META, "x", "--type", "q"]).fails(64, &["no type 'q'"]);
    run(&["find", META, "x", "--size", "big"]).fails(64, &["--size"]);
    run(&["find", META, "["]).fails(64, &["malformed"]);
}

#[test]
fn all_kinds_of_sources() {
    let lines = run(&["find", META, "medium"]).succeeds();
    assert_eq!(lines.text().lines().count(), 6);
    assert!(lines.text().contains("-rw-r--r--") && lines.text().contains("   180000 \"/dir0/medium\""));
    let legacy = run(&["find", LEGACY, "-0", "medium"]).succeeds();
    assert!(legacy.text().starts_with("/dir0/medium\0/dir1/medium\0/dir2/medium\0"));
    assert!(legacy.text().ends_with("/dir5/medium\0/dir5/medium-hard\0"));
    run(&["find", ENCRYPTED, "medium"]).fails(2, &["key"]);
    let key = key();
    let key = key.to_str().expect("text");
    let encrypted = run(&["find", ENCRYPTED, "-0", "medium", "--keyfile", key]).succeeds();
    assert_eq!(encrypted.text(), legacy.text());
    let kinds = golden::path("archives/kinds.mpxar");
    let kinds = kinds.to_str().expect("text");
    for (letter, is_some) in [("b", true), ("c", true), ("p", true), ("s", true), ("l", true), ("h", true)] {
        assert_eq!(run(&["find", kinds, "*", "--type", letter]).succeeds().text().is_empty(), !is_some);
    }
}
