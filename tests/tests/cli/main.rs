//! The program as a person runs it: arguments in; files, text and exit status out.

mod backup;
mod bench;
mod create;
mod create_broken;
mod dump;
mod extract;
mod file_systems;
mod generated;
mod golden;
mod list;
mod package;
mod progress;
mod replace;
mod run;
mod select;
mod threads;
