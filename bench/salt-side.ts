/** Real Salt beside msalt, where it can be installed. */
import type { Cleanup, Contender, Sample, Scale } from "./row.ts";
import { type SaltBench, startSalt } from "./salt/salt.ts";

/** Salt with so many minions, measured by `sample`; where there is no Salt, the reason. */
export async function saltContender(
  { salt: wanted }: Scale,
  cleanup: Cleanup,
  minions: number,
  sample: (salt: SaltBench) => Promise<Sample>,
): Promise<Contender> {
  const name = "Salt";
  if (!wanted) return { name, missing: "left out by --no-salt" };
  const salt = await startSalt();
  if ("notInstalled" in salt) return { name, missing: `not installed: ${salt.notInstalled}` };
  cleanup.use(salt);
  if (minions > 0) await salt.minions(minions);
  return { name, sample: () => sample(salt) };
}
