//! `locktop audit`: what was force-released.

use std::collections::HashSet;
use std::io::{self, Write};

use locktop::model::harmless;
use locktop::release::{AuditLog, Entry, Stage};
use serde::Serialize;

use super::args::{Audit, Global};
use super::failure::{Failure, Status};
use super::page::{self, FAINT, Page};
use super::wrap::wrap;
use super::{json, stderr};

/// What `audit --json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    path: &'a str,
    unreadable_lines: usize,
    entries: &'a [Entry],
}

/// Prints the log, oldest first.
pub(crate) fn run(audit: &Audit, global: Global) -> Result<Status, Failure> {
    let log = AuditLog::usual()?;
    let (entries, unread) = log.entries()?;
    let mut out = page::out();
    let path = log.path().to_string_lossy().into_owned();
    if audit.json {
        let document =
            Document { schema: 1, path: &path, unreadable_lines: unread, entries: &entries };
        json::print(&mut out, &document)?;
        out.flush()?;
    } else {
        print(&mut out, &entries, &Page::stdout(global))?;
        out.flush()?;
        if entries.is_empty() {
            stderr::remark(
                global,
                &format!("nothing was released yet: {} is empty", harmless(&path)),
            );
        }
    }
    if unread > 0 {
        let (lines, make) = if unread == 1 { ("line", "makes") } else { ("lines", "make") };
        let path = harmless(&path);
        stderr::error(&format!("{unread} {lines} of {path} {make} no sense: left out here"));
        return Ok(Status::Unreadable);
    }
    Ok(Status::Done)
}

/// Three lines for each act: when, who and what; to whom; and what came of it.
fn print(out: &mut impl Write, entries: &[Entry], page: &Page) -> io::Result<()> {
    let ended: HashSet<&str> = entries
        .iter()
        .filter(|entry| entry.stage != Stage::Begun)
        .map(|entry| entry.act.as_str())
        .collect();
    let tells = |entry: &&Entry| entry.stage != Stage::Begun || !ended.contains(entry.act.as_str());
    for entry in entries.iter().filter(tells) {
        let word = |name: &str| harmless(entry.plan[name].as_str().unwrap_or("?")).into_owned();
        let at = entry.at.strftime("%Y-%m-%d %H:%M:%S");
        let head = format!("{at}Z  {}  {} {}", who(entry), word("method"), word("name"));
        writeln!(out, "{}", page.line(&head))?;
        writeln!(out, "{}", page.paint(&page.line(&format!("  {}", whom(entry))), FAINT))?;
        let came = match entry.stage {
            Stage::Begun => {
                "begun, and what came of it is not known: locktop is still at it, or ended meanwhile".into()
            }
            stage => format!("{}: {}", stage.word(), harmless(entry.came_of_it())),
        };
        writeln!(out, "{}", wrap(&came, "  ", page.width))?;
    }
    Ok(())
}

fn who(entry: &Entry) -> String {
    let uid = entry.by.uid.map_or_else(|| "?".into(), |uid| uid.to_string());
    let sudo = entry.by.sudo_user.as_deref();
    let sudo = sudo.map_or_else(String::new, |user| format!(" (sudo: {})", harmless(user)));
    let tty = entry.by.tty.as_deref();
    let tty = tty.map_or_else(String::new, |tty| format!(" on {}", harmless(tty)));
    format!("uid {uid}{sudo}{tty}")
}

/// The processes that it was to touch.
fn whom(entry: &Entry) -> String {
    let victims = entry.plan["victims"].as_array().map_or(&[][..], Vec::as_slice);
    let names = victims.iter().map(|victim| {
        let command = harmless(victim["command"].as_str().unwrap_or("?")).into_owned();
        let pid = victim["pid"].as_i64().unwrap_or_default();
        let user = harmless(victim["user"].as_str().unwrap_or("?")).into_owned();
        format!("{command} (pid {pid}, {user})")
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() { "nobody".into() } else { names.join(", ") }
}
