import { MsaltError } from "../errors.ts";
import { parseKeyRecord } from "../wire/key-record.ts";
import { type KeyAct, type KeyList, type KeyState, type KeyView, keyStates } from "../wire/keys.ts";

/** Salt's heading, key in documents, adjective and colour of each state; in Salt's order of the headings. */
export const stateTexts: Readonly<Record<KeyState, { heading: string; name: string; word: string; color: number }>> = {
  accepted: { heading: "Accepted Keys:", name: "minions", word: "accepted", color: 32 },
  denied: { heading: "Denied Keys:", name: "minions_denied", word: "denied", color: 35 },
  pending: { heading: "Unaccepted Keys:", name: "minions_pre", word: "unaccepted", color: 31 },
  rejected: { heading: "Rejected Keys:", name: "minions_rejected", word: "rejected", color: 34 },
};
const documentOrder = ["pending", "rejected", "accepted", "denied"] as const;

export interface Chosen {
  readonly state: KeyState;
  readonly key: KeyView;
}

export const colons = (fingerprint: string): string => fingerprint.match(/../g)?.join(":") ?? "";

export function choose(list: KeyList, states: readonly KeyState[], matches: (key: KeyView) => boolean): Chosen[] {
  return keyStates
    .filter((state) => states.includes(state))
    .flatMap((state) => list[state].filter(matches).map((key) => ({ state, key })));
}

/** A line per key, or what `line` gives for it, under the heading of its state. */
export function listText(chosen: readonly Chosen[], states: readonly KeyState[], color: boolean, line = idOf): string {
  return keyStates
    .filter((state) => states.includes(state))
    .map((state) => {
      const { heading, color: code } = stateTexts[state];
      const paint = (text: string): string => (color ? `\u001b[0;${code}m${text}\u001b[0;0m` : text);
      const lines = chosen.filter((each) => each.state === state).map(({ key }) => line(key));
      return [heading, ...new Set(lines)].map((text) => `${paint(text)}\n`).join("");
    })
    .join("");
}

const idOf = ({ id }: KeyView): string => id;

/** States that hold one of these keys. */
export function statesOf(chosen: readonly Chosen[]): KeyState[] {
  return keyStates.filter((state) => chosen.some((each) => each.state === state));
}

/** `{"minions": ["m1"], …}`, as Salt names the states. */
export function idDocument(chosen: readonly Chosen[], states: readonly KeyState[]): Record<string, string[]> {
  return document(chosen, states, (keys) => [...new Set(keys.map(idOf))]);
}

/** `{"minions": {"m1": value}}`; several keys of one id give a list. */
export function valueDocument(chosen: readonly Chosen[], value: (key: KeyView) => unknown): Record<string, unknown> {
  return document(chosen, statesOf(chosen), (keys) => {
    const ids = [...new Set(keys.map(idOf))];
    return Object.fromEntries(
      ids.map((id) => {
        const values = keys.filter((key) => key.id === id).map(value);
        return [id, values.length === 1 ? values[0] : values];
      }),
    );
  });
}

function document<T>(
  chosen: readonly Chosen[],
  states: readonly KeyState[],
  value: (keys: KeyView[]) => T,
): Record<string, T> {
  const keysIn = (state: KeyState): KeyView[] => chosen.filter((each) => each.state === state).map(({ key }) => key);
  return Object.fromEntries(
    documentOrder
      .filter((state) => states.includes(state))
      .map((state) => [stateTexts[state].name, value(keysIn(state))]),
  );
}

export function fingerLine({ id, fingerprint }: KeyView): string {
  return `${id}:  ${colons(fingerprint)}`;
}

export function printLine(key: KeyView): string {
  return `${fingerLine(key)}\n    ${base64(key.record)}`;
}

/** The public halves of a key, as `-p` shows them. */
export function keyDetails({ fingerprint, record }: KeyView): Record<string, unknown> {
  const { number, sign, box, curve } = parseKeyRecord(record);
  const keys = { sign: base64(sign), box: base64(box), curve: base64(curve) };
  return { fingerprint: colons(fingerprint), number, ...keys, record: base64(record) };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** What an operator should know before saying yes, a line each. */
export function notices(chosen: readonly Chosen[]): string[] {
  const again = chosen
    .filter(({ key, state }) => key.deletedBefore === true && state !== "accepted")
    .map(({ key }) => `${key.id} was deleted before and asks again with the same key`);
  const several = statesOf(chosen).flatMap((state) => {
    const ids = chosen.filter((each) => each.state === state).map(({ key }) => key.id);
    const twice = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
    return [...twice].map(
      (id) => `several ${stateTexts[state].word} keys stand under the id ${id}: msalt-key -f ${id} shows them`,
    );
  });
  return [...again, ...several].map((text) => `msalt-key: note: ${text}`);
}

/** `accepted, denied or rejected` */
export function orList(states: readonly KeyState[]): string {
  const words = keyStates.filter((state) => states.includes(state)).map((state) => stateTexts[state].word);
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].filter((part) => part !== "").join(" or ");
}

export const actTexts: Readonly<Record<KeyAct, { done: string; prompt: string; enterIsYes: boolean }>> = {
  accept: { done: "accepted", prompt: "Proceed? [n/Y] ", enterIsYes: true },
  reject: { done: "rejected", prompt: "Proceed? [n/Y] ", enterIsYes: true },
  delete: { done: "deleted", prompt: "Proceed? [N/y] ", enterIsYes: false },
};

/** `90`, `90s`, `15m`, `1h` or `7d` in milliseconds. @throws MsaltError `ERR_USAGE`. */
export function parseDuration(option: string, text: string): number {
  const [, digits = "", unit = "s"] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  const ms = Number(digits) * ({ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit === "" ? "s" : unit] ?? 0);
  if (ms > 0) return ms;
  throw new MsaltError("ERR_USAGE", `${option}: ${JSON.stringify(text)} is not a time such as 90s, 15m, 1h or 7d`);
}
