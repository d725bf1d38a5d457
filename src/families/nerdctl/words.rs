//! What a colleague would say of a lock of nerdctl's.

use super::spot::{Kind, Spot};

/// So much of a container's id is told, as nerdctl itself does.
const SHORT: usize = 12;

/// What people call it; `container` is the name of the container.
pub(super) fn name(spot: &Spot<'_>, container: Option<&str>) -> String {
    let what = match spot.kind {
        Kind::Compose => "nerdctl compose".into(),
        Kind::Volumes { .. } => "nerdctl volumes".into(),
        Kind::Names { .. } => "nerdctl names".into(),
        Kind::Hosts { .. } => "nerdctl hosts".into(),
        Kind::Container { id, .. } => format!("nerdctl container {}", called(id, container)),
        Kind::Operation { id, .. } => {
            format!("nerdctl operation on container {}", called(id, container))
        }
        Kind::Logger { id, .. } => format!("nerdctl logger of container {}", called(id, container)),
        Kind::Manifests => "nerdctl manifests".into(),
        Kind::Networks => "nerdctl networks".into(),
        Kind::NetworkHooks => "nerdctl network set-up".into(),
        Kind::NetworkFolder => "container networks".into(),
    };
    match spot.kind.namespace() {
        Some(namespace) => format!("{what} of namespace {namespace}"),
        None => what,
    }
}

/// `3f2a9c0d11ab (web)`.
fn called(id: &str, name: Option<&str>) -> String {
    let short: String = id.chars().take(SHORT).collect();
    let cut = if short.len() < id.len() { "…" } else { "" };
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    format!("{short}{cut}{name}")
}

/// Who takes it and for how long, in sentences. `stranger` is a holder that is not nerdctl.
pub(super) fn meaning(kind: &Kind<'_>, stranger: Option<&str>, is_wanted: bool) -> String {
    let usual = match kind {
        Kind::Compose => {
            "Every 'nerdctl compose' command takes it when it starts, for all projects at once, and \
             keeps it until it ends."
        }
        Kind::Volumes { .. } => {
            "nerdctl takes it for an instant to make, remove or list volumes, and when it makes or \
             removes a container."
        }
        Kind::Names { .. } => {
            "nerdctl takes it for an instant when a container gets or loses its name: at every start, \
             stop, rename and removal."
        }
        Kind::Hosts { .. } => {
            "nerdctl takes it for an instant to write the hosts files of all containers, at every \
             start, stop and removal."
        }
        Kind::Container { .. } => {
            "nerdctl takes it for an instant at every start, stop and health check of the container."
        }
        Kind::Operation { .. } => {
            "'nerdctl rm' and 'nerdctl commit' have it for as long as they work on the container, \
             which for a large one takes a while."
        }
        Kind::Logger { .. } => {
            "The logger of the container has it until the container has stopped and all its output is \
             written; 'nerdctl logs' waits for it at the end."
        }
        Kind::Manifests => "nerdctl takes it for an instant to read or write manifest lists.",
        Kind::Networks => {
            "nerdctl takes it for an instant to read or change the definitions of networks."
        }
        Kind::NetworkHooks => {
            "Every start and stop of a container of nerdctl's has it while its networks are set up or \
             taken down: one at a time, whatever the network plug-in takes."
        }
        Kind::NetworkFolder => {
            "Before 2.1, nerdctl locked this folder at every start and stop of a container and for \
             every look at its networks. Others lock it too, such as Cilium, and then those \
             commands of nerdctl's hang; since 2.1 it locks files in the folder instead."
        }
    };
    let mut meaning = usual.to_owned();
    if let Kind::Compose = kind
        && is_wanted
    {
        meaning.push_str(
            " The others wait without a word and without a limit, which looks as if they hang; \
             nothing is wrong with them.",
        );
    }
    if let Some(stranger) = stranger {
        meaning.push_str(" Whoever has it now, ");
        meaning.push_str(stranger);
        meaning.push_str(", is not nerdctl.");
    }
    meaning
}
