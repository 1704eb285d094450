/** `hosts`: names of addresses in /etc/hosts. Names, parameters and returns are Salt's; lines that are not meant stay as they are. */
import { existsSync, realpathSync } from "node:fs";
import { isIP } from "node:net";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare } from "./declare.ts";
import { fact } from "./facts.ts";
import { textOf, writeWhole } from "./file-changes.ts";

const address = z.string().refine((text) => isIP(text) !== 0, "must be an IP address");
const hostName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const alias = z.string().regex(hostName, "must be the name of a host");
const pair = z.strictObject({ ip: address, alias });
const aliases = z
  .string()
  .refine((text) => wordsOf(text).every((name) => hostName.test(name)), "must be names of hosts")
  .describe("names with blanks between them; with none the address is taken out");

interface Line {
  readonly ip: string;
  readonly names: readonly string[];
  /** With its `#`. */
  readonly comment: string;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** Undefined for a line that names no address. */
function lineOf(text: string): Line | undefined {
  const at = text.indexOf("#");
  const [ip, ...names] = wordsOf(at === -1 ? text : text.slice(0, at));
  return ip === undefined ? undefined : { ip, names, comment: at === -1 ? "" : text.slice(at).trimEnd() };
}

function linesOf(path: string): string[] {
  const text = textOf(path);
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function entriesOf(path: string): Map<string, { aliases: string[]; comment?: string } | string[]> {
  const all = new Map<string, { aliases: string[]; comment?: string } | string[]>();
  let comments = 0;
  for (const text of linesOf(path)) {
    const line = lineOf(text);
    if (line === undefined) {
      if (text.trim() !== "") all.set(`comment-${comments++}`, [text.trim()]);
      continue;
    }
    const before = namesOf(all, line.ip);
    const said = line.comment.slice(1).trimStart();
    const old = all.get(line.ip);
    all.set(line.ip, {
      ...(old !== undefined && !Array.isArray(old) && old),
      aliases: [...before, ...line.names],
      ...(said !== "" && { comment: said }),
    });
  }
  return all;
}

function namesOf(entries: ReturnType<typeof entriesOf>, ip: string): readonly string[] {
  const found = entries.get(ip);
  return found === undefined || Array.isArray(found) ? [] : found.aliases;
}

const isPair = (path: string, ip: string, name: string): boolean => namesOf(entriesOf(path), ip).includes(name);

/** Each line becomes those that `edit` gives for it, `added` stand at the end; a file that would stay the same is not touched. */
function rewrite(
  path: string,
  edit: (line: Line, text: string) => readonly string[],
  added: readonly string[] = [],
): void {
  const old = linesOf(path);
  if (old.some((text) => text.includes("\uFFFD")))
    throw new MsaltError("ERR_COMMAND", `${path} is not UTF-8: left as it is`);
  const edited = old.flatMap((text) => {
    const line = lineOf(text);
    return line === undefined ? [text] : edit(line, text);
  });
  const lines = [...edited, ...added];
  if (lines.length === old.length && lines.every((text, n) => text === old[n])) return;
  // A link stays one.
  writeWhole(existsSync(path) ? realpathSync(path) : path, lines.map((text) => `${text}\n`).join(""));
}

function add(path: string, ip: string, name: string): void {
  const last = linesOf(path).findLast((text) => lineOf(text)?.ip === ip);
  let done = false;
  const edit = ({ comment }: Line, text: string): readonly string[] => {
    if (text !== last || done) return [text];
    done = true;
    const names = comment === "" ? text : text.slice(0, text.indexOf("#"));
    const gap = comment === "" ? "" : /\s*$/.exec(names)?.[0] || " ";
    return [`${names.trimEnd()} ${name}${gap}${comment}`];
  };
  rewrite(path, edit, last === undefined ? [`${ip}\t\t${name}`] : []);
}

function remove(path: string, ip: string, name: string): void {
  rewrite(path, (line, text) => {
    if (line.ip !== ip || !line.names.includes(name)) return [text];
    const names = line.names.filter((each) => each !== name);
    return names.length === 0 ? [] : [entry(ip, names, line.comment)];
  });
}

function set(path: string, ip: string, names: readonly string[]): void {
  let done = names.length === 0;
  const isThere = linesOf(path).some((text) => lineOf(text)?.ip === ip);
  const edit = (line: Line, text: string): readonly string[] => {
    if (line.ip !== ip) return [text];
    if (done) return [];
    done = true;
    return line.names.join(" ") === names.join(" ") ? [text] : [entry(ip, names, line.comment)];
  };
  rewrite(path, edit, isThere || names.length === 0 ? [] : [entry(ip, names, "")]);
}

function entry(ip: string, names: readonly string[], comment: string): string {
  return `${ip}\t\t${names.join(" ")}${comment === "" ? "" : `\t${comment}`}`;
}

/** The functions on a file of that form. */
export function hostsFunctionsOn(path: string): readonly AnyFunction[] {
  const changing = <P extends z.ZodObject>(
    name: string,
    summary: string,
    params: P,
    act: (args: z.infer<P>) => void,
  ): AnyFunction =>
    declare({
      name: `hosts.${name}`,
      summary,
      examples: [`msalt '*' hosts.${name} 10.0.0.5 db.example.com`],
      params,
      effects: "some",
      run: async (args) => {
        act(args);
        return true;
      },
    });
  return [
    fact("hosts.list_hosts", "Give the names of each address in /etc/hosts.", z.strictObject({}), async () =>
      Object.fromEntries(entriesOf(path)),
    ),
    fact(
      "hosts.get_ip",
      "Give the address of a host, from /etc/hosts; nothing when it is not there.",
      z.strictObject({ host: z.string() }),
      async ({ host }) => {
        const entries = entriesOf(path);
        return [...entries.keys()].find((ip) => namesOf(entries, ip).includes(host)) ?? "";
      },
      "db.example.com",
    ),
    fact(
      "hosts.get_alias",
      "List the names of an address, from /etc/hosts.",
      z.strictObject({ ip: z.string() }),
      async ({ ip }) => namesOf(entriesOf(path), ip),
      "10.0.0.5",
    ),
    fact(
      "hosts.has_pair",
      "Say whether an address has a name in /etc/hosts.",
      z.strictObject({ ip: z.string(), alias: z.string() }),
      async ({ ip, alias: name }) => isPair(path, ip, name),
      "10.0.0.5 db.example.com",
    ),
    changing("add_host", "Give an address one more name in /etc/hosts.", pair, ({ ip, alias: name }) => {
      if (!isPair(path, ip, name)) add(path, ip, name);
    }),
    changing("rm_host", "Take a name from an address in /etc/hosts.", pair, ({ ip, alias: name }) => {
      remove(path, ip, name);
    }),
    changing(
      "set_host",
      "Set the names of an address in /etc/hosts; those it had are gone.",
      z.strictObject({ ip: address, alias: aliases }),
      ({ ip, alias: names }) => set(path, ip, wordsOf(names)),
    ),
  ];
}

export const hostsFunctions = hostsFunctionsOn("/etc/hosts");
