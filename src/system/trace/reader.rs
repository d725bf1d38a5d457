//! Reads the trace: the buffers of all processors, merged by time.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::format::Format;
use super::layout::{Layout, Point};
use super::page::Pages;
use super::record::Record;
use super::tracefs::{Instance, Tracefs};
use super::{Batch, Loss, Reason};
use crate::model::FileId;
use crate::system::System;

/// The buffer of each processor: some 5,000 events. That is 50 ms of 100,000 events a second, more
/// than programs that do nothing else can lock on one processor, and we read as soon as there is one.
const KILOBYTES: u32 = 512;
/// All buffers together.
const MOST_KILOBYTES: u32 = 64 << 10;

/// So many pages of one processor are read at a time.
const PAGES: usize = 1 << 10;

/// A filter of more files than this is longer than the kernel takes: then whoever reads leaves out
/// what does not matter, and not the kernel.
const MOST_FILES: usize = 48;

/// An event gets its time before it can be read.
const SETTLED: Duration = Duration::from_millis(1);

/// A running trace. Dropped, nothing of it stays; what [`Waiter`]s there are must be gone by then.
#[derive(Debug)]
pub(crate) struct Tracer {
    pages: Pages,
    layouts: Vec<Layout>,
    missing: Vec<&'static str>,
    // Closed before the instance is removed, which it could not be while they are open.
    pipes: Vec<Pipe>,
    tracefs: Tracefs,
    instance: Instance,
    points: Vec<&'static str>,
    /// Read, but younger than what other processors can still have to say.
    early: Vec<Record>,
    page: Vec<u8>,
    stop: Arc<OwnedFd>,
}

/// The buffer of one processor.
#[derive(Debug)]
struct Pipe {
    file: File,
    /// All that came until then has been read.
    read_until: Duration,
}

/// Waits for events, from another thread than the one that reads them.
#[derive(Debug)]
pub(crate) struct Waiter {
    pipes: Vec<OwnedFd>,
    stop: Arc<OwnedFd>,
}

/// Ends a wait.
#[derive(Debug)]
pub(crate) struct Stop(Arc<OwnedFd>);

/// Silences a trace whose reader hangs: its buffer stays until the next trace is made, and costs
/// nobody anything.
#[derive(Debug)]
pub(crate) struct Silencer(Tracefs);

impl Silencer {
    /// From now on nothing is traced.
    pub(crate) fn silence(&self) {
        // Where the trace has been removed meanwhile, all the better.
        let _ = self.0.write("tracing_on", "0");
    }
}

impl Tracer {
    /// Begins to trace the locks of these files, or of all. `kilobytes`: another size than usual for
    /// the buffer of each processor.
    pub(crate) fn start(
        system: &System,
        files: Option<&[FileId]>,
        kilobytes: Option<u32>,
    ) -> Result<Self, Reason> {
        if !system.in_first_pid_namespace() {
            return Err(Reason::PidNamespace);
        }
        if !system.has_clock_of_machine() {
            return Err(Reason::TimeNamespace);
        }
        let tracefs = Tracefs::find(system).map_err(|reason| reason.looked_into(system))?;
        Self::start_in(tracefs, system, files, kilobytes)
            .map_err(|reason| reason.looked_into(system))
    }

    fn start_in(
        tracefs: Tracefs,
        system: &System,
        files: Option<&[FileId]>,
        kilobytes: Option<u32>,
    ) -> Result<Self, Reason> {
        let pages = pages(&tracefs)?;
        let Points { layouts, names: points, missing } = Points::of(&tracefs)?;
        let instance = Instance::new(&tracefs, system)?;
        let folder = &instance.folder;
        let size = kilobytes.unwrap_or_else(|| KILOBYTES.min(MOST_KILOBYTES / processors()));
        let set = |file: &str, value: &str| folder.write(file, value);
        set("buffer_size_kb", &size.to_string())
            .map_err(as_reason("set the size of its buffer"))?;
        set("trace_clock", "boot").map_err(as_reason("choose the clock of the trace"))?;
        // Older kernels wake whoever waits at every event anyway.
        let _ = set("buffer_percent", "0");
        let pipes = pipes(folder).map_err(as_reason("open the trace's pipes"))?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Reason::Failed("make an event descriptor", error.into()))?;
        let page = vec![0; pages.size()];
        let mut tracer = Self {
            pages,
            layouts,
            missing,
            pipes,
            tracefs,
            instance,
            points,
            early: Vec::new(),
            page,
            stop: Arc::new(stop),
        };
        tracer.only(files).map_err(as_reason("set the trace's filter"))?;
        let began = system.now().uptime;
        for pipe in &mut tracer.pipes {
            pipe.read_until = began;
        }
        for point in &tracer.points {
            let enable = format!("events/filelock/{point}/enable");
            tracer.instance.folder.write(&enable, "1").map_err(as_reason("begin to trace"))?;
        }
        Ok(tracer)
    }

    /// Tracepoints that this kernel lacks, and what is traced does without.
    pub(crate) fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Traces the locks of these files only, or of all, from now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn only(&self, files: Option<&[FileId]>) -> io::Result<()> {
        let filter = filter(files);
        for point in &self.points {
            self.instance.folder.write(&format!("events/filelock/{point}/filter"), &filter)?;
        }
        Ok(())
    }

    /// Traces, or no longer, who is the child of whom. Where that cannot be traced, it is not.
    pub(crate) fn follow_forks(&mut self, follow: bool) {
        const FORK: &str = "events/sched/sched_process_fork";
        let known = self.layouts.iter().any(Layout::is_of_forks);
        if follow && !known {
            let format = self.tracefs.read(&format!("{FORK}/format")).ok();
            let format = format.and_then(|text| Format::parse(&text));
            let layout = format.and_then(|format| Layout::of(Point::Fork, &format).ok());
            let Some(layout) = layout else { return };
            self.layouts.push(layout);
        }
        let value = if follow { "1" } else { "0" };
        let _ = self.instance.folder.write(&format!("{FORK}/enable"), value);
    }

    /// The command names that the kernel remembers of threads that may have ended: lines of a number
    /// and a name. Others than ours can be among them.
    pub(crate) fn commands(&self) -> String {
        self.tracefs.read("saved_cmdlines").unwrap_or_default()
    }

    /// Something that waits until there is something to be read.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn waiter(&self) -> io::Result<Waiter> {
        let pipes = self.pipes.iter().map(|pipe| pipe.file.as_fd().try_clone_to_owned());
        Ok(Waiter { pipes: pipes.collect::<io::Result<_>>()?, stop: Arc::clone(&self.stop) })
    }

    /// What ends its wait.
    pub(crate) fn stopper(&self) -> Stop {
        Stop(Arc::clone(&self.stop))
    }

    /// What silences it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn silencer(&self) -> io::Result<Silencer> {
        self.instance.folder.folder(".").map(Silencer)
    }

    /// Reads what has happened until `now`, but for what is not settled.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn read(&mut self, now: Duration) -> io::Result<Batch> {
        let mut batch = Batch { until: now.saturating_sub(SETTLED), ..Batch::default() };
        let mut records = std::mem::take(&mut self.early);
        for pipe in &mut self.pipes {
            let mut source = Source {
                pages: self.pages,
                layouts: &self.layouts,
                records: &mut records,
                losses: &mut batch.losses,
            };
            let is_empty = source.read(pipe, &mut self.page)?;
            if is_empty {
                pipe.read_until = pipe.read_until.max(batch.until);
            } else {
                batch.until = batch.until.min(pipe.read_until);
            }
        }
        records.sort_by_key(|record| record.at);
        let settled = records.partition_point(|record| record.at <= batch.until);
        self.early = records.split_off(settled);
        batch.records = records;
        Ok(batch)
    }
}

/// What the pages of one buffer are read into.
struct Source<'a> {
    pages: Pages,
    layouts: &'a [Layout],
    records: &'a mut Vec<Record>,
    losses: &'a mut Vec<Loss>,
}

impl Source<'_> {
    /// Whether all could be read.
    fn read(&mut self, pipe: &mut Pipe, page: &mut [u8]) -> io::Result<bool> {
        for _ in 0..PAGES {
            match pipe.file.read(page) {
                Ok(0) => return Ok(true),
                Ok(length) => self.take(pipe, &page[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn take(&mut self, pipe: &mut Pipe, page: &[u8]) {
        let before = pipe.read_until;
        let mut first = None;
        let told = self.pages.read(page, |at, event| {
            let at = Duration::from_nanos(at);
            first.get_or_insert(at);
            pipe.read_until = pipe.read_until.max(at);
            let id = event.get(..2).and_then(|id| id.try_into().ok()).map(u16::from_ne_bytes);
            let layout = self.layouts.iter().find(|layout| Some(layout.id) == id.map(u64::from));
            self.records.extend(layout.and_then(|layout| layout.read(at, event)));
        });
        if let Some(count) = told.lost {
            let before_page = first.unwrap_or(pipe.read_until);
            self.losses.push(Loss { after: before.min(before_page), before: before_page, count });
        }
        if !told.whole {
            self.losses.push(Loss { after: before, before: pipe.read_until, count: 1 });
        }
    }
}

impl Waiter {
    /// Sleeps until there is something to be read; `false`: it is over.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn wait(&self) -> io::Result<bool> {
        let mut all = vec![PollFd::new(&self.stop, PollFlags::IN)];
        all.extend(self.pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        loop {
            match poll(&mut all, None) {
                Ok(_) => return Ok(!all[0].revents().contains(PollFlags::IN)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sleeps for that long; `false`: it is over.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let time = rustix::event::Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let mut stop = [PollFd::new(&self.stop, PollFlags::IN)];
        let _ = poll(&mut stop, Some(&time));
        !stop[0].revents().contains(PollFlags::IN)
    }
}

impl Stop {
    /// All waits are over, those to come too.
    pub(crate) fn stop(&self) {
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// The tracepoints that there are, and how their events look.
struct Points {
    layouts: Vec<Layout>,
    names: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl Points {
    fn of(tracefs: &Tracefs) -> Result<Self, Reason> {
        let mut found = Self { layouts: Vec::new(), names: Vec::new(), missing: Vec::new() };
        for (name, point, needed) in Point::OF_LOCKS {
            let format = match tracefs.read(&format!("events/filelock/{name}/format")) {
                Ok(text) => Format::parse(&text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(as_reason("read how events look")(error)),
            };
            let layout = format.ok_or(Reason::NoPoint(name)).and_then(|format| {
                Layout::of(point, &format).map_err(|field| Reason::NoField(name, field))
            });
            match layout {
                Ok(layout) => {
                    found.layouts.push(layout);
                    found.names.push(name);
                }
                Err(reason) if needed => return Err(reason),
                Err(_) => found.missing.push(name),
            }
        }
        Ok(found)
    }
}

impl System {
    /// Whether our clock since boot is the machine's: a time namespace can have another.
    fn has_clock_of_machine(&self) -> bool {
        let offsets = std::fs::read_to_string(self.proc.join("self/timens_offsets"));
        // A kernel without time namespaces has no such file.
        offsets.map_or(true, |text| {
            text.lines().all(|line| line.split_whitespace().skip(1).all(|offset| offset == "0"))
        })
    }
}

fn pages(tracefs: &Tracefs) -> Result<Pages, Reason> {
    let read = |name: &str| {
        tracefs.read(name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Reason::NoTracing,
            _ => as_reason("read how events look")(error),
        })
    };
    let (page, event) = (read("events/header_page")?, read("events/header_event")?);
    Pages::parse(&page, &event).ok_or(Reason::OtherPages)
}

fn pipes(folder: &Tracefs) -> io::Result<Vec<Pipe>> {
    let mut names = folder.folder("per_cpu")?.names()?;
    names.retain(|name| name.starts_with("cpu"));
    names.sort_unstable();
    let open = |name: String| {
        let path = format!("per_cpu/{name}/trace_pipe_raw");
        let file = folder.open(&path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        Ok(Pipe { file, read_until: Duration::ZERO })
    };
    names.into_iter().map(open).collect()
}

fn processors() -> u32 {
    let known = std::thread::available_parallelism();
    known.map_or(1, |number| u32::try_from(number.get()).unwrap_or(u32::MAX))
}

/// What lets pass the events of these files only; none for too many, or for all.
fn filter(files: Option<&[FileId]>) -> String {
    let mut filter = String::new();
    for file in files.filter(|files| files.len() <= MOST_FILES).unwrap_or_default() {
        let device = u64::from(file.device.major) << 20 | u64::from(file.device.minor);
        let or = if filter.is_empty() { "" } else { " || " };
        let _ = write!(filter, "{or}(s_dev == {device} && i_ino == {})", file.inode);
    }
    match files {
        // Nothing is to be traced yet: no file has that number.
        Some([]) => "i_ino == 0 && s_dev == 0".into(),
        _ if filter.is_empty() => "0".into(),
        _ => filter,
    }
}

fn as_reason(doing: &'static str) -> impl Fn(io::Error) -> Reason {
    move |error| match error.kind() {
        io::ErrorKind::PermissionDenied => Reason::NotPermitted,
        io::ErrorKind::OutOfMemory | io::ErrorKind::ResourceBusy => Reason::Busy,
        _ => Reason::Failed(doing, error),
    }
}

impl Reason {
    /// What forbids it: the superuser is denied by a kernel that is locked down.
    fn looked_into(self, system: &System) -> Self {
        let locked =
            || std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        match self {
            Self::NotPermitted if system.is_root() && locked().contains("[confidentiality]") => {
                Self::LockedDown
            }
            reason => reason,
        }
    }
}
