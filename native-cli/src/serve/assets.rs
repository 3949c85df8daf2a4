//! The inspector itself: embedded in the program by `build.rs`, or in a directory while somebody works on it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use hyper::body::Bytes;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::beneath;
use super::local::tag_of;

/// The page; a bundle without it is none.
const PAGE: &str = "index.html";
/// Largest file of an inspector in a directory.
const MOST_BYTES: u64 = 64 << 20;

/// A file that `build.rs` has put into the program.
#[derive(Debug)]
struct Embedded {
    name: &'static str,
    tag: &'static str,
    /// Whether `bytes` are gzip.
    is_packed: bool,
    bytes: &'static [u8],
}

static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/inspector.rs"));

/// Where the files of the inspector are.
#[derive(Debug)]
pub enum Assets {
    /// In the program.
    Embedded,
    /// In a directory.
    Directory(OwnedFd),
}

/// A file of the inspector, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// What it is.
    pub media_type: &'static str,
    /// For its entity tag: differs for each content and encoding.
    pub tag: String,
    /// Whether `bytes` are gzip.
    pub is_packed: bool,
    /// The bytes to send.
    pub bytes: Bytes,
}

impl Assets {
    /// Those in the program.
    ///
    /// # Errors
    /// There are none.
    pub fn embedded() -> anyhow::Result<Self> {
        if !EMBEDDED.iter().any(|file| file.name == PAGE) {
            bail!(
                "this pxkit was built without the inspector: run `cargo xtask web` in its sources and build it again, \
                or open the files in an inspector that is hosted somewhere"
            );
        }
        Ok(Self::Embedded)
    }

    /// Those in a directory.
    ///
    /// # Errors
    /// It cannot be opened, or there is no page in it.
    pub fn in_directory(path: &Path) -> anyhow::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let cannot = || format!("cannot open {}", path.display());
        let directory = openat(CWD, path, flags, Mode::empty()).with_context(cannot)?;
        beneath::file(&directory, &[PAGE])
            .with_context(|| format!("there is no {PAGE} in {}", path.display()))?;
        Ok(Self::Directory(directory))
    }

    /// The page.
    ///
    /// # Errors
    /// As for [`Assets::get`].
    pub fn page(&self, takes_gzip: bool) -> io::Result<Asset> {
        self.get(&[PAGE.to_owned()], takes_gzip)
    }

    /// The file at a path.
    ///
    /// # Errors
    /// It does not exist ([`io::ErrorKind::NotFound`]) or cannot be read.
    pub fn get(&self, path: &[String], takes_gzip: bool) -> io::Result<Asset> {
        let name = path.join("/");
        let media_type = media_type(&name);
        match self {
            Self::Embedded => {
                let file = EMBEDDED.iter().find(|file| file.name == name).ok_or(io::ErrorKind::NotFound)?;
                file.asset(media_type, takes_gzip)
            }
            Self::Directory(directory) => {
                let (file, stat) = beneath::file(directory, path)?;
                let (bytes, tag) = (read(file)?, tag_of(&stat));
                Ok(Asset { media_type, tag, is_packed: false, bytes })
            }
        }
    }
}

impl Embedded {
    fn asset(&self, media_type: &'static str, takes_gzip: bool) -> io::Result<Asset> {
        if self.is_packed && !takes_gzip {
            let mut plain = Vec::new();
            GzDecoder::new(self.bytes).read_to_end(&mut plain)?;
            return Ok(Asset { media_type, tag: self.tag.into(), is_packed: false, bytes: plain.into() });
        }
        let tag = if self.is_packed { format!("{}-gz", self.tag) } else { self.tag.into() };
        Ok(Asset { media_type, tag, is_packed: self.is_packed, bytes: Bytes::from_static(self.bytes) })
    }
}

fn read(file: File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("more than {MOST_BYTES} bytes")));
    }
    Ok(bytes.into())
}

/// What a file is, by its name. Browsers compile WebAssembly while it comes only if they are told that it is.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn packed_files_are_unpacked_for_those_who_want_it() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"text, text, text, text").unwrap();
        let packed = encoder.finish().unwrap();
        let file = Embedded { name: "a", tag: "1", is_packed: true, bytes: packed.clone().leak() };
        let asset = file.asset("text/plain", true).unwrap();
        assert_eq!((asset.is_packed, &asset.bytes[..], &*asset.tag), (true, &packed[..], "1-gz"));
        let asset = file.asset("text/plain", false).unwrap();
        let plain = &b"text, text, text, text"[..];
        assert_eq!((asset.is_packed, &asset.bytes[..], &*asset.tag), (false, plain, "1"));
        let file = Embedded { name: "a", tag: "1", is_packed: false, bytes: b"text" };
        for takes_gzip in [false, true] {
            let asset = file.asset("text/plain", takes_gzip).unwrap();
            assert_eq!((asset.is_packed, &asset.bytes[..], &*asset.tag), (false, &b"text"[..], "1"));
        }
    }

    /// Whether the bundle was there when this was built or not.
    #[test]
    fn what_is_embedded_is_whole() {
        for file in EMBEDDED {
            let name: Vec<String> = file.name.split('/').map(str::to_owned).collect();
            let plain = Assets::Embedded.get(&name, false).unwrap();
            assert!(!plain.is_packed && plain.tag == file.tag);
            let sent = Assets::Embedded.get(&name, true).unwrap();
            assert!(sent.bytes.len() <= plain.bytes.len(), "{}", file.name);
        }
        assert_eq!(Assets::embedded().is_ok(), EMBEDDED.iter().any(|file| file.name == "index.html"));
        let error = Assets::Embedded.get(&["none".into()], true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_directory_serves_what_is_in_it() {
        let temp = tempfile::tempdir().unwrap();
        assert!(Assets::in_directory(temp.path()).unwrap_err().to_string().contains("no index.html"));
        assert!(Assets::in_directory(&temp.path().join("none")).is_err());
        fs::write(temp.path().join("index.html"), "<p>").unwrap();
        fs::create_dir(temp.path().join("samples")).unwrap();
        fs::write(temp.path().join("samples/a.pxar"), "pxar").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", temp.path().join("passwd")).unwrap();
        let assets = Assets::in_directory(temp.path()).unwrap();
        let page = assets.page(true).unwrap();
        assert_eq!((&page.bytes[..], page.media_type), (&b"<p>"[..], "text/html; charset=utf-8"));
        let get = |path: &[&str]| assets.get(&path.iter().map(ToString::to_string).collect::<Vec<_>>(), true);
        let sample = get(&["samples", "a.pxar"]).unwrap();
        assert_eq!((&sample.bytes[..], sample.media_type), (&b"pxar"[..], "application/octet-stream"));
        for path in [&["passwd"][..], &["..", "x"], &["samples"], &["samples", ""], &["none"]] {
            assert_eq!(get(path).unwrap_err().kind(), io::ErrorKind::NotFound, "{path:?}");
        }
    }
}
