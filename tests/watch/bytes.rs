//! Locks of bytes, whose parts come and go.

use crate::listener::Listener;
use crate::support::Scene;

#[test]
fn bytes_that_grow_were_not_let_go_and_what_is_kept_is_said() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    actor.does("fd = posix('lock', WRITE, 0, 10)");
    listener.hears("acquired", actor.pid);
    // The kernel makes one lock of the two.
    actor.does("posix(fd, WRITE, 10, 10)");
    let event = listener.hears("acquired", actor.pid);
    assert!(event["id"].as_str().unwrap().ends_with(":0-19"), "{event:#}");
    assert_eq!(event["remark"], "it had bytes 0-9 before");
    actor.does("posix(fd, UNLOCK, 0, 10)");
    let event = listener.hears("released", actor.pid);
    assert!(event["id"].as_str().unwrap().ends_with(":0-19"), "{event:#}");
    assert_eq!(event["remark"], "it keeps bytes 10-19");
    actor.does("os.close(fd)");
    let event = listener.hears("released", actor.pid);
    assert!(event["id"].as_str().unwrap().ends_with(":10-19"), "{event:#}");
    assert_eq!(listener.heard.len(), 4, "{:#?}", listener.heard);
}
