"""Publishes test.ping to one id in a loop by LocalClient.cmd_async. Arguments: -c <master's folder> <id> <at most> <seconds>.

Prints `ready`, waits for a line, and prints as JSON how many were accepted and in how many seconds.
"""

import json
import os
import sys
import time

import salt.client

_, _, folder, minion, most, seconds = sys.argv
client = salt.client.LocalClient(c_path=os.path.join(folder, "master"))
print("ready", flush=True)
sys.stdin.readline()
sent = tried = 0
started = time.perf_counter()
while tried < int(most) and time.perf_counter() - started < float(seconds):
    tried += 1
    if client.cmd_async([minion], "test.ping", tgt_type="list"):
        sent += 1
print(json.dumps({"sent": sent, "refused": tried - sent, "seconds": time.perf_counter() - started}), flush=True)
