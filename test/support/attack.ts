/** What every attack ends with: nothing changed, and the bus still serves. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import type { Bus } from "./bus.ts";
import { until } from "./proc.ts";
import { RawMinion } from "./raw-minion.ts";

/** Every file under `root` with its mode and the hash of what is in it. */
export function hashTree(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    const path = join(root, name);
    const { mode } = statSync(path);
    const hash = statSync(path).isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "folder";
    found[name] = `${mode.toString(8)} ${hash}`;
  }
  return found;
}

/** Keys, jobs with the states of their targets, key files, configuration and processes. */
async function stateOf(bus: Bus): Promise<unknown> {
  const client = await LocalClient.connect(bus.sockDir);
  try {
    return {
      files: hashTree(bus.pki),
      config: [bus.masterRoot, ...[...bus.minions.keys()].map((id) => bus.minionRoot(id))].map((root) =>
        hashTree(join(root, "etc")),
      ),
      minions: [...bus.minions].map(([id, { pid, alive }]) => [id, pid, alive]),
      keys: await client.call("key.list", {}),
      jobs: await client.call("job.list", { limit: 10_000 }),
      pids: (["controller", "publisher", "reqserver", "worker"] as const).map((role) => bus.pidsOf(role)),
    };
  } finally {
    client.close();
  }
}

/** A real minion answers. */
export async function stillServing(bus: Bus, id = "m1"): Promise<void> {
  expect(await bus.msalt(id, "test.ping", "--timeout=60", "--out=json")).toMatchObject({
    code: 0,
    stdout: `{\n    "${id}": true\n}\n`,
  });
}

/** Runs an attack and fails if it changed anything or if `m1` does not answer afterwards. */
export async function unharmed<T>(bus: Bus, attack: () => Promise<T>): Promise<T> {
  const before = await stateOf(bus);
  const outcome = await attack();
  expect(await stateOf(bus)).toEqual(before);
  await stillServing(bus);
  return outcome;
}

/** A hostile minion whose key is accepted and whose session works. */
export async function rawMinion(bus: Bus, id: string): Promise<RawMinion> {
  const minion = new RawMinion(id);
  const port = bus.ports["enroll_port"] ?? 0;
  await until(`${id} is accepted`, async () => (await minion.enrol(port)) === 2);
  await online(bus, minion);
  return minion;
}

/** Connects and begins a session. As a minion does it, again where its key or its session was not known everywhere yet. */
export async function online(bus: Bus, minion: RawMinion): Promise<void> {
  let failure: unknown;
  await until(
    `${minion.id} is connected`,
    async () => {
      minion.connect(bus.ports);
      return minion.online().then(
        () => true,
        (reason: unknown) => {
          failure = reason;
          return false;
        },
      );
    },
    60_000,
    () => String(failure),
  );
}

/** Frames that the workers dropped, by reason, as the master's log says. */
export function dropped(bus: Bus, reason: string): number {
  const pattern = new RegExp(`dropped a frame.*reason\\W{1,3}${reason}\\b`, "g");
  return (bus.master?.stderr.match(pattern) ?? []).length;
}
