//! Commands for the days between making backups and needing them.

mod compare;
mod count;
