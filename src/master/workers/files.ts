/** What minions read of the master's files, and send. It happens here, so that the controller and the other workers go on. */
import type { FileRoots } from "../../files/file-roots.ts";
import { receivePart } from "../../files/received.ts";
import type { MinionId } from "../../wire/ids.ts";
import type { Load, Replies } from "../../wire/loads.ts";

export interface WorkerFiles {
  readonly roots: FileRoots;
  /** Below it, each minion has a folder. */
  readonly received: string;
  /** Undefined: none are taken. */
  readonly maxBytes: number | undefined;
}

export async function fileStat(
  { path }: Load<"file.stat">,
  _from: MinionId,
  { roots }: WorkerFiles,
): Promise<Replies["file.stat"]> {
  const file = await roots.stat(path);
  return file === undefined ? {} : { file };
}

export async function fileRead(
  { path, offset }: Load<"file.read">,
  _from: MinionId,
  { roots }: WorkerFiles,
): Promise<Replies["file.read"]> {
  const data = await roots.read(path, offset);
  return data === undefined ? {} : { data };
}

export function fileList(
  { path, after }: Load<"file.list">,
  _from: MinionId,
  { roots }: WorkerFiles,
): Promise<Replies["file.list"]> {
  return roots.list(path, after);
}

export async function filePush(
  load: Load<"file.push">,
  from: MinionId,
  { received, maxBytes }: WorkerFiles,
): Promise<Replies["file.push"]> {
  await receivePart(received, from, load, maxBytes);
  return {};
}
