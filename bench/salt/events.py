"""Prints `ready`, then the id of every minion whose start event comes on the master's bus. Arguments: -c <master's folder>."""

import os
import sys

import salt.config
import salt.utils.event

opts = salt.config.client_config(os.path.join(sys.argv[2], "master"))
with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=True) as bus:
    bus.connect_pub(timeout=20)
    print("ready", flush=True)
    while True:
        event = bus.get_event(wait=5, tag="salt/minion/", full=True)
        if event is not None and event["tag"].endswith("/start"):
            print(event["data"]["id"], flush=True)
