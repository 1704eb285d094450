/** What is to be known of files. Names, parameters and returns are Salt's. */
import { createHash, getHashes } from "node:crypto";
import {
  createReadStream,
  type Stats,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
} from "node:fs";
import * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import { groupNames, userNames } from "./accounts.ts";
import { type AnyFunction, declare } from "./declare.ts";

/** What a result can carry, with room for what is around it. */
const maxReadBytes = 8 * 1_048_576 - 65_536;

const pathParam = z.string().describe("absolute path on the minion");
const path = z.strictObject({ path: pathParam });

/** Runs what may fail for what the operator asked for, such as a file that is not there. @throws MsaltError `ERR_COMMAND`. */
export function onFile<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    if (failure instanceof MsaltError) throw failure;
    throw new MsaltError("ERR_COMMAND", `${name}: ${reasonOf(failure)}`);
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "it is in use, or a mount of its own",
  EEXIST: "it exists already",
  EISDIR: "it is a directory",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENOTDIR: "it is no directory",
  ENOTEMPTY: "the directory is not empty",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
};

function reasonOf(failure: unknown): string {
  const { code = "" } = failure as { code?: string };
  const reason = reasons[code];
  return reason === undefined ? messageOf(failure) : `${reason} (${code})`;
}

/** As `stat -c %a` prints it, with a leading zero. */
export function modeText(mode: number): string {
  return `0${(mode & 0o7777).toString(8).padStart(3, "0")}`;
}

export function statOf(name: string, follow = true): Stats {
  return onFile(name, () => (follow ? statSync(name) : lstatSync(name)));
}

function typeOf(stats: Stats): string {
  if (stats.isDirectory()) return "dir";
  if (stats.isSymbolicLink()) return "link";
  if (stats.isBlockDevice()) return "block";
  if (stats.isCharacterDevice()) return "char";
  if (stats.isFIFO()) return "pipe";
  return stats.isSocket() ? "socket" : "file";
}

function exists(name: string, kind: (stats: Stats) => boolean): boolean {
  return existsSync(name) && kind(statSync(name));
}

function fact(name: string, summary: string, give: (file: string) => unknown, example = "/etc/hosts"): AnyFunction {
  return declare({
    name: `file.${name}`,
    summary,
    examples: [`msalt '*' file.${name} ${example}`],
    params: path,
    effects: "none",
    run: async ({ path: file }) => give(file),
  });
}

const stats = declare({
  name: "file.stats",
  summary: "Give owner, mode, size, times and type of a file.",
  examples: ["msalt '*' file.stats /etc/passwd"],
  params: z.strictObject({ path: pathParam, follow_symlinks: z.boolean().default(true) }),
  effects: "none",
  run: async ({ path: file, follow_symlinks: follow }) => {
    const found = statOf(file, follow);
    return {
      atime: found.atimeMs / 1000,
      ctime: found.ctimeMs / 1000,
      gid: found.gid,
      group: groupNames().get(found.gid) ?? String(found.gid),
      inode: found.ino,
      mode: modeText(found.mode),
      mtime: found.mtimeMs / 1000,
      size: found.size,
      target: onFile(file, () => (lstatSync(file).isSymbolicLink() ? readlinkSync(file) : file)),
      type: typeOf(found),
      uid: found.uid,
      user: userNames().get(found.uid) ?? String(found.uid),
    };
  },
});

const read = declare({
  name: "file.read",
  summary: "Give the text of a file.",
  examples: ["msalt '*' file.read /etc/hostname"],
  params: path,
  effects: "none",
  run: async ({ path: file }) => {
    const { size } = statOf(file);
    if (size > maxReadBytes) {
      throw new MsaltError("ERR_COMMAND", `${file}: it has ${size} bytes, at most ${maxReadBytes} can be returned`);
    }
    return onFile(file, () => readFileSync(file, "utf8"));
  },
});

const getHash = declare({
  name: "file.get_hash",
  summary: "Give the checksum of a file.",
  examples: ["msalt '*' file.get_hash /etc/hosts sha256"],
  params: z.strictObject({ path: pathParam, form: z.string().default("sha256") }),
  effects: "none",
  run: async ({ path: file, form }) => {
    if (!getHashes().includes(form)) throw new MsaltError("ERR_FUNCTION_ARGS", `no hash is called ${form}`);
    statOf(file);
    const hash = createHash(form);
    for await (const part of createReadStream(file)) hash.update(part as Uint8Array);
    return hash.digest("hex");
  },
});

const contains = declare({
  name: "file.contains",
  summary: "Say whether a line of a file holds a text.",
  examples: ["msalt '*' file.contains /etc/crontab mymaintenance.sh"],
  params: z.strictObject({ path: pathParam, text: z.string() }),
  effects: "none",
  run: async ({ path: file, text }) =>
    existsSync(file) &&
    onFile(file, () => readFileSync(file, "utf8"))
      .split("\n")
      .some((line) => line.includes(text.trim())),
});

const grep = declare({
  name: "file.grep",
  summary: "Search a file with grep; give pid, retcode, stdout and stderr.",
  examples: ["msalt '*' file.grep /etc/passwd nobody -- -i"],
  params: z.strictObject({ path: pathParam, pattern: z.string(), opts: z.array(z.string()).default([]) }),
  rest: "opts",
  effects: "none",
  run: async ({ path: file, pattern, opts }, host) => {
    const { pid, retcode, stdout, stderr } = await host.command({ argv: ["grep", ...opts, "-e", pattern, "--", file] });
    return { pid, retcode, stderr: stderr.trimEnd(), stdout: stdout.trimEnd() };
  },
});

const find = declare({
  name: "file.find",
  summary:
    "List files below a directory: name (glob), type (f, d, l …), maxdepth, mindepth, size, mtime, owner as find takes them.",
  examples: ["msalt '*' file.find /var/log name='*.log' mtime=+7"],
  params: z.strictObject({
    path: pathParam,
    name: z.string().optional(),
    iname: z.string().optional(),
    type: z.string().optional(),
    maxdepth: z.int().min(0).optional(),
    mindepth: z.int().min(0).optional(),
    size: z.string().optional(),
    mtime: z.string().optional(),
    owner: z.string().optional(),
    group: z.string().optional(),
  }),
  effects: "none",
  run: async ({ path: root, owner, maxdepth, mindepth, ...tests }, host) => {
    const depth = Object.entries({ maxdepth, mindepth }).flatMap(([key, value]) =>
      value === undefined ? [] : [`-${key}`, String(value)],
    );
    const all = { ...tests, user: owner };
    const words = Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [`-${key}`, value]));
    const result = await host.command({ argv: ["find", root, ...depth, ...words, "-print0"] });
    if (result.retcode !== 0 && result.stdout === "") throw new MsaltError("ERR_COMMAND", result.stderr.trim());
    return result.stdout.split("\0").filter(Boolean).toSorted();
  },
});

export const fileFacts: readonly AnyFunction[] = [
  fact("file_exists", "Say whether a file is there.", (file) => exists(file, (each) => each.isFile())),
  fact(
    "directory_exists",
    "Say whether a directory is there.",
    (file) => exists(file, (each) => each.isDirectory()),
    "/etc",
  ),
  fact(
    "is_link",
    "Say whether a path is a symbolic link.",
    (file) => existsSync(file) && lstatSync(file).isSymbolicLink(),
  ),
  fact("access_time", "Give when a file was last read, seconds since 1970.", (file) => statOf(file).atimeMs / 1000),
  fact("get_mode", "Give the mode of a file, such as 0644.", (file) => modeText(statOf(file).mode)),
  fact("get_uid", "Give the number of a file's owner.", (file) => statOf(file).uid),
  fact("get_gid", "Give the number of a file's group.", (file) => statOf(file).gid),
  fact("get_user", "Give the name of a file's owner.", (file) => {
    const { uid } = statOf(file);
    return userNames().get(uid) ?? String(uid);
  }),
  fact("get_group", "Give the name of a file's group.", (file) => {
    const { gid } = statOf(file);
    return groupNames().get(gid) ?? String(gid);
  }),
  fact(
    "readlink",
    "Give where a symbolic link points.",
    (file) => onFile(file, () => readlinkSync(file)),
    "/etc/localtime",
  ),
  fact(
    "readdir",
    "List the entries of a directory, `.` and `..` among them.",
    (file) => [".", "..", ...onFile(file, () => readdirSync(file))],
    "/etc",
  ),
  stats,
  read,
  getHash,
  contains,
  grep,
  find,
];
