//! Bytes that are written once and read once: in memory up to a bound, beyond it in an unnamed file.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, bail};

/// Bytes in memory.
const IN_MEMORY: usize = 16 << 20;
/// Bytes read from the file at once.
const BLOCK: usize = 1 << 20;

/// The bytes that are being written.
#[derive(Debug, Default)]
pub struct Spool {
    /// The last bytes; all of them if there is no file.
    buffer: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
}

impl Spool {
    /// Where the next bytes go; [`Spool::settle`] follows.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Where the next byte will stand.
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Moves what is too much for memory into a file, which `make` opens: it must have no name, or be of no use to anybody.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&mut self, make: impl FnOnce() -> anyhow::Result<File>) -> anyhow::Result<()> {
        if self.buffer.len() < IN_MEMORY {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(make()?),
        };
        file.write_all_at(&self.buffer, self.written).context("cannot write the list of files found")?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Reads it from its start.
    pub fn read(self) -> Reader {
        let size = self.position();
        let start = self.written;
        Reader {
            tail: self.buffer,
            file: self.file,
            in_file: start,
            size,
            window: Vec::new(),
            at: 0,
            start: 0,
        }
    }
}

/// The bytes that are being read.
#[derive(Debug)]
pub struct Reader {
    /// The bytes behind those in the file.
    tail: Vec<u8>,
    /// The file with the first bytes, and how many.
    file: Option<File>,
    in_file: u64,
    size: u64,
    /// Bytes of the file, and perhaps of what is behind it, from position `at` on; of them those from `start` on come next.
    window: Vec<u8>,
    at: u64,
    start: usize,
}

impl Reader {
    /// The bytes that come next, at least `at_least` of them unless fewer are left.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn window(&mut self, at_least: usize) -> anyhow::Result<&[u8]> {
        let position = self.position();
        if position >= self.in_file {
            return Ok(&self.tail[(position - self.in_file) as usize..]);
        }
        if self.window.len() - self.start < at_least {
            self.fill(at_least)?;
        }
        Ok(&self.window[self.start..])
    }

    /// Passes bytes that are in the window.
    pub fn advance(&mut self, bytes: usize) {
        self.seek(self.position() + bytes as u64);
    }

    /// Goes to a position.
    pub fn seek(&mut self, position: u64) {
        let position = position.min(self.size);
        match usize::try_from(position.wrapping_sub(self.at)) {
            Ok(start) if position >= self.at && start <= self.window.len() => self.start = start,
            _ => {
                self.window.clear();
                (self.at, self.start) = (position, 0);
            }
        }
    }

    fn position(&self) -> u64 {
        self.at + self.start as u64
    }

    fn fill(&mut self, at_least: usize) -> anyhow::Result<()> {
        let Some(file) = &self.file else { bail!("a defect of pxkit: a list of files without a file") };
        self.window.drain(..self.start);
        (self.at, self.start) = (self.position(), 0);
        while self.window.len() < at_least {
            let end = self.at + self.window.len() as u64;
            if end >= self.in_file {
                let rest = &self.tail[(end - self.in_file) as usize..];
                self.window.extend_from_slice(&rest[..rest.len().min(at_least)]);
                break;
            }
            let block = (self.in_file - end).min(BLOCK as u64) as usize;
            let len = self.window.len();
            self.window.resize(len + block, 0);
            file.read_exact_at(&mut self.window[len..], end)
                .context("cannot read the list of files found")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_memory_and_from_a_file() {
        for total in [0usize, 1, 1000, 3 * IN_MEMORY + 12_345] {
            let byte = |at: usize| (at / 3 + at / 70_001) as u8;
            let mut spool = Spool::default();
            let mut at = 0;
            while at < total {
                let part = (total - at).min(77_777);
                spool.buffer().extend((at..at + part).map(byte));
                at += part;
                spool.settle(|| Ok(tempfile::tempfile()?)).unwrap();
                assert!(spool.buffer.len() < IN_MEMORY + 77_777);
            }
            let mut reader = spool.read();
            let (mut at, mut step) = (0, 1);
            loop {
                let window = reader.window(step).unwrap();
                let part = window.len().min(step);
                assert!(part == step || at + part == total);
                assert!(window[..part].iter().enumerate().all(|(n, &b)| b == byte(at + n)), "at {at}");
                if part == 0 {
                    break;
                }
                at += part;
                reader.advance(part);
                step = step * 7 % 65_537 + 1;
            }
            assert_eq!(at, total);
            for number in 0..if total > 0 { 100 } else { 0 } {
                let at = total / 100 * (number * 37 % 100);
                reader.seek(at as u64);
                let window = reader.window(50).unwrap();
                assert!(window.len() >= 50.min(total - at));
                assert!(window.iter().enumerate().all(|(n, &b)| b == byte(at + n)), "at {at}");
            }
        }
    }
}
