/** Files that minions sent with `cp.push`: `<dir>/<minion id>/files/<path>`, each whole or not there. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MsaltError } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import { putInPlace } from "../lib/replace-file.ts";

export interface Part {
  readonly path: string;
  readonly offset: number;
  readonly total: number;
  readonly sha256: Uint8Array;
  readonly data: Uint8Array;
}

/**
 * Writes one part; the last one puts the file in its place. Parts come in order, and may come again.
 * @param maxBytes undefined: nothing is taken
 * @throws MsaltError `ERR_NOT_ALLOWED`.
 */
export async function receivePart(dir: string, id: string, part: Part, maxBytes: number | undefined): Promise<void> {
  const { path, offset, total, sha256, data } = part;
  if (maxBytes === undefined)
    throw new MsaltError("ERR_NOT_ALLOWED", "the master takes no files: file_recv is off there");
  if (total > maxBytes)
    throw new MsaltError("ERR_NOT_ALLOWED", `the file is over the master's limit of ${maxBytes} bytes`);
  if (offset + data.length > total) throw new MsaltError("ERR_NOT_ALLOWED", "the part lies beyond the end of the file");
  const names = path.split("/").filter((name) => name !== "");
  if (names.length === 0 || path.includes("\0") || names.some((name) => name === "." || name === "..")) {
    throw new MsaltError("ERR_NOT_ALLOWED", "the path leads elsewhere");
  }
  const folder = join(dir, id, "files");
  const place = join(folder, ...names);
  const hex = Buffer.from(sha256).toString("hex");
  // Of this file in this place: the same bytes may be on their way to another one.
  const temporary = join(dir, id, `.${createHash("sha256").update(sha256).update(place).digest("hex")}.part`);
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  const handle = await open(temporary, offset === 0 ? "w" : "r+", 0o600);
  try {
    await handle.write(data, 0, data.length, offset);
    if (offset + data.length < total) return;
    failpoint("push.sync");
    await handle.datasync();
  } finally {
    await handle.close();
  }
  const hash = createHash("sha256");
  for await (const data of createReadStream(temporary)) hash.update(data as Buffer);
  const whole = hash.digest("hex");
  if (whole !== hex) {
    await rm(temporary, { force: true });
    throw new MsaltError("ERR_NOT_ALLOWED", "the file changed while it was sent");
  }
  failpoint("push.rename");
  await putInPlace(temporary, place);
}
