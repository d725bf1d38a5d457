//! What people write into lock files of their own: read only where it can mean one thing.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::number;
use crate::model::Owner;

const PID: [&str; 3] = ["pid", "process_id", "processid"];
const HOST: [&str; 3] = ["host", "hostname", "host_name"];
const USER: [&str; 3] = ["user", "username", "user_name"];

/// No system gives larger numbers to processes: a larger one is a time, or a size.
const LARGEST_PID: i64 = 1 << 22;

/// What a file says: JSON, lines of `key=value` or `key: value`, `pid N`, or a number alone.
pub(super) fn of_file(bytes: &[u8]) -> Result<Owner, String> {
    let text = number::text(bytes)?.trim();
    if text.starts_with('{') {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| "it begins like JSON and is none")?;
        let fields = fields.iter().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key.as_str(), text.clone())),
            Value::Number(number) => Some((key.as_str(), number.to_string())),
            _ => None,
        });
        return of_fields(&fields.collect::<Vec<_>>());
    }
    if let Some(number) = text.strip_prefix("pid ") {
        return of_number(number.trim());
    }
    let lines: Option<Vec<(&str, String)>> = text.lines().map(field).collect();
    match lines {
        Some(fields) => of_fields(&fields),
        None => of_number(text),
    }
}

/// What a symbolic link says: `HOST:PID`, or a number alone. In a file the same could be an address
/// and its port.
pub(super) fn of_link(bytes: &[u8]) -> Result<Owner, String> {
    let text = number::text(bytes)?;
    let Some((host, pid)) = text.rsplit_once(':') else { return of_number(text) };
    let is_name = host.contains(|c: char| c.is_alphabetic());
    let host = number::host(host).filter(|_| is_name).ok_or("it does not point to HOST:PID")?;
    Ok(Owner { host: Some(host), ..of_number(pid)? })
}

/// A line of `key=value` or `key: value`.
fn field(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.split_once('=').or_else(|| line.split_once(": "))?;
    let key = key.trim();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    is_key.then(|| (key, value.trim().trim_matches('"').to_owned()))
}

fn of_fields(fields: &[(&str, String)]) -> Result<Owner, String> {
    let pid = one_of(&PID, fields)?;
    let host = one_of(&HOST, fields)?;
    let user = one_of(&USER, fields)?;
    let mut owner = match pid {
        Some(pid) => of_number(pid)?,
        None => Owner::default(),
    };
    owner.host = host
        .map(|host| number::host(host).ok_or("it names no machine that can be one"))
        .transpose()?;
    owner.user = user.filter(|user| !user.is_empty()).map(Arc::from);
    if owner.pid.is_none() && owner.host.is_none() {
        return Err("it names no process and no machine".into());
    }
    Ok(owner)
}

/// The value of the keys that mean the same.
fn one_of<'a>(keys: &[&str], fields: &'a [(&str, String)]) -> Result<Option<&'a str>, String> {
    let is_one = |key: &str| keys.iter().any(|known| known.eq_ignore_ascii_case(key));
    let mut values = fields.iter().filter(|(key, _)| is_one(key)).map(|(_, value)| value.as_str());
    let first = values.next();
    if values.any(|value| Some(value) != first) {
        return Err(format!("it gives '{}' more than once", keys[0]));
    }
    Ok(first)
}

fn of_number(text: &str) -> Result<Owner, String> {
    let pid = number::pid(text).ok_or("it is in no format that is known")?;
    if !(1..=LARGEST_PID).contains(&pid) {
        return Err("its number cannot be that of a process".into());
    }
    Ok(Owner { pid: Some(pid), ..Owner::default() })
}
