//! Trees that change while they are walked. Without workers nothing happens ahead of the steps, so what is changed between two
//! of them is known to come after the listing and before the reading.

use std::fs;

use tempfile::TempDir;

use super::*;

/// Walks without workers; `change` happens after the root was listed.
fn changed_after_listing(root: &Path, change: impl FnOnce()) -> (Vec<String>, Counts) {
    let mut walk = start(root, with_threads(0));
    assert!(matches!(walk.next().unwrap(), Some(Step::Enter(_))));
    change();
    let mut lines = Vec::new();
    while let Some(step) = walk.next().unwrap() {
        let line = line(step);
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next()) {
            (Some("node" | "enter"), Some(path)) => {
                let content = line.split_once(" bytes").map_or("", |(before, _)| before);
                lines.push(format!("{path} {}", content.rsplit(' ').next().unwrap()));
            }
            (Some("warning"), _) => lines.push(line),
            _ => {}
        }
    }
    (lines, walk.counts())
}

#[test]
fn what_vanished_leaves_no_trace_but_a_warning() {
    let dir = TempDir::new().unwrap();
    for name in ["a", "b", "d/file", "e"] {
        write(dir.path(), name, b"123");
    }
    std::os::unix::fs::symlink("x", dir.path().join("c")).unwrap();
    let (lines, counts) = changed_after_listing(dir.path(), || {
        fs::remove_file(dir.path().join("a")).unwrap();
        fs::remove_file(dir.path().join("c")).unwrap();
        fs::remove_dir_all(dir.path().join("d")).unwrap();
    });
    let gone = "No such file or directory (os error 2)";
    let expected = [
        format!("warning a: left out: cannot open the file: {gone}"),
        "b 3".to_owned(),
        format!("warning c: left out: cannot read the link: {gone}"),
        format!("warning d: left out: cannot open the directory: {gone}"),
        "e 3".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(counts, Counts { nodes: 3, losses: 3 });
}

#[test]
fn what_was_replaced_is_left_out() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "dir/file", b"");
    write(dir.path(), "file", b"");
    std::os::unix::fs::symlink("x", dir.path().join("link")).unwrap();
    let (lines, _) = changed_after_listing(dir.path(), || {
        for name in ["file", "link"] {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        fs::remove_dir_all(dir.path().join("dir")).unwrap();
        // Something to be led astray to.
        std::os::unix::fs::symlink("/etc", dir.path().join("dir")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("file")).unwrap();
        fs::write(dir.path().join("link"), b"").unwrap();
    });
    let what = "left out: replaced by another kind of node since it was listed";
    assert_eq!(lines, ["dir", "file", "link"].map(|name| format!("warning {name}: {what}")));
}

#[test]
fn what_is_no_file_any_more_is_left_out() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let dir = TempDir::new().unwrap();
    for (name, size) in [("a", 3), ("b", 3), ("c", 3), ("large", Bounds::default().small_file + 1), ("z", 3)]
    {
        write(dir.path(), name, &vec![1; size]);
    }
    let (lines, counts) = changed_after_listing(dir.path(), || {
        for name in ["a", "b", "c", "large"] {
            let path = dir.path().join(name);
            fs::remove_file(&path).unwrap();
            match name {
                "b" => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
                "c" => mknodat(CWD, &path, FileType::Socket, Mode::RWXU, 0).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
        }
    });
    let what = "left out: replaced by another kind of node since it was listed";
    let mut expected = ["a", "b", "c", "large"].map(|name| format!("warning {name}: {what}")).to_vec();
    expected.push("z 3".into());
    assert_eq!(lines, expected);
    assert_eq!(counts, Counts { nodes: 2, losses: 4 });
}

#[test]
fn another_file_of_the_name_is_stored_as_it_is() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = TempDir::new().unwrap();
    let outside = TempDir::new_in(dir.path().parent().unwrap()).unwrap();
    let big = Bounds::default().small_file + 10;
    // A small file for a small one, a large one for a small one, and the other way round.
    let sizes = [("a", 3, 9), ("b", 3, big), ("c", big, 2), ("d", 3, 0)];
    for (name, before, _) in sizes {
        write(dir.path(), name, &vec![1; before]);
    }
    let mut walk = start(dir.path(), with_threads(0));
    walk.next().unwrap();
    for (name, _, after) in sizes {
        let new = outside.path().join(name);
        fs::write(&new, vec![2; after]).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&new, outside.path().join(format!("{name}-link"))).unwrap();
        fs::rename(&new, dir.path().join(name)).unwrap();
    }
    for (name, _, after) in sizes {
        let Some(Step::Node(node)) = walk.next().unwrap() else { panic!("a node, no warning") };
        let on_disk = fs::metadata(dir.path().join(name)).unwrap();
        assert_eq!((node.path, node.name), (name.as_bytes(), name.as_bytes()));
        assert_eq!((node.dev, node.ino, node.nlink), (on_disk.dev(), on_disk.ino(), 2));
        assert_eq!((node.stat.mode, node.stat.mtime.secs), (0o100_640, on_disk.mtime()));
        assert_eq!(node.size, after as u64);
        let Content::File(mut file) = node.content else { panic!("an open file") };
        let (mut all, mut block) = (Vec::new(), Vec::new());
        loop {
            match file.next_block(&mut block).unwrap() {
                [] => break,
                bytes => all.extend_from_slice(bytes),
            }
        }
        assert!(all == vec![2; after] && file.change().is_none(), "{name}");
    }
}

#[test]
fn sizes_are_those_of_the_listing() {
    let dir = TempDir::new().unwrap();
    let big = Bounds::default().small_file + 10;
    for name in ["empty", "grown", "shrunk"] {
        write(dir.path(), name, if name == "empty" { b"" } else { b"12345" });
    }
    write(dir.path(), "zbig", &vec![1; big]);
    let (lines, counts) = changed_after_listing(dir.path(), || {
        write(dir.path(), "empty", b"not any more");
        write(dir.path(), "grown", b"1234567");
        write(dir.path(), "shrunk", b"12");
        write(dir.path(), "zbig", b"12");
    });
    let expected = [
        "warning empty: grew while it was read: only the first 0 bytes are stored".to_owned(),
        "empty 0".to_owned(),
        "warning grown: grew while it was read: only the first 5 bytes are stored".to_owned(),
        "grown 5".to_owned(),
        "warning shrunk: shrank while it was read: the last 3 of 5 bytes are zeros".to_owned(),
        "shrunk 5".to_owned(),
        format!("zbig {big}"),
    ];
    assert_eq!(lines, expected);
    // The reader of a large file tells the consumer, who reports.
    assert_eq!(counts, Counts { nodes: 5, losses: 3 });
}

#[test]
fn a_reader_pads_cuts_and_tells() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let contents: Vec<u8> = (0..BLOCK * 2 + 3).map(|n| (n % 251) as u8).collect();
    fs::write(&path, &contents).unwrap();
    let len = contents.len() as u64;
    let cases = [
        (len, None),
        (len - 1, Some(Change::Grown { size: len - 1 })),
        (BLOCK as u64, Some(Change::Grown { size: BLOCK as u64 })),
        (len + 1, Some(Change::Shrunk { got: len, size: len + 1 })),
        (4 * BLOCK as u64, Some(Change::Shrunk { got: len, size: 4 * BLOCK as u64 })),
    ];
    for (size, change) in cases {
        let mut reader = FileReader::new(fs::File::open(&path).unwrap().into(), size);
        let (mut all, mut block) = (Vec::new(), Vec::new());
        loop {
            match reader.next_block(&mut block).unwrap() {
                [] => break,
                bytes => all.extend_from_slice(bytes),
            }
        }
        let mut wanted = contents.clone();
        wanted.resize(size as usize, 0);
        assert!(all == wanted, "contents for size {size}");
        assert_eq!(reader.change(), change);
    }
}
