//! Reading of snapshots: archives in chunks, `restore`, and archives of snapshots where a file could stand.

mod chunks;
mod commands;
mod golden;
mod stream;
