//! A machine on which ten things hang, and two more, each for another reason.

use std::fs;

use serde_json::json;

use crate::cast::{Cast, Debugger, git, place, sleeps, waits_for_a_child};
use crate::support::{Actor, Need, Record, Report, Viewer, records, state, wait_until};

/// The files, what is found of each, and words of the reason.
const REASONS: [(&str, &str, &[&str]); 13] = [
    ("circle-a", "deadlock", &["circle-a and waits for", "circle-b and waits for"]),
    ("circle-b", "deadlock", &["circle-a and waits for", "circle-b and waits for"]),
    ("itself", "deadlock", &["which it keeps itself"]),
    ("replaced", "split", &["the path names another file by now"]),
    ("r/.git/gc.pid", "stale", &["no such process is alive"]),
    ("orphan", "orphaned", &["has ended", "left behind"]),
    ("stopped", "stuck", &["is stopped by a signal"]),
    ("traced", "stuck", &["is stopped by the debugger"]),
    ("frozen", "stuck", &["is frozen (its control group)"]),
    ("disk", "stuck", &["is in uninterruptible sleep"]),
    ("pipe", "stuck", &["waits for input through a pipe from peer", "is stopped by a signal"]),
    ("child", "stuck", &["waits for the end of its child", "is stopped by a signal"]),
    ("chain", "stuck", &["itself waits for", "stopped, held by", "is stopped by a signal"]),
];

/// All of them, for as long as this lasts.
struct Ten {
    debugger: Option<Debugger>,
    cast: Cast,
    /// Processes that are the user's who looks.
    viewer: Viewer,
    actors: Vec<Actor>,
}

impl Ten {
    /// Sets them up, each with somebody who waits, where that is possible.
    #[track_caller]
    fn of(viewer: Viewer) -> Option<Self> {
        let cast = Cast::with(&[Need::Program("git")])?;
        let mut ten = Self { debugger: None, cast, viewer, actors: Vec::new() };
        // Children of whoever gives his rights away have none either.
        ten.cast.scene.stage().does("os.chmod('.stage', 0o777)");
        // What takes longest first.
        ten.is_in_uninterruptible_sleep();
        ten.wait_for_each_other();
        ten.waits_for_itself();
        ten.is_replaced();
        ten.is_stale();
        ten.is_orphaned();
        ten.is_stopped();
        ten.is_frozen();
        ten.waits_for_a_pipe();
        ten.waits_for_a_child();
        ten.is_traced();
        ten.are_judged();
        Some(ten)
    }

    fn actor(&self, name: &str) -> Actor {
        let actor = self.cast.actor(name);
        if self.viewer == Viewer::Nobody {
            actor.does("become_nobody()");
        }
        actor
    }

    fn holder(&self, name: &str, source: &str) -> Actor {
        let actor = self.actor(name);
        actor.does(source);
        sleeps(&actor);
        actor
    }

    fn waiter(&mut self, source: &str) {
        let waiter = self.actor("waiter");
        waiter.waits(source);
        self.actors.push(waiter);
    }

    fn wait_for_each_other(&mut self) {
        let [one, two] = ["one", "two"].map(|name| self.actor(name));
        one.does("flock('circle-a', EX)");
        two.does("flock('circle-b', EX)");
        one.waits("flock('circle-b', EX)");
        two.waits("flock('circle-a', EX)");
        self.actors.extend([one, two]);
    }

    fn waits_for_itself(&mut self) {
        let script = "exec 9>itself; flock 9; exec flock itself true";
        let nobody = if self.viewer == Viewer::Nobody { "True" } else { "False" };
        let source = format!("spawn('sh', '-c', {script:?}, nobody={nobody})");
        let pid = self.cast.scene.stage().does(source).as_i64().unwrap() as i32;
        wait_until("the script waits for itself", || {
            let waits = |record: &Record| record.waits && record.pid == pid;
            records(&self.cast.scene.path("itself")).iter().any(waits).then_some(())
        });
    }

    fn is_replaced(&mut self) {
        let [old, new] = ["old", "new"].map(|name| {
            let holder = self.holder(name, "flock('replaced', EX)");
            if name == "old" {
                fs::remove_file(self.cast.scene.path("replaced")).unwrap();
            }
            holder
        });
        self.actors.extend([old, new]);
    }

    /// As a git leaves it that was killed.
    fn is_stale(&self) {
        let _git = git();
        let gone = self.cast.actor("git");
        let number = gone.pid;
        gone.ends();
        let stage = self.cast.scene.stage();
        stage.does("run('env', 'PATH=' + os.environ['PATH'], 'git', 'init', '-q', 'r')");
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        fs::write(self.cast.scene.path("r/.git/gc.pid"), format!("{number} {host}")).unwrap();
    }

    fn is_orphaned(&mut self) {
        let taker = self.actor("script");
        taker.does("flock('orphan', EX)");
        let heir = taker.forks();
        sleeps(&heir);
        taker.ends();
        self.actors.push(heir);
        self.waiter("flock('orphan', EX)");
    }

    /// And somebody waits for it, who has another lock.
    fn is_stopped(&mut self) {
        let holder = self.holder("stopped", "flock('stopped', EX)");
        holder.stops();
        let between = self.actor("between");
        between.does("flock('chain', EX)");
        between.waits("flock('stopped', EX)");
        self.actors.extend([holder, between]);
        self.waiter("flock('chain', EX)");
    }

    fn is_traced(&mut self) {
        let holder = self.holder("traced", "flock('traced', EX)");
        self.waiter("flock('traced', EX)");
        self.debugger = Some(Debugger::of(&holder));
        self.actors.push(holder);
    }

    fn waits_for_a_pipe(&mut self) {
        let reader = self.actor("reader");
        reader.does("source, sink = os.pipe()");
        let writer = reader.forks();
        writer.does("os.close(source); write('/proc/self/comm', 'peer')");
        sleeps(&writer);
        reader.does("os.close(sink); flock('pipe', EX)");
        reader.begins("os.read(source, 1)");
        wait_until("it reads", || place(reader.pid)?.contains("pipe_read").then_some(()));
        writer.stops();
        self.actors.extend([reader, writer]);
        self.waiter("flock('pipe', EX)");
    }

    fn waits_for_a_child(&mut self) {
        let parent = self.actor("parent");
        let child = parent.forks();
        sleeps(&child);
        parent.does("flock('child', EX)");
        parent.begins(format!("os.waitpid({}, 0)", child.pid));
        waits_for_a_child(parent.pid);
        child.stops();
        self.actors.extend([parent, child]);
        self.waiter("flock('child', EX)");
    }

    fn is_frozen(&mut self) {
        let stage = self.cast.scene.stage();
        let group = stage.does("control_group(None, f'locktop-{os.getpid()}')");
        let group = group.as_str().unwrap();
        let holder = self.holder("frozen", "flock('frozen', EX)");
        stage.does(format!("write('{group}/cgroup.procs', '{}')", holder.pid));
        stage.does(format!("write('{group}/cgroup.freeze', '1')"));
        let is_frozen = format!("'frozen 1' in read('{group}/cgroup.events')");
        wait_until("it is frozen", || (stage.does(&is_frozen) == json!(true)).then_some(()));
        self.actors.push(holder);
        self.waiter("flock('frozen', EX)");
    }

    fn is_in_uninterruptible_sleep(&mut self) {
        let holder = self.actor("disk");
        // Its child inherits no descriptor: these locks belong to the process.
        holder.does("posix('disk')");
        holder.begins("vfork()");
        let pid = holder.pid;
        wait_until("it sleeps uninterruptibly", || (state(pid) == Some('D')).then_some(()));
        self.actors.push(holder);
        self.waiter("posix('disk', wait=True)");
    }

    /// Waits until the one in uninterruptible sleep has slept for long enough to be a finding.
    #[track_caller]
    fn are_judged(&self) {
        let disk = self.cast.scene.path("disk");
        wait_until("it has slept for long", || {
            let report = self.problems();
            report.all_at(&disk).iter().any(|lock| lock["verdict"] == "stuck").then_some(())
        });
    }

    /// What `ls --problems` says of all in the folder.
    fn problems(&self) -> Report {
        let folder = self.cast.scene.folder().to_str().unwrap();
        let args = ["ls", "--json", "--problems", folder];
        Report::of(self.cast.scene.locktop(self.viewer, &args))
    }

    /// The same, as somebody reads it.
    fn table(&self) -> String {
        let folder = self.cast.scene.folder().to_str().unwrap();
        let output = self.cast.scene.locktop(self.viewer, &["ls", "--problems", folder]);
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn are_all_told(&self) {
        let report = self.problems();
        let table = self.table();
        for (name, verdict, words) in REASONS {
            let path = self.cast.scene.path(name);
            let found = report.all_at(&path);
            let problem = found.iter().find(|lock| lock["verdict"] == verdict);
            let Some(problem) = problem else {
                panic!("{name}: {found:#?}\n{:#}", report.document)
            };
            let why = problem["why"].as_str().unwrap();
            let place = path.to_str().unwrap();
            let is_told = |row: &str| {
                let has_words = words.iter().all(|word| row.contains(word));
                row.starts_with(verdict) && row.contains(place) && has_words
            };
            assert!(table.lines().any(is_told), "{name}: {table}");
            let output = self.cast.scene.locktop(self.viewer, &["explain", path.to_str().unwrap()]);
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains(&format!(": {verdict} (")), "{name}: {text}");
            for word in words {
                assert!(why.contains(word), "{name}: {word}: {why}");
                let told = text.to_lowercase().contains(&word.to_lowercase());
                assert!(told, "{name}: {word}: {text}");
            }
        }
        // Nothing else is: the new file of the split lock is in order.
        assert_eq!(report.locks().len(), REASONS.len(), "{:#}", report.document);
    }
}

#[test]
fn ten_things_hang_for_ten_reasons() {
    let Some(ten) = Ten::of(Viewer::Ourselves) else { return };
    ten.are_all_told();
}

#[test]
fn the_user_whose_they_are_is_told_as_well() {
    let Some(ten) = Ten::of(Viewer::Nobody) else { return };
    ten.are_all_told();
}
