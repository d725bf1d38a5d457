//! Names made harmless before they reach a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with everything escaped that a terminal could act on or that would deceive the eye:
/// control characters (C0, C1, DEL), bidirectional marks, other invisible format characters, line
/// and paragraph separators. Escapes read like Rust's: `\n`, `\x1b`, `\u{202e}`.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        push_harmless(&mut safe, c);
    }
    Cow::Owned(safe)
}

/// The same for bytes; what is not UTF-8 reads `\xff`.
#[must_use]
pub fn harmless_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return harmless(text);
    }
    let mut safe = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_harmless(&mut safe, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    Cow::Owned(safe)
}

fn push_harmless(safe: &mut String, c: char) {
    if !is_harmful(c) {
        safe.push(c);
        return;
    }
    let _ = match c {
        '\n' => safe.write_str("\\n"),
        '\t' => safe.write_str("\\t"),
        '\r' => safe.write_str("\\r"),
        c if (c as u32) < 0x100 => write!(safe, "\\x{:02x}", c as u32),
        c => write!(safe, "\\u{{{:x}}}", c as u32),
    };
}

/// Characters that are not to be printed as they are.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_is_not_copied() {
        assert!(matches!(harmless("/run/größe.lock"), Cow::Borrowed(_)));
    }

    #[test]
    fn terminals_get_no_orders() {
        assert_eq!(harmless("a\x1b[2Jb\n"), r"a\x1b[2Jb\n");
        assert_eq!(harmless("\u{9b}31m\u{202e}gpj"), r"\x9b31m\u{202e}gpj");
        assert_eq!(harmless_bytes(b"a\xff\x07"), r"a\xff\x07");
    }
}
