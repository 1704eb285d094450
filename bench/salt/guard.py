"""Holds the bench's folder: when stdin closes, however the bench ended, kills what was started from there and removes it.

A process belongs to the folder when it has the arguments `-c <folder>/...`, which its forks keep.
"""

import os
import shutil
import signal
import sys
import time


def belonging(folder):
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                args = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(flag == "-c" and value.startswith(folder + "/") for flag, value in zip(args, args[1:])):
            yield int(entry)


def main(folder):
    print("holding", flush=True)
    sys.stdin.read()
    quiet = 0
    while quiet < 2:
        found = list(belonging(folder))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        quiet = 0 if found else quiet + 1
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
main(sys.argv[1])
