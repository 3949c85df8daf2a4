//! Reads the one thing about a WebAssembly module that the tests want to know: what it imports.

use anyhow::{Context, Result, bail};

const MAGIC_AND_VERSION: &[u8] = b"\0asm\x01\0\0\0";
const IMPORT_SECTION: u8 = 2;

/// The number of imports, and the first of them as `module.name`.
pub fn imports(module: &[u8]) -> Result<(u32, Option<String>)> {
    let mut rest = module.strip_prefix(MAGIC_AND_VERSION).context("this is no WebAssembly module")?;
    while let Some((&id, after)) = rest.split_first() {
        rest = after;
        let size = number(&mut rest)? as usize;
        let mut section = rest.get(..size).context("a section runs past the end of the module")?;
        rest = &rest[size..];
        if id == IMPORT_SECTION {
            let count = number(&mut section)?;
            let first = if count == 0 {
                None
            } else {
                Some(format!("{}.{}", name(&mut section)?, name(&mut section)?))
            };
            return Ok((count, first));
        }
    }
    Ok((0, None))
}

fn name(input: &mut &[u8]) -> Result<String> {
    let len = number(input)? as usize;
    let (name, rest) = input.split_at_checked(len).context("a name runs past the end of its section")?;
    *input = rest;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// An unsigned LEB128 number of at most 32 bits.
fn number(input: &mut &[u8]) -> Result<u32> {
    let mut value = 0u64;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = input.split_first().context("a number runs past the end of the module")?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).context("a number has more than 32 bits");
        }
    }
    bail!("a number has more than 5 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[u8]) -> Vec<u8> {
        [MAGIC_AND_VERSION, sections].concat()
    }

    #[test]
    fn counts_and_names_imports() {
        assert_eq!(imports(&module(&[])).unwrap(), (0, None));
        // A custom section is stepped over; then one imported function `env.f` of type 0.
        let sections = [0, 2, 1, b'x', 2, 9, 1, 3, b'e', b'n', b'v', 1, b'f', 0, 0];
        assert_eq!(imports(&module(&sections)).unwrap(), (1, Some("env.f".to_owned())));
    }

    #[test]
    fn refuses_what_is_cut_off() {
        assert!(imports(b"\0asm").is_err());
        assert!(imports(&module(&[2, 9, 1])).is_err());
        assert!(imports(&module(&[2, 0x80])).is_err());
    }
}
