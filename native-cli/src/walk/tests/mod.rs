//! Walks over real directories.

mod changes;
mod later;
mod metadata;
mod order;
mod rules;

use std::path::Path;

use pxkit_core::pattern::Pattern;

use super::*;

/// Options with this number of workers.
fn with_threads(threads: usize) -> Options {
    Options { threads: Some(threads), ..Options::default() }
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse_cli(text.as_bytes()).unwrap()).collect()
}

fn start(root: &Path, options: Options) -> Walk {
    Walk::new(open_source(root).unwrap(), options).unwrap()
}

/// A line for a step, with everything that an archive would take from it.
fn line(step: Step<'_>) -> String {
    let node = |word: &str, node: Node<'_>| {
        let content = match node.content {
            Content::None => String::new(),
            Content::Target(target) => format!(" -> {}", DisplayPath(target)),
            Content::Bytes(bytes) => format!(" {} bytes, sum {:x}", bytes.len(), sum(bytes)),
            Content::File(mut file) => {
                let (mut all, mut block) = (Vec::new(), Vec::new());
                loop {
                    match file.next_block(&mut block).unwrap() {
                        [] => break,
                        bytes => all.extend_from_slice(bytes),
                    }
                }
                format!(
                    " {} bytes, sum {:x}{}",
                    all.len(),
                    sum(&all),
                    file.change().map_or("", |_| ", changed")
                )
            }
            Content::Unread => " unread".into(),
        };
        assert!(node.path.ends_with(node.name));
        assert_eq!(node.stat.kind(), Some(node.kind));
        let attributes = node.attributes.as_bytes().len();
        format!("{word} {} {:?} {attributes}{content}", DisplayPath(node.path), node.stat)
    };
    match step {
        Step::Enter(entered) => node("enter", entered),
        Step::Node(other) => node("node", other),
        Step::Leave => "leave".into(),
        Step::Warning(warning) => format!("warning {warning}"),
    }
}

/// All steps as lines; the last one is the error, if there is one.
fn lines(root: &Path, options: Options) -> Vec<String> {
    let mut walk = start(root, options);
    let mut lines = Vec::new();
    loop {
        match walk.next() {
            Ok(Some(step)) => lines.push(line(step)),
            Ok(None) => return lines,
            Err(error) => {
                lines.push(format!("error {error}"));
                assert!(walk.next().unwrap().is_none());
                return lines;
            }
        }
    }
}

/// Only the paths, directories with a slash after them, and the warnings and errors.
fn outline(root: &Path, options: Options) -> Vec<String> {
    let short = |line: String| match line.split(' ').collect::<Vec<_>>()[..] {
        ["enter", path, ..] => Some(format!("{path}/")),
        ["node", path, ..] => Some(path.to_owned()),
        ["leave", ..] => None,
        _ => Some(line),
    };
    lines(root, options).into_iter().filter_map(short).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

fn write(root: &Path, path: &str, contents: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, contents).unwrap();
}

#[test]
fn paths_in_messages_are_readable() {
    let show = |path: &[u8]| DisplayPath(path).to_string();
    assert_eq!(show(b""), ".");
    assert_eq!(show("a/ü".as_bytes()), "a/ü");
    assert_eq!(show(b"a\n\xff\x1b"), "a\\n\\xff\\u{1b}");
    assert_eq!(show(br"a\n"), r"a\\n");
}

#[test]
fn errors_name_the_node_and_the_action() {
    let problem = Problem::Call(crate::linux::doing("read the file")(rustix::io::Errno::IO));
    let error = WalkError { path: b"dir/file".to_vec(), problem };
    assert_eq!(error.to_string(), "dir/file: cannot read the file: Input/output error (os error 5)");
}
