//! What nerdctl notes of a container: `etchosts/NAMESPACE/ID/meta.json`.

use serde::Deserialize;

use crate::model::Content;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
}

/// The container's name; `None` where it is not told, as for one without networks.
pub(super) fn name_in(content: &Content) -> Option<String> {
    let Content::File(excerpt) = content else { return None };
    let meta: Meta = serde_json::from_slice(&excerpt.bytes).ok()?;
    Some(meta.name).filter(|name| !name.is_empty())
}
