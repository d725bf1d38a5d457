//! The arguments of `catalogue`.

use std::ffi::OsString;

/// `locktop catalogue`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{NOTES}\n\n{EXAMPLES}"))]
pub(crate) struct Catalogue {
    /// Tell in full what is known of these; nothing need be there
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

const NOTES: &str = "\
Entries of your own go into $XDG_CONFIG_HOME/locktop/catalogue.toml, or else
~/.config/locktop/catalogue.toml, the machine's into /etc/locktop/catalogue.toml:
    [[lock]]
    name = \"nightly backup\"
    path = \"/run/backup/*.lock\"
    family = \"flock\"
For the same path, yours come before the machine's, and those before what comes
with locktop. Such a file is read only if nobody but root and you can write to it.
Exit status 1 says that a PATH is no well-known lock.";

const EXAMPLES: &str = "\
Examples:
  locktop catalogue                        all of them
  locktop catalogue .git/index.lock        what to know before breaking it";
