//! Proxmox Backup Server: the server of the tests, and pxkit as its client. Numbers in names are those of the list of behaviours in the
//! protocol's specification (16).

mod raw;
mod strict;
