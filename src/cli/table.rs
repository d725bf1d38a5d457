//! The table of `ls`: cut to the width of a terminal, whole in a pipe.

use std::io::{self, Write};

use locktop::model::Lock;
use unicode_width::UnicodeWidthStr as _;

use super::cell::{Cell, Cut, LEAST};
use super::columns::Column;
use super::page::{BOLD, Page, colour_of, cut_end};

/// Between columns.
const GAP: &str = "  ";

/// Writes a heading and a line for each lock.
pub(crate) fn print(
    out: &mut impl Write,
    locks: &[&Lock],
    columns: &[Column],
    page: &Page,
) -> io::Result<()> {
    let headings: Vec<String> = columns.iter().map(|column| column.heading()).collect();
    let rows: Vec<Vec<Cell>> = locks
        .iter()
        .map(|lock| columns.iter().map(|column| column.of(lock, page.glyphs)).collect())
        .collect();

    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.text.width().max(*width);
        }
    }
    if let Some(room) = page.width {
        fit(&mut widths, columns, room);
    }

    let heading = row(headings.iter().map(|text| (text.as_str(), BOLD)), &widths, page);
    writeln!(out, "{heading}")?;
    for (lock, cells) in locks.iter().zip(&rows) {
        let cells: Vec<_> = cells
            .iter()
            .zip(columns.iter().zip(&widths))
            .map(|(cell, (column, width))| {
                let text = cell.within(*width, column.cut(), page.glyphs.cut);
                (text, colour(*column, lock))
            })
            .collect();
        let cells = cells.iter().map(|(text, colour)| (text.as_ref(), *colour));
        writeln!(out, "{}", row(cells, &widths, page))?;
    }
    Ok(())
}

fn colour(column: Column, lock: &Lock) -> &'static str {
    if column == Column::Verdict { colour_of(lock.verdict) } else { "" }
}

/// Takes from the widest of the columns that can be cut until all fit.
fn fit(widths: &mut [usize], columns: &[Column], room: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
    while excess > 0 {
        let widest = widths
            .iter_mut()
            .zip(columns)
            .filter(|(width, column)| column.cut() != Cut::Never && **width > LEAST)
            .max_by_key(|(width, _)| **width);
        let Some((width, _)) = widest else { return };
        *width -= 1;
        excess -= 1;
    }
}

/// Cells side by side, each in its colour, as far as the page goes.
fn row<'a>(
    cells: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    widths: &[usize],
    page: &Page,
) -> String {
    let mut row = String::new();
    let mut room = page.width.unwrap_or(usize::MAX);
    let last = cells.len().saturating_sub(1);
    for (index, ((text, colour), width)) in cells.zip(widths).enumerate() {
        let gap = if index == 0 { "" } else { GAP };
        if room <= gap.len() {
            break;
        }
        room -= gap.len();
        let text = cut_end(text, room, page.glyphs.cut);
        room -= text.width();
        let padding = if index == last { 0 } else { width.saturating_sub(text.width()).min(room) };
        row += gap;
        row += &page.paint(&text, colour);
        row.extend(std::iter::repeat_n(' ', padding));
        room -= padding;
    }
    row
}

#[cfg(test)]
mod tests {
    use super::super::columns::DEFAULT;
    use super::super::sample;
    use super::*;
    use clap::ValueEnum as _;
    use locktop::model::{PathBytes, Verdict};

    fn table(locks: &[&Lock], columns: &[Column], page: &Page) -> String {
        let mut out = Vec::new();
        print(&mut out, locks, columns, page).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn sample_on(page: &Page) -> String {
        let snapshot = sample::snapshot();
        table(&snapshot.locks.iter().collect::<Vec<_>>(), &DEFAULT, page)
    }

    #[test]
    fn in_a_pipe_nothing_is_cut() {
        insta::assert_snapshot!(sample_on(&Page::PIPE), @r#"
        VERDICT    LOCK                                              KIND     HOLDER             HELD    QUEUE
        deadlock   /srv/a.lock                                       flock X  python3 41 alice   ≥1m03s  1 · 12s
        deadlock   /srv/b.lock                                       flock X  python3 42 alice   ≥1m03s  1 · 11s
        orphaned   /run/backup.lock (nightly backup)                 flock X  rsync 3244 backup  ≥1m03s  3 · 1m02s
        contended  /var/lib/dpkg/lock-frontend (dpkg frontend lock)  posix X  apt-get 991 root   ≥1m03s  1 · 12m04s
        held       /srv/größe.db [100-199]                           ofd S    reader 51 www +1   ≥1m03s  –
        unknown    /tmp/x (deleted)                                  flock X  nobody seen        ?       –
        "#);
    }

    #[test]
    fn a_terminal_gets_what_fits() {
        insta::assert_snapshot!(sample_on(&Page::terminal(80)), @r#"
        VERDICT    LOCK                   KIND     HOLDER             HELD    QUEUE
        deadlock   /srv/a.lock            flock X  python3 41 alice   ≥1m03s  1 · 12s
        deadlock   /srv/b.lock            flock X  python3 42 alice   ≥1m03s  1 · 11s
        orphaned   /run/backup.lock       flock X  rsync 3244 backup  ≥1m03s  3 · 1m02s
        contended  dpkg frontend lock     posix X  apt-get 991 root   ≥1m03s  1 · 12m04s
        held       /sr…röße.db [100-199]  ofd S    reader 51 www +1   ≥1m03s  –
        unknown    /tmp/x (deleted)       flock X  nobody seen        ?       –
        "#);
    }

    #[test]
    fn ascii_is_only_that() {
        let text = sample_on(&Page::terminal(70).ascii());
        insta::assert_snapshot!(text, @r#"
        VERDICT    LOCK            KIND     HOLDER          HELD     QUEUE
        deadlock   /srv/a.lock     flock X  python3 41      >=1m03s  1, 12s
        deadlock   /srv/b.lock     flock X  python3 42      >=1m03s  1, 11s
        orphaned   nightly backup  flock X  rsync 3244      >=1m03s  3, 1m02s
        contended  /va...frontend  posix X  apt-get 991     >=1m03s  1, 12m04s
        held       /srv/größe.db   ofd S    reader 51 +1    >=1m03s  -
        unknown    /tmp/x          flock X  nobody seen     ?        -
        "#);
        // Only the name of a file may be more.
        assert!(text.lines().filter(|line| !line.contains("größe")).all(str::is_ascii));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 1..130 {
            for page in [Page::terminal(width), Page::terminal(width).ascii()] {
                for line in sample_on(&page).lines() {
                    assert!(line.width() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn a_verdict_is_coloured_and_still_a_word() {
        let lock = sample::lock("@a", "/a", Verdict::Stuck);
        let text = table(&[&lock], &[Column::Verdict, Column::Path], &Page::PIPE.coloured());
        assert_eq!(text, "\x1b[1mVERDICT\x1b[0m  \x1b[1mPATH\x1b[0m\n\x1b[31mstuck\x1b[0m    /a\n");
    }

    #[test]
    fn every_column_has_a_heading_and_says_something() {
        let snapshot = sample::snapshot();
        for column in Column::value_variants() {
            assert!(!column.heading().is_empty());
            for lock in &snapshot.locks {
                assert!(!column.of(lock, Page::PIPE.glyphs).text.is_empty(), "{column:?}");
            }
        }
    }

    #[test]
    fn columns_stand_as_asked_for() {
        let snapshot = sample::snapshot();
        let columns = [Column::Id, Column::Name, Column::Pid, Column::Range, Column::Wait];
        let locks: Vec<_> = snapshot.locks.iter().collect();
        insta::assert_snapshot!(table(&locks, &columns, &Page::PIPE), @r#"
        ID                       NAME                PID    RANGE    WAIT
        @flock:fe:00:101:~       –                   41     ~        12s
        @flock:fe:00:102:~       –                   42     ~        11s
        @flock:fe:00:10010699:~  nightly backup      3244   ~        1m02s
        @posix:fe:00:7:~         dpkg frontend lock  991    ~        12m04s
        @ofd:fe:00:8:100-199     –                   51,52  100-199  –
        @flock:fe:00:9:~         –                   –      ~        –
        "#);
    }

    #[test]
    fn without_locks_there_is_a_heading() {
        assert_eq!(table(&[], &[Column::Id, Column::Why], &Page::terminal(80)), "ID  WHY\n");
    }

    #[test]
    fn names_give_a_terminal_no_orders() {
        let mut lock = sample::lock("@a", "/a\x1b[2J\n\u{202e}b", Verdict::Held);
        lock.holders = vec![sample::holder(7, "evil\x1b]0;x\x07", "root\n")].into();
        lock.name = Some("name\r\u{9b}".into());
        lock.why = Some("since \x1b[1m".into());
        let text = table(&[&lock], Column::value_variants(), &Page::PIPE);
        assert_eq!(text.lines().count(), 2);
        let harmful = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(harmful), "{text:?}");
    }

    #[cfg(unix)]
    #[test]
    fn paths_need_not_be_utf8() {
        use std::os::unix::ffi::OsStringExt as _;
        let mut lock = sample::lock("@a", "", Verdict::Held);
        lock.path = Some(PathBytes::new(std::ffi::OsString::from_vec(b"/\xff".to_vec())));
        assert_eq!(table(&[&lock], &[Column::Path], &Page::PIPE), "PATH\n/\\xff\n");
    }

    #[test]
    fn a_doubtful_holder_is_marked() {
        let mut lock = sample::lock("@a", "/a", Verdict::Held);
        let mut holder = sample::holder(7, "cp", "root");
        holder.certainty = locktop::model::Certainty::Recorded;
        lock.holders = vec![holder].into();
        assert_eq!(table(&[&lock], &[Column::Holder], &Page::PIPE), "HOLDER\ncp 7? root\n");
    }
}
