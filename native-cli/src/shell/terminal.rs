//! The shell at a terminal: editing, history, completion.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::Context as _;
use rustyline::completion::{Completer, Pair, Quote, escape, extract_word, unescape};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::commands::{COMMANDS, Shell};
use super::path::resolve;
use super::{Next, execute, tell};
use crate::report::{check_signals, forget_interrupt, watch_signals};

/// Lines that are remembered.
const HISTORY: usize = 1000;
/// What ends a word that is completed.
const fn is_break(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Reads and runs lines until `exit` or the end of the input.
///
/// # Errors
/// The terminal cannot be read.
pub fn run(shell: Shell) -> anyhow::Result<()> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .build();
    let mut editor = Editor::<Assistant, DefaultHistory>::with_config(config)?;
    let shell = Rc::new(RefCell::new(shell));
    editor.set_helper(Some(Assistant { shell: shell.clone() }));
    let history = history_file();
    if let Some(path) = &history {
        // There is none at first.
        let _ = editor.load_history(path);
    }
    // What runs is ended by Ctrl-C, the shell is not.
    watch_signals().context("cannot watch for signals")?;
    loop {
        let prompt = shell.borrow().prompt();
        let line = editor.readline(&prompt);
        forget_interrupt();
        check_signals()?;
        match line {
            Ok(line) => {
                // Without memory for it a line is forgotten, that is all.
                let _ = editor.add_history_entry(&*line);
                match execute(&mut shell.borrow_mut(), &line) {
                    Ok(Next::Line) => {}
                    Ok(Next::Exit) => break,
                    Err(error) => tell(&error)?,
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read the terminal"),
        }
    }
    if let Some(path) = &history {
        // Who cannot keep a history does without.
        let _ = path.parent().map(fs::create_dir_all);
        let _ = editor.save_history(path);
    }
    Ok(())
}

/// Where lines are remembered from one shell to the next.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("pxkit/shell-history"))
}

/// Completes commands and paths.
struct Assistant {
    shell: Rc<RefCell<Shell>>,
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, word) = extract_word(line, pos, Some('\\'), is_break);
        if line[..start].trim().is_empty() {
            let names = COMMANDS.iter().map(|command| command.name).filter(|name| name.starts_with(word));
            let pairs = names.map(|name| Pair { display: name.into(), replacement: format!("{name} ") });
            return Ok((start, pairs.collect()));
        }
        // While a command runs nobody types, so the shell is there.
        let Ok(shell) = self.shell.try_borrow() else { return Ok((start, Vec::new())) };
        let word = unescape(word, Some('\\'));
        let (directory, name) = word
            .rsplit_once('/')
            .map_or(("", &*word), |(above, name)| (if above.is_empty() { "/" } else { above }, name));
        let above = &word[..word.len() - name.len()];
        let path = resolve(shell.directory(), directory.as_bytes());
        let names = shell.archives().list(&path).unwrap_or_default();
        let pairs = names.into_iter().filter_map(|entry| {
            // What is no text cannot be typed.
            let text = String::from_utf8(entry.name).ok().filter(|text| text.starts_with(name))?;
            let is_typed = |c: char| !c.is_control();
            let text = Some(text).filter(|text| text.chars().all(is_typed))?;
            let end = if entry.is_dir { "/" } else { "" };
            let full = escape(format!("{above}{text}{end}"), Some('\\'), needs_escape, Quote::None);
            Some(Pair { display: format!("{text}{end}"), replacement: full })
        });
        Ok((start, pairs.collect()))
    }
}

/// What has a meaning in a line.
const fn needs_escape(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\\' | '"' | '\'' | '#')
}

impl Hinter for Assistant {
    type Hint = String;
}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
impl Helper for Assistant {}
