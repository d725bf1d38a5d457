//! What is typed is heard, whatever else happens.

use super::terminal::{Held, Terminal};

#[test]
fn no_key_is_lost_while_the_size_changes() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("A\x15");
    let text: String = ('a'..='z').cycle().take(300).collect();
    let sizes = [(80, 24), (40, 15), (100, 30), (20, 3)];
    for (key, (width, height)) in text.chars().zip(sizes.into_iter().cycle()) {
        terminal.resize(width, height);
        terminal.press(&key.to_string());
    }
    // All of it fits into a line here.
    terminal.resize(400, 30);
    terminal.shows(&text);
    terminal.press("\x1b");
    terminal.hides(&text);
    terminal.press("q");
    assert!(terminal.ends().success());
}
