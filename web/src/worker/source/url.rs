//! Files behind addresses, read by Range.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use js_sys::{ArrayBuffer, Uint8Array};
use serde_json::Value;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Headers, ReadableStreamDefaultReader, RequestCache, RequestCredentials, RequestInit, Response,
    WorkerGlobalScope,
};

use super::directory::{Directory, Listed, Looking};
use super::{Reading, Source, check_range};
use crate::protocol::{Problem, ProblemKind};
use crate::worker::{port, problem};

/// Most bytes of a file that is read as a whole because its server knows no Range.
const WHOLE: u64 = 64 << 20;
/// Bytes of a listing.
const LISTING: u64 = 256 << 20;

/// What tells one state of a file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp {
    etag: Option<String>,
    modified: Option<String>,
}

impl Stamp {
    fn of(response: &Response) -> Self {
        let header = |name| response.headers().get(name).ok().flatten();
        Self { etag: header("etag"), modified: header("last-modified") }
    }
}

/// An answer on its way, and the bytes in it.
type Answer = oneshot::Receiver<Result<(Response, ArrayBuffer), Problem>>;

/// A file behind an address.
pub struct Url {
    name: String,
    /// What it is called when something goes wrong.
    place: String,
    url: String,
    size: u64,
    /// As it was at the first answer.
    stamp: RefCell<Option<Stamp>>,
    /// All of it, where the server knows no Range.
    whole: Option<Vec<u8>>,
    /// What is on its way.
    ahead: RefCell<Option<(Range<u64>, Answer)>>,
}

impl Url {
    /// A file whose size is known.
    pub fn new(url: String, name: String, size: u64) -> Self {
        let place = name.clone();
        Self { name, place, url, size, stamp: RefCell::default(), whole: None, ahead: RefCell::default() }
    }

    /// Asks how large a file is. `None` if there is none. What goes wrong with it goes wrong at `place`.
    ///
    /// # Errors
    /// It cannot be reached, or is too large for a server without Range.
    pub async fn probe(url: &str, name: String, place: &str) -> Result<Option<Self>, Problem> {
        let response = get(url, place, Some(0..1)).await?;
        let size = match response.status() {
            404 => return Ok(None),
            206 => match total(&response) {
                Some(size) => size,
                // A server elsewhere did not allow the page to see it.
                None => length_by_head(url, place).await?,
            },
            // There is not even one byte.
            416 => 0,
            200 => {
                let stamp = RefCell::new(Some(Stamp::of(&response)));
                let whole = body(&response, place, WHOLE).await?.ok_or_else(|| {
                    let message = format!(
                        "{place} is larger than {} MiB and its server sends only whole files (it does not know \
                        Range requests): download it and drop the file here.",
                        WHOLE >> 20
                    );
                    problem::about(ProblemKind::Limit, place, message)
                })?;
                let (url, size, ahead) = (url.to_owned(), whole.len() as u64, RefCell::default());
                let place = place.to_owned();
                return Ok(Some(Self { name, place, url, size, stamp, whole: Some(whole), ahead }));
            }
            status => return Err(refused(place, status)),
        };
        let file = Self { place: place.to_owned(), ..Self::new(url.to_owned(), name, size) };
        *file.stamp.borrow_mut() = Some(Stamp::of(&response));
        Ok(Some(file))
    }

    /// Sends a request, whether anybody waits for its answer or not.
    fn start(&self, range: Range<u64>) -> Answer {
        let (url, place) = (self.url.clone(), self.place.clone());
        let (sender, answer) = oneshot::channel();
        spawn_local(async move {
            let answer = async {
                let response = get(&url, &place, Some(range.clone())).await?;
                match response.status() {
                    206 => {}
                    // All of a file that is asked for as a whole.
                    200 if range.start == 0 => {}
                    status => return Err(refused(&place, status)),
                }
                let failed = || broken(&place);
                let bytes = JsFuture::from(response.array_buffer().map_err(|_| failed())?).await;
                Ok((response, bytes.map_err(|_| failed())?.unchecked_into()))
            };
            let _ = sender.send(answer.await);
        });
        answer
    }

    fn changed(&self, offset: u64) -> Problem {
        let message = format!("{} changed on its server since it was opened: open it again.", self.place);
        Problem { offset: Some(offset), ..problem::about(ProblemKind::Read, &self.place, message) }
    }
}

impl Source for Url {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a> {
        Box::pin(async move {
            check_range(self, offset, buffer.len())?;
            if buffer.is_empty() {
                return Ok(());
            }
            if let Some(whole) = &self.whole {
                buffer.copy_from_slice(&whole[offset as usize..offset as usize + buffer.len()]);
                return Ok(());
            }
            let range = offset..offset + buffer.len() as u64;
            let ahead = self.ahead.borrow_mut().take_if(|(ahead, _)| *ahead == range);
            let answer = ahead.map_or_else(|| self.start(range), |(_, answer)| answer);
            let (response, bytes) = answer.await.unwrap_or_else(|_| Err(broken(&self.place)))?;
            let stamp = Stamp::of(&response);
            let first = self.stamp.borrow_mut().get_or_insert_with(|| stamp.clone()).clone();
            let is_same_size = total(&response).is_none_or(|total| total == self.size);
            let view = Uint8Array::new(&bytes);
            if first != stamp || !is_same_size || view.length() as usize != buffer.len() {
                return Err(self.changed(offset));
            }
            view.copy_to(buffer);
            port::release(&bytes);
            Ok(())
        })
    }

    fn will_read(&self, range: Range<u64>) {
        let range = range.start..range.end.min(self.size);
        if !range.is_empty() && self.whole.is_none() {
            *self.ahead.borrow_mut() = Some((range.clone(), self.start(range)));
        }
    }
}

/// A folder that the page's own server offers: `list/PATH` and `file/PATH` below its address.
pub struct Served {
    name: String,
    url: String,
}

impl Served {
    /// A folder under an address that ends with a slash.
    pub const fn new(url: String, name: String) -> Self {
        Self { name, url }
    }

    fn address(&self, what: &str, path: &str) -> String {
        let path: Vec<String> =
            path.split('/').map(|part| js_sys::encode_uri_component(part).into()).collect();
        format!("{}{what}/{}", self.url, path.join("/"))
    }
}

impl Directory for Served {
    fn name(&self) -> &str {
        &self.name
    }

    fn list<'a>(&'a self, path: &'a str) -> Looking<'a, Vec<Listed>> {
        Box::pin(async move {
            let Some(text) = fetch(&self.address("list", path), path, LISTING).await? else {
                return Ok(None);
            };
            let malformed = |why: &dyn std::fmt::Display| {
                let message = format!("The server's listing of {path} cannot be read: {why}.");
                problem::about(ProblemKind::Read, path, message)
            };
            let rows: Vec<Value> = serde_json::from_slice(&text).map_err(|error| malformed(&error))?;
            let listed = rows.iter().map(|row| {
                let name = row["name"].as_str()?.to_owned();
                Some(Listed { name, is_directory: row["dir"].as_bool()? })
            });
            let listed = listed.collect::<Option<_>>().ok_or_else(|| malformed(&"a row lacks its name"))?;
            Ok(Some(listed))
        })
    }

    fn file<'a>(&'a self, path: &'a str) -> Looking<'a, Rc<dyn Source>> {
        Box::pin(async move {
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            let file = Url::probe(&self.address("file", path), name.clone(), &name).await?;
            Ok(file.map(|file| Rc::new(file) as Rc<dyn Source>))
        })
    }

    fn has<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let listed = self.list(parent).await?.unwrap_or_default();
            Ok(listed.iter().any(|one| one.name == name && one.is_directory))
        })
    }

    fn read<'a>(&'a self, path: &'a str, limit: u64) -> Looking<'a, Vec<u8>> {
        Box::pin(async move { fetch(&self.address("file", path), path, limit).await })
    }
}

/// All bytes behind an address; `None` if there is nothing.
async fn fetch(url: &str, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Problem> {
    let response = get(url, name, None).await?;
    match response.status() {
        200 => {}
        404 => return Ok(None),
        status => return Err(refused(name, status)),
    }
    let bytes = body(&response, name, limit).await?;
    let message = || format!("{name} has more than {limit} bytes, which is more than was expected.");
    Ok(Some(bytes.ok_or_else(|| problem::about(ProblemKind::Limit, name, message()))?))
}

/// Sends a request; its status was not looked at.
async fn get(url: &str, name: &str, range: Option<Range<u64>>) -> Result<Response, Problem> {
    send(url, name, "GET", range).await
}

async fn send(url: &str, name: &str, method: &str, range: Option<Range<u64>>) -> Result<Response, Problem> {
    let failed = || broken(name);
    let init = RequestInit::new();
    init.set_method(method);
    // Cookies go to the page's own server at most; the browser's own cache would hold gigabytes.
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_cache(RequestCache::NoStore);
    if let Some(range) = range {
        let headers = Headers::new().map_err(|_| failed())?;
        let value = format!("bytes={}-{}", range.start, range.end - 1);
        headers.set("Range", &value).map_err(|_| failed())?;
        init.set_headers(&headers);
    }
    match fetched(url, &init).await {
        Ok(response) => Ok(response.unchecked_into()),
        Err(_) => {
            let message = format!("{name} cannot be fetched: {}.", why(url).await);
            Err(problem::about(ProblemKind::Read, name, message))
        }
    }
}

fn fetched(url: &str, init: &RequestInit) -> JsFuture {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    JsFuture::from(scope.fetch_with_str_and_init(url, init))
}

/// Why an address cannot be fetched. Browsers keep that from pages; whether anybody answers there at all they tell.
async fn why(url: &str) -> &'static str {
    let init = RequestInit::new();
    init.set_method("HEAD");
    let _ = js_sys::Reflect::set(&init, &"mode".into(), &"no-cors".into());
    match fetched(url, &init).await {
        Ok(_) => {
            "its server answers, but does not let other pages read it (CORS: Access-Control-Allow-Origin is missing)"
        }
        Err(_) => "no server can be reached there",
    }
}

async fn length_by_head(url: &str, name: &str) -> Result<u64, Problem> {
    let response = send(url, name, "HEAD", None).await?;
    let length = response.headers().get("content-length").ok().flatten().and_then(|text| text.parse().ok());
    length.filter(|_| response.ok()).ok_or_else(|| {
        let message = format!(
            "The server of {name} does not say how large it is: it must let other pages see the headers \
            Content-Range or Content-Length (Access-Control-Expose-Headers)."
        );
        problem::about(ProblemKind::Read, name, message)
    })
}

/// The size of the whole file, as the answer to a Range says.
fn total(response: &Response) -> Option<u64> {
    let text = response.headers().get("content-range").ok().flatten()?;
    text.rsplit_once('/')?.1.parse().ok()
}

/// All bytes of an answer; `None` if there are more than `limit`.
async fn body(response: &Response, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Problem> {
    let failed = || broken(name);
    let length =
        response.headers().get("content-length").ok().flatten().and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(length.unwrap_or_default() as usize);
    let Some(stream) = response.body() else { return Ok(Some(bytes)) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let next = JsFuture::from(reader.read()).await.map_err(|_| failed())?;
        let next: js_sys::IteratorNext = next.unchecked_into();
        if next.done() {
            return Ok(Some(bytes));
        }
        let piece: Uint8Array = next.value().unchecked_into();
        if bytes.len() as u64 + u64::from(piece.length()) > limit {
            let _ = reader.cancel();
            return Ok(None);
        }
        let start = bytes.len();
        bytes.resize(start + piece.length() as usize, 0);
        piece.copy_to(&mut bytes[start..]);
    }
}

fn broken(name: &str) -> Problem {
    problem::about(ProblemKind::Read, name, format!("{name} cannot be fetched: the connection broke off."))
}

fn refused(name: &str, status: u16) -> Problem {
    let reason = match status {
        401 | 403 => "its server does not allow it",
        200 => {
            "its server sends the whole file instead of the part that was asked for (it does not know Range)"
        }
        404 | 410 => "it is not there",
        416 => "it is shorter than it was when it was opened",
        500.. => "its server failed",
        _ => "its server gave an answer that was not expected",
    };
    problem::about(ProblemKind::Read, name, format!("{name} cannot be fetched: {reason} (status {status})."))
}
