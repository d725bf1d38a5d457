//! git's locks: files that name nobody, made by whoever works there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::desk::{
    becomes, is_there, is_told_by_all, left_behind, lies, says_while_it_waits, seen, target, told,
    why,
};
use crate::support::{Need, Scene, pids, state, wait_until};

/// Nothing of the user's.
const QUIET: &str = "'env', 'HOME=/nonexistent', 'GIT_CONFIG_NOSYSTEM=1', 'GIT_AUTHOR_NAME=a', \
    'GIT_AUTHOR_EMAIL=a@example.org', 'GIT_COMMITTER_NAME=a', \
    'GIT_COMMITTER_EMAIL=a@example.org', 'GIT_EDITOR=' + FOLDER + '/editor', \
    'GIT_SEQUENCE_EDITOR=' + FOLDER + '/editor', 'PATH=' + os.environ['PATH']";

/// A repository `r` with two commits, and an editor that waits until there is a file `go`.
fn repository() -> Option<Scene> {
    let scene = Scene::with(&[Need::Program("git")])?;
    fs::write(
        scene.path("editor"),
        format!(
            "#!/bin/sh\necho $$ >{0}/editing\nuntil test -e {0}/go; do sleep 0.02; done\n\
             echo text >>\"$1\"\n",
            scene.folder().display()
        ),
    )
    .unwrap();
    scene.stage().does("os.chmod('editor', 0o755)");
    runs(&scene, "init -q r");
    for number in 0..2 {
        fs::write(scene.path("r/file"), number.to_string()).unwrap();
        runs(&scene, "-C r add file");
        runs(&scene, &format!("-C r commit -q -m {number}"));
    }
    Some(scene)
}

fn words(line: &str) -> String {
    line.split(' ').flat_map(|word| [", ".to_owned(), format!("{word:?}")]).collect()
}

/// Runs git to its end.
fn runs(scene: &Scene, line: &str) {
    scene.stage().does(format!("run({QUIET}, 'git'{})", words(line)));
}

/// Starts git in a folder of the scene, in an environment with this besides; returns its process.
fn starts_with(scene: &Scene, more: &str, folder: &str, line: &str) -> i32 {
    let folder = json!(scene.path(folder));
    let command = format!("spawn({QUIET}{more}, 'git'{}, folder={folder})", words(line));
    scene.stage().does(command).as_i64().unwrap() as i32
}

/// The same, with somebody at the other end of its standard input who says nothing.
fn waits(scene: &Scene, folder: &str, line: &str) -> i32 {
    let folder = json!(scene.path(folder));
    let stdin = "stdin=subprocess.PIPE";
    let command = format!("spawn({QUIET}, 'git'{}, folder={folder}, {stdin})", words(line));
    scene.stage().does(command).as_i64().unwrap() as i32
}

fn starts(scene: &Scene, folder: &str, line: &str) -> i32 {
    starts_with(scene, "", folder, line)
}

fn gets(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn has_ended(pid: i32) {
    wait_until("git has ended", || state(pid).is_none().then_some(()));
}

/// Starts a commit whose editor waits.
fn commits(scene: &Scene, folder: &str) -> i32 {
    fs::write(scene.path(folder).join("file"), "more").unwrap();
    let git = starts(scene, folder, "commit -q -a");
    is_there(scene, "editing");
    git
}

#[test]
fn a_commit_whose_editor_is_open_has_the_index() {
    let Some(scene) = repository() else { return };
    let git = commits(&scene, "r");
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    let lock = seen(&scene, &index);
    assert_eq!((&lock["verdict"], &lock["name"]), (&json!("held"), &json!("git index")));
    assert_eq!(pids(&lock["holders"]), [Some(git)]);
    assert_eq!(lock["holders"][0]["certainty"], "likely");
    assert_eq!(lock["age"]["evidence"], json!(["file times"]));
    let text = is_told_by_all(&scene, &index);
    assert!(text.contains("Probably held by git") && text.contains("editor"), "{text}");
    // It is found below the folder too, and by its path alone.
    for name in ["r", "r/.git/index.lock"] {
        becomes(&scene, scene.path(name).to_str().unwrap(), "held");
    }
    let text = told(&scene, &["release", "--yes", "--method", "remove", &index], &[1]);
    assert!(text.contains("not proven to be left behind"), "{text}");
    says_while_it_waits(&scene, &format!("wait {index}"), &format!("git (pid {git}"));
    told(&scene, &["wait", "--timeout", "0.2", &index], &[1]);

    gets(git, Signal::STOP);
    let lock = becomes(&scene, &index, "stuck");
    assert_eq!(lock["methods"][0], "resume");
    gets(git, Signal::CONT);

    let waiter = scene.actor();
    let binary = env!("CARGO_BIN_EXE_locktop");
    waiter.begins(format!("subprocess.run([{binary:?}, 'wait', '--quiet', {index:?}]).returncode"));
    fs::write(scene.path("go"), "").unwrap();
    waiter.answer();
    has_ended(git);
    assert!(!scene.path("r/.git/index.lock").exists());
}

#[test]
fn a_killed_git_leaves_it_behind_beside_one_that_lives() {
    let Some(scene) = repository() else { return };
    runs(&scene, "clone -q r other");
    runs(&scene, "init -q third");
    // Both wait for what they are to read.
    let [stray, reader] =
        ["hash-object --stdin", "cat-file --batch"].map(|line| waits(&scene, "third", line));
    let git = commits(&scene, "r");
    gets(git, Signal::KILL);
    has_ended(git);
    fs::remove_file(scene.path("editing")).unwrap();
    let live = commits(&scene, "other");
    let index = |name: &str| target(&scene, "lockfile", &format!("{name}/.git/index.lock"));
    assert_eq!(pids(&seen(&scene, &index("other"))["holders"]), [Some(live)]);
    // A clone works on a folder that it makes, and of most commands that is not known.
    let lock = wait_until("it has been there for a while", || {
        let lock = seen(&scene, &index("r"));
        (!why(&lock).contains("just now")).then_some(lock)
    });
    assert_eq!(lock["verdict"], "unknown");
    assert!(why(&lock).contains("at work elsewhere, can have made it"), "{lock:#}");
    is_told_by_all(&scene, &index("r"));
    gets(stray, Signal::KILL);
    has_ended(stray);
    // Who commits in another repository has made no lock of this one.
    becomes(&scene, &index("r"), left_behind());
    is_told_by_all(&scene, &index("r"));
    fs::write(scene.path("go"), "").unwrap();
    has_ended(live);
    // A reader elsewhere is none that makes such locks.
    assert!(state(reader).is_some());
    let lock = becomes(&scene, &index("r"), left_behind());
    assert_eq!(pids(&lock["holders"]), []);
    if left_behind() == "stale" {
        // Others' git can come and go meanwhile.
        let text = wait_until("it is told why", || {
            let text = scene.explain(&index("r"));
            text.contains("Nobody has it open, and no git is alive").then_some(text)
        });
        assert!(text.contains("locktop release"), "{text}");
    }
    gets(reader, Signal::KILL);
}

#[test]
fn linked_working_trees_submodules_and_bare_repositories() {
    let Some(scene) = repository() else { return };
    runs(&scene, "-C r worktree add -q ../linked");
    runs(&scene, "clone -q --bare r bare.git");
    runs(&scene, "init -q super");
    runs(&scene, "-c protocol.file.allow=always -C super submodule --quiet add ../r sub");
    for (folder, lock) in [
        ("linked", "r/.git/worktrees/linked/index.lock"),
        ("super/sub", "super/.git/modules/sub/index.lock"),
    ] {
        let git = commits(&scene, folder);
        let seen = seen(&scene, &target(&scene, "lockfile", lock));
        assert_eq!(seen["verdict"], "held", "{seen:#}");
        assert_eq!(pids(&seen["holders"]), [Some(git)], "{seen:#}");
        fs::write(scene.path("go"), "").unwrap();
        has_ended(git);
        for name in ["go", "editing"] {
            fs::remove_file(scene.path(name)).unwrap();
        }
    }
    // A hook of a bare repository runs while the reference is locked.
    let hook = scene.path("bare.git/hooks/reference-transaction");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::copy(scene.path("editor"), &hook).unwrap();
    let git = starts(&scene, "bare.git", "update-ref refs/heads/new HEAD");
    let lock = "bare.git/refs/heads/new.lock";
    is_there(&scene, lock);
    let seen = seen(&scene, &target(&scene, "lockfile", lock));
    // Which repository such a git works for is not told by its folder alone.
    assert_eq!(seen["name"], "git bare repository");
    assert_ne!(seen["verdict"], "stale", "{seen:#}");
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
}

#[test]
fn a_rebase_whose_list_is_edited_has_no_lock() {
    let Some(scene) = repository() else { return };
    let git = starts(&scene, "r", "rebase -q -i HEAD~1");
    is_there(&scene, "editing");
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    told(&scene, &["wait", "--no-wait", &index], &[0]);
    let text = told(&scene, &["explain", &index], &[0]);
    assert!(text.contains("nobody holds a lock"), "{text}");
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
}

#[test]
fn a_git_that_works_elsewhere_may_be_the_one() {
    let Some(scene) = repository() else { return };
    let folder = scene.path("r");
    fs::create_dir(scene.path("far")).unwrap();
    fs::write(scene.path("far/file"), "far").unwrap();
    let more = format!(", 'GIT_DIR={}', 'GIT_WORK_TREE=.'", folder.join(".git").display());
    let git = starts_with(&scene, &more, "far", "commit -q -a");
    is_there(&scene, "editing");
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    let lock = wait_until("it has been there for a while", || {
        let lock = seen(&scene, &index);
        (!why(&lock).contains("just now")).then_some(lock)
    });
    assert_eq!(lock["verdict"], "unknown");
    assert!(why(&lock).contains("at work elsewhere, can have made it"), "{lock:#}");
    let text = told(&scene, &["release", "--yes", &index], &[1]);
    assert!(text.contains("--insist"), "{text}");
    assert!(scene.path("r/.git/index.lock").exists());
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
    // `-C` is a change of folder.
    fs::remove_file(scene.path("go")).unwrap();
    fs::remove_file(scene.path("editing")).unwrap();
    fs::write(scene.path("r/file"), "near").unwrap();
    let git = starts(&scene, "far", &format!("-C {} commit -q -a", folder.display()));
    is_there(&scene, "editing");
    assert_eq!(pids(&seen(&scene, &index)["holders"]), [Some(git)]);
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
}

#[test]
fn what_a_git_says_beside_its_lock_counts() {
    let Some(scene) = repository() else { return };
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    let owner = scene.actor();
    lies(&scene, "r/.git/index.lock", "");
    owner.does("write('/proc/self/comm', 'git')");
    owner.does("write('r/.git/index~pid.lock', f'pid {os.getpid()}\\n')");
    let lock = seen(&scene, &index);
    assert_eq!(pids(&lock["holders"]), [Some(owner.pid)], "{lock:#}");
    owner.ends();
    let lock = becomes(&scene, &index, left_behind());
    assert!(why(&lock).contains("no such process"), "{lock:#}");
}

#[test]
fn garbage_collection_names_itself() {
    let Some(scene) = repository() else { return };
    lies(&scene, "r/.git/gc.pid", &format!("{} {}", crate::desk::ended(&scene), host()));
    let gc = target(&scene, "pidfile", "r/.git/gc.pid");
    assert_eq!(seen(&scene, &gc)["verdict"], left_behind());
    fs::remove_file(scene.path("r/.git/gc.pid")).unwrap();
    // What it starts itself is found there first.
    fs::create_dir(scene.path("programs")).unwrap();
    let real = scene.stage().does("shutil.which('git')");
    let git = format!(
        "#!/bin/sh\n: >{0}/editing\nuntil test -e {0}/go; do sleep 0.02; done\nexec {1} \"$@\"\n",
        scene.folder().display(),
        real.as_str().unwrap()
    );
    fs::write(scene.path("programs/git"), git).unwrap();
    scene.stage().does("os.chmod('programs/git', 0o755)");
    let more = format!(", 'GIT_EXEC_PATH={}'", scene.path("programs").display());
    let git = starts_with(&scene, &more, "r", "gc -q");
    is_there(&scene, "editing");
    assert!(scene.path("r/.git/gc.pid").exists());
    let lock = seen(&scene, &gc);
    assert_eq!(lock["verdict"], "held", "{lock:#}");
    assert_eq!(pids(&lock["holders"]), [Some(git)]);
    told(&scene, &["run", "--no-wait", &gc, "--", "true"], &[1]);
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
    fs::write(scene.path("r/.git/gc.pid"), format!("{} another-machine", std::process::id()))
        .unwrap();
    let lock = seen(&scene, &gc);
    assert_eq!(lock["verdict"], "unknown");
    assert_eq!(lock["holders"][0]["host"], "another-machine");
    let text = is_told_by_all(&scene, &gc);
    assert!(text.contains("another-machine"), "{text}");
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

#[test]
fn git_and_we_keep_each_other_out() {
    let Some(scene) = repository() else { return };
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    let inner = "sh -c 'git -C r add file; echo $? >status'";
    fs::write(scene.path("r/file"), "new").unwrap();
    let binary = env!("CARGO_BIN_EXE_locktop");
    let output = scene.stage().does(format!(
        "subprocess.run([{binary:?}, 'run', {index:?}, '--', 'sh', '-c', {:?}], \
         capture_output=True).stderr.decode()",
        inner.trim_start_matches("sh -c '").trim_end_matches('\'')
    ));
    let output = output.as_str().unwrap();
    assert!(output.contains("index.lock") && output.contains("File exists"), "{output}");
    assert_eq!(fs::read_to_string(scene.path("status")).unwrap().trim(), "128");
    assert!(!scene.path("r/.git/index.lock").exists());
    // As git makes it, it says nothing.
    told(&scene, &["run", &index, "--", "cp", "r/.git/index.lock", "copy"], &[0]);
    assert_eq!(fs::read(scene.path("copy")).unwrap(), b"");
    let git = commits(&scene, "r");
    told(&scene, &["run", "--no-wait", &index, "--", "touch", "inside"], &[1]);
    told(&scene, &["run", "--timeout", "0.2", &index, "--", "touch", "inside"], &[1]);
    assert!(!scene.path("inside").exists());
    fs::write(scene.path("go"), "").unwrap();
    has_ended(git);
}

/// The lock is held by a git or by us, never by both: under ours the index does not change, and no
/// git gets in.
#[test]
fn git_and_we_under_load() {
    let Some(scene) = repository() else { return };
    let index = target(&scene, "lockfile", "r/.git/index.lock");
    let binary = env!("CARGO_BIN_EXE_locktop");
    let write = |name: &str, text: String| fs::write(scene.path(name), text).unwrap();
    write(
        "inside",
        "a=$(cksum <r/.git/index)\n\
         echo $$ >r/inside.$$; git -C r add inside.$$ 2>/dev/null && echo 'git got in' >>violations\n\
         test \"$a\" = \"$(cksum <r/.git/index)\" || echo 'the index changed' >>violations\n\
         echo >>ours; case $1 in *.13) kill -9 $PPID; esac\n"
            .into(),
    );
    // $1 is a number, $2 what is run, $3 how often, $4 which of them are killed, wherever they are;
    // ours also where they certainly have the lock.
    write(
        "lane",
        "n=0; while [ $n -lt $3 ]; do n=$((n+1)); sh $2 $1.$n & pid=$!\n\
         if [ $((n % $4)) = 0 ]; then sleep 0.0$((n % 7)); kill -9 $pid; fi; wait $pid; done\n"
            .into(),
    );
    write("git", "echo $1 >r/f.$1; exec git -C r add f.$1\n".into());
    write("locktop", format!("exec {binary} run --quiet {index} -- sh inside $1\n"));
    let spawn = |line: &str| {
        let line = format!("spawn({QUIET}, 'sh', '-c', {line:?})");
        scene.stage().does(line).as_i64().unwrap() as i32
    };
    let gits = [1, 2]
        .map(|number| spawn(&format!("sh lane {number} git 200 6 2>/dev/null; echo >>theirs")));
    let ours = [3, 4].map(|number| spawn(&format!("sh lane {number} locktop 40 5 2>/dev/null")));
    let lives = |pid: &i32| state(*pid).is_some_and(|state| state != 'Z');
    let mut removed = 0;
    let made = || fs::read_dir(scene.path("r")).unwrap().count();
    let mut last = (made(), std::time::Instant::now());
    while ours.iter().chain(&gits).any(lives) {
        removed += u32::from(clears_away(&scene));
        std::thread::sleep(std::time::Duration::from_millis(5));
        if made() != last.0 {
            last = (made(), std::time::Instant::now());
        }
        assert!(last.1.elapsed().as_secs() < 300, "somebody waits for ever");
    }
    let count = |name: &str| fs::read_to_string(scene.path(name)).unwrap_or_default().len();
    assert_eq!(fs::read_to_string(scene.path("violations")).unwrap_or_default(), "");
    let added = scene.stage().does(format!("run({QUIET}, 'git', '-C', 'r', 'ls-files')"));
    let added = added.as_str().unwrap().lines().filter(|name| name.starts_with("f.")).count();
    assert!(count("ours") > 20 && added > 0, "{} of ours, {added} of theirs", count("ours"));
    assert!(removed > 0, "nobody was killed with the lock");
}

/// Removes a lock that nobody has who is alive, as only its owner would remove it: no git works
/// there, and nobody has it open.
fn clears_away(scene: &Scene) -> bool {
    let lock = scene.path("r/.git/index.lock");
    let number = || fs::symlink_metadata(&lock).ok().map(|found| (found.ino(), found.ctime_nsec()));
    let Some(before) = number() else { return false };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    for process in processes.filter(|path| path.join("stat").exists()) {
        let works_here = fs::read_link(process.join("cwd"))
            .is_ok_and(|folder| folder.starts_with(scene.folder()));
        let is_git = || fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "git\n");
        let fds = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut links = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
        // One that has just been made by us is open by another name.
        let is_ours =
            |link: &std::path::PathBuf| *link == lock || link.starts_with(scene.path("r/.git"));
        if works_here && (is_git() || links.any(|link| is_ours(&link))) {
            return false;
        }
    }
    number() == Some(before) && fs::remove_file(&lock).is_ok()
}
