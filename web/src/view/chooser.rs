//! Chooses from a datastore: namespace, group, snapshot, archive.

use std::rc::Rc;

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, HtmlInputElement};
use yew::prelude::*;

use super::parts::{local, sized, trouble, use_select};
use crate::{
    protocol::{
        Problem, ProblemKind, Reply, Request,
        open::{GroupInfo, Key, SnapshotFile, SnapshotInfo, SnapshotRef, StoreListing, StoreQuery},
    },
    state::{
        Message, Tab,
        app::{use_app, use_document, use_reply, use_slice},
        client::reason,
        text,
    },
};

/// Properties of [`Chooser`].
#[derive(Properties, PartialEq)]
pub struct ChooserProps {
    /// Which datastore.
    pub store: u32,
}

/// The choice.
#[component]
pub fn Chooser(props: &ChooserProps) -> Html {
    let number = props.store;
    let store =
        use_slice(move |state| state.workspace.stores.iter().find(|store| store.id == number).cloned());
    let (wanted_namespace, wanted_group) = use_slice(|state| state.wanted_group.clone()).unzip();
    // Whoever comes back wants another snapshot of the group of which one is shown.
    let shown = use_document().and_then(|open| {
        let snapshot = open.document.snapshot.as_ref().filter(|_| open.document.store == Some(number))?;
        Some((snapshot.namespace.clone(), snapshot.snapshot.rsplit_once('/')?.0.to_owned()))
    });
    let (first_namespace, first_group) = shown.unzip();
    let (first_namespace, first_group) = (first_namespace.or(wanted_namespace), first_group.or(wanted_group));
    let namespace = use_state_eq(|| first_namespace.unwrap_or_default());
    let group = use_state_eq(|| first_group);
    // A new key may open what was closed.
    let keys = use_slice(|state| state.keys);
    let listing = use_reply(
        store.as_ref().map(|_| {
            Request::Store(StoreQuery { store: number, namespace: (*namespace).clone(), group: None })
        }),
        keys,
    );
    let choose_namespace = {
        let (namespace, group) = (namespace.setter(), group.setter());
        Callback::from(move |chosen| {
            namespace.set(chosen);
            group.set(None);
        })
    };
    let shown =
        |name: &String| (name.clone(), if name.is_empty() { "(root)".to_owned() } else { name.clone() });
    let namespaces = store.iter().flat_map(|store| &store.namespaces).map(shown).collect();
    let namespaces = use_select(None, None, (*namespace).clone(), namespaces, choose_namespace);
    let Some(store) = store else { return html! { <p>{ "This datastore is not open any more." }</p> } };
    let groups: Vec<GroupInfo> = match listing.reply.as_ref() {
        Some(Ok(reply)) => match &**reply {
            Reply::Store(StoreListing::Groups(groups)) => groups.clone(),
            _ => Vec::new(),
        },
        _ if namespace.is_empty() => store.groups.clone(),
        _ => Vec::new(),
    };
    let chosen =
        (*group).clone().filter(|name| groups.iter().any(|it| it.name == *name)).or_else(|| match &*groups {
            [only] => Some(only.name.clone()),
            _ => None,
        });
    let failed = listing.reply.as_ref().and_then(|reply| reply.as_ref().err().cloned());
    html! {
        <div class="chooser">
            <div class="toolbar">
                <h2 class="store-name">{ &store.name }</h2>
                if store.namespaces.len() > 1 {
                    <label>{ "Namespace " }
                        { namespaces }
                    </label>
                }
                <KeyFile />
            </div>
            if let Some(problem) = failed { { trouble(&problem) } }
            <div class="choice-columns">
                <ul class="groups" aria-label="Groups">
                    { for groups.iter().map(|it| {
                        let group = group.setter();
                        let name = it.name.clone();
                        let current = chosen.as_ref() == Some(&it.name);
                        let onclick = Callback::from(move |_: MouseEvent| group.set(Some(name.clone())));
                        html! {
                            <li key={it.name.clone()}>
                                <button type="button" aria-pressed={current.to_string()} {onclick}>
                                    <span class="mono">{ &it.name }</span>
                                    <span class="muted number">{ text::counted(it.times.len() as u64, "snapshot", "snapshots") }</span>
                                    if let Some(owner) = &it.owner { <span class="muted owner">{ owner }</span> }
                                </button>
                            </li>
                        }
                    }) }
                    if groups.is_empty() && !listing.waiting {
                        <li class="empty">{ "No groups in this namespace." }</li>
                    }
                </ul>
                if let Some(group) = chosen {
                    <Snapshots key={format!("{} {group}", *namespace)} store={number} namespace={(*namespace).clone()} group={group.clone()} {keys} />
                } else if !groups.is_empty() {
                    <p class="empty">{ "Choose a group to see its snapshots." }</p>
                }
            </div>
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct SnapshotsProps {
    store: u32,
    namespace: String,
    group: String,
    keys: u32,
}

#[component]
fn Snapshots(props: &SnapshotsProps) -> Html {
    let request = Request::Store(StoreQuery {
        store: props.store,
        namespace: props.namespace.clone(),
        group: Some(props.group.clone()),
    });
    let listing = use_reply(Some(request), props.keys);
    let snapshots: Vec<SnapshotInfo> = match &listing.reply {
        None => return html! { <p class="empty">{ "Reading the manifests…" }</p> },
        Some(Err(problem)) => return trouble(problem),
        Some(Ok(reply)) => match &**reply {
            Reply::Store(StoreListing::Snapshots(snapshots)) => snapshots.clone(),
            _ => Vec::new(),
        },
    };
    html! {
        <ol class="snapshots" aria-label={format!("Snapshots of {}", props.group)}>
            { for snapshots.into_iter().map(Rc::new).map(|snapshot| html! {
                <Snapshot key={snapshot.name.clone()} store={props.store} namespace={props.namespace.clone()} snapshot={snapshot.clone()} />
            }) }
        </ol>
    }
}

#[derive(Properties, PartialEq)]
struct SnapshotProps {
    store: u32,
    namespace: String,
    snapshot: Rc<SnapshotInfo>,
}

#[component]
fn Snapshot(props: &SnapshotProps) -> Html {
    let app = use_app();
    let snapshot = &props.snapshot;
    let time = snapshot.name.rsplit('/').next().unwrap_or_default();
    let seconds = js_sys::Date::parse(time) / 1000.0;
    let here = seconds.is_finite().then(|| local(seconds as i64));
    let open = |file: &SnapshotFile, tab: Option<Tab>| {
        let (app, store) = (app.clone(), props.store);
        let wanted = SnapshotRef {
            namespace: props.namespace.clone(),
            snapshot: snapshot.name.clone(),
            archive: Some(file.name.clone()),
        };
        Callback::from(move |_: MouseEvent| {
            tab.into_iter().for_each(|tab| app.send(Message::Tab(tab)));
            app.open_snapshot(store, wanted.clone());
        })
    };
    let line = |file: &SnapshotFile| {
        let payload = payload_of(&snapshot.files, file);
        let (text, bytes) = match payload {
            Some(payload) => {
                (format!("{} + {}", stream(&file.name), stream(&payload.name)), file.size + payload.size)
            }
            None => (file.name.clone(), file.size),
        };
        let crypt = match file.crypt.as_str() {
            "encrypt" => Some("encrypted"),
            "sign-only" => Some("signed"),
            _ => None,
        };
        html! {
            <li key={file.name.clone()}>
                if file.opens {
                    <button type="button" class="jump mono" onclick={open(file, None)}>{ text }</button>
                } else {
                    <span class="mono muted">{ text }</span>
                }
                { for crypt.map(|crypt| html! { <span class="tag">{ crypt }</span> }) }
                { for payload.filter(|payload| payload.opens).map(|payload| html! {
                    <button type="button" class="jump muted" title={format!("{}: the chunks of the contents", payload.name)}
                        onclick={open(file, Some(Tab::Chunks))}>{ "payload index" }</button>
                }) }
                { sized(bytes) }
            </li>
        }
    };
    let halves: Vec<_> = snapshot.files.iter().filter_map(|file| payload_of(&snapshot.files, file)).collect();
    html! {
        <li class="snapshot">
            <header>
                if let Some((local, zone)) = here {
                    <time datetime={time.to_owned()} title={format!("{local} {zone}")}>{ local }</time>
                }
                <span class="muted mono">{ time }</span>
                { for snapshot.key.iter().map(|key| html! { <span class="muted mono" title={key.clone()}>{ "key " }{ text::short(key) }</span> }) }
            </header>
            if let Some(problem) = &snapshot.problem { { trouble(problem) } }
            <ul>
                { for snapshot.files.iter().filter(|file| !halves.contains(file)).map(line) }
            </ul>
        </li>
    }
}

/// The payload that belongs to metadata: the two are one archive.
fn payload_of<'a>(files: &'a [SnapshotFile], metadata: &SnapshotFile) -> Option<&'a SnapshotFile> {
    let name = format!("{}.ppxar.didx", metadata.name.strip_suffix(".mpxar.didx")?);
    files.iter().find(|file| file.name == name)
}

/// The name of a stream, by that of its index.
fn stream(index: &str) -> &str {
    index.strip_suffix(".didx").unwrap_or(index)
}

/// A key file for encrypted snapshots, with the passphrase that it may be locked with.
#[component]
pub fn KeyFile() -> Html {
    let app = use_app();
    let file = use_node_ref();
    let passphrase = use_node_ref();
    let outcome = use_state(|| None::<Result<String, Problem>>);
    let onsubmit = {
        let (file, passphrase, outcome) = (file.clone(), passphrase.clone(), outcome.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let chosen = file
                .cast::<HtmlInputElement>()
                .and_then(|input| input.files())
                .and_then(|files| files.get(0));
            let phrase = passphrase.cast::<HtmlInputElement>().map(|input| input.value()).unwrap_or_default();
            let Some(chosen) = chosen else {
                return outcome.set(Some(Err(no_key("Choose a key file first.".to_owned()))));
            };
            let (app, outcome) = (app.clone(), outcome.setter());
            spawn_local(async move {
                let taken = match read(&chosen).await {
                    Ok(file) => app.take_key(Key { file, passphrase: phrase }).await,
                    Err(problem) => Err(problem),
                };
                outcome.set(Some(taken));
            });
        })
    };
    html! {
        <details class="menu key">
            <summary>{ "Key…" }</summary>
            <form class="key-form" {onsubmit}>
                <label>{ "Key file" }<input ref={file} type="file" /></label>
                <label>{ "Passphrase, if it has one" }<input ref={passphrase} type="password" autocomplete="off" /></label>
                <button type="submit" class="first">{ "Use this key" }</button>
                <p class="muted">{ "For what is encrypted. It stays in this browser until the page is closed." }</p>
                { match &*outcome {
                    None => html! {},
                    Some(Ok(fingerprint)) => html! { <p role="status">{ "Taken: " }<span class="mono">{ fingerprint }</span></p> },
                    Some(Err(problem)) => trouble(problem),
                } }
            </form>
        </details>
    }
}

async fn read(file: &File) -> Result<Vec<u8>, Problem> {
    // Key files are small; whatever is not is none.
    if file.size() > 1e6 {
        return Err(no_key("This is no key file: it is too large.".to_owned()));
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| no_key(reason(&error)))?;
    Ok(js_sys::Uint8Array::new(&buffer.unchecked_into::<js_sys::ArrayBuffer>()).to_vec())
}

fn no_key(message: String) -> Problem {
    Problem { kind: ProblemKind::Key, message, about: None, offset: None }
}
