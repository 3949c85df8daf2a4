//! Proxmox Backup Server: the server of the tests, and pxkit as its client. Numbers in names are those of the list of behaviours in the
//! protocol's specification (16).
//!
//! `PXKIT_TEST_REPOSITORY`, `PXKIT_TEST_PASSWORD` and `PXKIT_TEST_FINGERPRINT` name a real server to run against.

mod backup;
mod chunks;
mod commands;
mod config;
mod connect;
mod everyday;
mod faults;
mod golden;
mod images;
mod inspect;
mod manage;
mod proxy;
mod raw;
mod reader;
mod rules;
mod strict;
mod target;
mod transcript;
