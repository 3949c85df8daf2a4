//! What a path behind the token means.

use percent_encoding::percent_decode_str;

use super::place::Place;

/// Something that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page.
    Page,
    /// What there is to look into.
    Sources,
    /// A file, by its number.
    File(usize),
    /// What is in a directory of a tree, by the tree's number.
    List(usize, Place),
    /// A file of a tree, by the tree's number.
    Content(usize, Place),
    /// A file of the inspector: its path.
    Asset(Vec<String>),
}

impl Route {
    /// Reads a path. What is encoded in it is decoded once, after it was taken apart, so an encoded slash separates nothing.
    pub fn of(path: &str) -> Option<Self> {
        let decode = |name| percent_decode_str(name).decode_utf8().ok().map(|name| name.into_owned());
        let decoded: Vec<String> = path.split('/').map(decode).collect::<Option<_>>()?;
        let names: Vec<&str> = decoded.iter().map(String::as_str).collect();
        match names[..] {
            [""] | ["index.html"] => Some(Self::Page),
            ["sources.json"] => Some(Self::Sources),
            ["f", number] => Some(Self::File(index(number)?)),
            ["d", number, "list", ref path @ ..] => {
                // As a directory is written, or not.
                let path = path.strip_suffix(&[""]).unwrap_or(path);
                let place = Place::of(path.iter().copied()).filter(Place::can_be_listed)?;
                Some(Self::List(index(number)?, place))
            }
            ["d", number, "file", ref path @ ..] => {
                let place = Place::of(path.iter().copied()).filter(|place| !place.is_directory())?;
                Some(Self::Content(index(number)?, place))
            }
            ["f" | "d", ..] => None,
            _ => Some(Self::Asset(decoded)),
        }
    }
}

/// A number as it is written here: without sign or leading zeros.
fn index(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        Place::of(path.split('/').filter(|name| !name.is_empty())).unwrap()
    }

    #[test]
    fn paths_have_meanings() {
        let snapshot = "host/web/2026-11-20T02:00:00Z";
        let asset = |names: &[&str]| Route::Asset(names.iter().map(ToString::to_string).collect());
        for (path, route) in [
            ("", Route::Page),
            ("index.html", Route::Page),
            ("sources.json", Route::Sources),
            ("f/0", Route::File(0)),
            ("f/12", Route::File(12)),
            ("d/1/list", Route::List(1, place(""))),
            ("d/1/list/", Route::List(1, place(""))),
            ("d/1/list/host/web", Route::List(1, place("host/web"))),
            ("d/1/list/host/web/", Route::List(1, place("host/web"))),
            ("d/0/list/host/web/2026-11-20T02%3A00%3a00Z", Route::List(0, place(snapshot))),
            ("d/0/file/host/web/owner", Route::Content(0, place("host/web/owner"))),
            ("boot.js", asset(&["boot.js"])),
            ("samples/a%20b.pxar", asset(&["samples", "a b.pxar"])),
        ] {
            assert_eq!(Route::of(path), Some(route), "{path}");
        }
    }

    #[test]
    fn the_rest_means_nothing() {
        for path in [
            "f",
            "f/",
            "f/-1",
            "f/+1",
            "f/01",
            "f/0/",
            "f/0/x",
            "f/99999999999999999999999",
            "d",
            "d/0",
            "d/0/",
            "d/0/lists/",
            "d/x/list/",
            "d/0/list//",
            "d/0/list/..",
            "d/0/list/../..",
            "d/0/list/%2e%2e",
            "d/0/list/host/%2e%2e/%2e%2e",
            "d/0/list/host%2fweb",
            "d/0/list/host/web%00",
            "d/0/list/.chunks",
            "d/0/list/.chunks/0000",
            "d/0/list/host/web/owner",
            "d/0/file/",
            "d/0/file/host/web",
            "d/0/file/etc/passwd",
            "d/0/file//etc/passwd",
            "d/0/file/.lock",
            "d/0/file/host/web/owner/",
            "d/0/file/host/web/%6fwner%ff",
            "d/0/file/host/web/%256fwner",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
