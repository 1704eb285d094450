"""Sends prepared returns to a master. Arguments: -c <master's folder> <identities> <outstanding each> <returns in all>.

Identities r1, r2, ... authenticate as minions do; test.ping is really published to them, and each gives its return once. Prints
`ready` when all messages are prepared, waits for a line, sends them, and prints as JSON the seconds until the last answer,
how many were refused, and the bytes of one message.
"""

import json
import os
import sys
import time

import salt.channel.client
import salt.client
import salt.config
import salt.ext.tornado.ioloop
import salt.payload
import zmq

folder, identities, outstanding, total = sys.argv[2], *map(int, sys.argv[3:6])
master = salt.config.client_config(os.path.join(folder, "master"))
uri = f"tcp://{master['interface']}:{master['ret_port']}"
loop = salt.ext.tornado.ioloop.IOLoop.current()


def authenticated(name):
    opts = salt.config.minion_config(None, minion_id=name)
    opts.update(id=name, pki_dir=os.path.join(folder, "identities", name), user=master["user"], master_uri=uri)
    os.makedirs(opts["pki_dir"])
    channel = salt.channel.client.AsyncReqChannel.factory(opts, io_loop=loop)
    loop.run_sync(channel.auth.authenticate, timeout=60)
    return channel


def prepared(channel, name, jid):
    load = {
        "cmd": "_return",
        "id": name,
        "jid": jid,
        "fun": "test.ping",
        "fun_args": [],
        "return": True,
        "retcode": 0,
        "success": True,
    }
    return salt.payload.dumps(channel._package_load(load))


names = [f"r{number + 1}" for number in range(identities)]
channels = {name: authenticated(name) for name in names}
client = salt.client.LocalClient(c_path=os.path.join(folder, "master"))
jids = [client.cmd_async(names, "test.ping", tgt_type="list") for _ in range(total // identities)]
if not all(jids):
    sys.exit("the master refused to publish to the identities")
waiting = {name: [prepared(channel, name, jid) for jid in jids] for name, channel in channels.items()}
size = len(waiting[names[0]][0])

context = zmq.Context()
poller = zmq.Poller()
sockets = {}
for name in names:
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(uri)
    poller.register(socket, zmq.POLLIN)
    sockets[socket] = waiting[name]
print("ready", flush=True)
sys.stdin.readline()

refusal = salt.payload.dumps("bad load")
open_requests = refused = 0
started = time.perf_counter()
for socket, messages in sockets.items():
    for _ in range(min(outstanding, len(messages))):
        socket.send_multipart([b"", messages.pop()])
        open_requests += 1
while open_requests:
    ready = poller.poll(60_000)
    if not ready:
        sys.exit(f"{open_requests} returns had no answer for 60 s")
    for socket, _ in ready:
        answer = socket.recv_multipart()[-1]
        refused += answer == refusal
        open_requests -= 1
        if sockets[socket]:
            socket.send_multipart([b"", sockets[socket].pop()])
            open_requests += 1
print(json.dumps({"seconds": time.perf_counter() - started, "refused": refused, "bytes": size}), flush=True)
