//! What Terraform writes beside its state while it has it.

use jiff::Timestamp;
use serde::Deserialize;

use super::number;
use crate::model::Owner;

/// Of what it writes, that which tells something. No number of a process is among it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(rename = "ID")]
    id: String,
    operation: String,
    #[serde(default, rename = "Info")]
    remark: String,
    who: String,
    created: Timestamp,
}

/// `Who` is `USER@HOST`, either of which can be nothing.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let info: Info = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is not what Terraform writes (line {})", error.line()))?;
    let (user, host) = info.who.rsplit_once('@').ok_or("its 'Who' is not USER@HOST")?;
    let host = if host.is_empty() {
        None
    } else {
        Some(number::host(host).ok_or("its 'Who' names no machine")?)
    };
    let mut purpose = info.operation;
    for more in [info.remark, format!("lock {}", info.id)] {
        if !more.is_empty() {
            purpose = format!("{purpose}, {more}");
        }
    }
    Ok(Owner {
        host,
        user: (!user.is_empty()).then(|| user.into()),
        taken_at: Some(info.created),
        purpose: Some(purpose.trim_start_matches(", ").into()),
        ..Owner::default()
    })
}
