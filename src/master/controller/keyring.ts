/**
 * Which keys may talk to this master, and every decision about it (DESIGN §5.1, W8). A change is on disk before it is
 * answered or announced. Nothing becomes accepted but by an operator's act: `accept`, a one-time token, or `auto_accept` in
 * the configuration, which does not cover a key that was deleted before.
 */
import { makeEnrolReply, tokenKey, type VerifiedEnrolRequest, verifyEnrolRequest } from "../../crypto/enrolment.ts";
import {
  type Signer,
  equalBytes,
  fingerprintOf,
  formatFingerprint,
  keyIdOf,
  randomBytes,
} from "../../crypto/primitives.ts";
import type { Token } from "../../crypto/key-book.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { TokenBucket } from "../../lib/token-bucket.ts";
import type { EnrolState } from "../../wire/enrolment.ts";
import { type KeyId, type MinionId, isMinionId } from "../../wire/ids.ts";
import { type KeyRecord, encodeKeyRecord } from "../../wire/key-record.ts";
import type { KeyAct, KeyChangeResult, KeyList, KeyName } from "../../wire/keys.ts";
import { limits } from "../../wire/limits.ts";
import { type Accepted, type Key, KeyTable, fingerprintHex } from "./key-table.ts";

const maxTokens = 2000;

/** A key came into another state, durably; a rotated key of an accepted minion is an `accept` with its new record. */
export interface KeyChange {
  readonly id: MinionId;
  readonly act: KeyAct | "pend" | "denied";
  readonly keyId: KeyId;
  readonly record: KeyRecord;
  /** What accepted it as it asked, when no operator named it. */
  readonly acceptedBy?: AcceptedBy | undefined;
}

type AcceptedBy = "token" | "auto_accept";
/** What is to become of a key. */
type Verdict = readonly ["accepted", AcceptedBy] | readonly ["pending" | "denied"];

export interface KeyringOptions {
  /** The master's pki folder. */
  readonly dir: string;
  readonly signer: Signer;
  /** The master's own record, sent with every answer. */
  readonly record: KeyRecord;
  readonly autoAccept: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Record<"info" | "warn", (message: string, facts?: Record<string, unknown>) => void>;
}

const stateOf = { accept: "accepted", reject: "rejected" } as const;
const actOf = { accepted: "accept", pending: "pend", denied: "denied" } as const;

export class Keyring {
  readonly #options: KeyringOptions;
  readonly #fingerprint: Uint8Array;
  readonly #table: KeyTable;
  /** By the hex of their `tokenKey`. */
  readonly #tokens: Map<string, Token>;
  readonly #listeners: ((change: KeyChange) => void)[] = [];
  readonly #signatures = new TokenBucket(limits.enrolSignaturesPerSecond, limits.enrolSignatureBurst);
  /** Strangers must not fill the log. */
  readonly #complaints = new TokenBucket(0.2, 20);

  /** @throws MsaltError `ERR_KEY_FILE` when the folders cannot be used. */
  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#fingerprint = fingerprintOf(options.record.sign);
    this.#table = new KeyTable(options.dir, options.now(), (problem) => options.log.warn(problem));
    this.#tokens = this.#table.book.tokens();
  }

  /** Listeners run after the change is durable and must not throw. */
  onChange(listener: (change: KeyChange) => void): void {
    this.#listeners.push(listener);
  }

  /** The accepted keys; the map stays current. */
  accepted(): ReadonlyMap<KeyId, Accepted> {
    return this.#table.accepted;
  }

  /** The accepted minion with this key, if there is one. */
  byKeyId(keyId: KeyId): Accepted | undefined {
    return this.#table.accepted.get(keyId);
  }

  list(): Omit<KeyList, "local"> {
    return this.#table.view();
  }

  /** The signed answer to an enrolment request, or undefined when none is due: bad, for another master, too many. */
  enrol(request: Uint8Array, address: string): Uint8Array | undefined {
    const { signer, record, now } = this.#options;
    try {
      const asked = verifyEnrolRequest(request);
      if (!isMinionId(asked.record.id)) return undefined;
      if (asked.pin !== undefined && !equalBytes(asked.pin, this.#fingerprint)) {
        const both = { wants: formatFingerprint(asked.pin), own: formatFingerprint(this.#fingerprint) };
        this.#complain(`minion ${asked.record.id} insists on another master than this one`, { address, ...both });
        return undefined;
      }
      if (!this.#signatures.take(now())) return undefined;
      const state = this.#decide(asked, asked.record.id, address);
      failpoint("enrol.decided");
      return state === undefined ? undefined : makeEnrolReply(signer, record, state, request);
    } catch (failure) {
      this.#complain("cannot answer an enrolment request", { address, reason: messageOf(failure) });
      return undefined;
    }
  }

  accept(names: readonly KeyName[]): KeyChangeResult[] {
    return this.#change("accept", names);
  }

  reject(names: readonly KeyName[]): KeyChangeResult[] {
    return this.#change("reject", names);
  }

  delete(names: readonly KeyName[]): KeyChangeResult[] {
    return this.#change("delete", names);
  }

  /** The first `uses` minions that prove it are accepted at once. @throws MsaltError `ERR_QUEUE_FULL`. */
  token(expiresMs: number, uses = 1): { token: string; expires: number } {
    if (this.#tokens.size >= maxTokens) {
      throw new MsaltError("ERR_QUEUE_FULL", `${maxTokens} tokens wait to be used already`, {
        hint: "let some expire, or use auto_accept while many minions are added",
      });
    }
    const token = Buffer.from(randomBytes(16)).toString("hex");
    const key = Buffer.from(tokenKey(token)).toString("hex");
    const created = this.#options.now();
    const expires = created + expiresMs;
    this.#putToken(key, { expires, uses, created });
    this.#table.book.sync();
    return { token, expires };
  }

  /** Call now and then: forgets keys that nobody asks for any more, old deletions and expired tokens. */
  tick(): void {
    const now = this.#options.now();
    try {
      for (const key of this.#table.waiting()) {
        if (key.lastAsk < now - limits.pendingForgottenMs) this.#table.forget(key);
      }
      this.#table.forgetDeletions(now - limits.deletedRememberedMs);
      for (const [key, { expires }] of this.#tokens) if (expires <= now) this.#dropToken(key);
      this.#table.book.sync();
    } catch (failure) {
      this.#complain("cannot tidy the key folders", { reason: messageOf(failure) });
    }
  }

  #decide(asked: VerifiedEnrolRequest, id: MinionId, address: string): EnrolState | undefined {
    const { record } = asked;
    const keyId = keyIdOf(record.sign);
    const known = this.#table.get(keyId);
    const sameRecord = known !== undefined && equalBytes(encodeKeyRecord(known.record), encodeKeyRecord(record));
    const refusal = sameRecord ? undefined : this.#refusal(id, record, known);
    if (refusal !== undefined) {
      this.#complain(`refused the key of minion ${id}: ${refusal}`, { address });
      return "denied";
    }
    if (known === undefined) return this.#decideNew(asked, id, address);
    const key: Key = { ...known, record, lastAsk: this.#options.now() };
    this.#table.update(key, !sameRecord);
    if (!sameRecord) this.#options.log.info(`minion ${id} has new keys`, { number: record.number });
    const { state } = known;
    const [next, acceptedBy] = state === "pending" || state === "denied" ? this.#judge(asked, id, keyId) : [state];
    if (next !== state && next !== "rejected") this.#table.move(key, next);
    this.#table.book.sync();
    if (next !== "rejected" && (next !== state || (next === "accepted" && !sameRecord)))
      this.#announce(key, actOf[next], acceptedBy);
    return next;
  }

  #decideNew(asked: VerifiedEnrolRequest, id: MinionId, address: string): EnrolState | undefined {
    const { now, log } = this.#options;
    const { record } = asked;
    const keyId = keyIdOf(record.sign);
    const [state, acceptedBy] = this.#judge(asked, id, keyId);
    if (state !== "accepted" && !this.#hasRoom(id)) {
      this.#complain(`no room in the queue of pending keys for minion ${id}`, { address });
      return undefined;
    }
    const key: Key = { id, keyId, record, state, since: now(), lastAsk: now() };
    this.#table.add(key);
    this.#table.book.sync();
    log.info(`the key of minion ${id} is ${state}`, { address });
    this.#announce(key, actOf[state], acceptedBy);
    return state;
  }

  /** Why a record that is not the one we have must not stand; undefined when it may. */
  #refusal(id: MinionId, record: KeyRecord, known: Key | undefined): string | undefined {
    if (known !== undefined && known.id !== id) return `its sign key belongs to minion ${known.id}`;
    if (known !== undefined && record.number <= known.record.number)
      return "its key record is older than the one known";
    return this.#table.conflict(id, record);
  }

  /** What a key that is neither accepted nor rejected is from now on. Uses up the token that it proves. */
  #judge(asked: VerifiedEnrolRequest, id: MinionId, keyId: KeyId): Verdict {
    if ((this.#table.holder(id) ?? keyId) !== keyId) return ["denied"];
    const deletedAt = this.#table.deletedAt(keyId);
    if (asked.hasProof && this.#useToken(asked, deletedAt)) return ["accepted", "token"];
    return this.#options.autoAccept && deletedAt === undefined ? ["accepted", "auto_accept"] : ["pending"];
  }

  /** A token that is older than the deletion of the key does not bring it back: what proves it may be a recording. */
  #useToken(asked: VerifiedEnrolRequest, deletedAt = -1): boolean {
    const now = this.#options.now();
    for (const [key, token] of this.#tokens) {
      if (token.expires <= now || token.created <= deletedAt) continue;
      if (!asked.provedWith(Buffer.from(key, "hex"))) continue;
      if (token.uses > 1) this.#putToken(key, { ...token, uses: token.uses - 1 });
      else this.#dropToken(key);
      this.#table.book.sync();
      return true;
    }
    return false;
  }

  #putToken(key: string, token: Token): void {
    this.#table.book.putToken(key, token);
    this.#tokens.set(key, token);
  }

  #dropToken(key: string): void {
    this.#table.book.removeToken(key);
    this.#tokens.delete(key);
  }

  #hasRoom(id: MinionId): boolean {
    const waiting = this.#table.waiting();
    return (
      waiting.length < limits.pendingKeys && waiting.filter((key) => key.id === id).length < limits.candidatesPerId
    );
  }

  #change(act: KeyAct, names: readonly KeyName[]): KeyChangeResult[] {
    const changed: Key[] = [];
    try {
      return names.map(({ id, fingerprint }) => {
        try {
          const key = this.#apply(act, id, fingerprint);
          if (key !== undefined) changed.push(key);
          return { id, fingerprint, ok: true, changed: key !== undefined };
        } catch (failure) {
          return { id, fingerprint, ok: false, message: messageOf(failure) };
        }
      });
    } finally {
      // A revoked key is announced even when the disk fails now: what it may do ends at once.
      try {
        this.#table.book.sync();
      } finally {
        for (const key of changed) this.#announce(key, act);
      }
    }
  }

  /** The key as it was, or undefined when there was nothing to do. */
  #apply(act: KeyAct, id: MinionId, fingerprint: string): Key | undefined {
    const keyId = fingerprint.slice(0, 32) as KeyId;
    const key = this.#table.get(keyId);
    if (key === undefined && act === "delete" && this.#table.deletedAt(keyId) !== undefined) return undefined;
    if (key?.id !== id || fingerprintHex(key.record) !== fingerprint) {
      throw new MsaltError("ERR_KEY_NOT_FOUND", `there is no such key of minion ${id} any more`);
    }
    if (act === "delete") {
      this.#table.delete(key, this.#options.now());
      return key;
    }
    if (key.state === stateOf[act]) return undefined;
    if (act === "accept" && this.#table.holder(id) !== undefined) {
      throw new MsaltError("ERR_KEY_FILE", `another key of minion ${id} is accepted; delete that one first`);
    }
    this.#table.move(key, stateOf[act]);
    return key;
  }

  #announce({ id, keyId, record }: Key, act: KeyChange["act"], acceptedBy?: AcceptedBy): void {
    for (const listener of this.#listeners) listener({ id, act, keyId, record, acceptedBy });
  }

  #complain(message: string, facts: Record<string, unknown>): void {
    if (this.#complaints.take(this.#options.now())) this.#options.log.warn(message, facts);
  }
}
