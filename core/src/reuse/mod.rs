//! Which unchanged files keep their chunks (change detection 3 to 5, 10.5 and 10.13).

mod join;
mod table;
mod verdict;

pub use join::{Found, Join, OldEntry};
pub use table::Table;
pub use verdict::{NewFile, Rules, Verdict, Why, compare};
