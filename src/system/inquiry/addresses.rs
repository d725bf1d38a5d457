//! `/proc/PID/net/tcp` and `tcp6`: who is connected to whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    inode: u64,
}

/// A connection as the table tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) local: SocketAddr,
    /// Nobody, for one that listens.
    pub(super) remote: Option<SocketAddr>,
    /// The socket at the other end, where that is in the same table.
    pub(super) peer: Option<u64>,
}

/// Finds the connection of a socket in the tables.
pub(super) fn connection(tables: &[&[u8]], inode: u64) -> Option<Connection> {
    let rows: Vec<Row> =
        tables.iter().flat_map(|text| text.split(|byte| *byte == b'\n')).filter_map(row).collect();
    let own = rows.iter().find(|row| row.inode == inode)?;
    let same = |a: SocketAddr, b: SocketAddr| {
        (a.ip().to_canonical(), a.port()) == (b.ip().to_canonical(), b.port())
    };
    let peer = rows.iter().find(|row| same(row.local, own.remote) && same(row.remote, own.local));
    Some(Connection {
        local: own.local,
        remote: (own.remote.port() != 0).then_some(own.remote),
        // One that is not open any more has no number.
        peer: peer.map(|row| row.inode).filter(|inode| *inode != 0),
    })
}

fn row(line: &[u8]) -> Option<Row> {
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    // State, queues, timer, retransmits, user, timeout.
    let inode = words.nth(6)?.parse().ok()?;
    Some(Row { local, remote, inode })
}

/// `0100007F:0016`: words of four bytes in the machine's order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = host.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match host.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0; 16];
            for (place, byte) in bytes.iter_mut().zip(words.iter().flatten()) {
                *place = *byte;
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured on Linux 6.18, little-endian, shortened.
    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
       0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0\n\
       1: 0100007F:9C40 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4\n\
       2: 0100007F:C001 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4\n\
       3: 0100007F:C002 0505000A:0CEA 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0 20 4\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_other_end_is_found() {
        let of = |inode| connection(&[TCP], inode);
        let client = of(13).unwrap();
        assert_eq!((client.peer, client.remote.unwrap().port()), (Some(12), 40000));
        assert_eq!(of(12).unwrap().peer, Some(13));
        let far = of(14).unwrap();
        assert_eq!((far.peer, far.remote.unwrap().to_string()), (None, "10.0.5.5:3306".into()));
        let listens = of(11).unwrap();
        assert_eq!((listens.remote, listens.peer), (None, None));
        assert_eq!(listens.local.to_string(), "127.0.0.1:40000");
        assert_eq!(of(99), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn mapped_addresses_are_plain_ones() {
        let mapped = b" 0: 0000000000000000FFFF00000100007F:C001 0000000000000000FFFF00000100007F:9C40 01 0:0 0:0 0 0 0 21 1\n";
        let found = connection(&[TCP, mapped], 21).unwrap();
        assert_eq!(found.remote.unwrap().to_string(), "127.0.0.1:40000");
        assert_eq!(found.peer, Some(12));
    }

    #[test]
    fn nonsense_is_no_row() {
        assert_eq!(connection(&[b"", b" 0: x:1 y:2\n", b" 1: 0100007F:9C40\n"], 0), None);
    }
}
