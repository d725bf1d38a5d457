use std::path::Path;

use super::*;
use crate::model::{Content, Excerpt};

const ID: &str = "3f2a9c0d11ab7e4455d01b3c6b7a8f90112233445566778899aabbccddeeff00";

fn place(path: &str) -> Territory {
    Nerdctl.place(path.into())
}

#[test]
fn a_path_is_what_nerdctl_locks_there() {
    let kind = |path: &'static str| Spot::of(Path::new(path)).map(|spot| spot.kind.word());
    for root in ["/var/lib/nerdctl", "/home/alice/.local/share/nerdctl", "/srv/x"] {
        let data = format!("{root}/1935db59");
        let of = |below: &str| {
            let path = format!("{data}{below}");
            Spot::of(Path::new(&path)).map(|spot| spot.kind.word())
        };
        assert_eq!(of(""), Some("compose"));
        assert_eq!(of("/volumes/default"), Some("volumes"));
        assert_eq!(of("/names/k8s.io"), Some("names"));
        assert_eq!(of("/etchosts"), Some("hosts"));
        assert_eq!(of("/etchosts/default"), Some("hosts"));
        assert_eq!(of("/containers/default/0a1b"), Some("container"));
        assert_eq!(of("/containers/default/0a1b/oplock"), Some("operation"));
        assert_eq!(of("/containers/default/0a1b/logger-lock"), Some("logger"));
        // A namespace that looks like a data folder.
        assert_eq!(of("/names/deadbeef"), Some("names"));
        for other in ["/volumes", "/names/default/web", "/containers/default", "/x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
    assert_eq!(kind("/var/lib/nerdctl/manifests"), Some("manifests"));
    assert_eq!(kind("/etc/cni/net.d"), Some("network-folder"));
    assert_eq!(kind("/etc/cni/net.d/.nerdctl.lock"), Some("networks"));
    assert_eq!(kind("/home/alice/.config/cni/net.d/.cni-concurrency.lock"), Some("network-hooks"));
    // Eight letters, but no hash.
    for other in ["/src/nerdctl/examples", "/var/lib/nerdctl", "/", "/var/lib/nerdctl/1935DB59"] {
        assert_eq!(kind(other), None, "{other}");
    }
}

#[test]
fn a_data_folder_is_all_that_belongs_to_it() {
    let Territory::Below { folder, elsewhere } = place("/var/lib/nerdctl/1935db59") else {
        panic!("one lock")
    };
    assert_eq!(folder, Path::new("/var/lib/nerdctl/1935db59"));
    let all = [
        "/etc/cni/net.d",
        "/etc/cni/net.d/.nerdctl.lock",
        "/etc/cni/net.d/.cni-concurrency.lock",
        "/var/lib/nerdctl/manifests",
    ];
    assert_eq!(elsewhere, all.map(PathBuf::from));
    for path in ["/home/alice/.local/share/nerdctl", "/home/alice/.local/share/nerdctl/1935db59"] {
        let Territory::Below { elsewhere, .. } = place(path) else { panic!("one lock") };
        assert_eq!(elsewhere[0], Path::new("/home/alice/.config/cni/net.d"));
        assert_eq!(elsewhere[3], Path::new("/home/alice/.local/share/nerdctl/manifests"));
    }
    for path in ["/var/lib/nerdctl/1935db59/names/default", "/etc/cni/net.d/.nerdctl.lock"] {
        assert_eq!(place(path), Territory::At(path.into()));
    }
}

#[test]
fn names_say_container_and_namespace() {
    let path = format!("/var/lib/nerdctl/1935db59/containers/default/{ID}/logger-lock");
    let spot = Spot::of(Path::new(&path)).unwrap();
    assert_eq!(
        words::name(&spot, Some("web")),
        "nerdctl logger of container 3f2a9c0d11ab… (web) of namespace default"
    );
    assert_eq!(
        words::name(&spot, None),
        "nerdctl logger of container 3f2a9c0d11ab… of namespace default"
    );
    let meta = spot.meta().unwrap();
    let told = format!("/var/lib/nerdctl/1935db59/etchosts/default/{ID}/meta.json");
    assert_eq!(meta, Path::new(&told));
    let compose = Spot::of(Path::new("/var/lib/nerdctl/1935db59")).unwrap();
    assert_eq!((compose.meta(), words::name(&compose, None)), (None, "nerdctl compose".into()));
}

#[test]
fn a_name_is_read_from_what_nerdctl_notes_and_from_nothing_else() {
    let name =
        |text: &[u8]| meta::name_in(&Content::File(Excerpt { bytes: text.to_vec(), cut: false }));
    let noted = br#"{"ID":"3f2a","Networks":{"bridge":{}},"Hostname":"3f2a","ExtraHosts":null,"Name":"web","Domainname":""}"#;
    assert_eq!(name(noted).as_deref(), Some("web"));
    for text in [&b""[..], b"{", b"{\"Name\":7}", b"{\"Name\":\"\"}", b"\xff\xfe", &noted[..60]] {
        assert_eq!(name(text), None);
    }
    assert_eq!(meta::name_in(&Content::Link(b"/etc/shadow".to_vec())), None);
}

#[test]
fn a_stranger_and_a_queue_are_told() {
    let kind = Kind::NetworkFolder;
    let meaning = words::meaning(&kind, Some("cilium-agent"), true);
    assert!(meaning.contains("cilium-agent, is not nerdctl."), "{meaning}");
    let quiet = words::meaning(&Kind::Compose, None, false);
    assert!(words::meaning(&Kind::Compose, None, true).starts_with(&quiet));
    assert!(!quiet.contains("hang"), "{quiet}");
}
