//! `locktop explain`: a lock in sentences.

use std::io::{self, Write};

use locktop::diagnose::{self, Explanation};
use locktop::model::{Lock, Pid, harmless_bytes};
use locktop::{Folders, Inspector, Memory, Snapshot, Target, release};
use serde::Serialize;

use super::args::{Explain, Global};
use super::failure::{Failure, Status};
use super::json::{self, Head};
use super::page::{self, BOLD, Page};
use super::pick::Pick;
use super::stderr;
use super::wrap::wrap;

/// Queues are chains in the kernel; below this depth they are drawn straight.
const DEEPEST: u32 = 12;

/// Looks once and explains the locks that the target names.
pub(crate) fn run(explain: &Explain, global: Global) -> Result<Status, Failure> {
    let target = Target::parse(&explain.target)?;
    let mut inspector = Inspector::new()?;
    inspector.expect_at(std::slice::from_ref(&target), Folders::Themselves);
    let forgotten = inspector.recall(&mut Memory::usual());
    let mut snapshot =
        inspector.snapshot_about(std::slice::from_ref(&target), Folders::Themselves)?;
    snapshot.notes.extend(forgotten);
    snapshot.notes.extend(release::leftovers(std::slice::from_ref(&target)));
    stderr::cost(&snapshot, global);
    let pick =
        Pick::of(&mut inspector, &snapshot, std::slice::from_ref(&target), Folders::Themselves)?;
    let told: Vec<Told> = if let Target::Pid(pid) = target {
        vec![Told::process(pid, &snapshot)]
    } else {
        let locks = snapshot.locks.iter().filter(|lock| pick.contains(lock));
        locks.map(|lock| Told::lock(lock, &snapshot)).collect()
    };

    let mut out = page::out();
    if explain.json {
        json::print(&mut out, &Document::of(&snapshot, &told))?;
        out.flush()?;
        return Ok(pick.status);
    }
    if told.is_empty() {
        let asked = harmless_bytes(explain.target.as_encoded_bytes());
        if is_folder(&mut inspector, &snapshot, &target) {
            writeln!(
                out,
                "nobody holds a lock on the folder {asked} itself; 'locktop ls' shows those below it"
            )?;
        } else {
            writeln!(out, "nobody holds a lock on {asked}")?;
        }
    }
    let page = Page::stdout(global);
    for (index, one) in told.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        print(&mut out, &one.explanation, &page)?;
    }
    out.flush()?;
    // What bears on an explanation stands in it; where there is none, the notes say why.
    if told.is_empty() {
        stderr::notes(&snapshot, global);
    }
    Ok(pick.status)
}

/// Whether other commands mean what is below it by that.
fn is_folder(inspector: &mut Inspector, snapshot: &Snapshot, target: &Target) -> bool {
    let meant = inspector.select(snapshot, std::slice::from_ref(target), Folders::Below);
    // One that may not be listed is of no help there either.
    matches!(target, Target::Path(_)) && meant.is_ok_and(|meant| meant.reaches_below())
}

/// An explanation and what it is of.
#[derive(Debug, Serialize)]
struct Told<'a> {
    lock: Option<&'a Lock>,
    pid: Option<Pid>,
    #[serde(flatten)]
    explanation: Explanation,
}

impl<'a> Told<'a> {
    fn lock(lock: &'a Lock, snapshot: &Snapshot) -> Self {
        Self { lock: Some(lock), pid: None, explanation: diagnose::explain(lock, snapshot) }
    }

    fn process(pid: Pid, snapshot: &Snapshot) -> Self {
        let explanation = diagnose::explain_process(pid, snapshot);
        Self { lock: None, pid: Some(pid), explanation }
    }
}

/// What `explain --json` prints: the head of the document of `ls --json`, and the explanations.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    explanations: &'a [Told<'a>],
}

impl<'a> Document<'a> {
    fn of(snapshot: &'a Snapshot, explanations: &'a [Told<'a>]) -> Self {
        Self { head: Head::of(snapshot), explanations }
    }
}

/// Writes one explanation as prose.
fn print(out: &mut impl Write, told: &Explanation, page: &Page) -> io::Result<()> {
    let lines = |text: &str, first: &str| wrap(text, first, page.width);
    writeln!(out, "{}", page.paint(&lines(&told.headline, ""), BOLD))?;
    if !told.sentences.is_empty() {
        writeln!(out, "{}", lines(&told.sentences.join(" "), ""))?;
    }
    if !told.queue.is_empty() {
        writeln!(out, "Queue:")?;
    }
    for line in &told.queue {
        let indent = "  ".repeat(line.depth.clamp(1, DEEPEST) as usize);
        writeln!(out, "{}", lines(&line.text, &indent))?;
    }
    if !told.next.is_empty() {
        writeln!(out, "What can be done, least harm first:")?;
    }
    for advice in &told.next {
        writeln!(out, "{}", lines(&advice.text, "  - "))?;
        if let Some(command) = &advice.command {
            // In one line, so that it can be copied.
            writeln!(out, "      {command}")?;
        }
    }
    if !told.unseen.is_empty() {
        writeln!(out, "What could not be seen:")?;
    }
    for reason in &told.unseen {
        writeln!(out, "{}", lines(reason, "  - "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use locktop::diagnose::{Advice, QueueLine};

    use super::super::sample;
    use super::*;

    fn explanation() -> Explanation {
        Explanation {
            headline: "/run/backup.lock (flock, exclusive) is orphaned".into(),
            sentences: vec![
                "Whoever took it (pid 3246) has ended.".into(),
                "rsync (pid 3244), left behind, keeps it through descriptor 9.".into(),
            ],
            queue: vec![
                QueueLine {
                    depth: 1,
                    text: "flock 3247 (root) waits 1m02s in the kernel's queue".into(),
                },
                QueueLine { depth: 2, text: "bash 3249 (root) waits 44s".into() },
            ],
            next: vec![
                Advice { text: "Wait until rsync has ended.".into(), command: None },
                Advice {
                    text: "End rsync.".into(),
                    command: Some("kill 3244 # asks it to end, and it may refuse".into()),
                },
            ],
            unseen: vec!["14 processes of other users could not be read".into()],
        }
    }

    fn prose(page: &Page) -> String {
        let mut out = Vec::new();
        print(&mut out, &explanation(), page).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prose_is_wrapped_on_a_terminal_only() {
        insta::assert_snapshot!(prose(&Page::PIPE), @r#"
        /run/backup.lock (flock, exclusive) is orphaned
        Whoever took it (pid 3246) has ended. rsync (pid 3244), left behind, keeps it through descriptor 9.
        Queue:
          flock 3247 (root) waits 1m02s in the kernel's queue
            bash 3249 (root) waits 44s
        What can be done, least harm first:
          - Wait until rsync has ended.
          - End rsync.
              kill 3244 # asks it to end, and it may refuse
        What could not be seen:
          - 14 processes of other users could not be read
        "#);
        insta::assert_snapshot!(prose(&Page::terminal(40)), @r#"
        /run/backup.lock (flock, exclusive) is
        orphaned
        Whoever took it (pid 3246) has ended.
        rsync (pid 3244), left behind, keeps it
        through descriptor 9.
        Queue:
          flock 3247 (root) waits 1m02s in the
          kernel's queue
            bash 3249 (root) waits 44s
        What can be done, least harm first:
          - Wait until rsync has ended.
          - End rsync.
              kill 3244 # asks it to end, and it may refuse
        What could not be seen:
          - 14 processes of other users could
            not be read
        "#);
    }

    #[test]
    fn the_document_has_the_lock_and_what_is_said_of_it() {
        let snapshot = sample::snapshot();
        let told = [Told { lock: Some(&snapshot.locks[2]), pid: None, explanation: explanation() }];
        let document = serde_json::to_value(Document::of(&snapshot, &told)).unwrap();
        assert_eq!(document["explanations"][0]["lock"]["id"], "@flock:fe:00:10010699:~");
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(
            names(&document),
            ["boot_id", "complete", "explanations", "host", "looked_at", "notes", "schema"]
        );
        assert_eq!(
            names(&document["explanations"][0]),
            ["headline", "lock", "next", "pid", "queue", "sentences", "unseen"]
        );
    }
}
