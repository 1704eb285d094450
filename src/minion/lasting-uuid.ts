import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";

/**
 * 32 hex digits, made at the first start and kept: it stays when id, host name and addresses change. A file that does not
 * hold one is replaced.
 */
export function lastingUuid(file: string, log: Log): string {
  const kept = read(file);
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  const uuid = randomUUID().replaceAll("-", "");
  try {
    write(file, `${uuid}\n`);
  } catch (failure) {
    // No reason not to run.
    log.warn("cannot keep the UUID of this minion: it will be another one next time", {
      file,
      failure: messageOf(failure),
    });
  }
  return uuid;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = openSync(`${file}.new`, "w", 0o600);
  try {
    writeSync(draft, text);
    fsyncSync(draft);
  } finally {
    closeSync(draft);
  }
  renameSync(`${file}.new`, file);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
