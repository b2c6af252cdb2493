"""What stands between the keeper and postgres for a moment: it becomes the server's user, binds its life to its parent's, and goes.

Run as a script, `shim.py PARENT UID GID COMMAND...`, because neither is safe between fork and exec of a process with threads.
On Linux the kernel sends SIGINT (a fast shutdown) when the parent dies, kill -9 included. Elsewhere a server that outlives its
keeper is found by the next one and stopped (`cluster.clear`).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> None:
    """Become COMMAND; end instead if the parent is gone already."""
    parent, uid, gid = (int(word) for word in words[:3])
    command = words[3:]
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)  # after setuid, which would undo it
        if os.getppid() != parent:
            sys.exit("the keeper is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
