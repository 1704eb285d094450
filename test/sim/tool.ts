import { type Followed, followJob } from "../../src/client/follow.ts";
import { LocalClient } from "../../src/client/local.ts";
import { messageOf } from "../../src/errors.ts";
import { hasResult } from "../../src/job/state.ts";
import type { Target } from "../../src/job/types.ts";
import type { Jid, MinionId } from "../../src/wire/ids.ts";
import type { LocalLoad } from "../../src/wire/local.ts";
import type { Process } from "./clock.ts";
import type { World } from "./world.ts";

/** A result that was stored while the last look was under way. */
const lookMs = 200;

/** One run of the command line tool: publishes a job, follows it, and says how it ended. */
export class Tool {
  readonly process: Process;
  readonly #world: World;
  /** Undefined while it runs. */
  end: string | undefined;
  jid: Jid | undefined;

  constructor(world: World) {
    this.#world = world;
    this.process = world.spawn("tool");
  }

  /** Ends with the tool; what it says is held against the record (I6). */
  publish(load: LocalLoad<"publish">): void {
    this.#during(async (client) => {
      const { jid, minions } = await client.call("publish", load);
      this.jid = jid;
      this.#world.note(`accepted ${jid} for ${minions.join(" ")}`);
      this.#world.watch.published(jid, minions);
      const shown = new Map<MinionId, Target>();
      const onReturn = ({ id, target }: { id: MinionId; target: Target }): void => void shown.set(id, target);
      const followed = await followJob(client, jid, load.waitMs, { onReturn });
      this.#compare(jid, shown, followed);
      return `${jid}: ${shown.size} of ${minions.length}`;
    });
  }

  killJob(jid: Jid): void {
    this.#during(async (client) => {
      const { told } = await client.call("job.kill", { jid, user: "root" });
      return `killed ${jid}, told ${told.join(" ")}`;
    });
  }

  /** @param onDone when the master has said that it is done */
  deleteKey(id: MinionId, fingerprint: string, onDone: () => void): void {
    this.#during(async (client) => {
      const keys = [{ id, fingerprint }];
      const { results } = await client.call("key.change", { act: "delete", keys, user: "root" });
      const done = results.every(({ ok }) => ok);
      if (done) onDone();
      return done ? `deleted the key of ${id}` : "not deleted";
    });
  }

  /** As if its terminal were closed. */
  kill(): void {
    this.end ??= "killed";
    this.#world.kill(this.process);
  }

  #during(work: (client: LocalClient) => Promise<string>): void {
    const world = this.#world;
    const all = async (): Promise<string> => {
      const client = await LocalClient.connect(world.fixtures.config.sockDir);
      try {
        return await work(client);
      } finally {
        client.close();
      }
    };
    const ended = (how: string): void => {
      this.end = how;
      world.note(`${this.process.name} ends: ${how}`);
      world.kill(this.process);
    };
    const begin = (): void => void all().then(ended, (failure: unknown) => ended(`error: ${messageOf(failure)}`));
    world.clock.schedule(0, begin, this.process);
  }

  #compare(jid: Jid, shown: ReadonlyMap<MinionId, Target>, { missing }: Followed): void {
    const { watch, records, clock } = this.#world;
    for (const [id, { state, retcode }] of shown) {
      const row = records.target(jid, id);
      if (row?.state !== state || row.retcode !== retcode)
        watch.fail(`I6: ${id} is shown as ${state} in ${jid}, the record has ${row?.state}`);
    }
    for (const { id } of missing) {
      const row = records.target(jid, id);
      const at = watch.resultAt.get(`${jid}/${id}`) ?? clock.now;
      if (row !== undefined && hasResult(row) && at < clock.now - lookMs)
        watch.fail(`I6: ${id} is said not to have returned in ${jid}, the record has ${row.state}`);
    }
  }
}

/** Hears all events from its start to the end of the history. */
export function observe(world: World): () => boolean {
  const process = world.spawn("observer");
  const listen = async (): Promise<void> => {
    const client = await LocalClient.connect(world.fixtures.config.sockDir);
    await client.subscribe("salt/job/", () => undefined);
  };
  world.clock.schedule(10, () => void listen(), process);
  return () =>
    [...world.network.connections].some(
      ({ client, open, granted }) => open && client.process === process && granted.size > 0,
    );
}
