//! Transcripts in the book are what the program prints.

use std::fs;
use std::path::Path;

use super::run_with;

#[test]
fn the_transcript_of_the_shell() {
    let page =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").join("docs/src/guide/shell.md");
    let text = fs::read_to_string(page).expect("a page");
    let start = text.find("```console\n$ pxkit ").expect("a transcript") + "```console\n$ pxkit ".len();
    let transcript = &text[start..start + text[start..].find("```").expect("an end")];
    let (arguments, transcript) = transcript.split_once('\n').expect("lines");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let (mut input, mut before, mut expected) = (String::new(), String::new(), String::new());
    let mut commands = transcript.split("pxar:").skip(1).peekable();
    assert!(commands.peek().is_some());
    for command in commands {
        // Where one is, the command, what it prints.
        let (directory, rest) = command.split_once(" > ").expect("a prompt");
        let (line, output) = rest.split_once('\n').expect("a line");
        let here = run_with(&arguments, &format!("{input}pwd\n"));
        assert_eq!(here.text(), format!("{before}{directory}\n"));
        input.push_str(line);
        input.push('\n');
        let run = run_with(&arguments, &input);
        expected.push_str(output);
        assert_eq!(run.text(), expected, "{line}: {}", run.err);
        before = expected.clone();
    }
}
