//! Values of the format in words.

use std::fmt::Write as _;

use pxkit_core::format::{DefaultAcl, Kind, NO_MASK, Stat, Timestamp, flag_names, mode};

use super::text;

/// Type and permissions as listings have them: `-rw-r--r--`.
pub fn mode_letters(kind: Kind, bits: u64) -> String {
    let kind = match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Hardlink => 'L',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::Device if bits & mode::TYPE == mode::BLOCK => 'b',
        Kind::Device if bits & mode::TYPE == mode::CHAR => 'c',
        Kind::Device => '?',
    };
    let special = [mode::SETUID, mode::SETGID, mode::STICKY];
    let mut out = String::from(kind);
    for (at, special) in special.into_iter().enumerate() {
        let three = bits >> (6 - 3 * at);
        let (with, without) = if at == 2 { ('t', 'T') } else { ('s', 'S') };
        out.push(if three & 4 != 0 { 'r' } else { '-' });
        out.push(if three & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & special != 0, three & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => with,
            (true, false) => without,
        });
    }
    out
}

/// A mode of which only the bits are known: letters, and the type by name.
pub fn mode(bits: u64) -> String {
    let kind = Stat { mode: bits, ..Stat::default() }.kind();
    let name = match kind {
        Some(Kind::Device) if bits & mode::TYPE == mode::BLOCK => "block device",
        Some(Kind::Device) => "character device",
        Some(kind) => kind.name(),
        None => "no type that exists",
    };
    format!("{}, {name}", mode_letters(kind.unwrap_or(Kind::File), bits))
}

/// A moment as `2026-11-22T21:15:52.123456789Z`.
pub fn timestamp(time: Timestamp) -> String {
    let seconds = text::time(time.secs);
    match seconds.strip_suffix(" UTC") {
        Some(seconds) => format!("{}.{:09}Z", seconds.replacen(' ', "T", 1), time.nanos),
        None => format!("{seconds}, {} nanoseconds", time.nanos),
    }
}

/// Inode flags by name, and the bits that have none.
pub fn flags(flags: u64) -> String {
    let known = pxkit_core::format::CHATTR_FLAGS.iter().chain(&pxkit_core::format::FAT_FLAGS);
    let rest = flags & !known.fold(0, |bits, flag| bits | flag.bit);
    let mut names: Vec<String> = flag_names(flags).map(str::to_owned).collect();
    if rest != 0 {
        names.push(format!("unknown {rest:#x}"));
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Permissions of an ACL: `rw-`.
pub fn permissions(bits: u64) -> String {
    if bits == NO_MASK {
        return "not there".to_owned();
    }
    let letter = |bit, letter| if bits & bit != 0 { letter } else { '-' };
    let mut out: String = [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')].iter().collect();
    if bits > 7 {
        let _ = write!(out, " and unknown bits {:#x}", bits & !7);
    }
    out
}

/// The four objects of a default ACL.
pub fn default_acl(acl: &DefaultAcl) -> String {
    let objects =
        [("owner", acl.user_obj), ("group", acl.group_obj), ("others", acl.other), ("mask", acl.mask)];
    let words = objects.map(|(name, bits)| format!("{name} {}", permissions(bits)));
    words.join(", ")
}

/// Capabilities of Linux, by their numbers.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The value of `security.capability`: `cap_net_raw=ep`, as `getcap` writes it.
pub fn capabilities(value: &[u8]) -> String {
    let word = |at: usize| {
        value
            .get(4 * at..4 * at + 4)
            .map_or(0, |bytes| bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
    };
    let (version, words, len) = match word(0) >> 24 {
        1 => (1, 1, 12),
        2 => (2, 2, 20),
        3 => (3, 2, 24),
        _ => return "not in a form that is known".to_owned(),
    };
    if value.len() != len {
        return format!("not in a form that is known: {} bytes instead of {len}", value.len());
    }
    let both = |first: usize| (0..words).fold(0, |all, at| all | word(first + 2 * at) << (32 * at));
    let (permitted, inheritable): (u64, u64) = (both(1), both(2));
    let is_effective = word(0) & 1 != 0;
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for bit in 0..64 {
        let (p, i) = (permitted >> bit & 1 != 0, inheritable >> bit & 1 != 0);
        if !p && !i {
            continue;
        }
        let set = [(is_effective, 'e'), (i, 'i'), (p, 'p')];
        let set: String = set.iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect();
        let name = CAPABILITIES.get(bit).map_or_else(|| format!("cap_{bit}"), |name| format!("cap_{name}"));
        match groups.iter_mut().find(|(other, _)| *other == set) {
            Some((_, names)) => names.push(name),
            None => groups.push((set, vec![name])),
        }
    }
    let words = groups.iter().map(|(set, names)| format!("{}={set}", names.join(",")));
    let mut out = words.collect::<Vec<_>>().join(" ");
    if out.is_empty() {
        out += "none";
    }
    if version == 3 {
        let _ = write!(out, ", for the user namespace whose root is {}", word(5));
    }
    out
}

/// Bytes that are text as text; others by their number.
pub fn value(bytes: &[u8]) -> String {
    let is_text = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    match str::from_utf8(bytes) {
        Ok("") => "empty".to_owned(),
        Ok(text) if is_text(text) => text.to_owned(),
        // Programs often store the NUL, too.
        _ => match bytes.split_last().map(|(last, text)| (last, str::from_utf8(text))) {
            Some((0, Ok(text))) if is_text(text) && !text.is_empty() => format!("{text} (with a NUL)"),
            _ if bytes.len() == 1 => "1 byte".to_owned(),
            _ => format!("{} bytes", bytes.len()),
        },
    }
}

/// The first 256 bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(256).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode_letters(Kind::File, 0o100_644), "-rw-r--r--");
        assert_eq!(mode_letters(Kind::Directory, 0o41_777), "drwxrwxrwt");
        assert_eq!(mode_letters(Kind::File, 0o106_640), "-rwSr-S---");
        assert_eq!(mode_letters(Kind::File, 0o104_751), "-rwsr-x--x");
        assert_eq!(mode(0o20_620), "crw--w----, character device");
        assert_eq!(mode(0), "----------, no type that exists");
    }

    #[test]
    fn moments_have_nanoseconds() {
        let time = |secs, nanos| timestamp(Timestamp { secs, nanos });
        assert_eq!(time(-305_109_001, 999_000_000), "1960-05-01T15:29:59.999000000Z");
        assert_eq!(time(1_700_000_000, 1), "2023-11-14T22:13:20.000000001Z");
        assert_eq!(time(i64::MAX, 5), "9223372036854775807 seconds since 1970, 5 nanoseconds");
    }

    #[test]
    fn capabilities_by_name() {
        let of = |words: &[u32]| {
            capabilities(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[0x0200_0001, 1 << 13, 0, 0, 0]), "cap_net_raw=ep");
        assert_eq!(
            of(&[0x0200_0000, 1, 1 << 1, 1 << 8, 0]),
            "cap_chown,cap_checkpoint_restore=p cap_dac_override=i"
        );
        assert_eq!(
            of(&[0x0300_0001, 1, 1, 1 << 31, 0, 1000]),
            "cap_chown=eip cap_63=ep, for the user namespace whose root is 1000"
        );
        assert_eq!(of(&[0x0100_0000, 0, 0]), "none");
        assert_eq!(of(&[0x0200_0000, 0]), "not in a form that is known: 8 bytes instead of 20");
        assert_eq!(capabilities(b""), "not in a form that is known");
    }

    #[test]
    fn flags_permissions_and_values() {
        assert_eq!(flags(0), "none");
        assert_eq!(flags(0x11_0000 | 1 << 60), "append, nodump, unknown 0x1000000000000000");
        assert_eq!(
            [permissions(6), permissions(NO_MASK), permissions(9)],
            ["rw-", "not there", "--x and unknown bits 0x8"]
        );
        assert_eq!(
            [value(b""), value(b"text"), value(b"text\0"), value(b"\x01\xff")],
            ["empty", "text", "text (with a NUL)", "2 bytes"]
        );
        assert_eq!(hex(b"\x00\xff"), "00ff");
    }
}
