//! What items are for, in words, and where the versions of the format differ.

use pxkit_core::format::ItemType;

/// What an item of an archive is for.
pub const fn of(item: ItemType) -> &'static str {
    match item {
        ItemType::FormatVersion => {
            "Says which version of the format follows. Archives of version 1 are one stream and do not have this item: they begin with the \
             ENTRY of their root. Version 2 splits an archive: this stream holds the metadata, a second one the contents of files."
        }
        ItemType::Prelude => {
            "Only in version 2, right behind FORMAT_VERSION: a few bytes for the program that wrote the archive. The Proxmox tools store the \
             exclude patterns of the command line as JSON here; in version 1 they stand in a file .pxarexclude-cli at the end of the root."
        }
        ItemType::Entry => {
            "Metadata of a node: mode, inode flags, owner, group and time of modification. What kind of node it is, the item that ends the \
             entry says. Attributes follow. The root has no FILENAME before its ENTRY. Writers before 2020 wrote ENTRY_V1 instead."
        }
        ItemType::EntryV1 => {
            "The old form of ENTRY, which is only read today: the time of modification is one number of nanoseconds since 1970 without sign, so \
             nothing older can be stored."
        }
        ItemType::Filename => {
            "Begins a child of the innermost open directory: its name, and then either ENTRY with all that belongs to it, or HARDLINK. Names \
             are bytes; writers sort them by their bytes."
        }
        ItemType::Symlink => {
            "Makes the entry a symbolic link and ends it: the target as it stands in the link."
        }
        ItemType::Device => {
            "Makes the entry a device node and ends it. Whether it is a block or a character device, the mode says."
        }
        ItemType::Xattr => {
            "An extended attribute: name, NUL, value. Stored are user.*, trusted.* and security.NTACL; capabilities and ACLs have items of their own."
        }
        ItemType::AclUser => {
            "Permissions of a named user in the access ACL. The group bits of the mode are the mask then."
        }
        ItemType::AclGroup => {
            "Permissions of a named group in the access ACL. The group bits of the mode are the mask then."
        }
        ItemType::AclGroupObj => {
            "What the owning group may do, where the ACL has a mask: the group bits of the mode hold the mask then, and these the permissions."
        }
        ItemType::AclDefault => {
            "The default ACL of a directory, which nodes made in it inherit: owner, owning group, others and mask. Eight bytes of ff stand for \
             an object that is not there."
        }
        ItemType::AclDefaultUser => "Permissions of a named user in the default ACL.",
        ItemType::AclDefaultGroup => "Permissions of a named group in the default ACL.",
        ItemType::Fcaps => "File capabilities: the value of security.capability as the kernel stores it.",
        ItemType::QuotaProjid => "The quota project of a file or directory; not stored if it is 0.",
        ItemType::Hardlink => {
            "Makes the child a further name of a file that came before, instead of ENTRY: how many bytes before this child's FILENAME that of the file \
             stands, and the file's path from the root. Links have no metadata of their own."
        }
        ItemType::Payload => {
            "Ends an entry as a regular file; its contents follow. Only in version 1, where everything is in one stream; in version 2 PAYLOAD_REF \
             stands here and the PAYLOAD item is in the payload stream."
        }
        ItemType::PayloadRef => {
            "Ends an entry as a regular file whose contents are in the payload stream: where its PAYLOAD header is there, and how many bytes follow \
             the header. Only in version 2. References never go backwards, so that both streams can be read side by side."
        }
        ItemType::Goodbye => {
            "Ends a directory. For each child a record with the hash of its name, how far back its FILENAME is and how long it is, ordered as a search \
             tree: that of slot i are 2i+1 for smaller hashes and 2i+2 for larger ones. A tail record leads back to the directory's ENTRY. So \
             one path can be found from the end of the archive without reading the rest."
        }
        ItemType::PayloadStartMarker => "The first 16 bytes of every payload stream.",
        ItemType::PayloadTailMarker => "The last 16 bytes of a payload stream. Readers do without it.",
    }
}

/// What a piece is that is no item of an archive.
pub fn other(name: &str) -> &'static str {
    match name {
        "PAYLOAD" => {
            "The contents of a file, behind a header that says how many bytes they are. A PAYLOAD_REF in the metadata leads here; a payload stream \
             cannot be read without its metadata, because what no reference leads to is padding."
        }
        "PADDING" => {
            "Bytes that no file of this archive uses. They came with chunks of an earlier snapshot, which were taken over whole because other bytes in them \
             are used."
        }
        "GHOST" => {
            "A file of an earlier snapshot within padding: its header and contents came with a chunk of which other bytes are used. Restores pass over it."
        }
        "OLD_MARKER" => {
            "The marker of an earlier payload stream, which came with a chunk that was taken over."
        }
        "UNDECODED" => "The archive is still being decoded up to here.",
        "TRAILING" => {
            "Bytes behind the root's GOODBYE, where an archive ends. Readers that begin at the end look for the root's table there, and fail."
        }
        "DAMAGED" => "The bytes are not what the format says. What came before can be used.",
        "INDEX_HEADER" => {
            "The head of an index: what kind it is, a random id, when it was begun, and the SHA-256 over all entries. Readers need only the magic number: \
             what counts is the checksum in the manifest."
        }
        "INDEX_ENTRY" => {
            "A chunk: where in the archive it ends, and the SHA-256 of its bytes, which is the name of its file in the datastore. It begins where the one \
             before ends."
        }
        "FIXED_ENTRY" => {
            "A chunk of an image: the SHA-256 of its bytes. All chunks but the last have the size that the header names."
        }
        "BLOB_HEADER" => {
            "The head of a blob: what was done to the data, and a CRC-32 over them as they are stored. If they are encrypted, initialisation vector \
             and authentication tag of AES-256-GCM follow."
        }
        "DATA" => "The data of the blob as they are stored: plain, compressed with zstd, encrypted, or both.",
        "CATALOG_MAGIC" => {
            "Says that this is a catalog: names, sizes and times of an archive's files without anything else."
        }
        "CATALOG_TABLE" => {
            "The names in one directory. Directories lead back to their own tables, which come before; the last table is that of the root, which \
             names the archives."
        }
        "CATALOG_ROOT" => "Where the table of the root begins; readers start here.",
        _ => "None of the format's items.",
    }
}
