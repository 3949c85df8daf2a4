//! Opening: what is given, what it turns out to be.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{DocId, Problem};

/// Things to be opened together: what belongs together is found by their first bytes and names.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Open {
    /// The things.
    pub items: Vec<Item>,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Item {
    /// A `File` of the browser. Files of a folder that was picked have its path in front.
    File {
        /// Number of its handle.
        handle: u32,
        /// Name, or path below the folder that was given.
        path: String,
    },
    /// A `FileSystemDirectoryHandle`.
    Directory {
        /// Number of its handle.
        handle: u32,
        /// Its name.
        name: String,
        /// Files in it that the browser shows only to those who were given the folder: numbers of their handles, paths below it.
        hidden: Vec<(u32, String)>,
    },
    /// An address that the user gave, read by Range.
    Url {
        /// The address.
        url: String,
    },
    /// A file that the page's own server offers (`pxkit inspect`), read by Range.
    Served {
        /// Its address.
        url: String,
        /// Its name.
        name: String,
        /// Its bytes.
        size: u64,
    },
    /// A datastore that the page's own server offers.
    ServedDirectory {
        /// Its address, with a slash at the end.
        url: String,
        /// Its name.
        name: String,
        /// Snapshots to open at once.
        open: Vec<SnapshotRef>,
    },
}

/// A snapshot, or one archive of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct SnapshotRef {
    /// Namespace, such as `a/b`; empty for the root.
    pub namespace: String,
    /// `TYPE/ID/TIME`.
    pub snapshot: String,
    /// Name of an archive as in the manifest; `None`: the first file archive.
    pub archive: Option<String>,
}

/// What came of opening.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Opened {
    /// What can be shown, in the order in which it was given.
    pub documents: Vec<Document>,
    /// Datastores to choose from.
    pub stores: Vec<StoreInfo>,
    /// Keys that were among it.
    pub keys: Vec<KeyInfo>,
    /// What could not be opened.
    pub problems: Vec<Problem>,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Document {
    /// Its number.
    pub id: DocId,
    /// What it is called: the names of its files, or snapshot and archive.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// Where it comes from, if from a datastore.
    pub snapshot: Option<SnapshotRef>,
    /// Which store that is.
    pub store: Option<u32>,
    /// Format version of an archive.
    pub version: Option<u64>,
    /// Bytes of the archive or of its metadata; of other documents, of the file.
    pub size: u64,
    /// Bytes of the payload stream, where there is one and it is known.
    pub payload_size: Option<u64>,
    /// Contents can be read: the archive is unified, or its payload file or chunks are there.
    pub has_contents: bool,
    /// The payload stream's chunks are known.
    pub has_chunks: bool,
    /// What could not be opened beside it and what would help ("Drop the .ppxar beside it to see contents").
    pub hint: Option<String>,
    /// Entries decoded so far.
    pub entries: u32,
    /// Files among them.
    pub files: u32,
    /// Bytes of their contents.
    pub content: u64,
    /// Padding of the payload stream, once it is known.
    pub padding: Option<u64>,
    /// Findings so far.
    pub findings: u64,
    /// How far it is.
    pub state: State,
    /// A short text of what it says of itself: manifest, blob, index header. Lines of name and value.
    pub facts: Vec<(String, String)>,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Kind {
    /// A unified archive.
    Unified,
    /// The metadata of a split archive, with or without its payload.
    Split,
    /// A payload file alone.
    Payload,
    /// A dynamic index alone, or of something else than a file archive.
    DynamicIndex,
    /// A fixed index.
    FixedIndex,
    /// A catalog.
    Catalog,
    /// The manifest of a snapshot.
    Manifest,
    /// Another blob.
    Blob,
    /// Nothing that is known; its bytes can be looked at.
    Foreign,
}

/// How far a document is.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum State {
    /// Being decoded; what is there can be used. Bytes done.
    Loading(u64),
    /// Complete.
    Complete,
    /// Decoding ended with a problem; what came before can be used.
    Damaged(Problem),
}

/// An open datastore.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct StoreInfo {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Namespaces that were found, the root (empty) first.
    pub namespaces: Vec<String>,
    /// Groups of the root namespace.
    pub groups: Vec<GroupInfo>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GroupInfo {
    /// `TYPE/ID`.
    pub name: String,
    /// Whom it belongs to.
    pub owner: Option<String>,
    /// Times of its snapshots, oldest first.
    pub times: Vec<String>,
}

/// Asks a datastore.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoreQuery {
    /// Which store.
    pub store: u32,
    /// Which namespace.
    pub namespace: String,
    /// A group (`TYPE/ID`) whose snapshots are wanted; `None`: the groups.
    pub group: Option<String>,
}

/// What a datastore answers.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum StoreListing {
    /// The groups of the namespace.
    Groups(Vec<GroupInfo>),
    /// The snapshots of the group, newest first.
    Snapshots(Vec<SnapshotInfo>),
}

/// A snapshot in a listing.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SnapshotInfo {
    /// `TYPE/ID/TIME`.
    pub name: String,
    /// Its files, as the manifest has them.
    pub files: Vec<SnapshotFile>,
    /// Why the manifest cannot be read.
    pub problem: Option<Problem>,
    /// It is signed, or encrypted with the key of this fingerprint.
    pub key: Option<String>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SnapshotFile {
    /// Name in the manifest.
    pub name: String,
    /// Bytes of the archive.
    pub size: u64,
    /// `none`, `encrypt` or `sign-only`.
    pub crypt: String,
    /// It can be opened with [`OpenSnapshot`].
    pub opens: bool,
}

/// Opens an archive of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpenSnapshot {
    /// Which store.
    pub store: u32,
    /// Which snapshot and archive.
    pub snapshot: SnapshotRef,
}

/// A key file.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Key {
    /// Its bytes (JSON).
    pub file: Vec<u8>,
    /// What it is locked with; empty if nothing.
    pub passphrase: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A key that was taken.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeyInfo {
    /// Its fingerprint, as the stock tools print it.
    pub fingerprint: String,
}
