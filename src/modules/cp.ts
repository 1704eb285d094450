/** `cp`: files from the master, and back where it takes them. Names, parameters and returns are Salt's. */
import { stat } from "node:fs/promises";
import { basename, isAbsolute, join } from "node:path";
import * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import { type AnyFunction, type Host, Outcome, declare } from "./declare.ts";
import { fetchFile, filesBelow, hashOf, masterPath, noSuchFile } from "./fetch.ts";

const source = z.string().describe("salt://… below the master's file_roots");
const dest = z.string().describe("absolute path on the minion");
const makedirs = z.boolean().default(false).describe("make the folders above it");

function absolute(path: string): string {
  if (isAbsolute(path)) return path;
  throw new MsaltError("ERR_FUNCTION_ARGS", `${JSON.stringify(path)} is not an absolute path`);
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

/** Where a file of this name goes: into `dest` when that is a folder, or is meant to be one. */
async function placeFor(name: string, to: string): Promise<string> {
  return to.endsWith("/") || (await isFolder(to)) ? join(to, basename(name)) : to;
}

const getFile = declare({
  name: "cp.get_file",
  summary: "Bring one file from the master; an empty text when there is none.",
  examples: [
    "cp.get_file salt://app/app.conf /etc/app.conf",
    "cp.get_file salt://app/app.conf /etc/app/ makedirs=True",
  ],
  params: z.strictObject({ path: source, dest, makedirs }),
  effects: "some",
  run: async ({ path, dest: to, makedirs: make }, host) => {
    const place = await placeFor(path, absolute(to));
    return (await fetchFile(host, masterPath(path), place, make)) ? place : "";
  },
});

async function bringAll(host: Host, from: string, names: readonly string[], to: string): Promise<string[]> {
  const places: string[] = [];
  for (const name of names) {
    const place = join(to, name);
    if (await fetchFile(host, `${from}/${name}`, place, true)) places.push(place);
  }
  return places;
}

const getDir = declare({
  name: "cp.get_dir",
  summary: "Bring a folder from the master with all that is below it; what else is there stays.",
  examples: ["cp.get_dir salt://app /opt"],
  params: z.strictObject({ path: source, dest }),
  effects: "some",
  run: async ({ path, dest: to }, host) => {
    const from = masterPath(path).replace(/\/+$/, "");
    const names = await filesBelow(host.files, from);
    if (names.length === 0) throw noSuchFile(from);
    // As in Salt, the folder itself goes below dest.
    return bringAll(host, from, names, join(absolute(to), basename(from)));
  },
});

const getText = declare({
  name: "cp.get_file_str",
  summary: "Show the text of a file of the master.",
  examples: ["cp.get_file_str salt://app/app.conf"],
  params: z.strictObject({ path: source }),
  effects: "none",
  run: async ({ path }, { files }) => {
    const name = masterPath(path);
    const file = await files.stat(name);
    if (file === undefined) throw noSuchFile(name);
    if (file.size > 1_048_576)
      throw new MsaltError("ERR_FUNCTION_ARGS", `${path} is longer than 1 MiB: cp.get_file brings it`);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < file.size;) {
      const part = await files.read(name, at);
      if (part === undefined || part.length === 0) break;
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts).toString();
  },
});

const hashFile = declare({
  name: "cp.hash_file",
  summary: "Show the SHA-256 of a file of the master, or of one here.",
  examples: ["cp.hash_file salt://app/app.conf", "cp.hash_file /etc/app.conf"],
  params: z.strictObject({ path: z.string() }),
  effects: "none",
  run: async ({ path }, { files }) => {
    const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");
    if (isAbsolute(path)) return { hsum: hex(await hashOf(path)), hash_type: "sha256" };
    const file = await files.stat(masterPath(path));
    if (file === undefined) throw noSuchFile(masterPath(path));
    return { hsum: hex(file.sha256), hash_type: "sha256" };
  },
});

const listMaster = declare({
  name: "cp.list_master",
  summary: "List the files of the master, below a folder.",
  examples: ["cp.list_master", "cp.list_master prefix=app"],
  params: z.strictObject({ prefix: z.string().default("") }),
  effects: "none",
  run: async ({ prefix }, host) => {
    const below = prefix.replace(/\/+$/, "");
    return (await filesBelow(host.files, below)).map((name) => (below === "" ? name : `${below}/${name}`));
  },
});

const receive = declare({
  name: "cp.recv",
  summary: "Take what msalt-cp has laid out on the master; each file with True or the reason.",
  params: z.strictObject({ source: z.string(), dest, single: z.boolean() }),
  effects: "some",
  run: async ({ source: from, dest: to, single }, host) => {
    const done: Record<string, true | string> = {};
    for (const name of await filesBelow(host.files, from)) {
      const place = single ? await placeFor(name, absolute(to)) : join(absolute(to), name);
      try {
        done[place] =
          (await fetchFile(host, `${from}/${name}`, place, !single || to.endsWith("/"))) ||
          "it is no longer on the master";
      } catch (failure) {
        done[place] = messageOf(failure);
      }
    }
    if (Object.keys(done).length === 0)
      throw new MsaltError("ERR_COMMAND", "nothing is laid out on the master any more");
    return new Outcome(done, Object.values(done).every((each) => each === true) ? 0 : 1);
  },
});

const push = declare({
  name: "cp.push",
  summary: "Send a file of this minion to the master, which keeps it when its file_recv is true.",
  examples: ["cp.push /var/log/app.log"],
  params: z.strictObject({ path: z.string().describe("absolute path on the minion") }),
  effects: "some",
  run: async ({ path }, { files }) => {
    await files.push(absolute(path));
    return true;
  },
});

export const cpFunctions: readonly AnyFunction[] = [getFile, getDir, getText, hashFile, listMaster, receive, push];
