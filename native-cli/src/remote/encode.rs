//! Parameters and secrets as they go into requests (server protocol 4, 5).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// Parameters of a request: names and values. A list is a name with several values.
pub type Params<'a> = &'a [(&'a str, Value)];

/// What is encoded in a query, but for spaces.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// What is encoded in cookies and secrets of tokens.
const SECRET: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`').add(b'?').add(b'{').add(b'}');

/// Parameters as a query, form-encoded.
pub(super) fn query(params: Params<'_>) -> String {
    let mut text = String::new();
    for (name, value) in params {
        match value {
            Value::Array(values) => values.iter().for_each(|value| pair(&mut text, name, value)),
            Value::Null => {}
            value => pair(&mut text, name, value),
        }
    }
    text
}

fn pair(text: &mut String, name: &str, value: &Value) {
    let separator = if text.is_empty() { "" } else { "&" };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // Writing to a text does not fail.
    let _ = write!(text, "{separator}{name}=");
    for (at, word) in value.split(' ').enumerate() {
        text.push_str(if at > 0 { "+" } else { "" });
        text.extend(utf8_percent_encode(word, QUERY));
    }
}

/// Parameters as JSON.
pub(super) fn json(params: Params<'_>) -> Value {
    let given = params.iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>().into()
}

/// A ticket, or the secret of a token, as headers take it.
pub(super) fn secret(text: &str) -> SecretText {
    // No buffer is left behind that grew meanwhile.
    let mut encoded = String::with_capacity(3 * text.len());
    encoded.extend(utf8_percent_encode(text, SECRET));
    Zeroizing::new(encoded)
}

/// A part of a path, all of it encoded.
pub fn path_part(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_forms() {
        let params = [
            ("store", "a-b_c.d".into()),
            ("notes", "zwei Wörter\n+1=&%".into()),
            ("on", true.into()),
            ("n", 7.into()),
            ("list", json!(["x", "y"])),
            ("none", Value::Null),
        ];
        let text = "store=a-b_c.d&notes=zwei+W%C3%B6rter%0A%2B1%3D%26%25&on=true&n=7&list=x&list=y";
        assert_eq!(query(&params), text);
        assert_eq!(query(&[]), "");
        // The base64 of a path.
        assert_eq!(query(&[("filepath", "L+/=".into())]), "filepath=L%2B%2F%3D");
    }

    #[test]
    fn json_keeps_types() {
        let params = [("a", 1.into()), ("b", Value::Null), ("c", "1".into())];
        assert_eq!(json(&params), json!({ "a": 1, "c": "1" }));
    }

    #[test]
    fn secrets_are_encoded_as_little_as_can_be() {
        assert_eq!(*secret("PBS:u@r:5F::a+b/c=="), "PBS:u@r:5F::a+b/c==");
        assert_eq!(*secret("a b\"#<>`?{}é\u{7f}\u{1}"), "a%20b%22%23%3C%3E%60%3F%7B%7D%C3%A9%7F%01");
        assert_eq!(*secret("100%"), "100%");
    }

    #[test]
    fn parts_of_paths_are_encoded_whole() {
        assert_eq!(path_part("UPID:a-b:1"), "UPID%3Aa%2Db%3A1");
    }
}
