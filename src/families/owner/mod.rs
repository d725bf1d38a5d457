//! Whom a lock on disk names as its owner, by its format: what is read is what somebody wrote.

mod aside;
mod chromium;
mod emacs;
mod firefox;
mod git;
mod number;
mod postmaster;
mod say;
mod terraform;
#[cfg(test)]
mod tests;
mod text;
mod uucp;
mod vim;

use std::path::Path;

use serde::Serialize;

pub(super) use say::Speaker;

use crate::model::{Content, Excerpt, Form, Owner};

/// How the owner of a lock on disk is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reader {
    /// Its name: that of what we take aside, or make aside.
    Aside,
    /// A decimal number alone in the first line, with blanks around it.
    Pid,
    /// A number and the name of a machine, as `gc.pid` of git.
    PidHost,
    /// A number, in digits or as four bytes, as in the lock of a serial line.
    Uucp,
    /// `pid N`, as git writes it beside its locks if it is told to.
    Git,
    /// As in `postmaster.pid`: the number, and in the third line when it started.
    Postmaster,
    /// Terraform's JSON.
    Terraform,
    /// The header of a swap file of Vim or Neovim.
    Vim,
    /// `USER@HOST.PID:BOOT`, a symbolic link's or a file's.
    Emacs,
    /// A symbolic link to `HOST-PID`.
    Chromium,
    /// A symbolic link to `ADDRESS:+PID`.
    Firefox,
    /// Nothing is said of it.
    Nothing,
    /// Something that people write by themselves: JSON, `pid=N`, `HOST:PID`, or the number alone.
    Text,
}

impl Reader {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Aside,
        Self::Pid,
        Self::PidHost,
        Self::Uucp,
        Self::Git,
        Self::Postmaster,
        Self::Terraform,
        Self::Vim,
        Self::Emacs,
        Self::Chromium,
        Self::Firefox,
        Self::Nothing,
        Self::Text,
    ];

    /// The word in the catalogue.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Aside => "aside",
            Self::Pid => "pid",
            Self::PidHost => "pid-host",
            Self::Uucp => "uucp",
            Self::Git => "git",
            Self::Postmaster => "postmaster",
            Self::Terraform => "terraform",
            Self::Vim => "vim",
            Self::Emacs => "emacs",
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::Nothing => "nothing",
            Self::Text => "text",
        }
    }

    /// Where the owner stands, for people.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Aside => "the number in its name",
            Self::Pid | Self::Uucp => "a number in it",
            Self::PidHost => "a number and the name of a machine in it",
            Self::Git => "'pid N'",
            Self::Postmaster => "its first line, and when it started in the third",
            Self::Terraform => "user and machine in its JSON, but no process",
            Self::Vim => "the header of the swap file",
            Self::Emacs => "USER@HOST.PID, to which it points",
            Self::Chromium => "HOST-PID, to which it points",
            Self::Firefox => "ADDRESS:+PID, to which it points",
            Self::Nothing => "it does not say",
            Self::Text => "a number, pid=N or JSON in it, or HOST:PID to which it points",
        }
    }

    /// Whom the content names.
    ///
    /// # Errors
    /// Why nobody can be told from it, as a clause: `it is empty`. Harmless to print.
    pub(crate) fn read(self, path: &Path, content: &Content) -> Result<Owner, String> {
        match (self, content) {
            (Self::Aside, _) => return aside::read(path),
            (_, Content::Unread { why, .. }) => return Err(why.clone()),
            _ => {}
        }
        match self {
            Self::Aside => aside::read(path),
            Self::Pid => whole(content).and_then(number::alone),
            Self::PidHost => whole(content).and_then(number::with_host),
            Self::Uucp => whole(content).and_then(uucp::read),
            Self::Git => whole(content).and_then(git::read),
            Self::Postmaster => whole(content).and_then(postmaster::read),
            Self::Terraform => whole(content).and_then(terraform::read),
            // Only its header is of interest.
            Self::Vim => beginning(content).and_then(vim::read),
            Self::Emacs => said(content).and_then(emacs::read),
            Self::Chromium => target(content).and_then(chromium::read),
            Self::Firefox => target(content).and_then(firefox::read),
            Self::Nothing => Err("such a lock does not say whose it is".into()),
            Self::Text => match content {
                Content::Link(target) => text::of_link(target),
                _ => whole(content).and_then(text::of_file),
            },
        }
    }
}

/// The bytes of a file, all of them.
fn whole(content: &Content) -> Result<&[u8], String> {
    match content {
        Content::File(Excerpt { cut: true, .. }) => Err("it is longer than any such file".into()),
        _ => beginning(content),
    }
}

fn beginning(content: &Content) -> Result<&[u8], String> {
    match content {
        Content::File(Excerpt { bytes, .. }) if bytes.is_empty() => Err("it is empty".into()),
        Content::File(Excerpt { bytes, .. }) => Ok(bytes),
        _ => Err(not_a(Form::File, content)),
    }
}

/// What a symbolic link points to.
fn target(content: &Content) -> Result<&[u8], String> {
    match content {
        Content::Link(target) => Ok(target),
        _ => Err(not_a(Form::Link, content)),
    }
}

/// What a file or a link says.
fn said(content: &Content) -> Result<&[u8], String> {
    match content {
        Content::Link(target) => Ok(target),
        _ => whole(content),
    }
}

fn not_a(wanted: Form, content: &Content) -> String {
    format!("it is a {} and not a {}", content.form().word(), wanted.word())
}
