use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::format::{Class, Digest, Problem};

/// Bytes written in hexadecimal, with blanks.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn sha(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

mod catalog;
mod frame;
mod key_file;
mod manifest;
