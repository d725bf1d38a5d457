"""Runs a program whose lock calls the system refuses: refuse.py CALLS ERROR PROGRAM ARGUMENT…

CALLS is `flock`, or `record` for the fcntl(2) commands of open-file-description locks; ERROR is a name
such as ENOLCK. A file system or a lock service that cannot lock answers like that.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# AUDIT_ARCH_*, flock, fcntl.
MACHINES = {"x86_64": (0xC000003E, 73, 72), "aarch64": (0xC00000B7, 32, 25)}
RECORD_COMMANDS = (36, 37, 38)  # F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCH, SECOND_ARGUMENT = 0, 4, 16 + 8
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2


def program(calls, number):
    arch, flock, fcntl = MACHINES[platform.machine()]
    refuse = (RETURN, 0, 0, ERRNO | number)
    allow = (RETURN, 0, 0, ALLOW)
    lines = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, arch), allow, (LOAD, 0, 0, NUMBER)]
    if calls == "flock":
        return [*lines, (EQUAL, 0, 1, flock), refuse, allow]
    lines += [(EQUAL, 1, 0, fcntl), allow, (LOAD, 0, 0, SECOND_ARGUMENT)]
    for command in RECORD_COMMANDS:
        lines += [(EQUAL, 0, 1, command), refuse]
    return [*lines, allow]


def refuse(calls, number):
    lines = program(calls, number)
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code)
    table = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, table, 0, 0)):
        if libc.prctl(*call):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


refuse(sys.argv[1], getattr(errno, sys.argv[2]))
os.execvp(sys.argv[3], sys.argv[3:])
