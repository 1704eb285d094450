/** Real Salt beside msalt, where it can be installed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Cleanup, Contender, Sample, Scale } from "./row.ts";

/** CPU and wall time of one whole process. */
interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** What `bench/salt/salt.ts` gives. */
export interface SaltBench extends AsyncDisposable {
  readonly version: string;
  minions(count: number): Promise<void>;
  ping(): Promise<Cost>;
  fanOut(count: number): Promise<{ wallMs: number; returned: number; masterCpuMs: number }>;
  returns(total: number): Promise<{ perSecond: number; masterCpuMsPerReturn: number }>;
  jobs(clients: number, seconds: number): Promise<{ perSecond: number }>;
  overrun(count: number): Promise<{ stored: number; sent: number }>;
  deadMinion(): Promise<{ offlineMs: number; midJobMs: number }>;
  restart(count: number): Promise<{ answered: number; of: number; exitCode: number }>;
  memory(): Promise<{ masterMiB: number; minionMiB: number }>;
  minionStart(): Promise<number>;
}

interface SaltModule {
  startSalt(): Promise<SaltBench | { notInstalled: string }>;
}

async function load(): Promise<SaltModule | undefined> {
  const file = join(process.cwd(), "node_modules/.cache/msalt-bench/bundle/salt/salt.js");
  return existsSync(file) ? ((await import(pathToFileURL(file).href)) as SaltModule) : undefined;
}

/** Salt with so many minions, measured by `sample`; where there is no Salt, the reason. */
export async function saltContender(
  { salt: wanted }: Scale,
  cleanup: Cleanup,
  minions: number,
  sample: (salt: SaltBench) => Promise<Sample>,
): Promise<Contender> {
  const name = "Salt";
  if (!wanted) return { name, missing: "left out by --no-salt" };
  const module = await load();
  if (module === undefined) return { name, missing: "not installed: bench/salt/salt.ts is not there" };
  const salt = await module.startSalt();
  if ("notInstalled" in salt) return { name, missing: `not installed: ${salt.notInstalled}` };
  cleanup.use(salt);
  if (minions > 0) await salt.minions(minions);
  return { name, sample: () => sample(salt) };
}
