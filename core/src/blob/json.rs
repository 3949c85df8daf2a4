use alloc::string::String;
use core::fmt::Write as _;

use serde_json::Value;

/// Appends `value` without blanks, keys in byte order, strings with the fewest escapes (10.3).
pub(super) fn compact(value: &Value, out: &mut String) {
    write(value, None, out);
}

/// Appends `value` with an indent of two, keys in byte order (10.2).
pub(super) fn pretty(value: &Value, out: &mut String) {
    write(value, Some(0), out);
}

fn write(value: &Value, depth: Option<usize>, out: &mut String) {
    let inner = depth.map(|depth| depth + 1);
    match value {
        Value::Array(values) if !values.is_empty() => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                next(at, inner, out);
                write(value, inner, out);
            }
            line(depth, out);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            // Whether the map is in order is a feature of the crate that others may turn on.
            let mut members: alloc::vec::Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|&(key, _)| key);
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                next(at, inner, out);
                string(key, out);
                out.push_str(if depth.is_some() { ": " } else { ":" });
                write(value, inner, out);
            }
            line(depth, out);
            out.push('}');
        }
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::String(text) => string(text, out),
        Value::Number(number) => write!(out, "{number}").expect("strings take everything"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
    }
}

fn next(at: usize, depth: Option<usize>, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
    line(depth, out);
}

fn line(depth: Option<usize>, out: &mut String) {
    if let Some(depth) = depth {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    }
}

/// Appends a string, with its quotes.
pub(super) fn string(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..'\x20' => write!(out, "\\u{:04x}", char as u32).expect("strings take everything"),
            _ => out.push(char),
        }
    }
    out.push('"');
}
