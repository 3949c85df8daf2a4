//! What a person gives: files and folders that are dropped or picked, addresses, what the page's own server offers. Made into things that the
//! worker can open.

use gloo::events::EventListener;
use js_sys::{Array, Function, Promise, Reflect};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryHandle,
    FileSystemDirectoryReader, FileSystemEntry, FileSystemFileEntry, FileSystemFileHandle, HtmlInputElement,
    Response, Url,
};

use crate::{
    protocol::{
        Problem, ProblemKind,
        open::{Item, SnapshotRef},
    },
    state::{Message, Notice, app::App, client::reason, text},
};

/// Most files that are taken from a folder one by one, where the browser gives no handle of the folder.
const MOST_FILES: usize = 500_000;

/// What is in a datastore beside its chunks: groups by their types, and namespaces.
const PARTS: [&str; 4] = ["ct", "host", "ns", "vm"];

/// Things to be opened, with the browser's objects that they name.
pub struct Gathered {
    items: Vec<Item>,
    handles: Vec<JsValue>,
    /// From when they were asked for, see [`App::open`].
    order: u32,
}

impl Gathered {
    /// Nothing yet.
    fn new(app: &App) -> Self {
        Self { items: Vec::new(), handles: Vec::new(), order: app.number() }
    }

    fn file(&mut self, file: File, path: String) {
        let handle = self.handles.len() as u32;
        self.items.push(Item::File { handle, path });
        self.handles.push(file.into());
    }

    /// A folder; `hidden` are files in it that its handle does not show, with their paths below it.
    fn directory(&mut self, directory: FileSystemDirectoryHandle, hidden: Vec<(File, String)>) {
        let handle = self.handles.len() as u32;
        let name = directory.name();
        self.handles.push(directory.into());
        let mut number = |(file, path): (File, String)| {
            self.handles.push(file.into());
            (self.handles.len() as u32 - 1, path)
        };
        let hidden = hidden.into_iter().map(&mut number).collect();
        self.items.push(Item::Directory { handle, name, hidden });
    }

    /// Opens them.
    pub fn open(self, app: &App) {
        app.open(self.items, self.handles, self.order);
    }
}

/// Takes what was dropped. To be called while the event is handled: its data are gone afterwards.
pub fn dropped(app: &App, data: &DataTransfer) {
    let mut waiting = Vec::new();
    let items = data.items();
    for at in 0..items.length() {
        let Some(item) = items.get(at).filter(|item| item.kind() == "file") else { continue };
        let handle = method(&item, "getAsFileSystemHandle")
            .and_then(|get| get.call0(&item).ok()?.dyn_into::<Promise>().ok());
        let entry = item.webkit_get_as_entry().ok().flatten();
        let file = item.get_as_file().ok().flatten();
        waiting.push((handle, entry, file));
    }
    if waiting.is_empty() {
        // A link, perhaps to an archive.
        if let Some(url) = data.get_data("text/uri-list").ok().filter(|url| !url.is_empty()) {
            address(app, url.lines().find(|line| !line.starts_with('#')).unwrap_or_default());
        }
        return;
    }
    let (app, mut gathered) = (app.clone(), Gathered::new(app));
    spawn_local(async move {
        for (handle, entry, file) in waiting {
            if let Err(error) = take(&app, &mut gathered, handle, entry, file).await {
                app.complain(unreadable(&error));
            }
        }
        gathered.open(&app);
    });
}

async fn take(
    app: &App,
    gathered: &mut Gathered,
    handle: Option<Promise>,
    entry: Option<FileSystemEntry>,
    file: Option<File>,
) -> Result<(), JsValue> {
    let handle = match handle {
        Some(promise) => JsFuture::from(promise).await.ok(),
        None => None,
    };
    if let Some(directory) = handle.as_ref().and_then(|handle| handle.dyn_ref::<FileSystemDirectoryHandle>())
    {
        let hidden = match entry.filter(FileSystemEntry::is_directory) {
            Some(folder) => snapshots(app, folder.unchecked_into()).await?,
            None => Vec::new(),
        };
        gathered.directory(directory.clone(), hidden);
    } else if let Some(handle) = handle.as_ref().and_then(|handle| handle.dyn_ref::<FileSystemFileHandle>()) {
        let file: File = JsFuture::from(handle.get_file()).await?.dyn_into()?;
        let name = file.name();
        gathered.file(file, name);
    } else if let Some(folder) = entry.filter(FileSystemEntry::is_directory) {
        walk(app, gathered, folder.unchecked_into()).await?;
    } else if let Some(file) = file {
        let name = file.name();
        gathered.file(file, name);
    }
    Ok(())
}

/// All files below a folder, for browsers without handles.
async fn walk(app: &App, gathered: &mut Gathered, root: FileSystemDirectoryEntry) -> Result<(), JsValue> {
    let mut folders = vec![root];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in list(&folder).await? {
            if entry.is_directory() {
                folders.push(entry.unchecked_into());
                continue;
            }
            let path = entry.full_path().trim_start_matches('/').to_owned();
            gathered.file(file_of(&entry.unchecked_into()).await?, path);
            progress(app, &mut count)?;
        }
    }
    Ok(())
}

/// The files of the snapshots of a datastore, with their paths below it: Chromium's handles of folders neither list nor find names with colons.
async fn snapshots(app: &App, root: FileSystemDirectoryEntry) -> Result<Vec<(File, String)>, JsValue> {
    let base = format!("{}/", root.full_path());
    let mut folders: Vec<FileSystemDirectoryEntry> = Vec::new();
    for entry in list(&root).await? {
        // Not the chunks, which are many, nor what no datastore has.
        if entry.is_directory() && PARTS.contains(&&*entry.name()) {
            folders.push(entry.unchecked_into());
        }
    }
    let (mut files, mut count) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        let is_hidden = folder.full_path().contains(':');
        for entry in list(&folder).await? {
            if entry.is_directory() {
                folders.push(entry.unchecked_into());
            } else if is_hidden {
                let path = entry.full_path();
                let path = path.strip_prefix(&base).unwrap_or(&path).to_owned();
                files.push((file_of(&entry.unchecked_into()).await?, path));
                progress(app, &mut count)?;
            }
        }
    }
    Ok(files)
}

/// One file more; says how many they are from time to time.
fn progress(app: &App, count: &mut usize) -> Result<(), JsValue> {
    *count += 1;
    if count.is_multiple_of(1000) {
        app.say(format!("Reading the folder: {} files so far", text::count(*count as u64)));
    }
    if *count > MOST_FILES { Err(JsValue::from_str("the folder has too many files")) } else { Ok(()) }
}

/// What is in a folder.
async fn list(folder: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader = folder.create_reader();
    let mut found = Vec::new();
    loop {
        let some = entries(&reader).await?;
        if some.length() == 0 {
            return Ok(found);
        }
        found.extend(some.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
        if found.len() > MOST_FILES {
            return Err(JsValue::from_str("the folder has too many files"));
        }
    }
}

/// A promise of a function that takes a callback for its result and one for errors.
fn promise(call: impl Fn(&Function, &Function) -> Result<(), JsValue>) -> JsFuture {
    JsFuture::from(Promise::new(&mut |resolve, reject| {
        if let Err(error) = call(&resolve, &reject) {
            let _ = reject.call1(&JsValue::NULL, &error);
        }
    }))
}

async fn entries(reader: &FileSystemDirectoryReader) -> Result<Array, JsValue> {
    let read = method(reader, "readEntries").ok_or("this browser cannot list folders")?;
    promise(|resolve, reject| read.call2(reader, resolve, reject).map(drop)).await?.dyn_into()
}

async fn file_of(entry: &FileSystemFileEntry) -> Result<File, JsValue> {
    let file = method(entry, "file").ok_or("this browser cannot open the file")?;
    promise(|resolve, reject| file.call2(entry, resolve, reject).map(drop)).await?.dyn_into()
}

/// The browser's fields for files and for folders, which nobody sees. They are there as long as the page: what is picked in one that has gone meanwhile,
/// since something else opened, would be lost.
const PICKERS: [&str; 2] = [".pick-files", ".pick-folder"];

/// Listens to what is picked, as long as the page is there; until then nothing can be.
pub fn listen(app: &App) {
    for picker in PICKERS.iter().filter_map(|picker| field(picker)) {
        let (app, input) = (app.clone(), picker.clone());
        let picked = move |_: &_| {
            if let Some(files) = input.files() {
                take_picked(&app, &files);
            }
            input.set_value("");
        };
        EventListener::new(&picker, "change", picked).forget();
        picker.set_disabled(false);
    }
}

fn field(picker: &str) -> Option<HtmlInputElement> {
    gloo::utils::document().query_selector(picker).ok().flatten()?.dyn_into().ok()
}

/// Lets files be picked.
pub fn pick_files() {
    field(PICKERS[0]).iter().for_each(|field| field.click());
}

/// Lets a folder be picked, if the browser can in its own way, which reads nothing of it in advance.
pub fn pick_folder(app: &App) {
    if !pick_directory(app) {
        field(PICKERS[1]).iter().for_each(|field| field.click());
    }
}

fn take_picked(app: &App, files: &FileList) {
    let mut gathered = Gathered::new(app);
    for at in 0..files.length() {
        let Some(file) = files.get(at) else { continue };
        let below = Reflect::get(&file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
        let path = below.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name());
        gathered.file(file, path);
    }
    gathered.open(app);
}

/// The browser's own way to pick a folder; `false` if it has none.
fn pick_directory(app: &App) -> bool {
    let window = gloo::utils::window();
    let Some(pick) = method(&window, "showDirectoryPicker") else { return false };
    let Some(promise) = pick.call0(&window).ok().and_then(|promise| promise.dyn_into::<Promise>().ok())
    else {
        return false;
    };
    let app = app.clone();
    spawn_local(async move {
        // Whoever changed his mind gets no error.
        if let Ok(Ok(directory)) = JsFuture::from(promise).await.map(JsCast::dyn_into) {
            let mut gathered = Gathered::new(&app);
            gathered.directory(directory, Vec::new());
            gathered.open(&app);
        }
    });
    true
}

/// Opens an address that was typed: at once if the page may read it, else by loading the page anew with a policy that lets it.
pub fn address(app: &App, typed: &str) {
    let typed = typed.trim();
    let location = gloo::utils::window().location();
    let url = Url::new_with_base(typed, &base())
        .ok()
        .filter(|url| matches!(url.protocol().as_str(), "http:" | "https:"));
    let Some(url) = url.filter(|_| !typed.is_empty()) else {
        return app.complain(Problem {
            kind: ProblemKind::Request,
            message: "This is no address that can be opened; it begins with https:// or http://.".to_owned(),
            about: Some(typed.to_owned()),
            offset: None,
        });
    };
    let allowed = location.origin().is_ok_and(|own| own == url.origin())
        || addresses().iter().any(|known| Url::new(known).is_ok_and(|known| known.origin() == url.origin()));
    if allowed {
        return app.open(vec![Item::Url { url: url.href() }], Vec::new(), app.number());
    }
    let search = location.search().unwrap_or_default();
    let mut parts: Vec<String> =
        search.trim_start_matches('?').split('&').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    parts.push(format!("url={}", String::from(js_sys::encode_uri_component(&url.href()))));
    let path = location.pathname().unwrap_or_default();
    let _ = location.assign(&format!("{path}?{}", parts.join("&")));
}

/// The addresses that the page's own address names.
fn addresses() -> Vec<String> {
    let search = gloo::utils::window().location().search().unwrap_or_default();
    let Ok(params) = web_sys::UrlSearchParams::new_with_str(&search) else { return Vec::new() };
    let all = params.get_all("url").iter().filter_map(|url| url.as_string()).collect::<Vec<_>>();
    all.iter().filter_map(|url| Url::new_with_base(url, &base()).ok().map(|url| url.href())).collect()
}

fn base() -> String {
    gloo::utils::document().base_uri().ok().flatten().unwrap_or_default()
}

/// Opens what the page's address names: `?url=…`, and `?served` for what the server of the page offers.
pub fn at_start(app: &App) {
    let urls: Vec<Item> = addresses().into_iter().map(|url| Item::Url { url }).collect();
    let order = app.number();
    app.open(urls, Vec::new(), order);
    let search = gloo::utils::window().location().search().unwrap_or_default();
    if search.trim_start_matches('?').split('&').any(|part| part == "served" || part.starts_with("served=")) {
        let app = app.clone();
        spawn_local(async move {
            match served().await {
                Ok((items, group)) => {
                    app.send(Message::WantedGroup(group));
                    app.open(items, Vec::new(), order);
                }
                Err(error) => app.complain(Problem {
                    kind: ProblemKind::Read,
                    message: format!("What the server offers cannot be read: {error}"),
                    about: None,
                    offset: None,
                }),
            }
        });
    }
}

/// What the server offers, and the group that the command line named without a snapshot of it: its namespace and its name.
async fn served() -> Result<(Vec<Item>, Option<(String, String)>), String> {
    let text = fetch_text("sources.json").await.map_err(|error| reason(&error))?;
    let malformed = || "something is missing in it".to_owned();
    let offers: Value = serde_json::from_slice(text.as_bytes()).map_err(|error| error.to_string())?;
    let absolute =
        |url: &str| Url::new_with_base(url, &base()).map(|url| url.href()).map_err(|error| reason(&error));
    let text_of = |object: &Value, field: &str| object[field].as_str().map(str::to_owned);
    let mut items = Vec::new();
    let mut first = None;
    for offer in offers["sources"].as_array().ok_or_else(malformed)? {
        let name = text_of(offer, "name").ok_or_else(malformed)?;
        items.push(match text_of(offer, "directory") {
            Some(directory) => {
                let mut open = Vec::new();
                for wanted in offer["open"].as_array().ok_or_else(malformed)? {
                    let (namespace, archive) = (text_of(wanted, "namespace"), text_of(wanted, "archive"));
                    let namespace = namespace.ok_or_else(malformed)?;
                    match text_of(wanted, "snapshot") {
                        Some(snapshot) => open.push(SnapshotRef { namespace, snapshot, archive }),
                        None => {
                            let group = text_of(wanted, "group").ok_or_else(malformed)?;
                            first = first.or(Some((namespace, group)));
                        }
                    }
                }
                Item::ServedDirectory { url: absolute(&directory)?, name, open }
            }
            None => {
                let url = text_of(offer, "url").ok_or_else(malformed)?;
                let size = offer["size"].as_u64().ok_or_else(malformed)?;
                Item::Served { url: absolute(&url)?, name, size }
            }
        });
    }
    Ok((items, first))
}

async fn fetch(url: &str) -> Result<Response, JsValue> {
    let response: Response = JsFuture::from(gloo::utils::window().fetch_with_str(url)).await?.dyn_into()?;
    if !response.ok() {
        return Err(JsValue::from_str(&format!("{url}: {} {}", response.status(), response.status_text())));
    }
    Ok(response)
}

async fn fetch_text(url: &str) -> Result<String, JsValue> {
    let text = JsFuture::from(fetch(url).await?.text()?).await?;
    Ok(text.as_string().unwrap_or_default())
}

/// Opens a sample: its files are fetched and then given as if they were dropped.
pub fn sample(app: &App, name: &'static str) {
    let (app, mut gathered) = (app.clone(), Gathered::new(app));
    spawn_local(async move {
        match fetch_sample(&app, &mut gathered, name).await {
            Ok(()) => {
                app.send(Message::Notice(None));
                gathered.open(&app);
            }
            Err(error) => app.complain(Problem {
                kind: ProblemKind::Read,
                message: format!("The sample cannot be fetched: {}", reason(&error)),
                about: None,
                offset: None,
            }),
        }
    });
}

async fn fetch_sample(app: &App, gathered: &mut Gathered, name: &str) -> Result<(), JsValue> {
    let text = fetch_text(&format!("static/samples/{name}.json")).await?;
    let sample = serde_json::from_slice(text.as_bytes());
    let sample: Value = sample.map_err(|error| JsValue::from_str(&error.to_string()))?;
    // The folder below the samples; where each file is in it, and the path under which it is given.
    let (folder, files) = (sample["folder"].as_str(), sample["files"].as_array());
    let (Some(folder), Some(files)) = (folder, files) else {
        return Err(JsValue::from_str("its list of files is malformed"));
    };
    let total = files.len();
    for (at, some) in files.chunks(8).enumerate() {
        app.send(Message::Notice(Some(Notice {
            text: format!("Fetching the sample: {} of {total} files", at * 8),
            bad: false,
            compare: None,
        })));
        let fetched = some.iter().map(|file| async move {
            let (Some(url), Some(path)) = (file[0].as_str(), file[1].as_str()) else {
                return Err(JsValue::from_str("its list of files is malformed"));
            };
            let blob =
                JsFuture::from(fetch(&format!("static/samples/{folder}/{url}")).await?.blob()?).await?;
            let name = path.rsplit('/').next().unwrap_or(path);
            let file = File::new_with_blob_sequence(&Array::of1(&blob.unchecked_into::<Blob>()), name)?;
            Ok((file, path.to_owned()))
        });
        for file in futures::future::join_all(fetched).await {
            let (file, path) = file?;
            gathered.file(file, path);
        }
    }
    Ok(())
}

fn method(object: &JsValue, name: &str) -> Option<Function> {
    Reflect::get(object, &name.into()).ok()?.dyn_into().ok()
}

fn unreadable(error: &JsValue) -> Problem {
    Problem {
        kind: ProblemKind::Read,
        message: format!("It cannot be read: {}", reason(error)),
        about: None,
        offset: None,
    }
}
