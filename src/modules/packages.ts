/** `pkg`: apt, dnf (or yum) and apk, by what the minion has. */
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";
import { findProgram } from "./programs.ts";
import { fact, outputOf } from "./facts.ts";

type Versions = Record<string, string>;

/** What differs between the kinds. Command lines never ask anything. */
interface Kind {
  readonly installed: (host: Host) => Promise<Versions>;
  readonly upgrades: (host: Host) => Promise<Versions>;
  readonly latest: (host: Host, name: string) => Promise<string>;
  readonly refresh: readonly [string, ...string[]];
  readonly install: readonly [string, ...string[]];
  readonly remove: readonly [string, ...string[]];
  readonly purge: readonly [string, ...string[]];
  readonly upgrade: readonly [string, ...string[]];
  /** How a version is asked for. */
  readonly pin: (name: string, version: string) => string;
}

/** A name, never an option. */
const pkgName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._:@-]*$/, "must be the name of a package");

function pairs(text: string, line: RegExp): Versions {
  return Object.fromEntries(
    text.split("\n").flatMap((each) => {
      const [, name, version] = line.exec(each) ?? [];
      return name === undefined || version === undefined ? [] : [[name, version]];
    }),
  );
}

const aptGet = [
  "apt-get",
  "-q",
  "-y",
  "-o",
  "DPkg::Options::=--force-confold",
  "-o",
  "DPkg::Options::=--force-confdef",
] as const;

const apt: Kind = {
  installed: async (host) => {
    const format = "${db:Status-Abbrev} ${Package} ${Version}\\n";
    return pairs(await outputOf(host, "dpkg-query", "-W", `-f=${format}`), /^[ih]i\s+(\S+) (\S+)$/);
  },
  upgrades: async (host) => pairs(await outputOf(host, "apt-get", "-s", "dist-upgrade"), /^Inst (\S+) .*?\((\S+) /),
  latest: async (host, name) => {
    const text = await outputOf(host, "apt-cache", "policy", name);
    const [installed, candidate] = [/Installed: (\S+)/, /Candidate: (\S+)/].map(
      (line) => line.exec(text)?.[1] ?? "(none)",
    );
    return candidate === undefined || candidate === "(none)" || candidate === installed ? "" : candidate;
  },
  refresh: ["apt-get", "-q", "update"],
  install: [...aptGet, "install"],
  remove: [...aptGet, "remove"],
  purge: [...aptGet, "purge"],
  upgrade: [...aptGet, "dist-upgrade"],
  pin: (name, version) => `${name}=${version}`,
};

const rpmVersions = /^(\S+?) (?:\(none\):|0:)?(\S+)$/;
const dnfOf = (dnf: string): Kind => ({
  installed: async (host) =>
    pairs(await outputOf(host, "rpm", "-qa", "--qf", "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE}\\n"), rpmVersions),
  upgrades: async (host) => {
    // 100: there are some.
    const { stdout } = await host.command({ argv: [dnf, "-q", "check-update"] });
    return pairs(stdout, /^(\S+?)\.\w+\s+(\S+)\s+\S+/);
  },
  latest: async (host, name) => {
    const { stdout } = await host.command({ argv: [dnf, "-q", "list", "--available", name] });
    return Object.values(pairs(stdout, /^(\S+?)\.\w+\s+(\S+)\s+\S+/)).at(-1) ?? "";
  },
  refresh: [dnf, "-q", "-y", "makecache"],
  install: [dnf, "-q", "-y", "install"],
  remove: [dnf, "-q", "-y", "remove"],
  purge: [dnf, "-q", "-y", "remove"],
  upgrade: [dnf, "-q", "-y", "upgrade"],
  pin: (name, version) => `${name}-${version}`,
});

const apkLine = /^(\S+)-(\d\S*-r\d+)/;
const apk: Kind = {
  installed: async (host) => pairs(await outputOf(host, "apk", "info", "-v"), apkLine),
  upgrades: async (host) =>
    pairs(await outputOf(host, "apk", "version", "-v", "-l", "<"), /^(\S+)-\d\S*-r\d+\s+<\s+(\S+)/),
  latest: async (host, name) => {
    const found = await outputOf(host, "apk", "search", "-x", name);
    return pairs(found, apkLine)[name] ?? "";
  },
  refresh: ["apk", "update"],
  install: ["apk", "add"],
  remove: ["apk", "del"],
  purge: ["apk", "del", "--purge"],
  upgrade: ["apk", "upgrade"],
  pin: (name, version) => `${name}=${version}`,
};

/** @throws MsaltError `ERR_COMMAND` where there is none that is known. */
function kindOf(): Kind {
  const has = (program: string): boolean =>
    findProgram(program, process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin") !== undefined;
  if (has("apt-get")) return apt;
  if (has("dnf")) return dnfOf("dnf");
  if (has("yum")) return dnfOf("yum");
  if (has("apk")) return apk;
  throw new MsaltError("ERR_COMMAND", "this minion has none of apt-get, dnf, yum and apk");
}

const quiet = { DEBIAN_FRONTEND: "noninteractive", APT_LISTCHANGES_FRONTEND: "none", LC_ALL: "C" };

async function work(host: Host, argv: readonly [string, ...string[]], ...more: string[]): Promise<void> {
  const [program, ...rest] = argv;
  const { retcode, stdout, stderr } = await host.command({ argv: [program, ...rest, ...more], env: quiet });
  if (retcode !== 0) {
    const said = (stderr.trim() || stdout.trim()).split("\n").slice(-5).join("\n");
    throw new MsaltError("ERR_COMMAND", `${program} ended with ${retcode}: ${said}`);
  }
}

/** What is other than before: `{name: {old, new}}`. */
async function changed(
  host: Host,
  kind: Kind,
  act: () => Promise<void>,
): Promise<Record<string, { new: string; old: string }>> {
  const before = await kind.installed(host);
  await act();
  const after = await kind.installed(host);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return Object.fromEntries(
    names.flatMap((name) => {
      const [old = "", now = ""] = [before[name], after[name]];
      return old === now ? [] : [[name, { new: now, old }]];
    }),
  );
}

const names = { name: z.string().optional(), pkgs: z.array(z.string()).optional() };

/** Names separated by commas, or a list of them. @throws MsaltError `ERR_FUNCTION_ARGS`. */
function namesOf({ name, pkgs }: { name?: string | undefined; pkgs?: string[] | undefined }): string[] {
  const all = [...(name?.split(",") ?? []), ...(pkgs ?? [])].map((each) => each.trim()).filter(Boolean);
  const bad = all.find((each) => !pkgName.safeParse(each).success);
  if (bad !== undefined) throw new MsaltError("ERR_FUNCTION_ARGS", `${JSON.stringify(bad)} is no name of a package`);
  if (all.length === 0) throw new MsaltError("ERR_FUNCTION_ARGS", "no package named: give a name, or pkgs=");
  return all;
}

function removing(verb: "remove" | "purge", summary: string): AnyFunction {
  return declare({
    name: `pkg.${verb}`,
    summary,
    examples: [`msalt '*' pkg.${verb} nginx`],
    params: z.strictObject(names),
    effects: "some",
    run: async (args, host) => {
      const kind = kindOf();
      const wanted = namesOf(args);
      const installed = await kind.installed(host);
      const there = wanted.filter((name) => name in installed);
      return there.length === 0 ? {} : changed(host, kind, () => work(host, kind[verb], ...there));
    },
  });
}

export const pkgFunctions: readonly AnyFunction[] = [
  declare({
    name: "pkg.version",
    summary: "Give the installed version of a package, of several by their names; empty for one that is not there.",
    examples: ["msalt '*' pkg.version bash curl"],
    params: z.strictObject({ names: z.array(z.string()).min(1) }),
    rest: "names",
    effects: "none",
    run: async ({ names: wanted }, host) => {
      const installed = await kindOf().installed(host);
      const versions = Object.fromEntries(wanted.map((name) => [name, installed[name] ?? ""]));
      return wanted.length === 1 ? Object.values(versions)[0] : versions;
    },
  }),
  fact(
    "pkg.latest_version",
    "Give the version that could be installed; empty when there is none newer.",
    z.strictObject({ name: pkgName }),
    async ({ name }, host) => kindOf().latest(host, name),
    "bash",
  ),
  fact("pkg.list_pkgs", "List the installed packages with their versions.", z.strictObject({}), async (_args, host) =>
    kindOf().installed(host),
  ),
  fact(
    "pkg.list_upgrades",
    "List the packages that could be upgraded, with the new versions.",
    z.strictObject({}),
    async (_args, host) => kindOf().upgrades(host),
  ),
  declare({
    name: "pkg.refresh_db",
    summary: "Read the lists of packages anew.",
    examples: ["msalt '*' pkg.refresh_db"],
    params: z.strictObject({}),
    effects: "some",
    run: async (_args, host) => {
      await work(host, kindOf().refresh);
      return true;
    },
  }),
  declare({
    name: "pkg.install",
    summary: "Install packages, or newer versions of them; tell what has changed.",
    examples: ["msalt '*' pkg.install nginx refresh=True", "msalt '*' pkg.install pkgs='[nginx, curl]'"],
    params: z.strictObject({ ...names, version: z.string().optional(), refresh: z.boolean().default(false) }),
    effects: "some",
    run: async ({ version, refresh, ...args }, host) => {
      const kind = kindOf();
      const wanted = namesOf(args);
      if (version !== undefined && wanted.length > 1)
        throw new MsaltError("ERR_FUNCTION_ARGS", "version goes with one package");
      if (refresh) await work(host, kind.refresh);
      const pinned = wanted.map((name) => (version === undefined ? name : kind.pin(name, version)));
      return changed(host, kind, () => work(host, kind.install, ...pinned));
    },
  }),
  removing("remove", "Remove packages; tell what has changed."),
  removing("purge", "Remove packages and their configuration; tell what has changed."),
  declare({
    name: "pkg.upgrade",
    summary: "Upgrade every package; tell what has changed.",
    examples: ["msalt '*' pkg.upgrade"],
    params: z.strictObject({ refresh: z.boolean().default(true) }),
    effects: "some",
    run: async ({ refresh }, host) => {
      const kind = kindOf();
      if (refresh) await work(host, kind.refresh);
      return changed(host, kind, () => work(host, kind.upgrade));
    },
  }),
];
