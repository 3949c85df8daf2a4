//! Keys of the configuration are options of commands: what a key may be called and hold is asked of the one list of options.

use std::ffi::OsString;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, Command};
use toml::Value;

/// The command line that a key stands for: `--KEY`, `--KEY=VALUE`, or that for each element of a list.
///
/// # Errors
/// The command has no such option, or one that takes no such value. The message names the key, not the place.
pub fn arguments(command: &Command, key: &str, value: &Value) -> anyhow::Result<Vec<OsString>> {
    let option = find(command, key)?;
    if let Value::Array(values) = value {
        ensure!(matches!(option.get_action(), ArgAction::Append), "{key} takes one value, not a list");
        return values.iter().map(|value| with_value(option, key, value)).collect();
    }
    match (option.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![format!("--{key}").into()]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => bail!("{key} is true or false"),
        _ => Ok(vec![with_value(option, key, value)?]),
    }
}

/// Whether the command has an option of this name.
pub fn has(command: &Command, key: &str) -> bool {
    command.get_arguments().any(|option| option.get_long() == Some(key))
}

fn find<'a>(command: &'a Command, key: &str) -> anyhow::Result<&'a Arg> {
    let found = command.get_arguments().find(|option| option.get_long() == Some(key));
    found.with_context(|| {
        format!("unknown key {key}; the keys are the options of `pxkit {}`", command.get_name())
    })
}

fn with_value(option: &Arg, key: &str, value: &Value) -> anyhow::Result<OsString> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(_) => bail!("{key} takes a value, not true or false"),
        _ => bail!("{key} takes a text or a number"),
    };
    ensure!(!text.contains('\0'), "{key}: a text with NUL");
    debug_assert!(option.get_action().takes_values());
    Ok(format!("--{key}={text}").into())
}
