/** A crontab as Salt writes it: what was there stays above a header, what Salt keeps stands below. Nothing here touches the system. */
import { randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";

interface Entry {
  readonly cmd: string;
  readonly identifier: string | null;
  readonly comment: string | null;
  /** Kept in the file, but not run. */
  readonly commented: boolean;
}

export interface Times {
  readonly minute: string;
  readonly hour: string;
  readonly daymonth: string;
  readonly month: string;
  readonly dayweek: string;
}

export type Job = Entry & Times;
export type Special = Entry & { readonly spec: string };

export interface Tab {
  readonly pre: string[];
  readonly env: { readonly name: string; readonly value: string }[];
  readonly crons: Job[];
  readonly special: Special[];
}

export const header = "# Lines below here are managed by Salt, do not edit";
export const identifierMark = "SALT_CRON_IDENTIFIER:";
const disabled = "#DISABLED#";
const range: Readonly<Record<keyof Times, readonly [number, number]>> = {
  minute: [0, 59],
  hour: [0, 23],
  daymonth: [1, 31],
  month: [1, 12],
  dayweek: [0, 6],
};
const timeNames = ["minute", "hour", "daymonth", "month", "dayweek"] as const;

const jobLine = /^([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t].*)$/s;
const specialLine = /^(@[^ \t]+)[ \t]+([^ \t].*)$/s;
const envLine = /^([^ \t=]+)[ \t]*=(.*)$/s;

/** Below the header, lines that say nothing to cron are left out, as Salt does. */
export function parseTab(text: string): Tab {
  const tab: Tab = { pre: [], env: [], crons: [], special: [] };
  let managed = false;
  let comment: string | null = null;
  let identifier: string | null = null;
  for (const whole of text === "" ? [] : text.replace(/\n$/, "").split("\n")) {
    if (whole === header) {
      managed = true;
      continue;
    }
    if (!managed) {
      tab.pre.push(whole);
      continue;
    }
    const commented = whole.startsWith(disabled);
    const line = (commented ? whole.slice(disabled.length) : whole).replace(/^[ \t]+/, "");
    if (!commented && line.startsWith("#")) {
      const { text: said, identifier: named } = parseComment(line);
      comment = comment === null ? said : `${comment}\n${said}`;
      identifier = named ?? identifier;
      continue;
    }
    const [, name, value] = envLine.exec(line) ?? [];
    if (!commented && name !== undefined && value !== undefined) {
      tab.env.push({ name, value });
      continue;
    }
    const note = { identifier, comment, commented };
    const [, spec, specialCmd] = specialLine.exec(line) ?? [];
    const [, minute, hour, daymonth, month, dayweek, cmd] = jobLine.exec(line) ?? [];
    if (spec !== undefined && specialCmd !== undefined) tab.special.push({ spec, cmd: specialCmd, ...note });
    else if (minute && hour && daymonth && month && dayweek && cmd)
      tab.crons.push({ minute, hour, daymonth, month, dayweek, cmd, ...note });
    else continue;
    comment = identifier = null;
  }
  return tab;
}

function parseComment(line: string): { text: string; identifier: string | undefined } {
  const text = line.replace(/^[# ]+/, "");
  const at = text.indexOf(identifierMark);
  if (at === -1) return { text, identifier: undefined };
  return { text: text.slice(0, at).trimEnd(), identifier: text.slice(at + identifierMark.length) || undefined };
}

export function renderTab({ pre, env, crons, special }: Tab): string {
  const lines = [
    ...pre,
    header,
    ...env.map(({ name, value }) => `${name}=${value}`),
    ...crons.flatMap((job) => render(job, timeNames.map((name) => job[name]).join(" "))),
    ...special.flatMap((each) => render(each, each.spec)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function render({ cmd, identifier, comment, commented }: Entry, when: string): string[] {
  const lines = comment === null && identifier === null ? [] : tidy(comment ?? "").split("\n");
  const last = lines.pop();
  if (last !== undefined) {
    lines.push([last, identifier === null ? "" : identifierMark + identifier].filter(Boolean).join(" "));
  }
  return [...lines.map((line) => (line === "" ? "#" : `# ${line}`)), `${commented ? disabled : ""}${when} ${cmd}`];
}

/** A comment as it comes back from a file. */
function tidy(comment: string): string {
  const lines = comment.split("\n").map((line) => line.replace(/^[#\s]+/, "").trimEnd());
  return lines.join("\n").replaceAll(/^\n+|\n+$/g, "");
}

/** One with an identifier is known by that alone; any other by its command. */
function matches(entry: Entry, cmd: string, identifier: string | null): boolean {
  return entry.identifier === null ? entry.cmd === cmd : entry.identifier === identifier;
}

/**
 * Adds an entry, or gives the one that matches its new form, at the end as Salt does; a comment that is not given stays.
 * @param settle makes times of what was asked for
 */
function put<E extends Entry>(
  entries: E[],
  wanted: E,
  settle: (old: E | undefined) => E,
): "new" | "present" | "updated" {
  const named = entries.findIndex(({ identifier }) => identifier !== null && identifier === wanted.identifier);
  const at = named === -1 ? entries.findIndex((entry) => matches(entry, wanted.cmd, wanted.identifier)) : named;
  const old = entries[at];
  const comment = wanted.comment ?? old?.comment ?? null;
  const next: E = { ...settle(old), comment: comment === null ? null : tidy(comment) };
  if (old !== undefined) {
    if (isDeepStrictEqual(next, { ...old, comment: old.comment === null ? null : tidy(old.comment) })) return "present";
    entries.splice(at, 1);
  }
  entries.push(next);
  return old === undefined ? "new" : "updated";
}

export function putJob(tab: Tab, job: Job): "new" | "present" | "updated" {
  return put(tab.crons, job, (old) => {
    const month = settled("month", job.month, old?.month);
    const days = month === "2" || !/^\d+$/.test(month) ? 28 : ["4", "6", "9", "11"].includes(month) ? 30 : 31;
    return {
      ...job,
      minute: settled("minute", job.minute, old?.minute),
      hour: settled("hour", job.hour, old?.hour),
      daymonth: settled("daymonth", job.daymonth, old?.daymonth, days),
      month,
      dayweek: settled("dayweek", job.dayweek, old?.dayweek),
    };
  });
}

export function putSpecial(tab: Tab, special: Special): "new" | "present" | "updated" {
  return put(tab.special, special, () => special);
}

/** `random` and `a:b` mean any one number, which stays once it is there. */
function settled(name: keyof Times, asked: string, old: string | undefined, most = range[name][1]): string {
  const wanted = asked.toLowerCase();
  const [, from, to] = /^(\d+):(\d+)$/.exec(wanted) ?? [];
  if (wanted === "random") return old === undefined || old === "*" ? String(randomInt(range[name][0], most + 1)) : old;
  if (from === undefined || to === undefined) return wanted;
  const [low, high] = [Math.min(Number(from), Number(to)), Math.max(Number(from), Number(to))];
  const fits = old !== undefined && /^\d+$/.test(old) && low <= Number(old) && Number(old) <= high;
  return fits ? old : String(randomInt(low, high + 1));
}

function take<E extends Entry>(
  entries: E[],
  cmd: string,
  identifier: string | null,
  fits: (entry: E) => boolean,
): "removed" | "absent" {
  const at = entries.findIndex((entry) => matches(entry, cmd, identifier) && fits(entry));
  if (at === -1) return "absent";
  entries.splice(at, 1);
  return "removed";
}

/** Times that are not given fit any. */
export function takeJob(
  tab: Tab,
  cmd: string,
  identifier: string | null,
  times: { readonly [name in keyof Times]?: string | undefined },
): "removed" | "absent" {
  return take(tab.crons, cmd, identifier, (job) =>
    timeNames.every((name) => {
      const wanted = times[name]?.toLowerCase();
      return wanted === undefined || job[name].toLowerCase() === wanted || (wanted === "random" && job[name] !== "*");
    }),
  );
}

export function takeSpecial(tab: Tab, cmd: string, identifier: string | null, spec?: string): "removed" | "absent" {
  return take(tab.special, cmd, identifier, (each) => spec === undefined || each.spec === spec);
}

export function putEnv({ env }: Tab, name: string, value: string): "new" | "present" | "updated" {
  const at = env.findLastIndex((each) => each.name === name);
  const next = { name, value: value === "" ? '""' : value };
  if (at === -1) env.push(next);
  else if (env[at]?.value === next.value) return "present";
  else env.splice(at, 1, next);
  return at === -1 ? "new" : "updated";
}

export function takeEnv({ env }: Tab, name: string): "removed" | "absent" {
  const at = env.findLastIndex((each) => each.name === name);
  if (at === -1) return "absent";
  env.splice(at, 1);
  return "removed";
}
