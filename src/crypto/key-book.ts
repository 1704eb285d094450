/**
 * The master's book of minions, on disk: one file per key, in one folder per state. `minions/` names
 * its files after the id, because one key at most is accepted for an id; in the other folders several keys may stand for
 * one id, so the name is `<id>@<key id>`, which no id can be. A key changes its state by a rename: it has one state always.
 */
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { type KeyId, type MinionId, isMinionId } from "../wire/ids.ts";
import { type KeyRecord, encodeKeyRecord } from "../wire/key-record.ts";
import type { KeyState } from "../wire/keys.ts";
import {
  ensureFolder,
  listKeyFiles,
  moveKeyFile,
  readKeyFile,
  removeKeyFile,
  syncFolder,
  toBase64,
  writeKeyFile,
} from "./key-file.ts";
import { verifyKeyRecord } from "./keys.ts";
import { keyIdOf } from "./primitives.ts";

const folders: Readonly<Record<KeyState, string>> = {
  accepted: "minions",
  denied: "minions_denied",
  pending: "minions_pre",
  rejected: "minions_rejected",
};
/** Read in this order, and the first wins: a key that somebody copied by hand is never more accepted than it must be. */
const readOrder = ["rejected", "denied", "accepted", "pending"] as const;
const mode = 0o600;
const repair = "it is left out; restore it from a backup or remove it";

export interface BookKey {
  readonly id: MinionId;
  readonly keyId: KeyId;
  readonly record: KeyRecord;
  readonly state: KeyState;
  /** When it asked first, ms since 1970. */
  readonly since: number;
}

/** What lets minions in without a further act of the operator. Times in ms since 1970. */
export interface Token {
  readonly expires: number;
  /** Minions that may still use it. */
  readonly uses: number;
  readonly created: number;
}

/**
 * Changes are durable when `sync` has returned. Every method throws MsaltError `ERR_KEY_FILE` when the disk does not do it.
 * Broken files are skipped and reported to `warn`, and never count as accepted.
 */
export class KeyBook {
  readonly #dir: string;
  readonly #warn: (problem: string) => void;
  readonly #unsynced = new Set<string>();

  constructor(dir: string, warn: (problem: string) => void) {
    this.#dir = dir;
    this.#warn = warn;
    for (const folder of ["", ...Object.values(folders), "deleted", "tokens"]) ensureFolder(join(dir, folder));
  }

  keys(): BookKey[] {
    const found = new Map<KeyId, BookKey>();
    for (const state of readOrder) {
      for (const key of this.#readFolder(folders[state], "minion-key", (name, words) =>
        this.#parse(state, name, words),
      )) {
        const known = found.get(key.keyId);
        if (known === undefined) found.set(key.keyId, key);
        else
          this.#warn(
            `the key of ${key.id} lies in ${folders[state]} and in ${folders[known.state]}; it counts as ${known.state}`,
          );
      }
    }
    return [...found.values()];
  }

  /** A key that was not in the book. */
  add(key: BookKey): void {
    // Elsewhere the file's name says which key it is, so that only a broken copy of the same key can be replaced.
    this.#write(key, key.state !== "accepted");
  }

  /** The same sign key with a newer record. */
  replace(key: BookKey): void {
    this.#write(key, true);
  }

  move(key: BookKey, to: KeyState): void {
    moveKeyFile(this.#path(key, key.state), this.#path(key, to));
    this.#touch(folders[key.state]);
    this.#touch(folders[to]);
  }

  remove(key: BookKey): void {
    removeKeyFile(this.#path(key, key.state));
    this.#touch(folders[key.state]);
  }

  /** Deleted keys and when they were deleted, ms since 1970. */
  deleted(): Map<string, number> {
    return this.#times("deleted", "deleted-key");
  }

  rememberDeleted(keyId: KeyId, at: number): void {
    this.#writeTime("deleted", "deleted-key", keyId, at);
  }

  forgetDeleted(keyId: KeyId): void {
    removeKeyFile(join(this.#dir, "deleted", keyId));
    this.#touch("deleted");
  }

  /** Tokens that can still be used, by the hex of their `tokenKey`. */
  tokens(): Map<string, Token> {
    return new Map(
      this.#readFolder("tokens", "token-key", (name, words) => {
        const [key, expires] = namedTime(name, words);
        const [, , uses = "1", created = "0"] = words;
        return [key, { expires, uses: Number(uses), created: Number(created) }] as const;
      }),
    );
  }

  /** Replaces what was known of it. */
  putToken(key: string, { expires, uses, created }: Token): void {
    const words = [key, expires, uses, created].map(String);
    writeKeyFile(join(this.#dir, "tokens", key), "token-key", words, { mode, replace: true, sync: false });
    this.#touch("tokens");
  }

  removeToken(key: string): void {
    removeKeyFile(join(this.#dir, "tokens", key));
    this.#touch("tokens");
  }

  sync(): void {
    for (const folder of this.#unsynced) syncFolder(join(this.#dir, folder));
    this.#unsynced.clear();
  }

  #path({ id, keyId }: BookKey, state: KeyState): string {
    return join(this.#dir, folders[state], state === "accepted" ? id : `${id}@${keyId}`);
  }

  #write(key: BookKey, replace: boolean): void {
    const words = [String(key.since), toBase64(encodeKeyRecord(key.record))];
    writeKeyFile(this.#path(key, key.state), "minion-key", words, { mode, replace, sync: false });
    this.#touch(folders[key.state]);
  }

  #parse(state: KeyState, name: string, [since, base64 = ""]: readonly string[]): BookKey {
    const record = verifyKeyRecord(Buffer.from(base64, "base64"));
    const { id } = record;
    if (record.role !== "minion" || !isMinionId(id)) throw new Error("it is not the record of a minion");
    const keyId = keyIdOf(record.sign);
    if (name !== (state === "accepted" ? id : `${id}@${keyId}`))
      throw new Error(`its name does not fit the key of ${id} inside`);
    return { id, keyId, record, state, since: Number(since) };
  }

  #times(folder: string, kind: string): Map<string, number> {
    return new Map(this.#readFolder(folder, kind, namedTime));
  }

  #writeTime(folder: string, kind: string, name: string, time: number): void {
    writeKeyFile(join(this.#dir, folder, name), kind, [name, String(time)], { mode, replace: true, sync: false });
    this.#touch(folder);
  }

  #readFolder<T>(folder: string, kind: string, parse: (name: string, words: readonly string[]) => T): T[] {
    return listKeyFiles(join(this.#dir, folder)).flatMap((name) => {
      const path = join(this.#dir, folder, name);
      try {
        const words = readKeyFile(path, kind, repair);
        return words === undefined ? [] : [parse(name, words)];
      } catch (failure) {
        this.#warn(`skipped the key file ${path}: ${messageOf(failure)}; ${repair}`);
        return [];
      }
    });
  }

  #touch(folder: string): void {
    this.#unsynced.add(folder);
  }
}

function namedTime(name: string, [inside, time]: readonly string[]): [string, number] {
  if (inside !== name) throw new Error("its name does not fit what is inside");
  return [name, Number(time)];
}
