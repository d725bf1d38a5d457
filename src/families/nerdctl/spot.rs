//! What a path of nerdctl's is a lock of.

use std::path::{Component, Path, PathBuf};

/// A lock of nerdctl's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot<'a> {
    pub(super) kind: Kind<'a>,
    /// The data folder that it is in, where it is in one.
    data: Option<PathBuf>,
}

/// What it is a lock of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// The data folder itself: `nerdctl compose`.
    Compose,
    Volumes {
        namespace: &'a str,
    },
    Names {
        namespace: &'a str,
    },
    /// Before nerdctl 2.0 they were of all namespaces.
    Hosts {
        namespace: Option<&'a str>,
    },
    /// Ports, life-cycle and health.
    Container {
        namespace: &'a str,
        id: &'a str,
    },
    /// It is being removed or committed.
    Operation {
        namespace: &'a str,
        id: &'a str,
    },
    /// Held for as long as the container runs.
    Logger {
        namespace: &'a str,
        id: &'a str,
    },
    Manifests,
    /// The definitions of networks.
    Networks,
    /// The setting up of a container's networks.
    NetworkHooks,
    /// The folder of those definitions, which others lock too.
    NetworkFolder,
}

impl<'a> Spot<'a> {
    pub(super) fn of(path: &'a Path) -> Option<Self> {
        let names: Vec<&str> = path.components().filter_map(name).collect();
        if names.len() != path.components().filter(|part| is_name(*part)).count() {
            // None of nerdctl's names is other than UTF-8.
            return None;
        }
        let (kind, steps) = match *names.as_slice() {
            [.., "cni", "net.d"] => (Kind::NetworkFolder, None),
            [.., "cni", "net.d", ".nerdctl.lock"] => (Kind::Networks, None),
            [.., "cni", "net.d", ".cni-concurrency.lock"] => (Kind::NetworkHooks, None),
            [.., "nerdctl", "manifests"] => (Kind::Manifests, None),
            // A namespace can look like a data folder: the first counts.
            _ => {
                let at = names.iter().position(|name| is_data_folder(name))?;
                let below = names.get(at + 1..)?;
                (Kind::below(below)?, Some(below.len()))
            }
        };
        let data = steps.and_then(|steps| path.ancestors().nth(steps)).map(Path::to_owned);
        Some(Self { kind, data })
    }

    /// The file that tells the name of its container.
    pub(super) fn meta(&self) -> Option<PathBuf> {
        let (namespace, id) = (self.kind.namespace()?, self.kind.container()?);
        Some(self.data.as_ref()?.join("etchosts").join(namespace).join(id).join("meta.json"))
    }
}

impl<'a> Kind<'a> {
    /// By the names below the data folder.
    fn below(names: &[&'a str]) -> Option<Self> {
        Some(match *names {
            [] => Self::Compose,
            ["volumes", namespace] => Self::Volumes { namespace },
            ["names", namespace] => Self::Names { namespace },
            ["etchosts"] => Self::Hosts { namespace: None },
            ["etchosts", namespace] => Self::Hosts { namespace: Some(namespace) },
            ["containers", namespace, id] => Self::Container { namespace, id },
            ["containers", namespace, id, "oplock"] => Self::Operation { namespace, id },
            ["containers", namespace, id, "logger-lock"] => Self::Logger { namespace, id },
            _ => return None,
        })
    }

    /// For programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Volumes { .. } => "volumes",
            Self::Names { .. } => "names",
            Self::Hosts { .. } => "hosts",
            Self::Container { .. } => "container",
            Self::Operation { .. } => "operation",
            Self::Logger { .. } => "logger",
            Self::Manifests => "manifests",
            Self::Networks => "networks",
            Self::NetworkHooks => "network-hooks",
            Self::NetworkFolder => "network-folder",
        }
    }

    pub(super) fn namespace(self) -> Option<&'a str> {
        match self {
            Self::Volumes { namespace }
            | Self::Names { namespace }
            | Self::Container { namespace, .. }
            | Self::Operation { namespace, .. }
            | Self::Logger { namespace, .. } => Some(namespace),
            Self::Hosts { namespace } => namespace,
            _ => None,
        }
    }

    pub(super) fn container(self) -> Option<&'a str> {
        match self {
            Self::Container { id, .. } | Self::Operation { id, .. } | Self::Logger { id, .. } => {
                Some(id)
            }
            _ => None,
        }
    }
}

fn name(part: Component<'_>) -> Option<&str> {
    match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

fn is_name(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(_))
}

/// It is named after the socket of containerd: the beginning of a hash.
fn is_data_folder(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// What belongs to the data folders below a data root, and lies elsewhere: networks, and manifests.
pub(super) fn elsewhere(root: &Path) -> Vec<PathBuf> {
    let home = root.ends_with(".local/share/nerdctl").then(|| root.ancestors().nth(3)).flatten();
    let networks = match home {
        Some(home) => home.join(".config/cni/net.d"),
        None => PathBuf::from("/etc/cni/net.d"),
    };
    let files = [".nerdctl.lock", ".cni-concurrency.lock"].map(|name| networks.join(name));
    [networks].into_iter().chain(files).chain([root.join("manifests")]).collect()
}
