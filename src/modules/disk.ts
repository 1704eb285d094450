/** `disk`, `mount` and `sysctl`, as df, blkid and /proc tell. */
import { existsSync, readFileSync } from "node:fs";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";
import { fact, outputOf } from "./facts.ts";
import { onFile } from "./file-facts.ts";

const none = z.strictObject({});

/** Rows of `df -P`: a name of the file system may hold blanks, the mount point stands behind the percentage. */
async function df(host: Host, ...options: string[]): Promise<RegExpExecArray[]> {
  const rows = (await outputOf(host, "df", "-P", ...options)).split("\n").slice(1);
  return rows
    .map((row) => /^(.+?)\s+(\d+|-)\s+(\d+|-)\s+(-?\d+|-)\s+(\d+%|-)\s+(.+)$/.exec(row))
    .filter((row) => row !== null);
}

export const diskFunctions: readonly AnyFunction[] = [
  fact("disk.usage", "Give size and use of each mounted file system, in KiB.", none, async (_args, host) =>
    Object.fromEntries(
      (await df(host, "-k")).map(([, filesystem, size, used, available, capacity, mount]) => [
        mount,
        { "1K-blocks": size, available, capacity, filesystem, used },
      ]),
    ),
  ),
  fact(
    "disk.percent",
    "Give how full each file system is, or the one that a path lies on.",
    z.strictObject({ path: z.string().optional() }),
    async ({ path }, host) => {
      const rows = await df(host, "-k", ...(path === undefined ? [] : [path]));
      return path === undefined ? Object.fromEntries(rows.map((row) => [row[6], row[5]])) : (rows[0]?.[5] ?? "");
    },
    "/var",
  ),
  fact("disk.inodeusage", "Give the use of inodes of each file system.", none, async (_args, host) =>
    Object.fromEntries(
      (await df(host, "-i")).map(([, filesystem, inodes, used, free, use, mount]) => [
        mount,
        { filesystem, free, inodes, use, used },
      ]),
    ),
  ),
  fact("disk.blkid", "Give label, UUID and type of each block device.", none, async (_args, host) => {
    const { stdout } = await host.command({ argv: ["blkid"] });
    return Object.fromEntries(
      stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => {
          const [device = "", ...rest] = line.split(": ");
          return [
            device,
            Object.fromEntries([...rest.join(": ").matchAll(/(\w+)="([^"]*)"/g)].map(([, k, v]) => [k, v])),
          ];
        }),
    );
  }),
];

function sysctlFile(name: string): string {
  const file = `/proc/sys/${name.replaceAll(/[./]/g, (mark) => (mark === "." ? "/" : "."))}`;
  if (name.includes("..") || !existsSync(file))
    throw new MsaltError("ERR_COMMAND", `no kernel setting ${JSON.stringify(name)}`);
  return file;
}

/** Blanks, tabs and backslashes stand as octal codes in /proc and in fstab. */
export function unescaped(word: string): string {
  return word.replaceAll(/\\([0-3][0-7]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

/** By mount point. @throws MsaltError `ERR_COMMAND` where there is no /proc. */
export function mounted(): Record<string, { device: string; fstype: string; opts: string[] }> {
  const file = "/proc/self/mounts";
  const lines = onFile(file, () => readFileSync(file, "utf8")).trimEnd();
  return Object.fromEntries(
    lines.split("\n").map((line) => {
      const [device = "", where = "", fstype = "", opts = ""] = line.split(" ").map(unescaped);
      return [where, { device, fstype, opts: opts.split(",") }];
    }),
  );
}

export const kernelFunctions: readonly AnyFunction[] = [
  fact(
    "sysctl.get",
    "Give a kernel setting.",
    z.strictObject({ name: z.string() }),
    async ({ name }) => readFileSync(sysctlFile(name), "utf8").trim(),
    "net.ipv4.ip_forward",
  ),
  declare({
    name: "sysctl.assign",
    summary: "Set a kernel setting until the next start.",
    examples: ["msalt '*' sysctl.assign net.ipv4.ip_forward 1"],
    params: z.strictObject({ name: z.string(), value: z.string() }),
    effects: "some",
    run: async ({ name, value }, host) => {
      sysctlFile(name);
      await outputOf(host, "sysctl", "-w", `${name}=${value}`);
      return { [name]: readFileSync(sysctlFile(name), "utf8").trim() };
    },
  }),
  fact("mount.active", "Give what is mounted where.", none, async () => mounted()),
];
