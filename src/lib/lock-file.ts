import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { MsaltError, messageOf } from "../errors.ts";
import { failpoint } from "./failpoint.ts";

/**
 * Holds `file` for this process; the returned function gives it up. A lock whose process is gone is taken over: pid and start
 * time are compared, so a reused pid does not count.
 * @throws MsaltError `ERR_LOCKED` when a living process holds it, `ERR_STORE` when the file cannot be written.
 */
export function takeLock(file: string, what: string): () => void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new MsaltError("ERR_STORE", `cannot make the folder ${dirname(file)}: ${messageOf(cause)}`, {}, { cause });
  }
  const own = `${process.pid} ${startTimeOf(process.pid) ?? 0}\n`;
  const draft = `${file}.${process.pid}`;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      // Linked, not opened: the lock appears with its content or not at all.
      writeFileSync(draft, own, { mode: 0o600 });
      failpoint("lock.link");
      linkSync(draft, file);
      return () => {
        if (readText(file) === own) unlinkSync(file);
      };
    } catch (cause) {
      if ((cause as { code?: string }).code !== "EEXIST") {
        throw new MsaltError("ERR_STORE", `cannot write the lock file ${file}: ${messageOf(cause)}`, {}, { cause });
      }
    } finally {
      rmSync(draft, { force: true });
    }
    const text = readText(file);
    const [pid = 0, started = 0] = text.trim().split(" ").map(Number);
    if (pid > 0 && startTimeOf(pid) === started) {
      throw new MsaltError("ERR_LOCKED", `another ${what} runs on ${dirname(file)} (pid ${pid})`, {
        hint: "stop it first, or give this one its own root_dir",
      });
    }
    // Renamed before it is removed: of two that find the same stale lock only one succeeds.
    const aside = `${file}.stale.${process.pid}`;
    try {
      failpoint("lock.rename");
      renameSync(file, aside);
      const taken = readText(aside);
      if (taken !== text) giveBack(aside, file);
      unlinkSync(aside);
    } catch {
      continue;
    }
  }
  throw new MsaltError("ERR_LOCKED", `another ${what} is just starting on ${dirname(file)}`);
}

/** Somebody was quicker, and what was moved aside is the new lock, not the stale one. */
function giveBack(aside: string, file: string): void {
  try {
    linkSync(aside, file);
  } catch {
    // A third one holds the lock by now.
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Field 22 of /proc/<pid>/stat: clock ticks since boot; undefined when no such process lives. */
function startTimeOf(pid: number): number | undefined {
  const text = readText(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return text === "" || fields[0] === "Z" ? undefined : Number(fields[19]);
}
