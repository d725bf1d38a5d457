//! What a control group's path tells: the systemd unit, the container.

/// The path of a process's control group in the unified hierarchy and in the older ones,
/// `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Cgroup {
    /// In the unified hierarchy (v2).
    pub(crate) unified: Option<String>,
    /// In the older hierarchy of the freezer controller (v1).
    pub(crate) freezer: Option<String>,
    /// Systemd's own older hierarchy.
    systemd: Option<String>,
    /// Any other one that is not the root.
    other: Option<String>,
}

impl Cgroup {
    /// Reads lines `ID:CONTROLLERS:PATH`.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut cgroup = Self::default();
        for line in String::from_utf8_lossy(text).lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let path = Some(path.to_owned());
            match controllers {
                "" => cgroup.unified = path,
                "name=systemd" => cgroup.systemd = path,
                _ if controllers.split(',').any(|name| name == "freezer") => cgroup.freezer = path,
                _ if path.as_deref() != Some("/") => cgroup.other = path,
                _ => {}
            }
        }
        cgroup
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        [&self.unified, &self.systemd, &self.freezer, &self.other]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// The innermost systemd unit: `cron.service`, `session-3.scope`.
    pub(crate) fn unit(&self) -> Option<String> {
        self.paths().find_map(|path| path.rsplit('/').find(|part| is_unit(part)).map(unescape))
    }

    /// The container: an id of 64 hexadecimal digits, or a name that its manager gave.
    pub(crate) fn container(&self) -> Option<String> {
        self.paths().find_map(|path| path.rsplit('/').find_map(container_of))
    }
}

/// Whether a part of a path names a unit that runs processes.
fn is_unit(part: &str) -> bool {
    [".service", ".scope"].iter().any(|suffix| part.ends_with(suffix))
}

/// The container that one part of a path names.
fn container_of(part: &str) -> Option<String> {
    let is_id = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // docker/ID, docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let tail = bare.rsplit('-').next().unwrap_or(bare);
    if is_id(tail) {
        return Some(tail.to_owned());
    }
    // lxc.payload.NAME, machine-NAME.scope, systemd-nspawn@NAME.service
    let name = part
        .strip_prefix("lxc.payload.")
        .or_else(|| part.strip_prefix("machine-").and_then(|name| name.strip_suffix(".scope")))
        .or_else(|| {
            part.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service"))
        })?;
    Some(unescape(name))
}

/// Undoes systemd's `\x2d` for a hyphen within a name.
fn unescape(name: &str) -> String {
    name.replace("\\x2d", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn v2(path: &str) -> Cgroup {
        Cgroup::parse(format!("0::{path}\n").as_bytes())
    }

    #[test]
    fn units_are_the_innermost() {
        assert_eq!(v2("/system.slice/cron.service").unit().as_deref(), Some("cron.service"));
        assert_eq!(
            v2("/user.slice/user-0.slice/user@0.service/app.slice/app-x.scope").unit().as_deref(),
            Some("app-x.scope")
        );
        assert_eq!(v2("/").unit(), None);
        let v1 = Cgroup::parse(b"4:freezer:/\n1:name=systemd:/system.slice/ssh.service\n0::/\n");
        assert_eq!(v1.unit().as_deref(), Some("ssh.service"));
        assert_eq!(v1.freezer.as_deref(), Some("/"));
    }

    #[test]
    fn containers_are_recognised() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/default/{ID}"),
        ] {
            assert_eq!(v2(&path).container().as_deref(), Some(ID), "{path}");
        }
        assert_eq!(v2("/lxc.payload.web/init.scope").container().as_deref(), Some("web"));
        assert_eq!(
            v2("/machine.slice/machine-my\\x2dbox.scope").container().as_deref(),
            Some("my-box")
        );
        assert_eq!(v2("/system.slice/cron.service").container(), None);
    }
}
