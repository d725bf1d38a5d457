"""The stage of a scene: the process that every actor of a test descends from.

It is started with the scene's folder and does what the test asks over the Unix socket in it: each
line is JSON with Python source, each answer a line of JSON. `fork()` makes another actor, with a
connection of its own. When the test's end of the first connection closes, for whatever reason, this
process ends all its descendants (as their reaper it cannot hit a stranger), unmounts, removes
control groups and the folder, and exits 0 only if nothing is left.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

FOLDER = sys.argv[1]
CONNECTION = 500  # Out of the way of the descriptors that scenes talk about.
NOBODY = 65534

SH, EX, NB, UN = fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_NB, fcntl.LOCK_UN
READ, WRITE, UNLOCK = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
OFD_SETLK, OFD_SETLKW = 37, 38
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
NEWNS, NEWUSER, NEWPID, FILES = 0x20000, 0x10000000, 0x20000000, 0x400
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
CLONE_VFORK = 0x4000

libc = ctypes.CDLL(None, use_errno=True)
control_groups = []
children_started = {}


class Reborn(BaseException):
    """Raised in a forked actor, to leave its parent's conversation."""


def checked(result):
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


# What actors do.

def opened(path, flags=os.O_RDWR | os.O_CREAT):
    return os.open(path, flags, 0o666)


def flock(file, mode):
    """Locks a descriptor, or a path that is opened for it; returns the descriptor."""
    fd = file if isinstance(file, int) else opened(file)
    fcntl.flock(fd, mode)
    return fd


def record(file, command, kind, start, length):
    fd = file if isinstance(file, int) else opened(file)
    fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))
    return fd


def posix(file, kind=WRITE, start=0, length=0, wait=False):
    return record(file, fcntl.F_SETLKW if wait else fcntl.F_SETLK, kind, start, length)


def ofd(file, kind=WRITE, start=0, length=0, wait=False):
    return record(file, OFD_SETLKW if wait else OFD_SETLK, kind, start, length)


def lease(path, kind=WRITE):
    """Takes a lease and ignores the signal that asks to give it back."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    fd = opened(path)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
    return fd


def in_thread(work):
    """Does it in another thread, whose number it returns."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread.native_id


def fork():
    """Makes another actor that inherits all descriptors; returns its pid."""
    pid = os.fork()
    if pid == 0:
        raise Reborn
    return pid


def new_session():
    """As `fork`, in a session and process group of its own."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        raise Reborn
    return pid


def fork_as(pid):
    """As `fork`, with a number of our choice, once it is free.

    /proc/sys/kernel/ns_last_pid would only say where the kernel goes on counting: whoever forks first
    on the machine gets the number. In a pid namespace of its own nobody else forks, but there no lock
    can name a stranger: the lock table keeps numbers of the first namespace and leaves the lock of
    one who has ended out of what others show."""
    tids = ctypes.c_int(pid)
    args = struct.pack("8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    args += struct.pack("2Q", ctypes.addressof(tids), 1)
    for _ in range(10_000):
        result = libc.syscall(435, args, len(args))
        if result == 0:
            raise Reborn
        if result != -1 or ctypes.get_errno() != errno.EEXIST:
            break
        time.sleep(0.01)
    return checked(result)


def raise_descriptor_limit():
    """Raises it as far as we may; returns it."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        limit = max(limit, 200_000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    except (OSError, ValueError):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return limit


def crowd(count, work):
    """Starts processes that each do work(number) and then sleep; returns their pids."""
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                work(number)
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        pids.append(pid)
    return pids


def bustle(count):
    """Starts processes that lock, unlock, fork and end without a pause. Each locks only a file that
    has its pid for a name. Returns where the number of processes so far can be read."""
    births = mmap.mmap(-1, 8 * count)

    def live(number):
        plain_signals()
        ended = 0
        while True:
            child = os.fork()
            if child == 0:
                fd = flock(f"bustle-{os.getpid()}", EX)
                for _ in range(20):
                    fcntl.flock(fd, UN)
                    fcntl.flock(fd, EX)
                os.unlink(f"bustle-{os.getpid()}")
                os._exit(0)
            os.waitpid(child, 0)
            ended += 1
            births[8 * number : 8 * number + 8] = struct.pack("q", ended)

    crowd(count, live)
    return lambda: sum(struct.unpack(f"{count}q", births[:]))


def vfork():
    """Starts a child that never executes anything: until it ends we sleep uninterruptibly."""
    number = {"x86_64": 56}.get(platform.machine(), 220)
    if checked(libc.syscall(number, CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0)) == 0:
        while True:
            signal.pause()


def run(*argv, stdin=None):
    """Runs a program to its end."""
    done = subprocess.run(argv, input=stdin, capture_output=True, preexec_fn=plain_signals)
    if done.returncode > 0:  # The ignored SIGCHLD hides the rest; see `spawn`.
        raise OSError(f"{argv}: {done.stderr.decode()}")
    return done.stdout.decode()


def spawn(*argv, folder=FOLDER, stdin=subprocess.DEVNULL, nobody=False):
    """Starts a program in a session of its own; returns its pid."""
    def prepare():
        plain_signals()
        if nobody:
            become_nobody()
    child = subprocess.Popen(
        argv, cwd=folder, stdin=stdin, stdout=subprocess.DEVNULL,
        start_new_session=True, preexec_fn=prepare)
    children_started[child.pid] = child
    return child.pid


def plain_signals():
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def end_input(pid):
    """Closes the standard input of a program started with a pipe."""
    children_started[pid].stdin.close()


def become_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def unshare(what):
    checked(libc.unshare(what))


def mount(source, target, kind, options="", flags=0):
    os.makedirs(target, exist_ok=True)
    checked(libc.mount(*(text.encode() for text in (source, target, kind)), flags, options.encode()))


def private_mounts():
    """From now on, mounts are seen by this actor and its descendants only."""
    unshare(NEWNS)
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def hierarchy(controller):
    """Where the control groups of a v1 controller, or of v2 (None), are mounted."""
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields, (kind, _, options) = (part.split() for part in line.split(" - "))
            if kind == "cgroup2" if controller is None else controller in options.split(","):
                # Another scene's goes with that.
                if "/.cgroup-" not in fields[4] or fields[4].startswith(FOLDER):
                    return fields[4]
    where = f"{FOLDER}/.cgroup-{controller}"
    mount("none", where, "cgroup2" if controller is None else "cgroup", controller or "")
    return where


def control_group(controller, *names):
    """Makes nested control groups, and returns the folder of the innermost."""
    where = hierarchy(controller)
    for name in names:
        where = f"{where}/{name}"
        os.mkdir(where)
        control_groups.append(where)
    return where


def leave_services():
    """Moves to the root of each hierarchy in which a service or a container is in charge of us."""
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if path != "/" and controllers in ("", "name=systemd"):
            write(hierarchy(controllers or None) + "/cgroup.procs", str(os.getpid()))


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


# The conversation.

def serve(connection):
    lines = connection.makefile("r")
    for line in lines:
        try:
            answer = {"value": perform(json.loads(line))}
        except Exception:
            answer = {"error": traceback.format_exc()}
        connection.sendall((json.dumps(answer, default=str) + "\n").encode())


def perform(source):
    try:
        code = compile(source, "scene", "eval")
    except SyntaxError:
        exec(source, globals())
        return None
    return eval(code, globals())


def connect():
    found = socket.socket(socket.AF_UNIX)
    found.connect(f"{FOLDER}/.stage")
    number = fcntl.fcntl(found.fileno(), fcntl.F_DUPFD_CLOEXEC, CONNECTION)
    found.close()
    return socket.socket(fileno=number)


# The end.

def clean_up():
    signal.alarm(600)
    plain_signals()
    for group in control_groups:
        thaw(group)
    end_descendants()
    for group in reversed(control_groups):
        until_not_busy(lambda: os.rmdir(group))
    for target in reversed(mounts_below(FOLDER)):
        libc.umount2(os.fsencode(target), MNT_DETACH)
    shutil.rmtree(FOLDER)


def thaw(group):
    for name, word in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
        if os.path.exists(f"{group}/{name}"):
            write(f"{group}/{name}", word)


def end_descendants():
    while children := list(own_children()):
        # Some may be on their way out since before we had to wait for them.
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:  # What they leave behind is ours then.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def own_children():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(read(f"/proc/{name}/stat").rpartition(")")[2].split()[1])
        except OSError:  # It ended meanwhile.
            continue
        if parent == os.getpid():
            yield int(name)


def mounts_below(folder):
    with open("/proc/self/mountinfo", "rb") as mounts:
        targets = [line.split()[4].decode("unicode_escape") for line in mounts]
    return [target for target in targets if target.startswith(folder + "/")]


def until_not_busy(work):
    while True:
        try:
            return work()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        time.sleep(0.01)


def main():
    os.setsid()
    os.umask(0)
    os.chdir(FOLDER)
    checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The dead are gone at once.
    is_stage = True
    while True:
        try:
            connection = connect()
            serve(connection)
            break
        except Reborn:
            is_stage = False
            connection.close()
        except ConnectionError:
            break
    if is_stage:
        clean_up()


try:
    main()
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)
