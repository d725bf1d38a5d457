//! Memory that does not answer. By itself: whoever looks meanwhile meets it, too.

mod support;

use serde_json::{Value, json};
use support::{Need, Scene, pids, wait_until};

/// The kernel itself waits there where no signal ends it.
#[test]
fn memory_that_does_not_answer_holds_nobody_up() {
    let needs = [Need::Root, Need::File("/dev/fuse"), Need::FileSystem("fuse")];
    let Some(scene) = Scene::with(&needs) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/silent.py");
    stage.does(format!("os.mkdir('fuse'); spawn(sys.executable, {server:?}, 'fuse')"));
    let [holder, asker, owner] = [scene.actor(), scene.nobody(), scene.nobody()];
    wait_until("the file system is mounted", || {
        (asker.does("os.path.exists('fuse/f')") == json!(true)).then_some(())
    });
    let sleeps_in = |tid: i32, places: &[&str]| {
        let place = std::fs::read_to_string(format!("/proc/{tid}/wchan")).unwrap_or_default();
        places.iter().any(|name| place.contains(name))
    };

    // One has put such a file where it has told the kernel what it asks for.
    holder.does("ofd('l')");
    asker.does("fd, page = opened('l'), mmap.mmap(-1, 4096)");
    asker.does("at = ctypes.addressof(ctypes.c_char.from_buffer(page))");
    asker.does("page[:32] = struct.pack('hhqqi4x', WRITE, os.SEEK_SET, 0, 0, 0)");
    asker.does("in_thread(lambda: libc.fcntl(fd, OFD_SETLKW, ctypes.c_void_p(at)))");
    asker.is_blocked();
    asker.does("file = os.open('fuse/f', os.O_RDONLY)");
    asker.does("checked(libc.mmap(ctypes.c_void_p(at), 4096, 1, 0x12, file, 0))");

    // The other keeps all its memory from being read: it waits for such a file to be there, and to
    // map another.
    owner.does("flock('m', EX), setattr(libc.mmap, 'restype', ctypes.c_void_p)");
    owner.does("at = libc.mmap(None, 4096, 1, 2, os.open('fuse/f', os.O_RDONLY), 0)");
    owner.does("own = os.open('/proc/self/mem', os.O_RDONLY)");
    owner.does("other = libc.mmap(None, 4096, 1, 0x22, -1, 0)");
    owner.does("remap = lambda _: libc.mmap(ctypes.c_void_p(other), 4096, 1, 0x32, -1, 0)");
    owner.begins("in_thread(lambda: os.pread(own, 8, at)), [remap(_) for _ in iter(int, 1)]");
    wait_until("its memory is locked", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", owner.pid)).ok()?;
        let mut tids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
        tids.find(|tid| sleeps_in(*tid, &["fuse", "request_wait", "folio"]))?;
        sleeps_in(owner.pid, &["rwsem", "mmap"]).then_some(())
    });

    scene.copy_of_binary();
    let says = |args: &str| {
        let script =
            format!("./.locktop {args} > said; echo $? > status.new; mv status.new status");
        stage.does(format!("spawn('sh', '-c', {script:?})"));
        let status = wait_until("it ends", || std::fs::read_to_string(scene.path("status")).ok());
        assert_eq!(status, "0\n");
        std::fs::remove_file(scene.path("status")).unwrap();
        std::fs::read_to_string(scene.path("said")).unwrap()
    };
    let report: Value = serde_json::from_str(&says("ls --json l m")).unwrap();
    let at = |name: &str| {
        let path = json!(scene.path(name));
        let mut locks = report["locks"].as_array().unwrap().iter();
        locks.find(|lock| lock["path"] == path).unwrap_or_else(|| panic!("{report:#}"))
    };
    assert_eq!(pids(&at("l")["holders"]), [Some(holder.pid)]);
    assert_eq!(pids(&at("l")["waiters"]), [Some(asker.pid)]);
    assert_eq!(pids(&at("m")["holders"]), [Some(owner.pid)]);
    assert!(at("l")["holders"][0]["cmdline"].is_array());
    assert_eq!(at("m")["holders"][0]["cmdline"], Value::Null);
    let codes: Vec<_> =
        report["notes"].as_array().unwrap().iter().map(|note| &note["code"]).collect();
    assert!(codes.contains(&&json!("silent_memories")), "{report:#}");
    for name in ["l", "m"] {
        says(&format!("explain {name}"));
    }
}
