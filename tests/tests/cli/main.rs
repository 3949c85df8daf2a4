//! The program as a person runs it: arguments in; files, text and exit status out.

mod create;
mod dump;
mod extract;
mod generated;
mod golden;
mod list;
mod replace;
mod select;
