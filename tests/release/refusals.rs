//! What is refused, with which status; and that nothing is touched then.

use crate::support::Need;
use crate::theatre::{PATIENTLY, Theatre, has_ended, lives};

#[test]
fn without_a_terminal_nothing_is_done_unless_it_is_said() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    let path = theatre.path("l");
    for method in ["terminate", "kill", "unlock"] {
        let output = theatre.locktop(&["release", &path, "--method", method]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no terminal") && said.contains("--yes"), "{said}");
    }
    assert_eq!(holder.does("1 + 1"), 2);
    assert_eq!(theatre.stages(), ["declined"; 3]);
    let document = theatre.document(&[&path]);
    assert_eq!(document["releases"][0]["decision"], "declined");
}

#[test]
fn a_process_of_somebody_else_is_not_touched() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX); posix('p')");
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    for (name, reason) in [("l", "cannot be seen from here"), ("p", "belongs to root")] {
        let path = theatre.path(name);
        for args in [&["--yes"][..], &["--yes", "--method", "kill"], &["--dry-run"]] {
            let args = [&["release", &path], args].concat();
            let output = theatre.locktop_through(&nobody, &args);
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(3), "{text}");
            assert!(text.contains(reason) && text.contains("run as root"), "{text}");
        }
    }
    assert_eq!(holder.does("1 + 1"), 2);
}

#[test]
fn a_user_frees_what_is_his() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let [own, other] = [(); 2].map(|()| theatre.scene.nobody());
    own.does("flock('l', EX)");
    other.does("flock('m', EX)");
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    for (name, method) in [("l", "terminate"), ("m", "unlock")] {
        let path = theatre.path(name);
        let args = [&["release", &path, "--yes", "--method", method], &PATIENTLY[..]].concat();
        let output = theatre.locktop_through(&nobody, &args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    has_ended(own.pid);
    assert!(lives(other.pid));
}

#[test]
fn a_holder_that_cannot_be_seen_is_not_guessed() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    // Inside, nothing outside has a number.
    let inside = ["unshare", "--pid", "--fork", "--mount-proc"];
    let output = theatre.locktop_through(&inside, &["release", &theatre.path("l"), "--yes"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // The kernel hides the lock there altogether.
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("nobody who can be seen from here") && said.contains("on the host"),
        "{said}"
    );
    assert_eq!(holder.does("1 + 1"), 2);
}

#[test]
fn a_target_has_to_be_one_lock() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX); posix('l', WRITE, 3, 4)");
    let path = theatre.path("l");
    let text = theatre.release(&[&path], 2);
    assert!(text.contains("names 2 locks"), "{text}");
    let ids: Vec<&str> = text.split_whitespace().filter(|word| word.starts_with('@')).collect();
    assert_eq!(ids.len(), 2, "{text}");
    let text = theatre.release(&[&format!("pid:{}", holder.pid)], 2);
    assert!(text.contains("names 2 locks"), "{text}");
    assert_eq!(holder.does("1 + 1"), 2);
    theatre.release(&[&format!("posix:{path}"), "--dry-run"][..1], 0);
}

#[test]
fn what_nobody_has_is_done_and_what_is_not_there_is_wrong() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    theatre.scene.stage().does("opened('free')");
    assert!(theatre.release(&[&theatre.path("free")], 0).contains("nobody"));
    theatre.release(&["@flock:fe:00:18446744073709551615:~"], 0);
    theatre.release(&[&theatre.path("missing")], 2);
    theatre.release(&["@nonsense"], 2);
    assert!(theatre.log().is_empty());
}

#[test]
fn only_what_was_seen_is_released() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    let text = theatre.release(&[&theatre.path("l"), "--as-seen", "00000000"], 4);
    assert!(text.contains("nothing was touched"), "{text}");
    assert_eq!(holder.does("1 + 1"), 2);
}

#[test]
fn what_it_runs_in_is_not_ended() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let path = theatre.path("l");
    let shell = ["sh", "-c", "exec 9>>\"$0\"; flock 9; \"$@\"; exit $?", &path];
    let output = theatre.locktop_through(&shell, &["release", "--yes", &path]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("this runs in sh") && said.contains("--insist"), "{said}");
    let output =
        theatre.locktop_through(&shell, &["release", "--yes", "--method", "unlock", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_log_that_cannot_be_written_keeps_everybody_alive() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    theatre.scene.stage().does("write('/var/log/locktop', '')");
    let path = theatre.path("l");
    for method in ["terminate", "kill", "unlock"] {
        let text = theatre.release(&[&path, "--method", method], 5);
        assert!(text.contains("nothing was touched") && text.contains("audit log"), "{text}");
    }
    assert_eq!(holder.does("1 + 1"), 2);
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX); flock('m', EX)");
    let [l, m] = ["l", "m"].map(|name| theatre.path(name));
    for args in [
        &[&*l, "--method", "burn"][..],
        &[&l, "--method", "remove"],
        &[&l, "--method", "end-waiter"],
        &[&l, "--waiter", "1", "--method", "kill"],
        &[&l, "--waiter", "1", "--", "true"],
        &[&l, "--method", "kill", "--", "true"],
        &[&l, &m, "--as-seen", "00000000"],
        &[&l, "--holder", "0"],
        &[&l, "--dry-run"],
        &[],
    ] {
        theatre.release(args, 2);
    }
    assert!(lives(holder.pid));
}
