//! Whose the other end of a connection on this machine is.

use std::fs;
use std::net::SocketAddrV4;

/// Connections as the kernel lists them; those that were made with sockets for both versions of IP stand in the second.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The user who made a connection from `peer` to `here`; `None` if nobody can tell.
pub fn user(peer: SocketAddrV4, here: SocketAddrV4) -> Option<u32> {
    TABLES.iter().find_map(|table| find(&fs::read_to_string(table).ok()?, peer, here))
}

/// Looks for the other end: from there the connection goes from `peer` to `here`.
fn find(table: &str, peer: SocketAddrV4, here: SocketAddrV4) -> Option<u32> {
    // Addresses are written as the numbers that they are in memory, ports as those that they mean.
    let written = |address: SocketAddrV4| {
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let (peer, here) = (written(peer), written(here));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (fields.next()?, fields.next()?);
        // State, queues, timer and retransmissions stand before the user.
        let user = fields.nth(4)?;
        (local.ends_with(&peer) && remote.ends_with(&here)).then(|| user.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_this_users() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(here) = listener.local_addr().unwrap() else { unreachable!() };
        let client = TcpStream::connect(here).unwrap();
        let (_server, SocketAddr::V4(peer)) = listener.accept().unwrap() else { unreachable!() };
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(user(peer, here), Some(me));
        // Nobody is connected that way round or from there.
        assert_eq!(user(SocketAddrV4::new(*peer.ip(), 1), here), None);
        drop(client);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn both_tables_are_understood() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 0100007F:BC2E 01 00000000:00000000 00:00000000 00000000     7        0 20001 1\n   \
            1: 0000000000000000FFFF00000100007F:BC2E 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 \
            00000000  1000        0 20002 1\n   \
            2: 0100007F:9999\n";
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        assert_eq!(find(table, at(0xbc2e), at(0x1f90)), Some(1000));
        assert_eq!(find(table, at(0x1f90), at(0xbc2e)), Some(7));
        assert_eq!(find(table, at(0x9999), at(0x1f90)), None);
    }
}
