/** One line an entry on standard error: `<time> [level] <process>: message key=value …`, whatever the message holds. */
import { writeSync } from "node:fs";
import { messageOf } from "../errors.ts";

export type LogLevel =
  | "quiet"
  | "critical"
  | "error"
  | "warning"
  | "info"
  | "debug"
  | "trace"
  | "all"
  | "profile"
  | "garbage";
type Say = (message: string, fields?: Readonly<Record<string, unknown>>) => void;

export interface Log {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}

/** Salt's names in Salt's order; what has no call of its own shows what is above it. */
const ranks: Readonly<Record<LogLevel, number>> = {
  quiet: 0,
  critical: 1,
  error: 2,
  warning: 3,
  info: 4,
  profile: 4,
  debug: 5,
  trace: 6,
  garbage: 6,
  all: 6,
};

/** Characters of one message or value: a peer's text must not fill the disk. */
const longest = 8192;

/** Values under such names never reach a log (LF-08). */
const secret = /token|secret|password|passwd|private|^key$/i;

export interface LogOptions {
  readonly name: string;
  readonly level: LogLevel;
  /** Where lines go; standard error unless a test wants to read them. */
  readonly write?: (line: string) => void;
  readonly now?: () => number;
}

export function createLog({ name, level, write = toStderr, now = Date.now }: LogOptions): Log {
  const say =
    (rank: number, word: string): Say =>
    (message, fields = {}) => {
      if (rank > ranks[level]) return;
      const facts = Object.entries(fields).map(([key, value]) => ` ${oneLine(key)}=${valueOf(key, value)}`);
      write(`${new Date(now()).toISOString()} [${word}] ${name}: ${oneLine(message)}${facts.join("")}\n`);
    };
  return { debug: say(5, "debug"), info: say(4, "info"), warn: say(3, "warning"), error: say(2, "error") };
}

function valueOf(key: string, value: unknown): string {
  const shown = fact(key, value);
  return oneLine(typeof shown === "string" && /^[^\s"=]+$/.test(shown) ? shown : written(shown));
}

/** Never fails: a value that cannot be written must not end what wanted to log it. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value, fact) ?? String(value);
  } catch {
    return "(not printable)";
  }
}

function fact(key: string, value: unknown): unknown {
  if (secret.test(key)) return "…";
  if (value instanceof Error) return messageOf(value);
  return typeof value === "bigint" ? String(value) : value;
}

/** Text of a peer must not end the line, nor speak to the terminal that shows it. */
function oneLine(text: string): string {
  const short = text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
  return short.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Written at once, so that the last words of a process that dies are there. A closed or full pipe loses the line only. */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    return;
  }
}
