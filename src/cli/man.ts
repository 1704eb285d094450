/** The manual pages, in roff, from the same commander programs as `--help`. */
import type { Command, Option } from "commander";
import { programs } from "./programs.ts";

export interface ManPage {
  readonly name: string;
  readonly section: 1 | 8;
  readonly text: string;
}

const files: Readonly<Record<string, string>> = {
  "/etc/msalt/master": "configuration of the master; the tools beside it read it too",
  "/etc/msalt/master.d/*.conf": "more of it, in the order of the names",
  "/etc/msalt/pki/master": "the keys of the master, and what it knows of those of the minions",
  "/etc/msalt/minion": "configuration of the minion",
  "/etc/msalt/minion.d/*.conf": "more of it, in the order of the names",
  "/etc/msalt/pki/minion": "the keys of the minion",
  "/run/msalt/master": "the sockets on which the tools reach the master",
  "/var/lib/msalt/master": "the record of the jobs, and all else that the master keeps",
  "/var/lib/msalt/minion": "the minion's ledger, and all else that it keeps",
};

/** `date` as `2026-11-21`. */
export function manPages(version: string, date: string): readonly ManPage[] {
  const all = programs(version);
  return all.map((command) => ({
    name: command.name(),
    section: sectionOf(command),
    text: pageOf(command, all, version, date),
  }));
}

const isDaemon = (command: Command): boolean => /-(api|master|minion)$/.test(command.name());
const sectionOf = (command: Command): 1 | 8 => (isDaemon(command) ? 8 : 1);

function pageOf(command: Command, all: readonly Command[], version: string, date: string): string {
  const help = command.createHelp();
  const name = command.name();
  const description = help.commandDescription(command);
  const taken = help.visibleArguments(command);
  const groups = help.groupItems([...command.options], help.visibleOptions(command), groupOf);
  const own = Object.entries(files).filter(([path]) => path.includes("minion") === name.endsWith("-minion"));
  const others = all.filter((each) => each !== command).toSorted((a, b) => sectionOf(a) - sectionOf(b));
  const lines = [
    `.TH ${name.toUpperCase()} ${sectionOf(command)} ${date} ${quoted(`msalt ${version}`)} msalt`,
    ".nh",
    ".ad l",
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(briefly(description))}`,
    ".SH SYNOPSIS",
    `.B ${escaped(name)}`,
    line(help.commandUsage(command).slice(name.length).trim()),
    ".SH DESCRIPTION",
    line(description),
    ...taken.flatMap((argument) => entry(help.argumentTerm(argument), help.argumentDescription(argument))),
    ".SH OPTIONS",
    ...[...groups].flatMap(([title, options]) => [
      ...(title === plainGroup ? [] : [`.SS ${quoted(title.replace(/:$/, ""))}`]),
      ...options.flatMap((option) => entry(help.optionTerm(option), help.optionDescription(option))),
    ]),
    ...additional(command).flatMap(sectionLines),
    ".SH FILES",
    "These are the default places; the configuration and \\-\\-root\\-dir move them.",
    ...own.flatMap(([path, what]) => entry(path, what)),
    ".SH SEE ALSO",
    ...others.map((each, index) => {
      const comma = index === others.length - 1 ? "" : " ,";
      return `.BR ${escaped(each.name())} (${sectionOf(each)})${comma}`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

const plainGroup = "Options:";
const groupOf = (option: Option): string => option.helpGroupHeading ?? plainGroup;

/** For the line that `whatis` shows: the first part of the sentence. */
const briefly = (text: string): string => text.replace(/[;:.].*$/s, "").replace(/^(The) /, "the ");

/** A part of what stands behind the options: `Title: text`, or a title and indented lines. */
interface Part {
  readonly title: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function additional(command: Command): readonly Part[] {
  let full = "";
  command.configureOutput({ writeOut: (text) => (full += text) }).outputHelp();
  const rest = full.slice(command.helpInformation().length).trim();
  return rest.split(/\n(?=[A-Z][A-Za-z ]*:)/).map((part) => {
    const [, title = "", body = ""] = /^([A-Z][A-Za-z ]*):(.*)$/s.exec(part.trimEnd()) ?? [];
    const indented = body.startsWith("\n");
    return {
      title: title.toUpperCase(),
      text: indented ? "" : body.replace(/\s+/g, " ").trim(),
      lines: indented ? body.split("\n").filter((each) => each.trim() !== "") : [],
    };
  });
}

function sectionLines({ title, text, lines }: Part): string[] {
  const head = `.SH ${quoted(title)}`;
  if (text !== "") return [head, line(text)];
  // Deeper lines explain the one above them.
  if (!lines.some((each) => /^ {6}/.test(each))) {
    return [head, ".nf", ...lines.map((each) => line(each.trim())), ".fi"];
  }
  return [head, ...lines.flatMap((each) => (/^ {6}/.test(each) ? [line(each.trim())] : [".TP", bold(each.trim())]))];
}

const entry = (term: string, text: string): string[] => [".TP", bold(term), line(text === "" ? "\\&" : text)];
const bold = (text: string): string => `\\fB${escaped(text)}\\fR`;
const quoted = (text: string): string => `"${escaped(text).replaceAll('"', "\\(dq")}"`;

/** A line of text: a dot or an apostrophe at its start is no request. */
function line(text: string): string {
  return text.startsWith(".") ? `\\&${escaped(text)}` : escaped(text);
}

const special: Readonly<Record<string, string>> = {
  "\\": "\\(rs",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Each character as itself: typographic quotes and hyphens cannot be pasted into a shell. */
export function escaped(text: string): string {
  return text
    .replace(/[\\'`^~-]/g, (char) => special[char] ?? char)
    .replace(/[^\n -~]/gu, (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`);
}
