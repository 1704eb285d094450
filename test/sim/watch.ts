/** The invariants (I1 to I10, J1), looked at while a history runs; the first that breaks ends it. */
import { isTerminal } from "../../src/job/state.ts";
import type { Target, TargetState } from "../../src/job/types.ts";
import type { Write } from "../../src/store/job-store.ts";
import { decode, decodeTrusted } from "../../src/wire/codec.ts";
import type { FromFront, MinionCall, ToFront } from "../../src/wire/front.ts";
import { type Jid, type KeyId, type MinionId, asJid } from "../../src/wire/ids.ts";
import { parseOrder } from "../../src/wire/publication.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import type { Clock } from "./clock.ts";
import { type Connection, hostOf } from "./network.ts";
import type { JobRecords } from "./store.ts";

export class Violation extends Error {}

/** Which state may follow which (DESIGN §6), said without the code under test. */
const results: readonly TargetState[] = ["succeeded", "failed", "timed_out", "killed", "lost"];
const follows: Readonly<Record<TargetState, readonly TargetState[]>> = {
  waiting: ["waiting", "sent", "running", ...results, "skipped", "expired"],
  sent: ["running", ...results, "expired"],
  running: results,
  expired: results,
  lost: results,
  skipped: [],
  succeeded: [],
  failed: [],
  timed_out: [],
  killed: [],
};
const failures: readonly TargetState[] = ["failed", "timed_out", "killed", "lost", "expired"];
const ordered: ReadonlySet<string> = new Set(["hello", "grains", "heartbeat", "event"]);
/** An answer of the controller is announced within this. */
const announceMs = 2000;

export class Watch {
  readonly accepted = new Map<Jid, readonly MinionId[]>();
  readonly executions = new Map<string, number>();
  /** Runs that are not counted: a flipped bit took their START with it. */
  readonly excused = new Set<string>();
  readonly resultAt = new Map<string, number>();
  readonly idOf = new Map<KeyId, MinionId>();
  /** Keys whose deletion has been answered. */
  readonly deleted = new Set<KeyId>();
  living: ReadonlySet<string> = new Set();
  /** Whether somebody hears all events. */
  isHeard: () => boolean = () => false;
  readonly #clock: Clock;
  readonly #records: JobRecords;
  readonly #nonces = new Set<string>();
  readonly #calls = new Map<string, MinionCall & { readonly superseded: boolean; readonly isRetired: boolean }>();
  readonly #newest = new Map<string, number>();
  readonly #sequences = new Map<string, number>();
  readonly #unannounced = new Map<string, number>();
  violation: Violation | undefined;

  constructor(clock: Clock, records: JobRecords) {
    this.#clock = clock;
    this.#records = records;
  }

  fail(text: string): void {
    this.violation ??= new Violation(text);
  }

  /** A function with effects begins. */
  executed(id: MinionId, jid: Jid): void {
    const name = `${jid}/${id}`;
    const count = (this.executions.get(name) ?? 0) + 1;
    this.executions.set(name, count);
    if (count > 1 && !this.excused.has(name)) this.fail(`I1: ${id} runs ${jid} for the ${count}. time`);
    // Not yet acknowledged to its caller, it is in the record all the same.
    const minions = this.#records.jobs.get(jid)?.job.minions;
    if (minions === undefined) this.fail(`I2: ${id} runs ${jid}, which is in no record`);
    else if (!minions.includes(id)) this.fail(`I1: ${id} runs ${jid}, which is not for it`);
    if (this.#records.target(jid, id)?.state === "skipped") this.fail(`I1: ${id} runs ${jid}, which it was to skip`);
  }

  published(jid: Jid, minions: readonly MinionId[]): void {
    this.accepted.set(jid, minions);
    this.checkRecords();
  }

  checkRecords(): void {
    for (const jid of this.accepted.keys()) {
      if (!this.#records.jobs.has(jid)) this.fail(`I2: ${jid} was accepted and is not in the record`);
    }
  }

  write(write: Write, before: Target | undefined): void {
    if (write.kind === "end") return this.#ended(write.jid);
    if (write.kind !== "target") return;
    const { jid, target } = write;
    const name = `${jid}/${target.id}`;
    const from = before?.state ?? "waiting";
    const same = from === target.state && target.conflicts !== before?.conflicts;
    if (!same && !follows[from].includes(target.state)) this.fail(`I4: ${name} goes from ${from} to ${target.state}`);
    if (target.state === "sent" && from === "waiting" && this.#records.jobs.get(jid)?.stop !== undefined)
      this.fail(`stop: ${name} is to begin after the stop`);
    const isNew = target.retcode !== undefined && before?.retcode === undefined;
    if (!isNew) return;
    this.resultAt.set(name, this.#clock.now);
    if (!isTerminal(from) && this.isHeard()) this.#unannounced.set(name, this.#clock.now);
  }

  /** All of one commit is written. */
  written(jids: ReadonlySet<Jid>): void {
    for (const jid of jids) {
      const { job, targets, ended, stop } = this.#records.jobs.get(jid) ?? {};
      const { failCount, failRate = 0 } = job?.options ?? {};
      if (job === undefined || failCount === undefined || failCount < 0 || stop !== undefined) continue;
      const bad = [...(targets?.values() ?? [])].filter(({ state, late }) => late !== true && failures.includes(state));
      const allowed = Math.max(failCount, Math.floor(failRate * job.minions.length));
      if (ended === undefined && bad.length > allowed)
        this.fail(`budget: ${bad.length} of ${jid} have failed, ${allowed} may, and it goes on`);
    }
  }

  #ended(jid: Jid): void {
    const row = this.#records.jobs.get(jid);
    if (row === undefined) return;
    if (row.ended !== undefined) this.fail(`I4: ${jid} ends twice`);
    const open = row.job.minions.filter((id) => !isTerminal(row.targets.get(id)?.state ?? "waiting"));
    if (open.length > 0) this.fail(`I4: ${jid} ends before ${open.join(", ")}`);
  }

  /** The controller is another one: what it knew in memory is gone. */
  restarted(): void {
    this.#newest.clear();
    this.#unannounced.clear();
    this.checkRecords();
  }

  /** Between the steps of a history. */
  check(): void {
    for (const [name, at] of this.#unannounced) {
      if (at + announceMs < this.#clock.now) this.fail(`I10: the result of ${name} is stored and was not announced`);
    }
    if (this.violation !== undefined) throw this.violation;
  }

  /** Each message that leaves. */
  sent(connection: Connection, toClient: boolean, frames: readonly Uint8Array[]): void {
    const { endpoint } = connection.server;
    const [frame] = frames;
    if (frame === undefined) return;
    if (endpoint.startsWith("tcp:")) this.#onNetwork(connection, toClient, frame);
    else if (endpoint.endsWith("minion.sock") && toClient) {
      this.#fromController(connection.routingId.toString("latin1"), decodeTrusted(frame) as ToFront);
    } else if (endpoint.endsWith("events.sock") && toClient) {
      for (let at = 2; at + 1 < frames.length; at += 2) this.#event(connection, frames[at], frames[at + 1]);
    }
  }

  /** Each message that arrives. */
  arrived(connection: Connection, toClient: boolean, frames: readonly Uint8Array[]): void {
    const [frame] = frames;
    if (toClient || frame === undefined || !connection.server.endpoint.endsWith("minion.sock")) return;
    const message = decodeTrusted(frame) as FromFront;
    if (message.is !== "calls") return;
    const epoch = connection.routingId.toString("latin1");
    for (const call of message.calls) {
      const newest = this.#newest.get(classOf(call)) ?? -1;
      this.#calls.set(`${epoch}/${call.n}`, {
        ...call,
        superseded: call.counter <= newest,
        isRetired: !this.living.has(epoch),
      });
    }
  }

  #onNetwork({ client, server }: Connection, toClient: boolean, frame: Uint8Array): void {
    // A subscription has no nonce.
    if (!toClient && !server.endpoint.endsWith(":4506")) return;
    const nonce = Buffer.from(frame.subarray(20, 44)).toString("latin1");
    if (this.#nonces.has(nonce)) this.fail("J1: two boxes have one nonce");
    this.#nonces.add(nonce);
    const id = hostOf(client.process) as MinionId;
    for (const keyId of toClient ? this.deleted : []) {
      if (this.idOf.get(keyId) === id) this.fail(`I7: something is sent to ${id}, whose key is deleted`);
    }
  }

  #fromController(epoch: string, message: ToFront): void {
    if (message.is === "publish") {
      for (const { keyId } of message.targets) this.#handedOut(keyId, message.order);
    }
    if (message.is !== "replies") return;
    for (const { n, reply } of message.replies) {
      const call = this.#calls.get(`${epoch}/${n}`);
      this.#calls.delete(`${epoch}/${n}`);
      if (call === undefined) continue;
      if (call.isRetired && !this.living.has(epoch)) this.fail("W7: a front process that has been retired is believed");
      if (!("ok" in reply)) continue;
      if (this.deleted.has(call.keyId)) this.fail(`I7: ${call.cmd} of a deleted key is served`);
      if (ordered.has(call.cmd)) {
        if (call.superseded) this.fail(`W7: a ${call.cmd} is believed after a newer one`);
        this.#newest.set(classOf(call), Math.max(call.counter, this.#newest.get(classOf(call)) ?? -1));
      }
      if (call.cmd === "sync") {
        for (const { body } of (reply.ok as { jobs: { body: Uint8Array }[] }).jobs) this.#handedOut(call.keyId, body);
      }
      if (call.cmd === "job.return" && (reply.ok as { stored: boolean }).stored) this.#acknowledged(call);
    }
  }

  #handedOut(keyId: KeyId, order: Uint8Array): void {
    const id = this.idOf.get(keyId);
    const { jid, order: kind } = parseOrder(order);
    if (this.deleted.has(keyId)) this.fail(`I7: ${jid} is handed to the deleted key of ${id}`);
    const { job, stop } = this.#records.jobs.get(jid) ?? {};
    if (id === undefined || job?.minions.includes(id) !== true)
      return this.fail(`I8: ${jid} is handed to ${id}, for which it is not`);
    if (kind !== "run") return;
    if (stop !== undefined) this.fail(`stop: ${jid} is handed to ${id} after its stop`);
    const state = this.#records.target(jid, id)?.state ?? "waiting";
    if (job.options.parallel !== undefined && state === "waiting")
      this.fail(`batch: ${jid} is handed to ${id}, which is not on record`);
  }

  #acknowledged({ keyId, load }: MinionCall): void {
    const { jid } = load as { jid: Jid };
    const id = this.idOf.get(keyId);
    const row = id === undefined ? undefined : this.#records.target(asJid(jid), id);
    if (row?.retcode === undefined) this.fail(`I3: the result of ${jid} on ${id} is acknowledged and not stored`);
  }

  #event(connection: Connection, tagBytes: Uint8Array | undefined, payload: Uint8Array | undefined): void {
    const tag = Buffer.from(tagBytes ?? []).toString();
    const { _seq: number, _bus: bus } = decode(payload ?? new Uint8Array(0)) as BusEvent["data"];
    const [, , jid, kind, id] = tag.split("/");
    if (kind === "ret") this.#unannounced.delete(`${jid}/${id}`);
    if (typeof number !== "number") return;
    const name = `${connection.client.process.name}/${String(bus)}/${jid}`;
    const last = this.#sequences.get(name);
    if (last !== undefined && number !== last + 1)
      this.fail(`I10: event ${number} (${kind} ${id}) of ${jid} comes after ${last}`);
    this.#sequences.set(name, number);
  }
}

function classOf({ keyId, cmd, bootId }: MinionCall): string {
  return `${keyId}/${cmd}/${Buffer.from(bootId).toString("hex")}`;
}
