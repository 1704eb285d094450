"""Runs the command that follows and prints, as JSON, what the whole process cost: wall and CPU in ms, exit code, output."""

import json
import resource
import subprocess
import sys
import time

started = time.perf_counter()
with subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
    out, err = child.communicate()
wall = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(
    json.dumps(
        {
            "wallMs": wall * 1000,
            "cpuMs": (used.ru_utime + used.ru_stime) * 1000,
            "exitCode": child.returncode,
            "stdout": out.decode(errors="replace"),
            "stderr": err.decode(errors="replace"),
        }
    )
)
