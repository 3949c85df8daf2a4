//! File systems in images: device numbers that change, and file systems that are set back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit::backup::Mode;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::skip;

use super::{AUTO, World, edit_behind_time, looked_into, number, read, settle};

/// An image, mounted.
struct Image {
    file: PathBuf,
    mount: PathBuf,
    /// Others that hold a device, so that the image gets another one.
    others: Vec<String>,
    /// The same for file systems that number themselves, as Btrfs does.
    anonymous: Vec<PathBuf>,
}

fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

impl Image {
    /// A file system of this kind, mounted at `mount`.
    fn new(scratch: &Scratch, mkfs: &[&str], mount: PathBuf) -> Option<Self> {
        let file = scratch.join("image");
        // Mostly a hole; XFS takes no less.
        fs::File::create(&file).and_then(|file| file.set_len(300 << 20)).expect("an image");
        run(mkfs[0], &[&mkfs[1..], &[text(&file)]].concat())?;
        let image = Self { file, mount, others: Vec::new(), anonymous: Vec::new() };
        image.mount().then_some(image)
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", text(&self.file), text(&self.mount)]).is_some()
    }

    fn unmount(&self) {
        assert!(run("umount", &[text(&self.mount)]).is_some());
    }

    /// Takes the first free device and number, so that the next mount gets others.
    fn take_device(&mut self, scratch: &Scratch) {
        let other = scratch.join(&format!("other-{}", self.others.len()));
        fs::File::create(&other).and_then(|file| file.set_len(1 << 20)).expect("a file");
        self.others.extend(run("losetup", &["--find", "--show", text(&other)]));
        let at = scratch.join(&format!("at-{}", self.anonymous.len()));
        fs::create_dir(&at).expect("a directory");
        if run("mount", &["-t", "tmpfs", "pxkit-test", text(&at)]).is_some() {
            self.anonymous.push(at);
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        run("umount", &[text(&self.mount)]);
        for device in &self.others {
            run("losetup", &["--detach", device]);
        }
        for mount in &self.anonymous {
            run("umount", &[text(mount)]);
        }
    }
}

/// A world whose tree lies on a file system of its own.
fn world_on(name: &str, scratch: &Scratch, mkfs: &[&str]) -> Option<(World, Image)> {
    if !rustix::process::geteuid().is_root() {
        skip(name, "needs root");
        return None;
    }
    let world = World::new(AUTO, &[]);
    let Some(image) = Image::new(scratch, mkfs, world.tree.path().to_owned()) else {
        skip(name, &format!("needs {} and a kernel that mounts its images", mkfs[0]));
        return None;
    };
    for (number, (path, size)) in [("a", 5000), ("b/c", 70_000), ("b/d", 300)].into_iter().enumerate() {
        world.write(path, number as u64, size);
    }
    Some((world, image))
}

fn device(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).expect("a directory").dev()
}

/// File systems whose inodes keep their numbers.
const KINDS: [&[&str]; 3] = [&["mkfs.ext4", "-q"], &["mkfs.btrfs", "-q", "--mixed"], &["mkfs.xfs", "-q"]];

#[test]
fn device_numbers_may_change() {
    const NAME: &str = "state: device_numbers_may_change";
    for mkfs in KINDS {
        let scratch = Scratch::new();
        let Some((mut world, mut image)) = world_on(NAME, &scratch, mkfs) else { continue };
        world.backup();
        let before = device(world.tree.path());
        // Which device is free first depends on who else mounts images at this moment.
        for _ in 0..4 {
            image.unmount();
            image.take_device(&scratch);
            assert!(image.mount());
            if device(world.tree.path()) != before {
                break;
            }
        }
        if device(world.tree.path()) == before {
            skip(NAME, &format!("needs {} that has another device number when it is mounted again", mkfs[0]));
            continue;
        }
        let made = world.backup();
        assert_eq!((read(&made), looked_into(&made)), (0, 0), "{mkfs:?}: {}", made.json);
        edit_behind_time(&world.path("a"));
        fs::rename(world.path("b/c"), world.path("z")).expect("renamed");
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/moved/files")), (1, 1), "{mkfs:?}: {}", made.json);
        assert_eq!(
            fs::read(world.snapshots.restore(&made.id).join("a")).ok(),
            fs::read(world.path("a")).ok()
        );
    }
}

#[test]
fn a_file_system_that_is_set_back_is_what_it_was() {
    const NAME: &str = "state: a_file_system_that_is_set_back_is_what_it_was";
    for mkfs in KINDS {
        let scratch = Scratch::new();
        let Some((mut world, image)) = world_on(NAME, &scratch, mkfs) else { continue };
        let then = scratch.join("then");
        world.backup();
        image.unmount();
        copy(&image.file, &then);
        assert!(image.mount());
        edit_behind_time(&world.path("a"));
        world.write("b/d", 40, 300);
        world.backup();
        image.unmount();
        copy(&then, &image.file);
        assert!(image.mount());
        let made = world.backup();
        // Both files are others than in the last snapshot.
        assert_eq!(read(&made), 2, "{mkfs:?}: {}", made.json);
        let restored = world.snapshots.restore(&made.id);
        for name in ["a", "b/c", "b/d"] {
            assert_eq!(
                fs::read(restored.join(name)).ok(),
                fs::read(world.path(name)).ok(),
                "{mkfs:?}: {name}"
            );
        }
    }
}

/// Copies an image with its holes.
fn copy(from: &Path, to: &Path) {
    assert!(run("cp", &["--sparse=always", text(from), text(to)]).is_some());
}

#[test]
fn a_file_system_without_inodes_of_its_own_is_compared_by_metadata() {
    const NAME: &str = "state: a_file_system_without_inodes_of_its_own_is_compared_by_metadata";
    let scratch = Scratch::new();
    let Some((mut world, image)) = world_on(NAME, &scratch, &["mkfs.vfat"]) else { return };
    let made = world.snapshots.backup(world.tree.path(), &world.options(Mode::Metadata));
    assert_eq!(number(&made, "/files/files"), 3);
    image.unmount();
    assert!(image.mount());
    settle();
    let made = world.snapshots.backup(world.tree.path(), &world.options(Mode::Metadata));
    // Nothing is read, and everything was looked into.
    assert_eq!((read(&made), looked_into(&made), number(&made, "/state/untouched")), (0, 3, 0));
    fs::write(world.path("b/d"), Rng::new(9).bytes(301)).expect("written");
    let made = world.snapshots.backup(world.tree.path(), &world.options(Mode::Metadata));
    assert_eq!(read(&made), 1);
}

#[test]
fn a_mount_point_has_a_state_of_its_own_file_system() {
    const NAME: &str = "state: a_mount_point_has_a_state_of_its_own_file_system";
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "needs root");
    }
    let scratch = Scratch::new();
    let mut world = World::new(AUTO, &[("a", 5000), ("z/y", 10)]);
    fs::create_dir(world.path("m")).expect("a directory");
    let Some(image) = Image::new(&scratch, &["mkfs.ext4", "-q"], world.path("m")) else {
        return skip(NAME, "needs mkfs.ext4 and a kernel that mounts its images");
    };
    world.write("m/inside", 3, 9000);
    let all = |world: &World| {
        let options = world.options(Mode::Metadata);
        let walk = pxkit::walk::Options { all_file_systems: true, ..options.walk.clone() };
        pxkit::backup::Options { walk, ..options }
    };
    settle();
    world.snapshots.backup(world.tree.path(), &all(&world));
    settle();
    let made = world.snapshots.backup(world.tree.path(), &all(&world));
    assert_eq!((read(&made), looked_into(&made)), (0, 0), "{}", made.json);
    assert_eq!(number(&made, "/files/files"), 3);
    // Without it, what is below is another file system, of which nothing is known.
    image.unmount();
    world.write("m/inside", 3, 9000);
    settle();
    let made = world.snapshots.backup(world.tree.path(), &all(&world));
    assert_eq!(number(&made, "/files/files"), 3);
    assert_eq!(
        fs::read(world.snapshots.restore(&made.id).join("m/inside")).ok(),
        fs::read(world.path("m/inside")).ok()
    );
}
