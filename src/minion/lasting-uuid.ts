import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";
import { replaceFile } from "../lib/replace-file.ts";
import type { Log } from "../log/log.ts";

/**
 * 32 hex digits, made at the first start and kept: it stays when id, host name and addresses change. A file that does not
 * hold one is replaced.
 */
export async function lastingUuid(file: string, log: Log): Promise<string> {
  const kept = read(file);
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  const uuid = randomUUID().replaceAll("-", "");
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await replaceFile(file, `${uuid}\n`);
  } catch (failure) {
    // No reason not to run.
    log.warn("cannot keep the UUID of this minion: it will be another one next time", {
      file,
      failure: messageOf(failure),
    });
  }
  return uuid;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
