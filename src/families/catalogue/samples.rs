//! A real path for each of the embedded catalogue's patterns.

/// By name: entries of one name share their samples.
pub(super) const SAMPLES: &[(&str, &[&str])] = &[
    ("dpkg frontend lock", &["/var/lib/dpkg/lock-frontend"]),
    ("dpkg database lock", &["/var/lib/dpkg/lock"]),
    ("dpkg triggers lock", &["/var/lib/dpkg/triggers/Lock"]),
    ("apt package lists lock", &["/var/lib/apt/lists/lock"]),
    ("apt download lock", &["/var/cache/apt/archives/lock"]),
    ("apt daily jobs lock", &["/var/lib/apt/daily_lock"]),
    ("unattended upgrades lock", &["/run/unattended-upgrades.lock"]),
    (
        "debconf database",
        &[
            "/var/cache/debconf/config.dat",
            "/var/cache/debconf/passwords.dat",
            "/var/cache/debconf/templates.dat",
        ],
    ),
    ("rpm transaction lock", &["/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"]),
    ("dnf transaction lock", &["/run/dnf/rpmtransaction.lock"]),
    (
        "dnf lock",
        &[
            "/var/cache/dnf/metadata_lock.pid",
            "/var/cache/dnf/download_lock.pid",
            "/var/lib/dnf/rpmdb_lock.pid",
            "/var/log/log_lock.pid",
            "/var/tmp/dnf-alice-x8wz1k/locks/5f1e/download_lock.pid",
        ],
    ),
    ("zypper lock", &["/run/zypp.pid", "/run/zypp-rpm.pid"]),
    ("pacman database lock", &["/var/lib/pacman/db.lck"]),
    ("snapd state", &["/var/lib/snapd/state.lock"]),
    ("snap lock", &["/run/snapd/lock/firefox.lock"]),
    (
        "Homebrew lock",
        &[
            "/home/linuxbrew/.linuxbrew/var/homebrew/locks/update",
            "/opt/homebrew/var/homebrew/locks/jq.formula.lock",
        ],
    ),
    ("nix database", &["/nix/var/nix/db/big-lock"]),
    ("nix garbage collection", &["/nix/var/nix/gc.lock"]),
    ("nix temporary roots", &["/nix/var/nix/temproots/4711"]),
    ("nix store path, being built", &["/nix/store/0c4q-hello-2.12.lock"]),
    ("cargo package cache", &["/root/.cargo/.package-cache", "/usr/local/cargo/.package-cache"]),
    ("cargo package cache (changing it)", &["/root/.cargo/.package-cache-mutate"]),
    ("cargo installed programs", &["/home/alice/.cargo/.crates.toml"]),
    (
        "cargo build folder",
        &[
            "/home/alice/x/target/debug/.cargo-lock",
            "/home/alice/x/target/x86_64-unknown-linux-musl/release/.cargo-lock",
            "/home/alice/x/target/debug/.cargo-build-lock",
            "/home/alice/x/target/x86_64-unknown-linux-musl/release/.cargo-build-lock",
            "/home/alice/x/target/debug/.cargo-artifact-lock",
            "/home/alice/x/target/x86_64-unknown-linux-musl/release/.cargo-artifact-lock",
        ],
    ),
    ("npx package folder", &["/home/alice/.npm/_npx/a1b2c3/concurrency.lock"]),
    (
        "gradle cache",
        &[
            "/home/alice/.gradle/caches/journal-1/journal-1.lock",
            "/home/alice/.gradle/daemon/8.5/registry.bin.lock",
        ],
    ),
    ("maven local repository", &["/home/alice/.m2/repository/.locks/4f/1a/artifact~x"]),
    ("bazel output base", &["/home/alice/.cache/bazel/_bazel_alice/0123abcd/lock"]),
    ("git index", &["/srv/x/.git/index.lock"]),
    (
        "git reference",
        &[
            "/srv/x/.git/HEAD.lock",
            "/srv/x/.git/refs/heads/fix/a.lock",
            "/srv/x/.git/packed-refs.lock",
        ],
    ),
    ("git configuration", &["/srv/x/.git/config.lock", "/srv/x/.git/config.worktree.lock"]),
    (
        "git repository",
        &[
            "/srv/x/.git/shallow.lock",
            "/srv/x/.git/info/sparse-checkout.lock",
            "/srv/x/.git/logs/refs/heads/main.lock",
            "/srv/x/.git/objects/maintenance.lock",
            "/srv/x/.git/reftable/tables.list.lock",
        ],
    ),
    (
        "git submodule",
        &["/srv/x/.git/modules/lib/index.lock", "/srv/x/.git/modules/a/b/refs/heads/main.lock"],
    ),
    (
        "git linked working tree",
        &[
            "/srv/x/.git/worktrees/fix/index.lock",
            "/srv/x/.git/worktrees/fix/HEAD.lock",
            "/srv/x.git/worktrees/fix/index.lock",
        ],
    ),
    (
        "git bare repository",
        &[
            "/srv/x.git/HEAD.lock",
            "/srv/x.git/packed-refs.lock",
            "/srv/x.git/config.lock",
            "/srv/x.git/refs/heads/main.lock",
            "/srv/x.git/objects/info/commit-graph.lock",
        ],
    ),
    (
        "git garbage collection",
        &["/srv/x/.git/gc.pid", "/srv/x/.git/modules/lib/gc.pid", "/srv/x.git/gc.pid"],
    ),
    (
        "Terraform state (who has it)",
        &["/srv/tf/.terraform.tfstate.lock.info", "/srv/tf/.prod.tfstate.lock.info"],
    ),
    ("Terraform state", &["/srv/tf/terraform.tfstate"]),
    ("docker daemon", &["/run/docker.pid"]),
    (
        "docker database",
        &[
            "/var/lib/docker/volumes/metadata.db",
            "/var/lib/docker/network/files/local-kv.db",
            "/var/lib/docker/buildkit/cache.db",
        ],
    ),
    (
        "containerd database",
        &[
            "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
            "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db",
        ],
    ),
    (
        "container storage (podman, buildah, CRI-O)",
        &[
            "/var/lib/containers/storage/storage.lock",
            "/home/alice/.local/share/containers/storage/overlay-layers/layers.lock",
        ],
    ),
    (
        "nerdctl compose",
        &["/var/lib/nerdctl/1935db59", "/home/alice/.local/share/nerdctl/1935db59"],
    ),
    (
        "nerdctl volumes",
        &[
            "/var/lib/nerdctl/1935db59/volumes/default",
            "/home/alice/.local/share/nerdctl/1935db59/volumes/default",
        ],
    ),
    (
        "nerdctl names",
        &[
            "/var/lib/nerdctl/1935db59/names/default",
            "/home/alice/.local/share/nerdctl/1935db59/names/default",
        ],
    ),
    (
        "nerdctl hosts",
        &[
            "/var/lib/nerdctl/1935db59/etchosts",
            "/home/alice/.local/share/nerdctl/1935db59/etchosts",
            "/var/lib/nerdctl/1935db59/etchosts/default",
            "/home/alice/.local/share/nerdctl/1935db59/etchosts/default",
        ],
    ),
    (
        "nerdctl container",
        &[
            "/var/lib/nerdctl/1935db59/containers/default/0a1b",
            "/home/alice/.local/share/nerdctl/1935db59/containers/default/0a1b",
        ],
    ),
    (
        "nerdctl container operation",
        &[
            "/var/lib/nerdctl/1935db59/containers/default/0a1b/oplock",
            "/home/alice/.local/share/nerdctl/1935db59/containers/default/0a1b/oplock",
        ],
    ),
    (
        "nerdctl container logger",
        &[
            "/var/lib/nerdctl/1935db59/containers/default/0a1b/logger-lock",
            "/home/alice/.local/share/nerdctl/1935db59/containers/default/0a1b/logger-lock",
        ],
    ),
    (
        "nerdctl manifests",
        &["/var/lib/nerdctl/manifests", "/home/alice/.local/share/nerdctl/manifests"],
    ),
    (
        "container networks",
        &[
            "/etc/cni/net.d",
            "/etc/cni/net.d/.nerdctl.lock",
            "/etc/cni/net.d/.cni-concurrency.lock",
            "/home/alice/.config/cni/net.d",
            "/home/alice/.config/cni/net.d/.nerdctl.lock",
            "/home/alice/.config/cni/net.d/.cni-concurrency.lock",
        ],
    ),
    (
        "IPFS repository",
        &[
            "/srv/x/.ipfs/repo.lock",
            "/home/ipfs/.ipfs/repo.lock",
            "/root/.ipfs/repo.lock",
            "/data/ipfs/repo.lock",
            "/var/lib/ipfs/repo.lock",
        ],
    ),
    (
        "Vim swap file",
        &[
            "/etc/.hosts.swp",
            "/etc/.hosts.swo",
            "/root/.swp",
            "/root/.local/state/nvim/swap/%etc%hosts.swp",
        ],
    ),
    ("Emacs lock", &["/etc/.#hosts"]),
    ("Chromium profile", &["/home/alice/.config/chromium/SingletonLock"]),
    (
        "Firefox profile (who has it)",
        &["/home/alice/.mozilla/firefox/x.default/lock", "/home/alice/.thunderbird/x.default/lock"],
    ),
    (
        "Firefox profile",
        &[
            "/home/alice/.mozilla/firefox/x.default/.parentlock",
            "/home/alice/.thunderbird/x.default/.parentlock",
        ],
    ),
    ("X display", &["/tmp/.X0-lock", "/tmp/.X1024-lock"]),
    ("serial line", &["/run/lock/LCK..ttyUSB0", "/var/lock/LCK..ttyS0"]),
    (
        "PostgreSQL data folder",
        &["/var/lib/postgresql/15/main/postmaster.pid", "/var/lib/pgsql/data/postmaster.pid"],
    ),
    ("PostgreSQL socket", &["/run/postgresql/.s.PGSQL.5432.lock", "/tmp/.s.PGSQL.5433.lock"]),
    (
        "MySQL socket",
        &["/run/mysqld/mysqld.sock.lock", "/var/lib/mysql/mysql.sock.lock", "/tmp/mysql.sock.lock"],
    ),
    ("MongoDB data folder", &["/var/lib/mongodb/mongod.lock"]),
    ("WiredTiger database", &["/var/lib/mongodb/WiredTiger.lock"]),
    (
        "LevelDB or RocksDB database",
        &[
            "/home/alice/.config/x/Local Storage/leveldb/LOCK",
            "/home/alice/.config/x/IndexedDB/https_a_0.indexeddb.leveldb/LOCK",
            "/var/lib/mysql/.rocksdb/LOCK",
            "/home/alice/.bitcoin/chainstate/LOCK",
        ],
    ),
    ("libvirt daemon", &["/run/libvirtd.pid", "/run/virtqemud.pid"]),
    ("left behind by a release", &["/srv/x/.git/.locktop-4242-0123456789abcdef"]),
    ("user database", &["/etc/.pwd.lock"]),
    (
        "user database, being edited",
        &[
            "/etc/passwd.lock",
            "/etc/shadow.lock",
            "/etc/group.lock",
            "/etc/gshadow.lock",
            "/etc/subuid.lock",
            "/etc/subgid.lock",
        ],
    ),
    ("systemd machine image", &["/run/systemd/nspawn/locks/inode-65024:131"]),
    ("systemd machine", &["/var/lib/machines/.#web.lck"]),
    ("cron daemon", &["/run/crond.pid"]),
    ("anacron job", &["/var/spool/anacron/cron.daily"]),
];

/// Files that are called locks and are none, and locks that nobody knows.
pub(super) const UNKNOWN: &[&str] = &[
    "/home/alice/x/Cargo.lock",
    "/home/alice/x/package-lock.json",
    "/home/alice/x/yarn.lock",
    "/home/alice/x/pnpm-lock.yaml",
    "/home/alice/x/composer.lock",
    "/home/alice/x/Gemfile.lock",
    "/home/alice/x/poetry.lock",
    "/home/alice/x/uv.lock",
    "/home/alice/x/Pipfile.lock",
    "/home/alice/x/flake.lock",
    "/home/alice/x/mix.lock",
    "/home/alice/x/deno.lock",
    "/home/alice/x/bun.lock",
    "/home/alice/x/Podfile.lock",
    "/home/alice/x/pubspec.lock",
    "/home/alice/x/Chart.lock",
    "/home/alice/x/MODULE.bazel.lock",
    "/home/alice/x/gradle.lockfile",
    "/home/alice/x/.terraform.lock.hcl",
    "/home/alice/x/buf.lock",
    "/home/alice/x/conda-lock.yml",
    "/home/alice/x/LOCK",
    "/home/alice/x/lock",
    "/home/alice/x/.lock",
    "/home/alice/x/index.lock",
    "/home/alice/.gitconfig.lock",
    "/srv/x/.git/index~pid.lock",
    "/srv/x/.git/modules/lib/index~pid.lock",
    "/srv/x/.git/index",
    "/srv/x/.github/x.lock",
    "/run/backup.lock",
    "/run/sshd.pid",
    "/tmp/.X11-unix",
    "/tmp/lock",
    "/tmp/frontend",
    "/var/lib/dpkg",
    "/var/lib/dpkg/lock-frontend2",
    "/var/lib/nerdctl/x",
    "/home/alice/notes.swp",
    "/home/alice/.x.swx",
    "/",
];
