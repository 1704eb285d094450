/** Changes of files. Names, parameters and returns are Salt's. A text is replaced whole or not at all. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import { accounts, groups } from "./accounts.ts";
import { type AnyFunction, declare } from "./declare.ts";
import { modeText, onFile, statOf } from "./file-facts.ts";

const pathParam = z.string().describe("absolute path on the minion");
const mode = z.string().describe("octal digits, such as 0644");
const lines = z.array(z.string()).describe("lines to write");

/** @throws MsaltError `ERR_FUNCTION_ARGS`. */
export function absolute(path: string): string {
  if (!isAbsolute(path)) throw new MsaltError("ERR_FUNCTION_ARGS", `${path}: give an absolute path on the minion`);
  return path;
}

function modeOf(text: string): number {
  if (!/^[0-7]{1,5}$/.test(text)) throw new MsaltError("ERR_FUNCTION_ARGS", `${text} is no mode: give octal digits`);
  return Number.parseInt(text, 8);
}

/** @throws MsaltError `ERR_COMMAND` for a name that nobody has. */
function uidOf(user: string): number {
  const found = /^\d+$/.test(user) ? Number(user) : accounts().find(({ name }) => name === user)?.uid;
  if (found === undefined) throw new MsaltError("ERR_COMMAND", `no user ${JSON.stringify(user)} on this minion`);
  return found;
}

function gidOf(group: string): number {
  const found = /^\d+$/.test(group) ? Number(group) : groups().find(({ name }) => name === group)?.gid;
  if (found === undefined) throw new MsaltError("ERR_COMMAND", `no group ${JSON.stringify(group)} on this minion`);
  return found;
}

/** Writes beside the file and renames, so that a reader sees old or new; owner and mode of an old one stay. */
export function writeWhole(path: string, text: string): void {
  onFile(path, () => {
    const old = existsSync(path) ? statSync(path) : undefined;
    if (old !== undefined && !old.isFile()) throw new MsaltError("ERR_COMMAND", `${path}: it is no plain file`);
    const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
    try {
      writeFileSync(draft, text, { flag: "wx", mode: old?.mode ?? 0o644 });
      if (old !== undefined) {
        chownSync(draft, old.uid, old.gid);
        chmodSync(draft, old.mode & 0o7777);
      }
      failpoint("file.rename");
      renameSync(draft, path);
    } finally {
      rmSync(draft, { force: true });
    }
  });
}

export function textOf(path: string): string {
  return existsSync(path) ? onFile(path, () => readFileSync(path, "utf8")) : "";
}

const joined = (all: readonly string[]): string => all.map((line) => `${line}\n`).join("");

function writing(
  name: string,
  summary: string,
  verb: string,
  make: (old: string, added: string) => string,
): AnyFunction {
  return declare({
    name: `file.${name}`,
    summary,
    examples: [`msalt '*' file.${name} /etc/motd 'first line' 'second line'`],
    params: z.strictObject({ path: pathParam, args: lines }),
    rest: "args",
    effects: "some",
    run: async ({ path, args }) => {
      writeWhole(absolute(path), make(textOf(path), joined(args)));
      return `${verb} ${args.length} lines to "${path}"`;
    },
  });
}

const withNewline = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`);

const touch = declare({
  name: "file.touch",
  summary: "Make an empty file, or set the times of one to now.",
  examples: ["msalt '*' file.touch /var/log/emptyfile"],
  params: z.strictObject({ name: pathParam }),
  effects: "some",
  run: async ({ name }) => {
    onFile(absolute(name), () => {
      writeFileSync(name, "", { flag: "a" });
      utimesSync(name, new Date(), new Date());
    });
    return existsSync(name);
  },
});

const remove = declare({
  name: "file.remove",
  summary: "Remove a file, or a directory with all that is in it.",
  examples: ["msalt '*' file.remove /tmp/foo"],
  params: z.strictObject({ path: pathParam }),
  effects: "some",
  run: async ({ path }) => {
    if (absolute(path).replaceAll(/\/+/g, "/") === "/")
      throw new MsaltError("ERR_COMMAND", "/: the whole system is not removed");
    onFile(path, () => {
      lstatSync(path);
      rmSync(path, { recursive: true });
    });
    return true;
  },
});

const copy = declare({
  name: "file.copy",
  summary: "Copy a file, or a directory with recurse=True.",
  examples: ["msalt '*' file.copy /path/to/src /path/to/dst recurse=True"],
  params: z.strictObject({
    src: pathParam,
    dst: pathParam,
    recurse: z.boolean().default(false),
    remove_existing: z.boolean().default(false),
  }),
  effects: "some",
  run: async ({ src, dst, recurse, remove_existing: removeExisting }) => {
    const isDirectory = statOf(absolute(src)).isDirectory();
    if (isDirectory && !recurse) throw new MsaltError("ERR_COMMAND", `${src}: it is a directory; give recurse=True`);
    onFile(absolute(dst), () => {
      if (removeExisting) rmSync(dst, { recursive: true, force: true });
      if (isDirectory) cpSync(src, dst, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      else copyFileSync(src, existsSync(dst) && statSync(dst).isDirectory() ? join(dst, basename(src)) : dst);
    });
    return true;
  },
});

const rename = declare({
  name: "file.rename",
  summary: "Rename a file or directory.",
  examples: ["msalt '*' file.rename /path/to/src /path/to/dst"],
  params: z.strictObject({ src: pathParam, dst: pathParam }),
  effects: "some",
  run: async ({ src, dst }) => {
    onFile(`${src} to ${dst}`, () => renameSync(absolute(src), absolute(dst)));
    return true;
  },
});

const move = declare({
  name: "file.move",
  summary: "Move a file or directory, also to another file system.",
  examples: ["msalt '*' file.move /path/to/src /path/to/dst"],
  params: z.strictObject({ src: pathParam, dst: pathParam }),
  effects: "some",
  run: async ({ src, dst }) => {
    const comment = `'${src}' moved to '${dst}'`;
    onFile(`${src} to ${dst}`, () => {
      try {
        renameSync(absolute(src), absolute(dst));
      } catch (failure) {
        if ((failure as { code?: string }).code !== "EXDEV") throw failure;
        cpSync(src, dst, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
        rmSync(src, { recursive: true });
      }
    });
    return { comment, result: true };
  },
});

const owned = {
  user: z.string().optional(),
  group: z.string().optional(),
  mode: mode.optional(),
};
type Owned = { user?: string | undefined; group?: string | undefined; mode?: string | undefined };

export function own(path: string, { user, group, mode: bits }: Owned): void {
  onFile(path, () => {
    if (user !== undefined || group !== undefined) {
      chownSync(path, user === undefined ? -1 : uidOf(user), group === undefined ? -1 : gidOf(group));
    }
    if (bits !== undefined) chmodSync(path, modeOf(bits));
  });
}

const mkdir = declare({
  name: "file.mkdir",
  summary: "Make a directory, and those above it.",
  examples: ["msalt '*' file.mkdir /opt/jetty/context"],
  params: z.strictObject({ dir_path: pathParam, ...owned }),
  effects: "some",
  run: async ({ dir_path: path, ...rest }) => {
    onFile(absolute(path), () => mkdirSync(path, { recursive: true }));
    own(path, rest);
    return true;
  },
});

const makedirs = declare({
  name: "file.makedirs",
  summary: "Make the directories that a path stands in; one that ends with a slash is made too.",
  examples: ["msalt '*' file.makedirs /opt/code/"],
  params: z.strictObject({ path: pathParam, ...owned }),
  effects: "some",
  run: async ({ path, ...rest }) => {
    const dir = path.endsWith("/") ? path.replace(/\/+$/, "") || "/" : dirname(absolute(path));
    if (existsSync(dir)) return `Directory '${dir}' already exists`;
    onFile(absolute(dir), () => mkdirSync(dir, { recursive: true }));
    own(dir, rest);
    return null;
  },
});

const setMode = declare({
  name: "file.set_mode",
  summary: "Set the mode of a file.",
  examples: ["msalt '*' file.set_mode /etc/passwd 0644"],
  params: z.strictObject({ path: pathParam, mode }),
  effects: "some",
  run: async ({ path, mode: bits }) => {
    own(path, { mode: bits });
    return modeText(statOf(path).mode);
  },
});

const chown = declare({
  name: "file.chown",
  summary: "Set owner and group of a file, by name or number.",
  examples: ["msalt '*' file.chown /etc/passwd root root"],
  params: z.strictObject({ path: pathParam, user: z.string(), group: z.string() }),
  effects: "some",
  run: async ({ path, user, group }) => {
    statOf(path);
    own(path, { user, group });
    return null;
  },
});

const symlink = declare({
  name: "file.symlink",
  summary: "Make a symbolic link at path that points to src.",
  examples: ["msalt '*' file.symlink /path/to/file /path/to/link"],
  params: z.strictObject({ src: z.string(), path: pathParam, force: z.boolean().default(false) }),
  effects: "some",
  run: async ({ src, path, force }) => {
    onFile(absolute(path), () => {
      if (force) rmSync(path, { force: true });
      symlinkSync(src, path);
    });
    return true;
  },
});

const replace = declare({
  name: "file.replace",
  summary: "Replace what a regular expression finds in a file (JavaScript's, over lines); tell how often.",
  examples: ["msalt '*' file.replace /etc/httpd/httpd.conf pattern='^LogLevel .*$' repl='LogLevel info'"],
  params: z.strictObject({
    path: pathParam,
    pattern: z.string(),
    repl: z.string(),
    count: z.int().min(0).default(0).describe("at most so often; 0: everywhere"),
    append_if_not_found: z.boolean().default(false),
    dry_run: z.boolean().default(false),
  }),
  effects: "some",
  run: async ({ path, pattern, repl, count, append_if_not_found: append, dry_run: dryRun }) => {
    const old = onFile(absolute(path), () => readFileSync(path, "utf8"));
    let expression: RegExp;
    try {
      expression = new RegExp(pattern, "gm");
    } catch (failure) {
      throw new MsaltError("ERR_FUNCTION_ARGS", `bad regular expression: ${(failure as Error).message}`);
    }
    let changes = 0;
    let text = old.replace(expression, (...found: string[]) => {
      if (count > 0 && changes >= count) return found[0] ?? "";
      changes += 1;
      return repl.replaceAll(/\\(\d)/g, (_, group: string) => found[Number(group)] ?? "");
    });
    if (changes === 0 && append) {
      text = `${withNewline(old)}${repl}\n`;
      changes = 1;
    }
    if (text !== old && !dryRun) writeWhole(path, text);
    return text === old
      ? ""
      : `${changes} ${changes === 1 ? "change" : "changes"} in ${path}${dryRun ? " (not written)" : ""}`;
  },
});

export const fileChanges: readonly AnyFunction[] = [
  writing("write", "Write lines to a file; what was in it is gone.", "Wrote", (_old, added) => added),
  writing("append", "Add lines at the end of a file.", "Wrote", (old, added) => withNewline(old) + added),
  writing("prepend", "Add lines at the beginning of a file.", "Prepended", (old, added) => added + old),
  touch,
  remove,
  copy,
  rename,
  move,
  mkdir,
  makedirs,
  setMode,
  chown,
  symlink,
  replace,
];
