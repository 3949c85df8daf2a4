//! Parameters of calls, checked as strictly as a server checks them (protocol 4), and refusals.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// What a call says instead of a result: a status and plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

/// The result of a call.
pub type Reply<T> = Result<T, Refusal>;

impl Refusal {
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// A refusal without a more specific status.
pub fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, text)
}

/// What a parameter must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    /// A safe id.
    Id,
    /// `host`, `vm` or `ct`.
    Type,
    Namespace,
    AuthId,
    /// 64 lower-case hexadecimal digits.
    Digest,
    /// The same in either case.
    Hex,
    Int(u64, u64),
    Bool,
    Digests,
    Ints,
}

/// A parameter of a call: its name, whether it must be there, and what it must be.
pub type Param = (&'static str, bool, Kind);

/// Where the parameters of a call stand.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    Query(&'a str),
    Json(&'a [u8]),
}

/// Parameters that passed the check.
#[derive(Clone, Debug, Default)]
pub struct Params(BTreeMap<&'static str, Value>);

impl Params {
    pub fn check(schema: &[Param], given: Given<'_>) -> Reply<Self> {
        let mut faults = Vec::new();
        let mut all: BTreeMap<&'static str, Value> = BTreeMap::new();
        let mut take = |name: &str, value: Value, again: bool| -> Option<&'static str> {
            let Some(&(name, _, kind)) = schema.iter().find(|param| param.0 == name) else {
                return Some("schema does not allow additional properties.");
            };
            let is_list = matches!(kind, Kind::Digests | Kind::Ints);
            match all.get_mut(name) {
                Some(Value::Array(list)) if is_list && again => {
                    list.push(value);
                    None
                }
                Some(_) => Some("duplicate parameter."),
                None => {
                    let value = if is_list && again { Value::Array(vec![value]) } else { value };
                    all.insert(name, value);
                    None
                }
            }
        };
        match given {
            Given::Query(query) => {
                for (name, value) in pairs(query).map_err(|()| bad("invalid query string"))? {
                    let value = Value::String(value);
                    if let Some(reason) = take(&name, value, true) {
                        faults.push((name, reason.to_owned()));
                    }
                }
            }
            Given::Json(body) => {
                let body: Value = serde_json::from_slice(body)
                    .map_err(|error| bad(format!("unable to parse JSON - {error}")))?;
                let Value::Object(object) = body else { return Err(bad("JSON body is no object")) };
                for (name, value) in object {
                    if let Some(reason) = take(&name, value, false) {
                        faults.push((name, reason.to_owned()));
                    }
                }
            }
        }
        let typed = matches!(given, Given::Json(_));
        for &(name, needed, kind) in schema {
            match all.get_mut(name) {
                None if needed => {
                    faults.push((name.to_owned(), "parameter is missing and it is not optional.".to_owned()));
                }
                None => {}
                Some(value) => {
                    if let Err(reason) = convert(value, kind, typed) {
                        faults.push((name.to_owned(), reason));
                    }
                }
            }
        }
        match &faults[..] {
            [] => Ok(Self(all)),
            [(name, reason)] => Err(bad(format!("parameter verification failed - '{name}': {reason}"))),
            several => {
                let lines: Vec<String> =
                    several.iter().map(|(name, reason)| format!("- '{name}': {reason}\n")).collect();
                Err(bad(format!("parameter verification failed:\n{}", lines.concat())))
            }
        }
    }

    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn int(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// A number that the schema demands.
    pub fn number(&self, name: &str) -> u64 {
        self.int(name).expect("a parameter that must be there")
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], |list| list)
    }
}

/// Names and values of a form-encoded query, decoded.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, ()> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().map(|text| text.into_owned()).map_err(|_| ())
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Checks a value, and makes of the text of a query what it means.
fn convert(value: &mut Value, kind: Kind, typed: bool) -> Result<(), String> {
    let pattern = || "value does not match the regex pattern".to_owned();
    let text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| "Expected string value.".to_owned());
    match kind {
        Kind::Text => text(value).map(drop),
        Kind::Id => is_id(&text(value)?).then_some(()).ok_or_else(pattern),
        Kind::Type => {
            let text = text(value)?;
            let is_one = matches!(&*text, "host" | "vm" | "ct");
            is_one.then_some(()).ok_or_else(|| format!("value '{text}' is not defined in the enumeration."))
        }
        Kind::Namespace => is_namespace(&text(value)?).then_some(()).ok_or_else(pattern),
        Kind::AuthId => {
            let text = text(value)?;
            let is_one = text.rsplit_once('@').is_some_and(|(user, realm)| {
                !user.is_empty() && realm.splitn(2, '!').all(is_id) && (3..=64).contains(&text.len())
            });
            is_one.then_some(()).ok_or_else(pattern)
        }
        Kind::Digest => is_digest(&text(value)?).then_some(()).ok_or_else(pattern),
        Kind::Hex => is_digest(&text(value)?.to_ascii_lowercase()).then_some(()).ok_or_else(pattern),
        Kind::Int(least, most) => {
            let number = match value {
                Value::Number(number) if typed => number.as_u64(),
                Value::String(text) if !typed => text.parse().ok(),
                _ => None,
            };
            let number = number.ok_or("Expected integer value.")?;
            if number < least {
                return Err(format!("value must have a minimum value of {least} (got {number})"));
            }
            if number > most {
                return Err(format!("value must have a maximum value of {most} (got {number})"));
            }
            *value = number.into();
            Ok(())
        }
        Kind::Bool => {
            let flag = match value {
                Value::Bool(flag) if typed => Some(*flag),
                Value::String(text) if !typed => match &*text.to_ascii_lowercase() {
                    "1" | "on" | "yes" | "true" => Some(true),
                    "0" | "off" | "no" | "false" => Some(false),
                    _ => None,
                },
                _ => None,
            };
            *value = flag.ok_or("Expected boolean value.")?.into();
            Ok(())
        }
        Kind::Digests | Kind::Ints => {
            let each = if matches!(kind, Kind::Digests) { Kind::Digest } else { Kind::Int(0, u64::MAX) };
            let list = value.as_array_mut().ok_or("Expected array - got scalar value.")?;
            list.iter_mut().try_for_each(|value| convert(value, each, typed))
        }
    }
}

/// Whether a text is a safe id.
pub fn is_id(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.bytes().all(rest) && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
}

fn is_namespace(text: &str) -> bool {
    text.is_empty() || (text.len() <= 256 && text.split('/').count() <= 7 && text.split('/').all(is_id))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: [Param; 4] = [
        ("wid", true, Kind::Int(1, 256)),
        ("name", false, Kind::Id),
        ("flag", false, Kind::Bool),
        ("list", false, Kind::Ints),
    ];

    fn refused(given: Given<'_>) -> String {
        Params::check(&SCHEMA, given).expect_err("it must be refused").text
    }

    #[test]
    fn what_a_server_says_of_parameters() {
        let query = |text| refused(Given::Query(text));
        let one = |rest: &str| format!("parameter verification failed - {rest}");
        assert_eq!(query(""), one("'wid': parameter is missing and it is not optional."));
        assert_eq!(query("wid=0"), one("'wid': value must have a minimum value of 1 (got 0)"));
        assert_eq!(query("wid=1&wid=2"), one("'wid': duplicate parameter."));
        assert_eq!(query("wid=1&x=2"), one("'x': schema does not allow additional properties."));
        assert_eq!(query("wid=1&name=-a"), one("'name': value does not match the regex pattern"));
        let two = query("x=1&name=a");
        assert!(two.starts_with("parameter verification failed:\n- 'x': "), "{two}");
        let json = |text: &str| refused(Given::Json(text.as_bytes()));
        assert_eq!(json(r#"{"wid":"1"}"#), one("'wid': Expected integer value."));
        assert_eq!(json(r#"{"wid":1,"flag":"true"}"#), one("'flag': Expected boolean value."));
        let good = Params::check(&SCHEMA, Given::Query("wid=256&flag=oN&list=1&list=2&name=a%2Eb")).unwrap();
        assert_eq!((good.int("wid"), good.flag("flag"), good.text("name")), (Some(256), Some(true), "a.b"));
        assert_eq!(good.list("list"), [1, 2]);
    }
}
