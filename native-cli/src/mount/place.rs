//! Inode numbers: what each stands for.

/// Bits that say where in an archive an entry is; those above say which archive of a snapshot or group.
pub const OFFSET_BITS: u32 = 48;

/// The number of whatever is mounted.
pub const ROOT: u64 = 1;
/// The number of the first snapshot in a group.
const FIRST_SNAPSHOT: u64 = 2;

/// What an inode number stands for. In an archive it is the position of an entry's FILENAME, so it is the same each time the archive is
/// mounted; the root of an archive has no FILENAME, and position 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A group.
    Group,
    /// A snapshot, by its number in the order in which they became known.
    Snapshot(usize),
    /// An entry of the archive that is mounted.
    Only(u64),
    /// An entry of one of many archives, by the number of that; or an image.
    One(usize, u64),
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Archive,
    Snapshot,
    Group,
}

impl Place {
    /// What a number stands for.
    pub fn of(ino: u64, shape: Shape) -> Option<Self> {
        let (slot, filename) = (ino >> OFFSET_BITS, ino & ((1 << OFFSET_BITS) - 1));
        Some(match (shape, slot, ino) {
            (Shape::Archive, _, ROOT) => Self::Only(0),
            (Shape::Archive, 0, _) => Self::Only(filename),
            (Shape::Archive, ..) => return None,
            (Shape::Snapshot, 0, ROOT) => Self::Snapshot(0),
            (Shape::Group, 0, ROOT) => Self::Group,
            (_, 0, _) => Self::Snapshot(usize::try_from(ino.checked_sub(FIRST_SNAPSHOT)?).ok()?),
            _ => Self::One(slot as usize - 1, filename),
        })
    }

    /// The number that stands for this.
    pub fn ino(self, shape: Shape) -> u64 {
        match self {
            Self::Group | Self::Only(0) => ROOT,
            Self::Snapshot(_) if shape == Shape::Snapshot => ROOT,
            Self::Snapshot(number) => FIRST_SNAPSHOT + number as u64,
            Self::Only(filename) => filename,
            Self::One(slot, filename) => (slot as u64 + 1) << OFFSET_BITS | filename,
        }
    }

    /// The same archive, another entry.
    pub fn entry(self, filename: u64) -> Self {
        match self {
            Self::One(slot, _) => Self::One(slot, filename),
            _ => Self::Only(filename),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_one_place_each() {
        let places = [
            (Shape::Archive, Place::Only(0), 1),
            (Shape::Archive, Place::Only(56), 56),
            (Shape::Snapshot, Place::Snapshot(0), 1),
            (Shape::Snapshot, Place::One(0, 0), 1 << 48),
            (Shape::Group, Place::Group, 1),
            (Shape::Group, Place::Snapshot(0), 2),
            (Shape::Group, Place::Snapshot(700), 702),
            (Shape::Group, Place::One(2, 99), 3 << 48 | 99),
        ];
        for (shape, place, ino) in places {
            assert_eq!((place.ino(shape), Place::of(ino, shape)), (ino, Some(place)));
        }
        assert_eq!(Place::of(1 << 48, Shape::Archive), None);
        assert_eq!(Place::of(0, Shape::Group), None);
    }
}
