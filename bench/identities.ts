/** Minions that exist as keys only, put into the master's book before it starts: enrolment lets in one a second from one address. */
import { KeyBook } from "../src/crypto/key-book.ts";
import { type SecretKeys, generateKeys, makeKeyRecord } from "../src/crypto/keys.ts";
import { keyIdOf } from "../src/crypto/primitives.ts";
import { type MinionId, isMinionId } from "../src/wire/ids.ts";
import type { KeyRecord } from "../src/wire/key-record.ts";

export interface Identity {
  readonly id: MinionId;
  readonly keys: SecretKeys;
  readonly record: KeyRecord;
}

const made: Identity[] = [];

/** The first `count` of web0, web1 … Making one takes milliseconds, so they are kept for the next row. */
export function identities(count: number): readonly Identity[] {
  for (let n = made.length; n < count; n += 1) {
    const id = `web${n}`;
    if (!isMinionId(id)) throw new Error(`${id} is no minion id`);
    const keys = generateKeys();
    made.push({ id, keys, record: makeKeyRecord("minion", id, keys, 1) });
  }
  return made.slice(0, count);
}

/** @param pkiDir of a master that does not run. */
export function acceptBeforehand(pkiDir: string, minions: readonly Identity[]): void {
  const book = new KeyBook(pkiDir, (problem) => {
    throw new Error(problem);
  });
  for (const { id, record } of minions) {
    book.add({ id, keyId: keyIdOf(record.sign), record, state: "accepted", since: Date.now() });
  }
  book.sync();
}
