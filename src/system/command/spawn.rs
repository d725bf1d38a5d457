//! `posix_spawn(3)`, which the standard library offers with our own mask of signals only.

#![expect(unsafe_code, reason = "no safe wrapper exists for posix_spawn(3)")]

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::ptr;

use rustix::process::Pid;

use super::Order;
use super::signals::{Signals, set_of};

/// Starts it without copying our memory.
pub(super) fn spawn(order: &Order<'_>, signals: &Signals) -> io::Result<Pid> {
    let program = c_string(order.program)?;
    let arguments = std::iter::once(order.program)
        .chain(order.arguments.iter().map(OsString::as_os_str))
        .map(c_string)
        .collect::<io::Result<Vec<_>>>()?;
    let environment = environment(order)?;
    let (arguments, environment) = (pointers(&arguments), pointers(&environment));
    let actions = Actions::inheriting(order)?;
    let attributes = Attributes::with_mask(signals.before())?;
    let mut pid = 0;
    // SAFETY: all pointers are to values that live during the call, and both lists end with null.
    succeeded(unsafe {
        libc::posix_spawnp(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    })?;
    Pid::from_raw(pid).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_encoded_bytes())?)
}

fn pointers(texts: &[CString]) -> Vec<*mut libc::c_char> {
    let texts = texts.iter().map(|text| text.as_ptr().cast_mut());
    texts.chain([ptr::null_mut()]).collect()
}

/// Ours, with what the order changes.
fn environment(order: &Order<'_>) -> io::Result<Vec<CString>> {
    let changed = |name: &OsStr| order.environment.iter().any(|(changed, _)| name == *changed);
    let kept = std::env::vars_os().filter(|(name, _)| !changed(name));
    let set = order.environment.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| (OsString::from(name), value.clone()))
    });
    let variable = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        Ok(CString::new(name.into_vec())?)
    };
    kept.chain(set).map(variable).collect()
}

fn succeeded(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn inheriting(order: &Order<'_>) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: fills the actions in.
        succeeded(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: they were filled in.
        let mut actions = Self(unsafe { actions.assume_init() });
        for file in &order.inherits {
            let fd = file.as_raw_fd();
            // Onto itself: it is then not closed by exec.
            // SAFETY: the actions were filled in, and the call checks the numbers.
            succeeded(unsafe {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions.0, fd, fd)
            })?;
        }
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: they were filled in, and are not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    /// With that mask of signals; and a broken pipe ends the command, though Rust has us ignore
    /// that.
    fn with_mask(mask: &libc::sigset_t) -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: fills the attributes in.
        succeeded(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: they were filled in.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let default = set_of(&[libc::SIGPIPE]);
        // SAFETY: the attributes were filled in, and the sets live during the calls.
        unsafe {
            succeeded(libc::posix_spawnattr_setsigmask(&raw mut attributes.0, mask))?;
            succeeded(libc::posix_spawnattr_setsigdefault(
                &raw mut attributes.0,
                &raw const default,
            ))?;
            succeeded(libc::posix_spawnattr_setflags(
                &raw mut attributes.0,
                flags as libc::c_short,
            ))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they were filled in, and are not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}
