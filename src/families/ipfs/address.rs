//! The address that a daemon says it can be reached at: a multiaddr, such as `/ip4/127.0.0.1/tcp/5001`.
//!
//! Whoever owns the repository wrote it. Only addresses of this machine alone are ever called: any
//! other could be anybody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Content, OnDisk, harmless};
use crate::system::System;
use crate::system::knock::{Door, Reply};

/// What an `api` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// As it is written: make it harmless to print.
    pub(super) text: String,
    /// Where that is, if it may be called.
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Whether somebody answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// And why not: a clause.
    No(String),
    /// Why that was not asked: a clause.
    Unasked(String),
}

impl Address {
    /// `None`: it says nothing yet.
    pub(super) fn of(file: &OnDisk) -> Option<Self> {
        let Content::File(excerpt) = &file.content else { return None };
        let text = String::from_utf8_lossy(&excerpt.bytes);
        let text = text.lines().next().unwrap_or_default().trim();
        if text.is_empty() {
            return None;
        }
        let place = if excerpt.cut { None } else { parse(text) };
        Some(Self { text: text.into(), place })
    }

    /// Asks there. `owner` is whose file says so: nobody else's socket is called.
    pub(super) fn answers(&self, owner: u32, patience: Duration, system: &System) -> Answer {
        let door = match &self.place {
            Some(Place::Tcp(address)) => Door::Tcp(*address),
            Some(Place::Unix(path)) => Door::Unix { path: path.clone(), owner },
            None => {
                return Answer::Unasked("it is not surely one of this machine alone".into());
            }
        };
        match system.knock(&door, patience) {
            Reply::Answers => Answer::Yes,
            Reply::Silent => Answer::No("nobody has answered in time".into()),
            Reply::Fails(error) => Answer::No(harmless(&error).into_owned()),
            Reply::Foreign => Answer::Unasked("that socket is somebody else's".into()),
        }
    }
}

fn parse(text: &str) -> Option<Place> {
    if let Some(path) = text.strip_prefix("/unix/") {
        return Some(Place::Unix(PathBuf::from(format!("/{path}"))));
    }
    let mut parts = text.strip_prefix('/')?.split('/');
    let ip: IpAddr = match (parts.next()?, parts.next()?) {
        ("ip4", ip) => ip.parse::<Ipv4Addr>().ok()?.into(),
        ("ip6", ip) => ip.parse::<Ipv6Addr>().ok()?.into(),
        ("dns" | "dns4", "localhost") => Ipv4Addr::LOCALHOST.into(),
        ("dns6", "localhost") => Ipv6Addr::LOCALHOST.into(),
        _ => return None,
    };
    // All addresses of this machine, of which those for itself alone are some.
    let ip = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let port = if parts.next()? == "tcp" { parts.next()?.parse().ok()? } else { return None };
    let is_rest_known = parts.all(|part| matches!(part, "http" | "https" | "tls"));
    (ip.is_loopback() && is_rest_known).then(|| Place::Tcp(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Option<String> {
        match parse(text)? {
            Place::Tcp(address) => Some(address.to_string()),
            Place::Unix(path) => Some(path.display().to_string()),
        }
    }

    #[test]
    fn addresses_of_this_machine_alone_are_called() {
        for (text, place) in [
            ("/ip4/127.0.0.1/tcp/5001", "127.0.0.1:5001"),
            ("/ip4/127.8.8.8/tcp/5001/http", "127.8.8.8:5001"),
            ("/ip4/0.0.0.0/tcp/5001", "127.0.0.1:5001"),
            ("/ip6/::1/tcp/5001", "[::1]:5001"),
            ("/ip6/::/tcp/5001", "[::1]:5001"),
            ("/dns4/localhost/tcp/5001", "127.0.0.1:5001"),
            ("/unix/run/ipfs/api.sock", "/run/ipfs/api.sock"),
        ] {
            assert_eq!(tcp(text).as_deref(), Some(place), "{text}");
        }
    }

    #[test]
    fn no_other_is() {
        for text in [
            "",
            "/",
            "5001",
            "http://127.0.0.1:5001",
            "/ip4/192.0.2.1/tcp/5001",
            "/ip4/169.254.169.254/tcp/80",
            "/ip6/2001:db8::1/tcp/5001",
            "/ip6/::ffff:192.0.2.1/tcp/5001",
            "/dns4/example.org/tcp/5001",
            "/dns4/localhost.example.org/tcp/5001",
            "/ip4/127.0.0.1/udp/5001",
            "/ip4/127.0.0.1/tcp/65536",
            "/ip4/127.0.0.1/tcp",
            "/ip4/127.0.0.1/tcp/5001/p2p-circuit/p2p/Qm",
        ] {
            assert_eq!(tcp(text), None, "{text}");
        }
    }
}
