//! Vim's swap files and Emacs's links.

use std::fs;
use std::os::unix::fs::symlink;

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{becomes, is_told_by_all, left_behind, seen, target, told, why};
use crate::support::{Need, Scene, Screen, pids, wait_until};

/// An editor on a terminal. Ended when dropped.
struct Editor(Option<Screen>);

impl Editor {
    fn begins(scene: &Scene, line: &[&str]) -> Self {
        let mut command = CommandBuilder::new(line[0]);
        command.args(&line[1..]);
        command.cwd(scene.folder());
        command.env("HOME", scene.folder());
        Self(Some(Screen::start(command)))
    }

    fn pid(&self) -> i32 {
        self.0.as_ref().unwrap().pid()
    }

    fn types(&mut self, keys: &str) {
        self.0.as_mut().unwrap().types(keys);
    }

    fn shows(&mut self, words: &str) {
        self.0.as_mut().unwrap().wait_for(words);
    }

    fn gets(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    fn dies(mut self) {
        self.gets(Signal::KILL);
        drop(self.0.take().unwrap().ends());
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Some(screen) = self.0.take() {
            let _ = kill_process(Pid::from_raw(screen.pid()).unwrap(), Signal::KILL);
            drop(screen.ends());
        }
    }
}

#[test]
fn vim_has_its_swap_file_until_it_is_killed() {
    let Some(scene) = Scene::with(&[Need::Program("vim")]) else { return };
    fs::write(scene.path("text"), "beginning\n").unwrap();
    let line = ["vim", "-u", "NONE", "-i", "NONE", "--cmd", "set swapfile", "text"];
    let mut vim = Editor::begins(&scene, &line);
    vim.shows("beginning");
    let swap = target(&scene, "lockfile", ".text.swp");
    let lock = wait_until("the swap file says whose it is", || {
        let lock = scene.path(".text.swp").exists().then(|| seen(&scene, &swap))?;
        (lock["holders"][0]["pid"] == vim.pid()).then_some(lock)
    });
    assert_eq!((lock["verdict"].as_str(), lock["normal"].as_bool()), (Some("held"), Some(true)));
    assert_eq!(lock["name"], "Vim swap file");
    let purpose = lock["details"]["purpose"].as_str().unwrap();
    assert!(purpose.contains("editing") && purpose.contains("text"), "{purpose}");
    let text = is_told_by_all(&scene, &swap);
    assert!(text.contains(&format!("vim (pid {})", vim.pid())), "{text}");
    vim.gets(Signal::STOP);
    becomes(&scene, &swap, "stuck");
    vim.gets(Signal::CONT);
    vim.types("ihello\u{1b}:preserve\r");
    wait_until("it is said that there are changes", || {
        let lock = seen(&scene, &swap);
        lock["details"]["purpose"].as_str()?.contains("unsaved changes").then_some(())
    });
    vim.dies();
    becomes(&scene, &swap, left_behind());
    let text = scene.explain(&swap);
    assert!(text.contains("vim -r"), "{text}");
    // Whom ours would hinder: only Vim can write what it reads.
    fs::remove_file(scene.path(".text.swp")).unwrap();
    let text = told(&scene, &["run", &swap, "--", "true"], &[2]);
    assert!(text.contains("only Vim can write"), "{text}");
    told(&scene, &["wait", &swap], &[0]);
}

#[test]
fn emacs_has_its_link_until_it_is_killed_and_sees_ours() {
    let Some(scene) = Scene::with(&[Need::Program("emacs")]) else { return };
    fs::write(scene.path("text"), "beginning\n").unwrap();
    let mut emacs = Editor::begins(&scene, &["emacs", "-nw", "-Q", "text"]);
    emacs.shows("beginning");
    emacs.types("x");
    let link = target(&scene, "lockfile", ".#text");
    wait_until("the file is locked", || scene.path(".#text").is_symlink().then_some(()));
    let lock = seen(&scene, &link);
    assert_eq!(lock["verdict"], "held", "{lock:#}");
    assert_eq!(pids(&lock["holders"]), [Some(emacs.pid())]);
    assert_eq!(lock["name"], "Emacs lock");
    is_told_by_all(&scene, &link);
    emacs.dies();
    let lock = becomes(&scene, &link, left_behind());
    assert!(why(&lock).contains("no such process"), "{lock:#}");
    fs::remove_file(scene.path(".#text")).unwrap();
    // What Emacs makes of ours: a name is somebody else.
    let question = "(princ (file-locked-p (expand-file-name \"text\")))";
    let args = ["run", &link, "--", "emacs", "--batch", "-Q", "--eval", question];
    let text = told(&scene, &args, &[0]);
    assert!(text.contains("root") || text.contains('@') || !text.trim().is_empty(), "{text}");
    assert_ne!(text.trim(), "nil", "Emacs sees that somebody has it");
    assert!(!scene.path(".#text").is_symlink());
}

#[test]
fn names_of_other_machines_are_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    symlink("alice@far.example.org.12:1700000000", scene.path(".#text")).unwrap();
    let link = target(&scene, "lockfile", ".#text");
    let lock = seen(&scene, &link);
    assert_eq!(lock["verdict"], "unknown");
    assert_eq!(lock["holders"][0]["host"], "far.example.org");
    let text = is_told_by_all(&scene, &link);
    assert!(text.contains("ssh far.example.org ps 12"), "{text}");
    symlink("laptop-4711", scene.path("SingletonLock")).unwrap();
    let lock = seen(&scene, &target(&scene, "lockfile", "SingletonLock"));
    assert_eq!(lock["name"], "Chromium profile");
    assert_eq!(lock["holders"][0]["host"], "laptop");
}
