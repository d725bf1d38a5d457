//! What `locktop ls --json` printed.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

/// One document.
#[derive(Debug)]
pub struct Report {
    /// The document.
    pub document: Value,
}

impl Report {
    /// Reads what was printed; panics unless it is a document of a look that succeeded.
    #[track_caller]
    pub fn of(output: Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        assert_eq!(output.status.code(), Some(0), "{said}{printed}");
        let document = serde_json::from_str(&printed).unwrap_or_else(|error| {
            panic!("not a JSON document: {error}\n{printed}");
        });
        Self { document }
    }

    /// All locks.
    pub fn locks(&self) -> &Vec<Value> {
        self.document["locks"].as_array().expect("a document has locks")
    }

    /// The locks of that path.
    pub fn all_at(&self, path: &Path) -> Vec<&Value> {
        let path = path.to_str().expect("the path is UTF-8");
        self.locks().iter().filter(|lock| lock["path"] == path).collect()
    }

    /// The only lock of that path.
    #[track_caller]
    pub fn at(&self, path: &Path) -> &Value {
        let found = self.all_at(path);
        let [lock] = found[..] else {
            panic!("{} locks at {}, not one: {:#}", found.len(), path.display(), self.document);
        };
        lock
    }

    /// The notes with that code.
    pub fn notes(&self, code: &str) -> Vec<&Value> {
        let notes = self.document["notes"].as_array().expect("a document has notes");
        notes.iter().filter(|note| note["code"] == code).collect()
    }

    /// The circles in which that process is.
    pub fn deadlocks_of(&self, pid: i32) -> Vec<&Value> {
        let circles = self.document["deadlocks"].as_array().expect("a document has deadlocks");
        let has = |circle: &&Value| pids(&circle["members"]).contains(&Some(pid));
        circles.iter().filter(has).collect()
    }
}

/// The pids of holders, waiters, blockers or members, in their order.
#[track_caller]
pub fn pids(people: &Value) -> Vec<Option<i32>> {
    let people = people.as_array().unwrap_or_else(|| panic!("not a list: {people}"));
    people.iter().map(|person| person["pid"].as_i64().map(|pid| pid as i32)).collect()
}
