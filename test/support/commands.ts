/** One good load of each command: the type of each table says so when one is missing. */
import type { Command } from "../../src/wire/loads.ts";
import type { LocalCommand } from "../../src/wire/local.ts";

const jid = "20260101000000000000";
const digest = Buffer.alloc(32);

export const minionLoads: { readonly [C in Command]: Readonly<Record<string, unknown>> } = {
  hello: { cmd: "hello", protocol: 1, version: "raw", ledger: { id: Buffer.alloc(16, 7), count: 0 } },
  sync: { cmd: "sync" },
  "job.start": { cmd: "job.start", jid, count: 0 },
  "job.return": {
    cmd: "job.return",
    jid,
    fun: "test.ping",
    retcode: 0,
    success: true,
    state: "succeeded",
    total: 1,
    offset: 0,
    sha256: digest,
    data: Buffer.from([0xc3]),
  },
  heartbeat: { cmd: "heartbeat", running: [], topic: Buffer.alloc(16), count: 0 },
  grains: { cmd: "grains", grains: {} },
  pillar: { cmd: "pillar" },
  "job.output": { cmd: "job.output", jid, offset: 0, data: Buffer.alloc(1) },
  "mine.set": { cmd: "mine.set", clear: false, remove: [], set: {} },
  "mine.get": { cmd: "mine.get", tgt: "*", tgt_type: "glob", names: ["test.ping"] },
  "peer.publish": { cmd: "peer.publish", tgt: "*", tgt_type: "glob", fun: "test.ping", arg: [], timeout: 0 },
  "file.stat": { cmd: "file.stat", path: "none" },
  "file.read": { cmd: "file.read", path: "none", offset: 0 },
  "file.list": { cmd: "file.list", path: "none", after: "" },
  "file.push": { cmd: "file.push", path: "none", offset: 0, total: 1, sha256: digest, data: Buffer.alloc(1) },
  event: { cmd: "event", tag: "raw/tag", data: {} },
};

const publish = { tgt: "m1", tgtType: "glob", fun: "test.ping", arg: [], user: "somebody", waitMs: 1000 };

/** `user`: who is named by `publisher_acl` may ask it (of jobs: of their own). */
export const localLoads: { readonly [C in LocalCommand]: { load: Record<string, unknown>; user: boolean } } = {
  "target.resolve": { load: { tgt: "*", tgtType: "glob" }, user: true },
  publish: { load: publish, user: true },
  "job.kill": { load: { jid, user: "somebody" }, user: true },
  "job.output": { load: { jid, from: {} }, user: false },
  "job.record": { load: { jid }, user: true },
  "job.returns": { load: { jid }, user: true },
  "job.list": { load: { limit: 10 }, user: true },
  "job.active": { load: {}, user: false },
  "minion.list": { load: {}, user: false },
  "minion.grains": { load: { ids: [] }, user: false },
  "minion.pillar": { load: { id: "m1" }, user: false },
  "event.fire": { load: { tag: "a", data: {} }, user: false },
  "master.stats": { load: {}, user: false },
  "audit.note": { load: { user: "api:ann", act: "login", arg: {}, outcome: "accepted" }, user: false },
  "key.list": { load: {}, user: false },
  "key.change": { load: { act: "accept", keys: [] }, user: false },
  "key.token": { load: { expiresMs: 60_000 }, user: false },
};
