/** The controller's jobs with a real record and hand-made minions, for tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Signer } from "../../../../src/crypto/primitives.ts";
import { type Event, EventBus } from "../../../../src/event/bus.ts";
import { createLog } from "../../../../src/log/log.ts";
import { Committer } from "../../../../src/master/controller/committer.ts";
import { Jobs } from "../../../../src/master/controller/jobs.ts";
import { Orders } from "../../../../src/master/controller/orders.ts";
import { Presence } from "../../../../src/master/controller/presence.ts";
import type { JobStore, Write } from "../../../../src/store/job-store.ts";
import { openSqliteStore } from "../../../../src/store/sqlite.ts";
import { encode } from "../../../../src/wire/codec.ts";
import type { ToFront } from "../../../../src/wire/front.ts";
import type { Jid, KeyId, MinionId } from "../../../../src/wire/ids.ts";
import type { Load, RunState } from "../../../../src/wire/loads.ts";
import type { LocalLoad } from "../../../../src/wire/local.ts";
import { type Order, parseOrder } from "../../../../src/wire/publication.ts";

const signer = new Signer(new Uint8Array(32).fill(5));

export class Rig implements AsyncDisposable {
  readonly ids: readonly MinionId[];
  readonly accepted: Map<MinionId, KeyId>;
  /** Orders that went out, in their order. */
  sent: { id: MinionId; order: Order }[] = [];
  events: Event[] = [];
  now = Date.UTC(2026, 10, 21);
  /** Called before each commit; what it throws fails the commit. */
  onCommit: (writes: readonly Write[]) => unknown = () => undefined;
  presence!: Presence;
  jobs!: Jobs;
  store!: JobStore;
  readonly #dir = mkdtempSync(join(tmpdir(), "msalt-jobs-"));

  private constructor(count: number) {
    this.ids = Array.from({ length: count }, (_, n) => `m${String(n + 1).padStart(4, "0")}` as MinionId);
    this.accepted = new Map(this.ids.map((id) => [id, this.keyOf(id)]));
  }

  /** A controller of `count` minions, the first `up` of them connected. */
  static async open(count: number, up = count): Promise<Rig> {
    const rig = new Rig(count);
    await rig.start();
    for (const id of rig.ids.slice(0, up)) rig.link(id, true);
    return rig;
  }

  keyOf(id: MinionId): KeyId {
    return id.slice(1).padStart(32, "0") as KeyId;
  }

  /** A new controller on the same record; links have to be made again. */
  async start(): Promise<void> {
    const store = await openSqliteStore(join(this.#dir, "jobs.sqlite"));
    this.store = new Proxy(store, {
      get: (target, name: keyof JobStore) =>
        name === "commit"
          ? async (writes: readonly Write[]) => {
              await this.onCommit(writes);
              return target.commit(writes);
            }
          : target[name].bind(target),
    });
    this.presence = new Presence(
      () => this.now,
      ({ id }, up) => up && this.jobs.connected(id),
    );
    for (const id of this.ids) this.presence.of(id, this.keyOf(id));
    const bus = new EventBus();
    bus.on("event", (event) => this.events.push(event));
    const committer: Committer = new Committer(this.store, () => this.jobs.load());
    this.jobs = new Jobs({
      store: this.store,
      committer,
      bus,
      presence: this.presence,
      orders: new Orders(signer),
      now: () => this.now,
      busId: "b",
      accepted: () => new Map(this.accepted),
      toPublisher: (message) => this.#published(message),
      log: createLog({ name: "test", level: "quiet" }),
      nodegroups: {},
      withPillar: (candidates) => candidates,
    });
    await this.jobs.load();
  }

  async restart(): Promise<void> {
    await this.settled();
    await this.store.close();
    await this.start();
  }

  link(id: MinionId, up: boolean): void {
    const link = this.presence.of(id, this.accepted.get(id) ?? this.keyOf(id));
    const topic = Buffer.from(id.padEnd(16, "-").slice(0, 16));
    if (up) this.presence.startSession(link, { topic, publishKey: new Uint8Array(32) });
    this.presence.setLink(topic, up);
  }

  publish(more: Partial<LocalLoad<"publish">>): ReturnType<Jobs["publish"]> {
    const load = { tgt: "*", tgtType: "glob", fun: "cmd.run", arg: ["x"], user: "root", waitMs: 5000 } as const;
    return this.jobs.publish({ ...load, arg: ["x"], ...more });
  }

  async returns(jid: Jid, id: MinionId, state: RunState = "succeeded"): Promise<boolean> {
    const data = encode(`of ${id}`);
    const success = state === "succeeded";
    const rest = { total: data.length, offset: 0, sha256: new Uint8Array(32), data };
    const load: Load<"job.return"> = {
      cmd: "job.return",
      jid,
      fun: "cmd.run",
      retcode: success ? 0 : 1,
      success,
      state,
      ...rest,
    };
    return this.jobs.returned(id, load, data);
  }

  async states(jid: Jid): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { state } of (await this.jobs.record(jid)).targets) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Everything that was set going is done. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Orders of a kind that went out since the last call, by minion. */
  takeSent(kind: Order["order"] = "run"): MinionId[] {
    const taken = this.sent.filter(({ order }) => order.order === kind).map(({ id }) => id);
    this.sent = [];
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settled();
    await this.store.close();
    rmSync(this.#dir, { recursive: true });
  }

  #published(message: ToFront): void {
    if (message.is !== "publish") return;
    const order = parseOrder(message.order);
    for (const { keyId } of message.targets) {
      const id = [...this.accepted].find(([, key]) => key === keyId)?.[0];
      if (id !== undefined) this.sent.push({ id, order });
    }
  }
}
