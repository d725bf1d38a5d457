//! Why a lock does not move: what its holder is up to, and what that waits for.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Actor, Need, Scene, Viewer, is_stopped, state, wait_until};

/// What `locktop` says of a lock once that fits: an inquiry is given up when it takes too long.
#[track_caller]
fn until(scene: &Scene, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until_seen_by(scene, Viewer::Ourselves, name, fits)
}

#[track_caller]
fn until_seen_by(
    scene: &Scene,
    viewer: Viewer,
    name: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let path = scene.path(name);
    let mut last = Value::Null;
    let start = Instant::now();
    loop {
        // Those are asked first who are asked for.
        let report = scene.look_as(viewer, &[path.to_str().unwrap()]);
        let found = report.all_at(&path).first().map(|lock| (*lock).clone());
        if let Some(lock) = found.filter(|lock| lock != &Value::Null) {
            if fits(&lock) {
                return lock;
            }
            last = lock;
        }
        assert!(start.elapsed() < Duration::from_mins(5), "in vain: {last:#}");
    }
}

fn why(lock: &Value) -> &str {
    lock["why"].as_str().unwrap()
}

/// The kinds of things that the holder's first thread waits for.
fn waits_for(lock: &Value) -> Vec<&str> {
    let things = lock["holders"][0]["waits_for"][0]["any_of"].as_array();
    things.into_iter().flatten().filter_map(|thing| thing["what"].as_str()).collect()
}

/// Somebody who waits for the lock of that name.
#[track_caller]
fn waiter(scene: &Scene, name: &str) -> Actor {
    let waiter = scene.actor();
    waiter.waits(format!("flock('{name}', EX)"));
    waiter
}

/// The same holder, stuck for as long as somebody else is stopped.
#[track_caller]
fn goes_with(scene: &Scene, other: &Actor, says: &str) {
    let _waiter = waiter(scene, "l");
    let lock = until(scene, "l", |lock| why(lock).contains(says));
    assert_eq!(lock["verdict"], "contended", "it only sleeps: {}", why(&lock));
    other.stops();
    let lock = until(scene, "l", |lock| lock["verdict"] == "stuck");
    let reason = format!("(pid {}), which is stopped by a signal", other.pid);
    assert!(why(&lock).contains(says) && why(&lock).contains(&reason), "{}", why(&lock));
    wait_until("that is explained", || {
        scene.explain(scene.path("l").to_str().unwrap()).contains("stuck").then_some(())
    });
    other.gets(Signal::CONT);
    let lock = until(scene, "l", |lock| lock["verdict"] != "stuck");
    assert_eq!(lock["verdict"], "contended", "{}", why(&lock));
}

#[test]
fn a_pipe_from_somebody_who_is_stopped() {
    let Some(scene) = Scene::with(&[]) else { return };
    let writer = scene.actor();
    writer.does("r, w = os.pipe()");
    let holder = writer.forks();
    writer.does("os.close(r)");
    holder.does("os.close(w); flock('l', EX)");
    holder.begins("os.read(r, 1)");
    goes_with(&scene, &writer, "input through a pipe from ");
    writer.does("os.write(w, b'x')");
    holder.answer();
}

#[test]
fn a_full_pipe_to_somebody_who_is_stopped() {
    let Some(scene) = Scene::with(&[]) else { return };
    let reader = scene.actor();
    reader.does("r, w = os.pipe()");
    let holder = reader.forks();
    reader.does("os.close(w)");
    holder.does("os.close(r); flock('l', EX)");
    holder.begins("os.write(w, bytes(1 << 21))");
    goes_with(&scene, &reader, "room in a full pipe to ");
}

#[test]
fn a_pipe_with_a_name() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [writer, holder] = [scene.actor(), scene.actor()];
    writer.does("os.mkfifo('fifo')");
    writer.does("w = os.open('fifo', os.O_RDWR)");
    holder.does("flock('l', EX); r = os.open('fifo', os.O_RDONLY)");
    holder.begins("os.read(r, 1)");
    let path = scene.path("fifo");
    goes_with(&scene, &writer, &format!("input through the pipe {} from ", path.display()));
}

#[test]
fn a_pipe_that_nobody_else_has_open() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); r, w = os.pipe()");
    holder.begins("os.read(r, 1)");
    let _waiter = waiter(&scene, "l");
    let lock = until(&scene, "l", |lock| lock["verdict"] == "stuck");
    assert!(why(&lock).contains("whose other end nobody else has open"), "{}", why(&lock));
}

#[test]
fn a_socket_to_somebody_who_is_stopped() {
    let Some(scene) = Scene::with(&[]) else { return };
    let peer = scene.actor();
    peer.does("a, b = socket.socketpair()");
    let holder = peer.forks();
    peer.does("a.close()");
    holder.does("b.close(); flock('l', EX)");
    holder.begins("a.recv(1)");
    goes_with(&scene, &peer, "input over a socket from ");
}

#[test]
fn a_connection_to_somebody_who_is_stopped() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [server, holder] = [scene.actor(), scene.actor()];
    server.does("s = socket.create_server(('127.0.0.1', 0))");
    let port = server.does("s.getsockname()[1]");
    holder.does(format!("flock('l', EX); c = socket.create_connection(('127.0.0.1', {port}))"));
    server.does("c, _ = s.accept()");
    holder.begins("c.recv(1)");
    goes_with(&scene, &server, &format!("input over a socket (127.0.0.1:{port}) from "));
}

#[test]
fn a_socket_with_a_limit_is_waited_for_no_longer_than_that() {
    let Some(scene) = Scene::with(&[]) else { return };
    let peer = scene.actor();
    peer.does("a, b = socket.socketpair()");
    let holder = peer.forks();
    peer.does("a.close()");
    // Not `settimeout`, which polls.
    holder.does("b.close(); flock('l', EX)");
    holder.does("a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 600, 0))");
    holder.begins("a.recv(1)");
    peer.stops();
    let _waiter = waiter(&scene, "l");
    let lock = until(&scene, "l", |lock| waits_for(lock) == ["socket"]);
    assert_eq!(lock["verdict"], "contended");
    assert!(why(&lock).contains("which is stopped by a signal"), "{}", why(&lock));
}

#[test]
fn a_child_that_is_stopped() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    let child = holder.forks();
    holder.does("flock('l', EX)");
    holder.begins(format!("os.waitpid({}, 0)", child.pid));
    goes_with(&scene, &child, "the end of its child ");
}

#[test]
fn a_chain_is_told_through_to_its_root() {
    let Some(scene) = Scene::with(&[]) else { return };
    let middle = scene.actor();
    middle.does("r, w = os.pipe()");
    let holder = middle.forks();
    holder.does("os.close(w); flock('l', EX)");
    let child = middle.forks();
    child.does("os.close(r); os.close(w)");
    middle.does("os.close(r)");
    holder.begins("os.read(r, 1)");
    middle.begins(format!("os.waitpid({}, 0)", child.pid));
    let _waiter = waiter(&scene, "l");
    let both = format!("(pid {}), which waits for the end of its child", middle.pid);
    until(&scene, "l", |lock| why(lock).contains(&both));
    child.stops();
    let lock = until(&scene, "l", |lock| lock["verdict"] == "stuck");
    let end = format!("(pid {}), which is stopped by a signal", child.pid);
    assert!(
        why(&lock).contains("waits in turn for ") && why(&lock).contains(&end),
        "{}",
        why(&lock)
    );
}

#[test]
fn who_waits_for_a_lock_behind_such_a_chain_is_stuck_too() {
    let Some(scene) = Scene::with(&[]) else { return };
    let writer = scene.actor();
    writer.does("r, w = os.pipe()");
    let holder = writer.forks();
    writer.does("os.close(r)");
    holder.does("os.close(w); flock('a', EX)");
    holder.begins("os.read(r, 1)");
    let between = scene.actor();
    between.does("flock('b', EX)");
    between.waits("flock('a', EX)");
    let _waiter = waiter(&scene, "b");
    writer.stops();
    let lock = until(&scene, "b", |lock| lock["verdict"] == "stuck");
    assert!(why(&lock).contains(&format!("(pid {})", writer.pid)), "{}", why(&lock));
}

#[test]
fn a_child_that_never_executes_a_program() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    // Its child inherits no descriptor: these locks belong to the process.
    holder.does("posix('l')");
    holder.begins("vfork()");
    let waiter = scene.actor();
    waiter.waits("posix('l', wait=True)");
    until(&scene, "l", |lock| why(lock).contains("waits for the start of a program by its child "));
}

#[test]
fn a_holder_in_a_pid_namespace_of_its_own_is_told() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let gate = scene.actor();
    gate.does("unshare(NEWPID)");
    let holder = gate.forks();
    assert_eq!(holder.does("os.getpid()"), 1);
    holder.does("flock('l', EX)");
    let waiter = waiter(&scene, "l");
    let lock = until(&scene, "l", |lock| why(lock).contains("runs in "));
    let place = format!("(pid {}) runs in a pid namespace of its own, as pid 1 there", holder.pid);
    let other = format!("(pid {}), which waits, does not", waiter.pid);
    assert!(why(&lock).contains(&place) && why(&lock).contains(&other), "{}", why(&lock));
    assert_eq!(lock["holders"][0]["inner_pid"], 1);
}

#[test]
fn a_debugger_is_named() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [holder, debugger] = [scene.actor(), scene.actor()];
    holder.does("flock('l', EX)");
    debugger.does(format!("checked(libc.ptrace(16, {}, None, None))", holder.pid));
    wait_until("it is traced", || (state(holder.pid)? == 't').then_some(()));
    let lock = until(&scene, "l", |lock| lock["verdict"] == "stuck");
    let by = format!("(pid {})", debugger.pid);
    assert!(why(&lock).contains("is stopped by the debugger ") && why(&lock).contains(&by));
    assert_eq!(lock["holders"][0]["tracer"]["pid"], debugger.pid);
}

#[test]
fn a_fuse_server_that_is_stopped() {
    let needs = [Need::Root, Need::Program("bindfs"), Need::FileSystem("fuse")];
    let Some(scene) = Scene::with(&needs) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("os.mkdir('below'); os.mkdir('fuse'); write('below/was-here', '')");
    let server = stage.does("spawn('bindfs', '-f', '-o', 'entry_timeout=0', 'below', 'fuse')");
    wait_until("the file system is mounted", || {
        (stage.does("os.path.exists('fuse/was-here')") == json!(true)).then_some(())
    });
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    stage.does(format!("os.kill({server}, signal.SIGSTOP)"));
    wait_until("nobody answers", || is_stopped(server.as_i64()? as i32).then_some(()));
    holder.begins("os.path.exists('fuse/uncached')");
    let _waiter = waiter(&scene, "l");
    let lock = until(&scene, "l", |lock| lock["verdict"] == "stuck");
    let place = format!("the FUSE file system at {}", scene.path("fuse").display());
    let end = format!("served by bindfs (pid {server}), which is stopped by a signal");
    assert!(why(&lock).contains(&place) && why(&lock).contains(&end), "{}", why(&lock));
    stage.does(format!("os.kill({server}, signal.SIGCONT)"));
    holder.answer();
}

#[test]
fn what_a_holder_sleeps_for_is_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let cases = [
        ("os.read(os.openpty()[1], 1)", "terminal", "an answer on the terminal pts/"),
        ("os.read(os.openpty()[0], 1)", "screen", "what programs write to the terminal"),
        ("time.sleep(600)", "timer", "a timer"),
        ("signal.pause()", "signal", "a signal"),
        ("[p := os.pipe(), os.read(p[0], 1)]", "pipe", "input through a pipe"),
        (
            "socket.create_server(('127.0.0.1', 0)).accept()",
            "connection",
            "to connect to 127.0.0.1:",
        ),
        (
            "[s := socket.socket(socket.AF_UNIX), s.bind('socket'), s.listen(), s.accept()]",
            "connection",
            "somebody to connect to socket",
        ),
        ("os.read(os.eventfd(0), 8)", "call", "a call by another thread or process"),
        ("os.read(libc.inotify_init(), 100)", "changes", "files to change"),
        ("[p := os.pipe(), select.select([p[0]], [], [])]", "pipe", "input through a pipe"),
        (
            "[p := os.pipe(), q := select.poll(), q.register(p[0]), q.poll()]",
            "pipe",
            "input through a pipe",
        ),
        (
            "[p := os.pipe(), q := select.epoll(), q.register(p[0], select.EPOLLIN), q.poll()]",
            "pipe",
            "input through a pipe",
        ),
        (
            "[p := os.pidfd_open(os.getppid()), select.select([p], [], [])]",
            "process",
            "the end of ",
        ),
    ];
    let actors: Vec<(Actor, Actor)> = cases
        .iter()
        .enumerate()
        .map(|(number, (source, ..))| {
            let holder = scene.actor();
            holder.does(format!("import select; flock('l{number}', EX)"));
            holder.begins(*source);
            (holder, waiter(&scene, &format!("l{number}")))
        })
        .collect();
    for (number, (source, what, says)) in cases.iter().enumerate() {
        let lock = until(&scene, &format!("l{number}"), |lock| waits_for(lock).contains(what));
        assert!(why(&lock).contains(says), "{source}: {}", why(&lock));
    }
    drop(actors);
}

#[test]
fn threads_that_wait_for_each_other_are_told_from_one_that_waits_for_more() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); a = threading.Lock(); a.acquire()");
    holder.does("in_thread(lambda: time.sleep(600))");
    holder.begins("a.acquire()");
    let _waiter = waiter(&scene, "l");
    let says = "2 threads, of which 1 waits for a timer and 1 waits for another";
    let lock = until(&scene, "l", |lock| why(lock).contains(says));
    assert_eq!(lock["verdict"], "contended");
}

#[test]
fn one_thread_that_can_go_on_keeps_a_process_from_being_stuck() {
    let Some(scene) = Scene::with(&[]) else { return };
    let writer = scene.actor();
    writer.does("r, w = os.pipe()");
    let holder = writer.forks();
    writer.does("os.close(r)");
    holder.does("os.close(w); flock('l', EX); in_thread(lambda: time.sleep(600))");
    holder.begins("os.read(r, 1)");
    writer.stops();
    let _waiter = waiter(&scene, "l");
    let lock = until(&scene, "l", |lock| why(lock).contains("which is stopped by a signal"));
    assert_eq!(lock["verdict"], "contended", "{}", why(&lock));
}

#[test]
fn a_holder_at_work_is_told_from_one_that_does_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [busy, writing, idle] = [(); 3].map(|()| scene.actor());
    busy.does("flock('busy', EX)");
    busy.begins("while True: pass");
    writing.does("flock('writing', EX); sink = open('/dev/null', 'wb', 0)");
    writing.begins("while True: sink.write(bytes(100000)); time.sleep(0.001)");
    idle.does("flock('idle', EX)");
    let explain = |name: &str, says: &str| {
        let path = scene.path(name);
        wait_until("that is told", || {
            let told = scene.explain(path.to_str().unwrap());
            told.contains(says).then_some(told)
        })
    };
    explain("busy", "is at work: used ");
    let told = explain("writing", "wrote ");
    assert!(told.contains("is at work: "), "{told}");

    let _waiter = waiter(&scene, "idle");
    let lock = until(&scene, "idle", |lock| why(lock).contains("has done nothing for more than "));
    assert_eq!(lock["verdict"], "contended");
}

#[test]
fn a_writer_who_starves_is_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [reader, writer] = [scene.actor(), scene.actor()];
    reader.does("flock('l', SH)");
    writer.waits("flock('l', EX)");
    let lock = until(&scene, "l", |lock| lock["verdict"] == "contended");
    assert!(!why(&lock).contains("starves"), "{}", why(&lock));
    let began = Instant::now();
    wait_until("time has passed", || (began.elapsed().as_millis() > 200).then_some(()));
    let late = [scene.actor(), scene.actor()];
    for reader in &late {
        reader.does("flock('l', SH)");
    }
    let says = "to have it alone, and 2 readers have taken it since: readers pass a writer who \
                waits, so it starves";
    let lock = until(&scene, "l", |lock| why(lock).contains(says));
    assert_eq!(lock["verdict"], "contended");
}

#[test]
fn who_may_read_the_processes_is_told_the_reason_without_being_root() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let writer = scene.actor();
    writer.does("r, w = os.pipe()");
    let holder = writer.forks();
    writer.does("os.close(r); become_nobody()");
    holder.does("os.close(w); become_nobody(); flock('l', EX)");
    holder.begins("os.read(r, 1)");
    let waiter = scene.nobody();
    waiter.waits("flock('l', EX)");
    writer.stops();
    let stuck = |lock: &Value| lock["verdict"] == "stuck";
    let lock = until_seen_by(&scene, Viewer::Nobody, "l", stuck);
    let says = format!("(pid {}), which is stopped by a signal; not certain", writer.pid);
    assert!(why(&lock).contains(&says), "{}", why(&lock));
}

#[test]
fn who_may_not_be_asked_is_told_as_ever() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); r, w = os.pipe()");
    holder.begins("os.read(r, 1)");
    let _waiter = waiter(&scene, "l");
    until(&scene, "l", |lock| waits_for(lock) == ["pipe"]);
    let target = scene.path("l");
    let report = scene.look_as(Viewer::Nobody, &[target.to_str().unwrap()]);
    let lock = report.at(&target);
    assert_eq!(
        (&lock["verdict"], &lock["holders"][0]["waits_for"]),
        (&json!("contended"), &Value::Null)
    );
}
