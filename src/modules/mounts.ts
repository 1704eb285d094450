/** The rest of `mount`: fstab, mounting and swap. Names, parameters and returns are Salt's. */
import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare, type Host, Outcome } from "./declare.ts";
import { mounted, unescaped } from "./disk.ts";
import { fact, worked } from "./facts.ts";
import { absolute, own, writeWhole } from "./file-changes.ts";
import { onFile, statOf } from "./file-facts.ts";

interface Entry {
  readonly device: string;
  readonly name: string;
  readonly fstype: string;
  readonly opts: string;
  readonly dump: string;
  readonly pass: string;
}

const config = z.string().default("/etc/fstab").describe("absolute path of the table");
const word = z.string().regex(/^\S.*$/s, "must not be empty");
const opts = z.array(z.string()).default(["defaults"]).describe("such as noexec,nosuid");
const user = z.string().optional().describe("user to run as; only root can");

/** File systems without a device of their own, as Salt names them: they are known by their mount point. */
const deviceless = new Set(
  "none tmpfs sysfs proc fusectl debugfs securityfs devtmpfs cgroup nfs nfs4 glusterfs btrfs".split(" "),
);

/** The entry of a line; undefined for comments and whatever else is none. */
function entryOf(line: string): Entry | undefined {
  const words = line.trim().split(/\s+/);
  if (line.trimStart().startsWith("#") || words.length < 4 || words.length > 6) return undefined;
  const [device = "", name = "", fstype = "", options = "", dump = "0", pass = "0"] = words.map(unescaped);
  return { device, name, fstype, opts: options, dump, pass };
}

function lineOf({ device, name, fstype, opts: options, dump, pass }: Entry): string {
  const [first, second, third, fourth] = [device, name, fstype, options].map((text) =>
    text.replaceAll(/[ \t\n\\]|^#/g, (mark) => `\\${mark.charCodeAt(0).toString(8).padStart(3, "0")}`),
  );
  return `${first}\t\t${second}\t${third}\t${fourth}\t${dump} ${pass}\n`;
}

/** As an operator writes it: a blank may come as it is, as in fstab, or behind a backslash. */
const plain = (text: string): string => unescaped(text.replaceAll("\\ ", " "));

/** Each with its line end. */
function linesOf(file: string): string[] {
  return onFile(absolute(file), () => readFileSync(file, "utf8")).match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** What a link points to is written, not the link. */
function rewrite(file: string, lines: readonly string[]): void {
  writeWhole(
    onFile(file, () => realpathSync(file)),
    lines.join(""),
  );
}

const sorted = (options: string): string => options.split(",").toSorted().join(",");

function isSame(one: Entry, other: Entry): boolean {
  return lineOf({ ...one, opts: sorted(one.opts) }) === lineOf({ ...other, opts: sorted(other.opts) });
}

const fstab = fact(
  "mount.fstab",
  "Give the entries of fstab by mount point; one that comes again gets an underscore.",
  z.strictObject({ config }),
  async ({ config: file }) => {
    const entries = new Map<string, unknown>();
    for (const line of existsSync(absolute(file)) ? linesOf(file) : []) {
      const entry = entryOf(line);
      if (entry === undefined) continue;
      let { name } = entry;
      while (entries.has(name)) name += "_";
      const { device, dump, fstype, opts: options, pass } = entry;
      entries.set(name, { device, dump, fstype, opts: options.split(","), pass });
    }
    return Object.fromEntries(entries);
  },
);

const setFstab = declare({
  name: "mount.set_fstab",
  summary: "See that fstab has an entry; say whether it is new, a change, or was present.",
  examples: ["msalt '*' mount.set_fstab /mnt/foo /dev/sdz1 ext4"],
  params: z.strictObject({
    name: word.describe("mount point; none for swap"),
    device: word,
    fstype: word,
    opts,
    dump: z.int().min(0).default(0),
    pass_num: z.int().min(0).default(0),
    config,
    test: z.boolean().default(false).describe("say it only, write nothing"),
  }),
  effects: "some",
  run: async ({ name, device, fstype, opts: options, dump, pass_num: pass, config: file, test }) => {
    const text = plain(options.filter(Boolean).join(",")) || "defaults";
    const numbers = { dump: String(dump), pass: String(pass) };
    const entry: Entry = { device: plain(device), name: plain(name), fstype, opts: text, ...numbers };
    const key = deviceless.has(fstype) ? "name" : "device";
    let verdict = "new";
    const lines = linesOf(file).map((line) => {
      const old = entryOf(line);
      if (old === undefined || old[key] !== entry[key]) return line;
      const same = isSame(old, entry);
      if (verdict !== "change") verdict = same ? "present" : "change";
      return same ? line : lineOf(entry);
    });
    if (verdict === "new") {
      const last = lines.pop();
      lines.push(...(last === undefined ? [] : [last.endsWith("\n") ? last : `${last}\n`]), lineOf(entry));
    }
    if (verdict !== "present" && !test) rewrite(file, lines);
    return verdict;
  },
});

const rmFstab = declare({
  name: "mount.rm_fstab",
  summary: "Take the entries of a mount point, or those with this device only, out of fstab.",
  examples: ["msalt '*' mount.rm_fstab /mnt/foo /dev/sdz1"],
  params: z.strictObject({ name: word, device: z.string().optional(), config }),
  effects: "some",
  run: async ({ name, device, config: file }) => {
    const lines = linesOf(file);
    const kept = lines.filter((line) => {
      const entry = entryOf(line);
      if (entry?.name !== plain(name)) return true;
      return device !== undefined && entry.device !== plain(device);
    });
    if (kept.length < lines.length) rewrite(file, kept);
    return true;
  },
});

const pointOf = (name: string): string => resolve(absolute(name));
const isMounted = (name: string): boolean => Object.hasOwn(mounted(), pointOf(name));

/** Runs a program that must work. @throws MsaltError `ERR_COMMAND` with what it said. */
async function must(host: Host, runas: string | undefined, ...argv: [string, ...string[]]): Promise<true> {
  await worked(host, { argv, ...(runas !== undefined && { runas }) });
  return true;
}

const mounting = {
  mkmnt: z.boolean().default(false).describe("make the mount point where there is none"),
  fstype: z.string().default(""),
  opts,
  user,
};
type Mounting = z.infer<z.ZodObject<typeof mounting>> & { readonly name: string; readonly device?: string | undefined };

function mountIt(
  { name, device, mkmnt, fstype, opts: options, user: runas }: Mounting,
  host: Host,
  ...more: string[]
): Promise<true> {
  const point = pointOf(name);
  if (mkmnt && !existsSync(point)) {
    onFile(point, () => mkdirSync(point, { recursive: true }));
    own(point, { user: runas });
  }
  statOf(point);
  const given = options.filter((each) => each !== "" && !more.includes(each));
  const all = [...given, ...more].join(",");
  const flags = [...(all === "" ? [] : ["-o", all]), ...(fstype === "" ? [] : ["-t", fstype])];
  // Without a device, fstab says everything.
  const words = device === undefined ? ["--", point] : [...flags, "--", device, point];
  return must(host, runas, "mount", ...words);
}

const mount = declare({
  name: "mount.mount",
  summary: "Mount a device, or what fstab says of a mount point.",
  examples: ["msalt '*' mount.mount /mnt/foo /dev/sdz1 True"],
  params: z.strictObject({ name: word, device: word.optional(), ...mounting }),
  effects: "some",
  run: async (args, host) => mountIt(args, host),
});

const remount = declare({
  name: "mount.remount",
  summary: "Mount again with these options; what is not mounted is mounted.",
  examples: ["msalt '*' mount.remount /mnt/foo /dev/sdz1 opts=ro"],
  params: z.strictObject({ name: word, device: word, ...mounting }),
  effects: "some",
  run: async (args, host) => mountIt(args, host, ...(isMounted(args.name) ? ["remount"] : [])),
});

const umount = declare({
  name: "mount.umount",
  summary: "Unmount what is mounted at a path, or a device of several there.",
  examples: ["msalt '*' mount.umount /mnt/foo"],
  params: z.strictObject({ name: word, device: word.optional(), user }),
  effects: "some",
  run: async ({ name, device, user: runas }, host) => {
    if (!isMounted(name)) return new Outcome(`${name} does not have anything mounted`, 1);
    return must(host, runas, "umount", "--", device ?? pointOf(name));
  },
});

function swaps(): Record<string, Record<string, string | undefined>> {
  const rows = onFile("/proc/swaps", () => readFileSync("/proc/swaps", "utf8"))
    .trimEnd()
    .split("\n")
    .slice(1);
  return Object.fromEntries(
    rows.map((row) => {
      const [name = "", type, size, used, priority] = row.split(/\s+/).map(unescaped);
      return [name, { priority, size, type, used }];
    }),
  );
}

const swapon = declare({
  name: "mount.swapon",
  summary: "Use a device or file for swap.",
  examples: ["msalt '*' mount.swapon /root/swapfile"],
  params: z.strictObject({ name: word, priority: z.int().min(-1).max(32_767).optional() }),
  effects: "some",
  run: async ({ name, priority }, host) => {
    const before = swaps()[absolute(name)];
    if (before !== undefined) return { new: false, stats: before };
    const flags = priority === undefined ? [] : ["-p", String(priority)];
    await must(host, undefined, "swapon", ...flags, "--", name);
    const stats = swaps()[name];
    if (stats === undefined) throw new MsaltError("ERR_COMMAND", `${name}: swapon worked, but /proc/swaps has none`);
    return { new: true, stats };
  },
});

const swapoff = declare({
  name: "mount.swapoff",
  summary: "Use a device or file for swap no more; nothing for one that was not used.",
  examples: ["msalt '*' mount.swapoff /root/swapfile"],
  params: z.strictObject({ name: word }),
  effects: "some",
  run: async ({ name }, host) => {
    if (swaps()[absolute(name)] === undefined) return null;
    await must(host, undefined, "swapoff", "--", name);
    return swaps()[name] === undefined;
  },
});

export const mountFunctions: readonly AnyFunction[] = [
  fstab,
  setFstab,
  rmFstab,
  mount,
  umount,
  remount,
  fact(
    "mount.is_mounted",
    "Say whether something is mounted at a path.",
    z.strictObject({ name: word }),
    async ({ name }) => isMounted(name),
    "/mnt/foo",
  ),
  fact("mount.swaps", "Give what is used for swap.", z.strictObject({}), async () => swaps()),
  swapon,
  swapoff,
];
