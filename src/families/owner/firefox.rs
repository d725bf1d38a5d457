//! The `lock` of Firefox and Thunderbird.

use std::net::Ipv4Addr;

use super::number;
use crate::model::Owner;

/// `ADDRESS:+PID`; without the plus, where the lock that counts, `.parentlock`, could not be taken.
/// The address is that of the machine's name, and most often 127.0.0.1 or 127.0.1.1: it tells one
/// machine from another only where it is neither.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let unlike = "it does not point to ADDRESS:+PID, as Firefox writes it";
    let text = str::from_utf8(bytes).map_err(|_| unlike)?;
    let (address, pid) = text.rsplit_once(':').ok_or(unlike)?;
    let address: Ipv4Addr = address.parse().map_err(|_| unlike)?;
    let pid = number::pid(pid.strip_prefix('+').unwrap_or(pid)).ok_or(unlike)?;
    let host = (!address.is_loopback()).then(|| address.to_string().into());
    Ok(Owner { pid: Some(pid), host, ..Owner::default() })
}
