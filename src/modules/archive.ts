/** `archive`: the system's own tar, zip, unzip and gzip, run without a shell. Names, parameters and returns are Salt's. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { type AnyFunction, type CommandResult, declare, type Host } from "./declare.ts";
import { fact } from "./facts.ts";
import { statOf } from "./file-facts.ts";
import { splitWords } from "./programs.ts";

const maxWords = 4000;

const absolutePath = z.string().refine(isAbsolute, "give an absolute path on the minion");
const sourcesParam = z.array(z.string()).describe("paths, globs among them; relative ones count from cwd");
const optionsParam = z.string().optional().describe("further options of the program");
const excludesParam = z.array(z.string()).optional().describe("members to leave out");
const where = {
  cwd: z.string().optional().describe("absolute; default: home of the user it runs as"),
  runas: z.string().optional().describe("user to run as; only root can"),
};
type Where = { readonly cwd?: string | undefined; readonly runas?: string | undefined };

const hasGlob = (text: string): boolean => /[*?[]/.test(text);

/** What a glob finds; itself when it finds nothing. */
function expanded(pattern: string, cwd: string | undefined): string[] {
  if (!hasGlob(pattern) || (cwd === undefined && !isAbsolute(pattern))) return [pattern];
  let found = [isAbsolute(pattern) ? "/" : ""];
  for (const part of pattern.split("/").filter(Boolean)) {
    found = found.flatMap((folder) =>
      namesIn(isAbsolute(folder) ? folder : join(cwd ?? "/", folder), part).map((name) => join(folder, name)),
    );
  }
  return found.length === 0 ? [pattern] : found.toSorted();
}

function namesIn(folder: string, part: string): string[] {
  if (!hasGlob(part)) return existsSync(join(folder, part)) ? [part] : [];
  const matches = compileGlob(part);
  try {
    return readdirSync(folder).filter((name) => matches(name) && (part.startsWith(".") || !name.startsWith(".")));
  } catch {
    // No directory, or none that we may read: nothing is found there.
    return [];
  }
}

function expandedAll(sources: readonly string[], cwd: string | undefined): string[] {
  return sources.filter(Boolean).flatMap((source) => expanded(source, cwd));
}

/** So that a program takes it for a file, never for an option. */
const asFile = (path: string): string => (path.startsWith("-") ? `./${path}` : path);

/** unzip takes the name of an archive for a pattern, but for the folder it is in. */
function asArchive(path: string): string {
  const name = basename(path).replaceAll(/[[*?\\]/g, (mark) => (mark === "\\" ? "\\\\" : `[${mark}]`));
  return asFile(hasGlob(path) || path.includes("\\") ? join(dirname(path), name) : path);
}

function wordsOf(options: string | undefined): string[] {
  const words = splitWords(options ?? "");
  if (words === undefined) throw new MsaltError("ERR_FUNCTION_ARGS", `${options}: a quote in it stays open`);
  return words;
}

/** @throws MsaltError `ERR_COMMAND` with the program's own words when it is not there or does not work. */
async function run(host: Host, argv: readonly [string, ...string[]], { cwd, runas }: Where): Promise<CommandResult> {
  const result = await host.command({
    argv,
    // English words, and names as they are: GNU tar would read escapes in the names that it is given.
    env: { LC_ALL: "C.UTF-8", TAR_OPTIONS: "--no-unquote" },
    ...(cwd !== undefined && { cwd }),
    ...(runas !== undefined && { runas }),
  });
  if (result.retcode === 0) return result;
  const words = [result.stderr, result.stdout].map((text) => text.trim()).filter(Boolean);
  const said = words.join("\n").slice(0, maxWords);
  throw new MsaltError("ERR_COMMAND", `${argv[0]} ended with ${result.retcode}: ${said || "it said nothing"}`);
}

const linesIn = (text: string): string[] => (text.trimEnd() === "" ? [] : text.trimEnd().split(/\r?\n/));

/** What it printed, line by line; its errors, such as warnings, last. */
async function linesOf(host: Host, argv: readonly [string, ...string[]], where: Where): Promise<string[]> {
  const { stdout, stderr } = await run(host, argv, where);
  return [...linesIn(stdout), ...linesIn(stderr)];
}

const tar = declare({
  name: "archive.tar",
  summary: "Run tar with these options; give what it printed, line by line.",
  examples: [
    "msalt '*' archive.tar cjvf /tmp/tarfile.tar.bz2 /tmp/file_1,/tmp/file_2",
    "msalt '*' archive.tar xf /tmp/foo.tar dest=/target/directory",
  ],
  params: z.strictObject({
    options: z.string().regex(/\S/, "Tar options can not be empty").describe("such as cjvf; the name of the file last"),
    tarfile: z.string().min(1),
    sources: sourcesParam.optional(),
    dest: z.string().optional().describe("directory to unpack to"),
    ...where,
  }),
  effects: "some",
  run: async ({ options, tarfile, sources = [], dest, ...where }, host) => {
    const members = expandedAll(sources, where.cwd);
    return linesOf(
      host,
      [
        "tar",
        ...options.trim().split(/\s+/),
        tarfile,
        ...(dest === undefined ? [] : ["-C", dest]),
        ...(members.length === 0 ? [] : ["--", ...members]),
      ],
      where,
    );
  },
});

const zipParams = z.strictObject({ zip_file: z.string().min(1), sources: sourcesParam, ...where });
type ZipArgs = z.infer<typeof zipParams>;

async function zipLines({ zip_file: file, sources, ...where }: ZipArgs, host: Host): Promise<string[]> {
  const files = expandedAll(sources, where.cwd).map(asFile);
  if (files.length === 0) throw new MsaltError("ERR_FUNCTION_ARGS", "no sources to put into the archive");
  return linesOf(host, ["zip", "-r", asFile(file), ...files], where);
}

const cmdZip = declare({
  name: "archive.cmd_zip",
  summary: "Make or update a zip archive; give what zip printed, line by line.",
  examples: ["msalt '*' archive.cmd_zip /tmp/zipfile.zip /tmp/sourcefile1,/tmp/sourcefile2"],
  params: zipParams,
  effects: "some",
  run: zipLines,
});

const zip = declare({
  name: "archive.zip",
  summary: "Make or update a zip archive with the zip program; list the names that went in.",
  examples: ["msalt '*' archive.zip /tmp/zipfile.zip dir,file cwd=/srv"],
  params: zipParams,
  effects: "some",
  run: async (args, host) =>
    (await zipLines(args, host))
      .map((line) => /^\s*(?:adding|updating): (.*?)(?:\s+\([a-z ]+ -?\d+%\))?$/.exec(line)?.[1])
      .filter((name) => name !== undefined),
});

const unzipParams = z.strictObject({
  zip_file: z.string().min(1),
  dest: z.string().min(1).describe("directory to unpack to"),
  excludes: excludesParam,
  options: optionsParam,
  runas: where.runas,
});
type UnzipArgs = z.infer<typeof unzipParams>;

function unzipLines(
  { zip_file: file, dest, excludes = [], options, runas }: UnzipArgs,
  host: Host,
  ...more: string[]
): Promise<string[]> {
  const left = excludes.length === 0 ? [] : ["-x", ...excludes];
  return linesOf(host, ["unzip", ...more, ...wordsOf(options), asArchive(file), "-d", asFile(dest), ...left], {
    runas,
  });
}

const cmdUnzip = declare({
  name: "archive.cmd_unzip",
  summary: "Unpack a zip archive; give what unzip printed, line by line.",
  examples: ["msalt '*' archive.cmd_unzip /tmp/zipfile.zip /home/strongbad/ excludes=file_1,file_2 options=-o"],
  params: unzipParams,
  effects: "some",
  run: async (args, host) => unzipLines(args, host),
});

/** The names in a zip archive, directories with a slash at the end. */
async function zipMembers(file: string, excludes: readonly string[], host: Host, where: Where): Promise<string[]> {
  const left = excludes.length === 0 ? [] : ["-x", ...excludes];
  return linesIn((await run(host, ["unzip", "-Z1", asArchive(file), ...left], where)).stdout);
}

const unzip = declare({
  name: "archive.unzip",
  summary: "Unpack a zip archive over what is there with the unzip program; list the names that came out.",
  examples: ["msalt '*' archive.unzip /tmp/zipfile.zip /home/strongbad/ excludes=file_1,file_2"],
  params: unzipParams,
  effects: "some",
  run: async (args, host) => {
    const names = await zipMembers(args.zip_file, args.excludes ?? [], host, { runas: args.runas });
    await unzipLines(args, host, "-o");
    return names;
  },
});

/** Names may hold anything: tar prints what is not printable as C would write it. */
function unquoted(line: string): string {
  const signs: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
  return line.replaceAll(/(?:\\[0-3][0-7]{2})+|\\([abfnrtv\\])/g, (all: string, sign: string | undefined) =>
    sign === undefined
      ? Buffer.from(
          all
            .split("\\")
            .slice(1)
            .map((code) => Number.parseInt(code, 8)),
        ).toString("utf8")
      : (signs[sign] ?? sign),
  );
}

/** As Salt guesses it from the name. */
function formatOf(name: string): "tar" | "zip" | undefined {
  if (/\.(tar(\.[a-z0-9]+)?|tgz|tbz2?|tb2|txz|tlz|taz|tz2|tzst|tzo)$/i.test(name)) return "tar";
  return /\.zip$/i.test(name) ? "zip" : undefined;
}

const list = fact(
  "archive.list",
  "List the members of a tar or zip archive, directories with a slash at the end.",
  z.strictObject({
    name: absolutePath.describe("absolute path on the minion"),
    archive_format: z.enum(["tar", "zip"]).optional().describe("default: what the name ends with"),
  }),
  async ({ name, archive_format: given }, host) => {
    statOf(name);
    const format = given ?? formatOf(name);
    if (format === undefined) {
      throw new MsaltError("ERR_FUNCTION_ARGS", `${name}: its format is not to be guessed; give archive_format`);
    }
    if (format === "zip") return (await zipMembers(name, [], host, {})).toSorted();
    return linesIn((await run(host, ["tar", "-tf", name], {})).stdout)
      .map(unquoted)
      .toSorted();
  },
  "/path/to/myfile.tar.gz",
);

function gzipping(program: "gzip" | "gunzip", parameter: string, summary: string, example: string): AnyFunction {
  return declare({
    name: `archive.${program}`,
    summary,
    examples: [`msalt '*' archive.${program} ${example}`],
    params: z.strictObject({ [parameter]: absolutePath, runas: where.runas, options: optionsParam }),
    effects: "some",
    run: async (args, host) => {
      const { runas, options, [parameter]: file } = args as Record<string, string | undefined>;
      return linesOf(host, [program, ...wordsOf(options), file ?? ""], { runas });
    },
  });
}

export const archiveFunctions: readonly AnyFunction[] = [
  tar,
  cmdZip,
  zip,
  cmdUnzip,
  unzip,
  gzipping("gzip", "sourcefile", "Compress a file with gzip in its place.", "/tmp/sourcefile.txt"),
  gzipping("gunzip", "gzipfile", "Unpack a file with gunzip in its place.", "/tmp/sourcefile.txt.gz"),
  list,
];
