import { type BookKey, KeyBook } from "../../crypto/key-book.ts";
import { fingerprintOf } from "../../crypto/primitives.ts";
import { messageOf } from "../../errors.ts";
import type { KeyId, MinionId } from "../../wire/ids.ts";
import { type KeyRecord, encodeKeyRecord } from "../../wire/key-record.ts";
import type { KeyState, KeyView } from "../../wire/keys.ts";

export interface Key extends BookKey {
  /** When it last asked, ms since 1970. */
  readonly lastAsk: number;
}

export interface Accepted {
  readonly id: MinionId;
  readonly record: KeyRecord;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const marksOf = ({ sign, box, curve }: KeyRecord): string[] => [sign, box, curve].map(hex);
const orderOf = ({ id, fingerprint }: KeyView): string => `${id} ${fingerprint}`;

export function fingerprintHex({ sign }: KeyRecord): string {
  return hex(fingerprintOf(sign));
}

/** The book of keys with its copy in memory. Each change goes to disk first; it is durable after `book.sync()`. */
export class KeyTable {
  readonly book: KeyBook;
  readonly #warn: (problem: string) => void;
  readonly #keys = new Map<KeyId, Key>();
  readonly #marks = new Map<KeyId, ReadonlySet<string>>();
  readonly #accepted = new Map<KeyId, Accepted>();
  readonly #holders = new Map<MinionId, KeyId>();
  readonly #deleted: Map<string, number>;

  /** @throws MsaltError `ERR_KEY_FILE` when the folders cannot be used. */
  constructor(dir: string, now: number, warn: (problem: string) => void) {
    this.#warn = warn;
    this.book = new KeyBook(dir, warn);
    for (const key of this.book.keys()) this.#put({ ...key, lastAsk: now });
    this.#deleted = this.book.deleted();
  }

  get accepted(): ReadonlyMap<KeyId, Accepted> {
    return this.#accepted;
  }

  get(keyId: KeyId): Key | undefined {
    return this.#keys.get(keyId);
  }

  /** The accepted key of this id. */
  holder(id: MinionId): KeyId | undefined {
    return this.#holders.get(id);
  }

  /** Pending and denied keys. */
  waiting(): Key[] {
    return [...this.#keys.values()].filter(({ state }) => state === "pending" || state === "denied");
  }

  /** Why a key with this record may not stand under `id`, because of what another id has. */
  conflict(id: MinionId, record: KeyRecord): string | undefined {
    const lower = id.toLowerCase();
    const marks = marksOf(record);
    for (const other of this.#keys.values()) {
      if (other.id === id) continue;
      if (other.id.toLowerCase() === lower) return `its id differs only in case from that of ${other.id}`;
      if (marks.some((mark) => this.#marks.get(other.keyId)?.has(mark)))
        return `one of its keys belongs to minion ${other.id}`;
    }
    return undefined;
  }

  add(key: Key): void {
    this.book.add(key);
    this.#put(key);
    if (key.state === "accepted") this.#settle(key);
  }

  /** The same sign key asked again, perhaps with a newer record. */
  update(key: Key, newRecord: boolean): void {
    if (newRecord) this.book.replace(key);
    this.#put(key);
  }

  move(key: Key, state: KeyState): void {
    this.book.move(key, state);
    const moved = { ...key, state };
    this.#put(moved);
    if (state === "accepted") this.#settle(moved);
  }

  forget(key: Key): void {
    this.book.remove(key);
    this.#unlist(key.keyId);
    this.#keys.delete(key.keyId);
    this.#marks.delete(key.keyId);
  }

  delete(key: Key, now: number): void {
    this.#deleted.set(key.keyId, now);
    try {
      // First, so that a crash in between does not let `auto_accept` bring it back.
      this.book.rememberDeleted(key.keyId, now);
    } catch (failure) {
      // A full disk must not keep a key in use.
      this.#warn(`cannot remember that the key of ${key.id} was deleted: ${messageOf(failure)}`);
    }
    this.forget(key);
  }

  /** When this key was deleted, ms since 1970; undefined when it was not, or is known again. */
  deletedAt(keyId: KeyId): number | undefined {
    return this.#deleted.get(keyId);
  }

  forgetDeletions(before: number): void {
    for (const [keyId, at] of this.#deleted) if (at < before) this.#forgetDeletion(keyId as KeyId);
  }

  view(): Record<KeyState, KeyView[]> {
    const views: Record<KeyState, KeyView[]> = { accepted: [], denied: [], pending: [], rejected: [] };
    for (const { id, keyId, record, state, since } of this.#keys.values()) {
      const deletedBefore = this.#deleted.has(keyId) && { deletedBefore: true as const };
      const fingerprint = fingerprintHex(record);
      views[state].push({ id, fingerprint, record: encodeKeyRecord(record), since, ...deletedBefore });
    }
    for (const keys of Object.values(views)) keys.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
    return views;
  }

  /** A key was accepted: its old deletion no longer counts, and other candidates for its id are no longer pending. */
  #settle({ id, keyId }: Key): void {
    if (this.#deleted.has(keyId)) this.#forgetDeletion(keyId);
    for (const other of this.#keys.values()) {
      if (other.id !== id || other.state !== "pending") continue;
      this.book.move(other, "denied");
      this.#put({ ...other, state: "denied" });
    }
  }

  #put(key: Key): void {
    this.#unlist(key.keyId);
    this.#keys.set(key.keyId, key);
    this.#marks.set(key.keyId, new Set(marksOf(key.record)));
    if (key.state !== "accepted") return;
    this.#accepted.set(key.keyId, { id: key.id, record: key.record });
    this.#holders.set(key.id, key.keyId);
  }

  #unlist(keyId: KeyId): void {
    const id = this.#accepted.get(keyId)?.id;
    this.#accepted.delete(keyId);
    if (id !== undefined && this.#holders.get(id) === keyId) this.#holders.delete(id);
  }

  #forgetDeletion(keyId: KeyId): void {
    this.book.forgetDeleted(keyId);
    this.#deleted.delete(keyId);
  }
}
