//! Opening what lies below a directory, and nothing else: one component at a time, each without following a symlink.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

/// Directories that are only on the way.
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Directories that are listed.
const LIST: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Files. Opening a pipe would wait for somebody.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory for listing.
///
/// # Errors
/// It does not exist ([`io::ErrorKind::NotFound`], also if it or one around it is no directory) or cannot be opened.
pub fn directory<S: AsRef<str>>(root: impl AsFd, path: &[S]) -> io::Result<OwnedFd> {
    open(root.as_fd(), path, LIST)
}

/// Opens a regular file for reading, and says what it is like.
///
/// # Errors
/// It does not exist ([`io::ErrorKind::NotFound`], also if it is something else) or cannot be opened.
pub fn file<S: AsRef<str>>(root: impl AsFd, path: &[S]) -> io::Result<(File, Stat)> {
    regular(open(root.as_fd(), path, READ)?)
}

/// Lets through only what is a regular file.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] for everything else.
pub fn regular(file: OwnedFd) -> io::Result<(File, Stat)> {
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((file.into(), stat))
}

fn open<S: AsRef<str>>(root: impl AsFd, path: &[S], last: OFlags) -> io::Result<OwnedFd> {
    let at = |directory: &dyn AsFd, name: &str, flags: OFlags| {
        // The kernel would understand these.
        if matches!(name, "" | "." | "..") || name.contains('/') {
            return Err(Errno::NOENT);
        }
        openat(directory.as_fd(), name, flags, Mode::empty())
    };
    let opened = match path {
        [] => openat(root, ".", last, Mode::empty()),
        [name] => at(&root, name.as_ref(), last),
        [first, between @ .., name] => at(&root, first.as_ref(), PASS)
            .and_then(|open| between.iter().try_fold(open, |open, name| at(&open, name.as_ref(), PASS)))
            .and_then(|open| at(&open, name.as_ref(), last)),
    };
    opened.map_err(|errno| match errno {
        // A file where a directory should be, a symlink, a socket, a name with NUL: nothing that could be asked for.
        Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::INVAL | Errno::NAMETOOLONG => {
            io::ErrorKind::NotFound.into()
        }
        errno => errno.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_but_what_lies_below() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "inside").unwrap();
        fs::write(temp.path().join("secret"), "outside").unwrap();
        symlink("../secret", root.join("up")).unwrap();
        symlink("../../secret", root.join("a/up")).unwrap();
        symlink("a", root.join("within")).unwrap();
        symlink(temp.path(), root.join("a/away")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let handle = File::open(&root).unwrap();

        let (read, stat) = file(&handle, &["a", "b", "file"]).unwrap();
        assert_eq!((io::read_to_string(read).unwrap().as_str(), stat.st_size), ("inside", 6));
        assert!(directory(&handle, &["a", "b"]).is_ok());
        assert!(directory::<&str>(&handle, &[]).is_ok());
        for path in [
            &["up"][..],
            &["a", "up"],
            &["within", "b", "file"],
            &["a", "away", "secret"],
            &["..", "secret"],
            &["a", "..", "a", "b", "file"],
            &["a/b/file"],
            &["a", "b", "file", "x"],
            &["a", "b"],
            &["pipe"],
            &["loop"],
            &["a", "", "b", "file"],
            &["a", ".", "b", "file"],
            &["a\0"],
            &["none"],
            &[],
        ] {
            let error = file(&handle, path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path:?}: {error}");
        }
        for path in [&["within"][..], &["a", "away"], &["a", "b", "file"], &[".."], &["loop"], &["pipe"]] {
            let error = directory(&handle, path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path:?}: {error}");
        }
    }
}
