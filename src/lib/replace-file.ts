import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { failpoint } from "./failpoint.ts";

/** Writes a small file of this process alone: after any crash it is the old or the new one, and the new one once this has resolved. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(text);
    failpoint("kept.sync");
    await handle.sync();
  } finally {
    await handle.close();
  }
  failpoint("kept.rename");
  await putInPlace(draft, file);
}

/** Gives a file whose bytes are synced its name, for good. */
export async function putInPlace(draft: string, file: string): Promise<void> {
  await rename(draft, file);
  failpoint("kept.folder");
  const folder = await open(dirname(file));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
