//! Starting a browser.
//!
//! Everybody on a machine can read the arguments of every program, so a browser is not started with the address of the page: its token
//! would be no secret any more. It gets one that leads there a single time, and only for the user who runs this program (see `peer`).

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program that failed to start a browser has ended by then; one that still runs is the browser.
const SOON: Duration = Duration::from_secs(5);

/// Whether there is anything that a browser could be shown on, or somebody said which browser to start.
pub fn is_possible() -> bool {
    ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Opens an address in a browser: that of the variable `BROWSER`, or the desktop's. Returns whether one seems to run; that may take seconds.
pub fn open(url: &str) -> bool {
    let chosen = env::var("BROWSER").unwrap_or_default();
    let chosen = chosen.split(':').filter_map(|command| chosen_command(command, url));
    chosen.chain(open::commands(url)).any(starts)
}

/// A command of `BROWSER`, where `%s` stands for the address.
fn chosen_command(text: &str, url: &str) -> Option<Command> {
    let mut words = text.split_ascii_whitespace();
    let mut command = Command::new(words.next()?);
    let has_place = text.contains("%s");
    command.args(words.map(|word| word.replace("%s", url)));
    if !has_place {
        command.arg(url);
    }
    Some(command)
}

fn starts(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C is meant for this program, not for the browser.
    command.process_group(0);
    command.spawn().is_ok_and(runs)
}

/// Whether a program still runs after a while or ended well.
fn runs(mut child: Child) -> bool {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < SOON => thread::sleep(Duration::from_millis(50)),
            _ => break,
        }
    }
    // Its end is taken note of whenever that is; without a thread for it when this program ends.
    let _ = thread::Builder::new().spawn(move || child.wait());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_the_variable() {
        let show = |text| chosen_command(text, "URL").map(|command| format!("{command:?}"));
        assert_eq!(show("firefox").unwrap(), r#""firefox" "URL""#);
        assert_eq!(show("chromium --app=%s -x").unwrap(), r#""chromium" "--app=URL" "-x""#);
        assert_eq!(show(" "), None);
    }

    #[test]
    fn what_fails_starts_no_browser() {
        assert!(starts(Command::new("true")));
        assert!(!starts(Command::new("false")));
        assert!(!starts(Command::new("/nonexistent")));
    }
}
