use core::cmp::Ordering;

/// The order in which the entries of a sorted archive stand: by the bytes of the components, a directory before what is in it.
pub fn path_order(a: &[u8], b: &[u8]) -> Ordering {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    // No component holds a slash, so it sorts before everything else.
    let rank = |path: &[u8]| path.get(same).map(|&byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 });
    rank(a).cmp(&rank(b))
}
