use proptest::prelude::*;

use super::*;
use crate::model::harmless;

fn file(bytes: impl AsRef<[u8]>) -> Content {
    Content::File(Excerpt { bytes: bytes.as_ref().to_vec(), cut: false })
}

/// The beginning of something longer.
fn cut(bytes: impl AsRef<[u8]>) -> Content {
    Content::File(Excerpt { bytes: bytes.as_ref().to_vec(), cut: true })
}

fn link(target: impl AsRef<[u8]>) -> Content {
    Content::Link(target.as_ref().to_vec())
}

fn read(reader: Reader, content: &Content) -> Result<Owner, String> {
    reader.read(Path::new("/run/x.lock"), content)
}

fn owner(reader: Reader, content: &Content) -> Owner {
    read(reader, content).unwrap_or_else(|why| panic!("{}: {why}", reader.word()))
}

fn pid(reader: Reader, content: &Content) -> Option<i64> {
    owner(reader, content).pid
}

fn why(reader: Reader, content: &Content) -> String {
    read(reader, content).unwrap_err()
}

/// Pid, host and user.
fn who(owner: &Owner) -> (Option<i64>, Option<&str>, Option<&str>) {
    (owner.pid, owner.host.as_deref(), owner.user.as_deref())
}

macro_rules! corpus {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/corpus/owners/", $name))
    };
}

#[test]
fn a_number_stands_in_the_first_line() {
    for text in ["4242", "4242\n", "  4242\n", "      4242\n", "4242\r\n", "4242\n\n", "4242\0"] {
        assert_eq!(pid(Reader::Pid, &file(text)), Some(4242), "{text:?}");
    }
    // It is told as it is written.
    assert_eq!(pid(Reader::Pid, &file("-1")), Some(-1));
    assert_eq!(pid(Reader::Pid, &file("0")), Some(0));
    assert_eq!(pid(Reader::Pid, &file(i64::MAX.to_string())), Some(i64::MAX));
    assert_eq!(pid(Reader::Pid, &file(corpus!("xvfb-21.X0-lock"))), Some(6797));
}

#[test]
fn what_is_no_number_is_said() {
    for text in ["x", "12 34", "12x", "+12", "1.5", "--1", "-", "9223372036854775808", "\n12"] {
        let why = why(Reader::Pid, &file(text));
        assert!(why == "its first line is no number" || why.contains("more lines"), "{why}");
    }
    assert_eq!(why(Reader::Pid, &file("12\nx")), "it has more lines than a number");
    assert_eq!(why(Reader::Pid, &file("")), "it is empty");
    assert_eq!(why(Reader::Pid, &file(" \n\n")), "it is empty");
    assert_eq!(why(Reader::Pid, &file("\0")), "it is empty");
    assert_eq!(why(Reader::Pid, &file(b"\xff12")), "it is no text");
    assert_eq!(why(Reader::Pid, &file("1\x002")), "it is no text");
    assert_eq!(why(Reader::Pid, &cut("12\n")), "it is longer than any such file");
    assert_eq!(why(Reader::Pid, &link("12")), "it is a symbolic link and not a file");
}

#[test]
fn what_could_not_be_read_says_why() {
    let pipe = Content::Unread { form: Form::File, why: "it is a pipe".into() };
    for reader in Reader::ALL.into_iter().filter(|reader| *reader != Reader::Aside) {
        assert_eq!(why(reader, &pipe), "it is a pipe");
    }
}

#[test]
fn what_was_taken_aside_says_by_whom() {
    let read = |path: &str| Reader::Aside.read(Path::new(path), &link("anything"));
    assert_eq!(read("/srv/.locktop-4242-0123456789abcdef").unwrap().pid, Some(4242));
    for path in ["/srv/.locktop-x-1", "/srv/.locktop-1", "/srv/x", "/"] {
        assert!(read(path).is_err(), "{path}");
    }
}

#[test]
fn garbage_collection_names_its_machine() {
    let owner = owner(Reader::PidHost, &file(corpus!("git-2.39-gc.pid")));
    assert_eq!(who(&owner), (Some(32118), Some("vm"), None));
    assert_eq!(why(Reader::PidHost, &file("12")), "it is not a number and the name of a machine");
    assert_eq!(why(Reader::PidHost, &file("vm 12")), "its first word is no number");
    assert_eq!(why(Reader::PidHost, &file("12 a/b")), "its second word is no name of a machine");
}

#[test]
fn serial_lines_have_digits_or_bytes() {
    assert_eq!(pid(Reader::Uucp, &file("      4242\n")), Some(4242));
    assert_eq!(pid(Reader::Uucp, &file("      4242 minicom alice\n")), Some(4242));
    assert_eq!(pid(Reader::Uucp, &file(4242_i32.to_ne_bytes())), Some(4242));
    assert_eq!(why(Reader::Uucp, &file("minicom 4242")), "its first word is no number");
}

#[test]
fn git_writes_a_word_and_a_number() {
    assert_eq!(pid(Reader::Git, &file("pid 4242\n")), Some(4242));
    for text in ["4242\n", "pid\n", "pid x\n", "pid 1\n2\n", "pid  1\n"] {
        assert_eq!(why(Reader::Git, &file(text)), "it does not read 'pid' and a number", "{text}");
    }
}

#[test]
fn postgresql_says_when_it_started() {
    for bytes in
        [&corpus!("postgresql-15-postmaster.pid")[..], corpus!("postgresql-15-socket.lock")]
    {
        let owner = owner(Reader::Postmaster, &file(bytes));
        assert_eq!(owner.pid, Some(31890));
        assert_eq!(owner.started_at.unwrap().as_second(), 1_795_272_620);
        assert_eq!(owner.purpose.as_deref(), Some("server of /srv/pg/data"));
    }
    let backend = owner(Reader::Postmaster, &file("-12\n/d\n1795272620\n"));
    assert_eq!(
        (backend.pid, backend.purpose.as_deref()),
        (Some(12), Some("standalone backend of /d"))
    );
    let why = |text: &str| why(Reader::Postmaster, &file(text));
    assert_eq!(why("x\n/d\n1\n"), "its first line is no number");
    assert_eq!(why("1\n"), "it ends after the first line");
    assert_eq!(why("1\n/d\n"), "it ends after the second line");
    assert_eq!(why("1\n/d\nnever\n"), "its third line is no time");
    assert_eq!(why("1\n/d\n-5\n"), "its third line is no time");
    assert_eq!(why("1\n/d\n9223372036854775807\n"), "its third line is no time");
    assert_eq!(why("-9223372036854775808\n/d\n1\n"), "its first line is no number");
}

#[test]
fn terraform_tells_who_and_what_but_no_process() {
    let of = |content: &Content| owner(Reader::Terraform, content);
    let real = of(&file(corpus!("terraform-1.11.tfstate.lock.info")));
    assert_eq!(who(&real), (None, Some("vm"), Some("root")));
    assert_eq!(real.taken_at.unwrap().to_string(), "2026-11-21T15:05:17.028033375Z");
    assert_eq!(
        real.purpose.as_deref(),
        Some("OperationTypeApply, lock fa95dd03-c3d1-13bf-b18a-58b7c654da02")
    );
    let with = |who: &str| {
        file(format!(
            r#"{{"ID":"1","Operation":"plan","Who":"{who}","Created":"2026-11-21T15:05:17Z"}}"#
        ))
    };
    assert_eq!(who(&of(&with("a@b@vm"))).2, Some("a@b"));
    assert_eq!(who(&of(&with("@"))), (None, None, None));
    assert_eq!(why(Reader::Terraform, &with("root")), "its 'Who' is not USER@HOST");
    for text in ["{}", "[1]", "{\"ID\":1}", "x", "{\"ID\":\"1\",\"Created\":\"never\"}"] {
        let why = why(Reader::Terraform, &file(text));
        assert!(why.starts_with("it is not what Terraform writes"), "{why}");
    }
}

#[test]
fn vim_and_neovim_tell_the_same() {
    let of = |bytes: &[u8]| owner(Reader::Vim, &cut(bytes));
    let vim = of(corpus!("vim-9.0"));
    assert_eq!(who(&vim), (Some(29324), Some("vm"), Some("root")));
    assert_eq!(vim.purpose.as_deref(), Some("editing /tmp/owners/other"));
    let changed = of(corpus!("vim-9.0-changed"));
    assert_eq!(changed.purpose.as_deref(), Some("editing /tmp/owners/note, with unsaved changes"));
    let nvim = of(corpus!("nvim-0.7-changed"));
    assert_eq!(who(&nvim), (Some(29436), Some("vm"), Some("root")));
    assert_eq!(nvim.taken_at, None);
}

#[test]
fn what_is_no_swap_file_is_said() {
    let sample = corpus!("vim-9.0");
    assert_eq!(
        why(Reader::Vim, &file(&sample[..1007])),
        "it is shorter than the header of a swap file"
    );
    assert_eq!(why(Reader::Vim, &file("")), "it is empty");
    let mut other = *sample;
    other[1] = b'x';
    assert_eq!(why(Reader::Vim, &cut(other)), "it is no swap file of Vim or Neovim");
    let mut unwritten = *sample;
    unwritten[24..28].fill(0);
    assert_eq!(pid(Reader::Vim, &cut(unwritten)), None);
    // A machine's name without an end may have been cut.
    let mut long = *sample;
    long[68..108].fill(b'a');
    assert_eq!(owner(Reader::Vim, &cut(long)).host, None);
}

#[test]
fn emacs_names_user_machine_process_and_start() {
    let who_of = |text: &str| {
        let owner = owner(Reader::Emacs, &link(text));
        let boot = owner.booted_at.map(jiff::Timestamp::as_second);
        (
            owner.user.as_deref().map(str::to_owned),
            owner.host.map(|it| it.to_string()),
            owner.pid,
            boot,
        )
    };
    let some = |text: &str| Some(text.to_owned());
    let sample = str::from_utf8(corpus!("emacs-28.link")).unwrap();
    assert_eq!(who_of(sample), (some("root"), some("vm"), Some(29500), None));
    assert_eq!(
        who_of("alice@web-01.example.org.4242:1795250251"),
        (some("alice"), some("web-01.example.org"), Some(4242), Some(1_795_250_251))
    );
    assert_eq!(
        who_of("a@corp@vm.4242\u{f022}1795250251"),
        (some("a@corp"), some("vm"), Some(4242), Some(1_795_250_251))
    );
    assert_eq!(who_of("@vm.1"), (None, some("vm"), Some(1), None));
    // Where there are no links, it is a file.
    assert_eq!(pid(Reader::Emacs, &file("root@vm.29500")), Some(29500));
    for text in ["", "x", "a@b", "a@b.x", "a@b.1:", "a@b.1:x", "a@b.1:2:3", "a@b.1\n", "a@b.-1"] {
        let why = why(Reader::Emacs, &link(text));
        assert_eq!(why, "it is not USER@HOST.PID, as Emacs writes it", "{text}");
    }
    let revision = "1.3 of a file that was merged\n".repeat(9);
    assert!(read(Reader::Emacs, &file(revision)).is_err());
}

#[test]
fn browsers_name_machine_and_process() {
    let chromium = |text: &str| read(Reader::Chromium, &link(text));
    assert_eq!(who(&chromium("web-01-4242").unwrap()), (Some(4242), Some("web-01"), None));
    for text in ["", "4242", "web", "web-", "-4242", "web-x"] {
        assert!(chromium(text).is_err(), "{text}");
    }
    let firefox = |text: &str| read(Reader::Firefox, &link(text));
    assert_eq!(who(&firefox("127.0.1.1:+4242").unwrap()), (Some(4242), None, None));
    assert_eq!(who(&firefox("10.0.0.7:4242").unwrap()), (Some(4242), Some("10.0.0.7"), None));
    for text in ["", "4242", "web:+4242", "10.0.0.7:", "10.0.0.7:+x"] {
        assert!(firefox(text).is_err(), "{text}");
    }
    assert_eq!(why(Reader::Chromium, &file("web-1")), "it is a file and not a symbolic link");
}

#[test]
fn peoples_own_formats_are_read_where_they_mean_one_thing() {
    let of = |text: &str| read(Reader::Text, &file(text)).unwrap();
    assert_eq!(who(&of("4242\n")), (Some(4242), None, None));
    assert_eq!(who(&of("pid 4242\n")), (Some(4242), None, None));
    assert_eq!(who(&of("pid=4242\nowner=client\ncwd=/x\n")), (Some(4242), None, None));
    assert_eq!(
        who(&of("PID: 4242\nHost: web-01\nUser: alice\nsince: 12:30\n")),
        (Some(4242), Some("web-01"), Some("alice"))
    );
    assert_eq!(
        who(&of(r#"{"pid": 4242, "hostname": "web-01", "x": [1]}"#)),
        (Some(4242), Some("web-01"), None)
    );
    assert_eq!(who(&of(r#"{"process_id": "4242"}"#)), (Some(4242), None, None));
    assert_eq!(who(&of(r#"{"host": "web-01"}"#)), (None, Some("web-01"), None));
    // As this program writes them.
    let ours = read(Reader::Text, &link("web-01:4242")).unwrap();
    assert_eq!(who(&ours), (Some(4242), Some("web-01"), None));
    assert_eq!(pid(Reader::Text, &link("4242")), Some(4242));
}

#[test]
fn what_could_mean_two_things_is_not_read() {
    let no = |content: &Content| why(Reader::Text, content);
    let format = "it is in no format that is known";
    for text in ["localhost:5432", "12 34", "12:34", "started by alice", "4242 web-01", "12\n34"] {
        assert_eq!(no(&file(text)), format, "{text}");
    }
    assert_eq!(no(&file("pid=1\npid=2\n")), "it gives 'pid' more than once");
    assert_eq!(no(&file(r#"{"pid": 1, "PID": 2}"#)), "it gives 'pid' more than once");
    assert_eq!(no(&file("owner=alice\n")), "it names no process and no machine");
    assert_eq!(no(&file("{}")), "it names no process and no machine");
    assert_eq!(no(&file("{pid")), "it begins like JSON and is none");
    // A time, no process.
    for text in ["1795250251", "0", "-1"] {
        assert_eq!(no(&file(text)), "its number cannot be that of a process", "{text}");
    }
    assert_eq!(no(&link("10.0.0.7:4242")), "it does not point to HOST:PID");
    assert_eq!(no(&link("/etc/passwd")), format);
    let folder = Content::Folder { names: vec!["pid".into()], cut: false };
    assert_eq!(no(&folder), "it is a folder and not a file");
}

#[test]
fn words_in_the_catalogue_are_those_in_json() {
    for reader in Reader::ALL {
        assert_eq!(serde_json::to_value(reader).unwrap(), reader.word());
    }
}

fn any_content() -> impl Strategy<Value = Content> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        proptest::collection::vec(any::<u8>(), 1000..4096),
        "[-0-9a-z@.:+= \\n{}\"\u{0}\u{1b}]{0,40}".prop_map(String::into_bytes),
        (0..4096_usize, any::<u8>()).prop_map(|(at, byte)| {
            let mut sample = corpus!("vim-9.0").to_vec();
            sample[at] = byte;
            sample
        }),
    ];
    (bytes, 0..4).prop_map(|(bytes, kind)| match kind {
        0 => link(bytes),
        1 => cut(bytes),
        2 => Content::Folder {
            names: vec![String::from_utf8_lossy(&bytes).into_owned().into()],
            cut: false,
        },
        _ => file(bytes),
    })
}

proptest! {
    #[test]
    fn whatever_it_says_there_is_an_answer_that_does_no_harm(content in any_content()) {
        for reader in Reader::ALL {
            if let Err(why) = read(reader, &content) {
                prop_assert!(!why.is_empty());
                prop_assert_eq!(harmless(&why), why.as_str());
            }
        }
    }

    #[test]
    fn what_is_read_was_written(number in any::<i32>()) {
        let text = number.to_string();
        prop_assert_eq!(pid(Reader::Pid, &file(&text)), Some(i64::from(number)));
        let link = link(format!("web:{text}"));
        if let Ok(owner) = read(Reader::Text, &link) {
            prop_assert_eq!(owner.pid, Some(i64::from(number)));
        }
    }
}
