import { open, rename } from "node:fs/promises";
import { dump } from "js-yaml";

/** Writes the custom grains of a minion as the YAML map that the operator may edit; old or new, never a part of it. */
export async function saveGrains(file: string, grains: Readonly<Record<string, unknown>>): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(dump(grains));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
