//! The program as a person runs it: arguments in; files, text and exit status out.

mod golden;
