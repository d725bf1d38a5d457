//! Locks that lie on disk.

use std::fs;
use std::os::unix::fs::symlink;

use crate::cast::{Cast, git, sleeps, waits_for_a_child};
use crate::support::{Need, wait_until};

/// Nothing of the user's.
const QUIET: &str = "'env', 'HOME=/nonexistent', 'GIT_CONFIG_NOSYSTEM=1', 'GIT_AUTHOR_NAME=a', \
    'GIT_AUTHOR_EMAIL=a@example.org', 'GIT_COMMITTER_NAME=a', \
    'GIT_COMMITTER_EMAIL=a@example.org', 'GIT_EDITOR=' + FOLDER + '/editor', \
    'PATH=' + os.environ['PATH'], 'git'";

/// A repository `r` with a commit.
fn repository(cast: &Cast) {
    let stage = cast.scene.stage();
    stage.does(format!("run({QUIET}, 'init', '-q', 'r')"));
    fs::write(cast.scene.path("r/file"), "1").unwrap();
    stage.does(format!("run({QUIET}, '-C', 'r', 'add', 'file')"));
    stage.does(format!("run({QUIET}, '-C', 'r', 'commit', '-q', '-m', '1')"));
}

#[test]
fn git_left_its_index_locked() {
    let _git = git();
    let Some(cast) = Cast::with(&[Need::Program("git")]) else { return };
    repository(&cast);
    fs::write(cast.scene.path("r/.git/index.lock"), "").unwrap();
    // Any git on the machine that was there when it was made has to end first.
    cast.becomes("r/.git/index.lock", "stale");
    // And any that was started about then.
    let told = wait_until("it is told as left behind", || {
        Some(cast.told("r/.git/index.lock")).filter(|told| told.contains(": stale ("))
    });
    insta::assert_snapshot!(told, @"
    DIR/r/.git/index.lock (git index): stale (lockfile, a file)
    Nobody has it open, and no git is alive that was there when it was made. The file has been there for TIME.
    What can be done, least harm first:
      - Remove the file: it is looked at again before, and exactly that is removed.
          locktop release lockfile:DIR/r/.git/index.lock
      - It holds the next index, and goes when that git ends. Editors run git in the background; a commit whose editor is open has it too. While such a git runs, removing it can lose what it staged.
    ");
    cast.keeps_its_log();
    let command = cast.suggested("r/.git/index.lock", "release");
    cast.runs(&format!("{command} --yes"));
    assert!(!cast.scene.path("r/.git/index.lock").exists());
}

#[test]
fn git_is_at_work() {
    let _git = git();
    let Some(cast) = Cast::with(&[Need::Program("git")]) else { return };
    repository(&cast);
    let editor = "#!/bin/sh\necho $$ >../editing.new; mv ../editing.new ../editing\n\
                  read -r _ <../pause\n";
    fs::write(cast.scene.path("editor"), editor).unwrap();
    cast.scene.stage().does("os.chmod('editor', 0o755); os.mkfifo('pause')");
    fs::write(cast.scene.path("r/file"), "2").unwrap();
    let folder = cast.path("r");
    let commit = format!("spawn({QUIET}, 'commit', '-q', '-a', folder={folder:?})");
    let git = cast.scene.stage().does(commit).as_i64().unwrap() as i32;
    cast.is(git, "GIT");
    let editor = wait_until("the editor is open", || {
        fs::read_to_string(cast.scene.path("editing")).ok()?.trim().parse().ok()
    });
    cast.is(editor, "EDITOR");
    waits_for_a_child(git);
    insta::assert_snapshot!(cast.told("r/.git/index.lock"), @"
    DIR/r/.git/index.lock (git index): held (lockfile, a file)
    Probably held by git (pid GIT), for TIME. It does not say whose it is, but git (pid GIT), which makes such locks, was at work there before it was made. git waits for the end of its child editor (pid EDITOR), last ran TIME ago. git: run by root, in the folder DIR/r, a child of theatre (pid THEATRE), as: git commit -q -a.
    What can be done, least harm first:
      - Wait: this returns when it is free, and takes nothing.
          locktop wait lockfile:DIR/r/.git/index.lock
      - End git (pid GIT) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up. That it belongs to git (pid GIT) is only likely: look first at what is going on there.
      - It holds the next index, and goes when that git ends. Editors run git in the background; a commit whose editor is open has it too. While such a git runs, removing it can lose what it staged.
    ");
}

#[test]
fn a_pid_file_names_another_program() {
    let Some(cast) = Cast::with(&[]) else { return };
    let daemon = cast.scene.stage().forks();
    let number = daemon.pid;
    daemon.does("write('backup.pid', f'{os.getpid()}')");
    daemon.ends();
    cast.ages("backup.pid");
    let other = cast.scene.stage().makes(&format!("fork_as({number})"));
    cast.is_called(&other, "other");
    sleeps(&other);
    insta::assert_snapshot!(cast.told_of(&format!("pidfile:{}", cast.path("backup.pid"))), @"
    DIR/backup.pid: unknown (pidfile, a file)
    It names pid OTHER: other (pid OTHER) started after the file was last changed: the number was given out again, or the clock was set. Whether anybody has it could not be told. The file has been there for TIME.
    What can be done, least harm first:
      - Wait: this returns when it is free, and takes nothing.
          locktop wait pidfile:DIR/backup.pid
      - Remove the file only once you know that nobody has it: whoever does, does not notice, and the next one gets in beside him.
          locktop release pidfile:DIR/backup.pid --method remove --insist
    ");
}

#[test]
fn emacs_locked_it_on_another_machine() {
    let Some(cast) = Cast::with(&[]) else { return };
    symlink("alice@far.example.org.12:1700000000", cast.scene.path(".#text")).unwrap();
    insta::assert_snapshot!(cast.told(".#text"), @"
    DIR/.#text (Emacs lock): unknown (lockfile, a symbolic link)
    It names pid 12 on far.example.org, another machine, which cannot be looked at from here. The symbolic link has been there for TIME. It is meant to be held for long. pid 12: run by alice.
    What can be done, least harm first:
      - Look on far.example.org whether its owner is alive.
          ssh far.example.org ps 12
      - Wait: this returns when it is free, and takes nothing.
          locktop wait 'lockfile:DIR/.#text'
      - Remove the symbolic link only once you know that nobody has it: whoever does, does not notice, and the next one gets in beside him.
          locktop release 'lockfile:DIR/.#text' --method remove --insist
      - Somebody has changes in Emacs that are not saved. Emacs itself removes one whose process is gone.
    ");
}
