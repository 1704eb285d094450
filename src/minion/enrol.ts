/**
 * The minion asks on 4507 until the master has accepted its key (DESIGN §5.1). An answer counts only when the master that it
 * names has signed it over this very question; everything else is noise, logged once and asked again. The first master
 * that answers is pinned, unless `master_finger` says which one it must be; another one is never believed nor pinned.
 */
import { connect } from "node:net";
import { makeEnrolRequest, verifyEnrolReply } from "../crypto/enrolment.ts";
import { loadPin, savePin } from "../crypto/keystore.ts";
import { type Signer, equalBytes, fingerprintOf, formatFingerprint } from "../crypto/primitives.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { delay } from "../lib/backoff.ts";
import { sleep } from "../lib/deadline.ts";
import { failpoint } from "../lib/failpoint.ts";
import type { EnrolState } from "../wire/enrolment.ts";
import type { KeyRecord } from "../wire/key-record.ts";
import { limits } from "../wire/limits.ts";

export interface Question {
  readonly host: string;
  readonly port: number;
  readonly request: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** One record out, one back, as the master sent it. @throws MsaltError `ERR_MASTER_UNREACHABLE` or `ERR_TIMEOUT`. */
export function askMaster({ host, port, request, timeoutMs, signal }: Question): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    // Not connect's own `signal`: Node 20 leaves a listener behind for each connection.
    const socket = connect({ host, port });
    const abort = (): void => end(new MsaltError("ERR_MASTER_UNREACHABLE", `stopped asking ${host} port ${port}`));
    const end = (failure?: MsaltError): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.destroy();
      if (failure === undefined) resolve(Buffer.concat(parts));
      else reject(failure);
    };
    const timer = setTimeout(() => {
      end(new MsaltError("ERR_TIMEOUT", `${host} port ${port} did not answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("connect", () => {
      failpoint("enrol.send");
      socket.write(request);
    });
    socket.on("data", (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > limits.enrolRecordBytes)
        end(new MsaltError("ERR_WIRE_INVALID", `${host} port ${port} answers too much`));
    });
    socket.on("end", () => {
      const none = new MsaltError(
        "ERR_MASTER_UNREACHABLE",
        `${host} port ${port} closed the connection without an answer`,
      );
      end(size === 0 ? none : undefined);
    });
    socket.on("error", (cause) => {
      const what = `cannot reach ${host} port ${port}: ${messageOf(cause)}`;
      end(new MsaltError("ERR_MASTER_UNREACHABLE", what, {}, { cause }));
    });
  });
}

export interface EnrolOptions {
  readonly host: string;
  readonly port: number;
  /** Holds the minion's `sign` key; `record` is its public record. */
  readonly signer: Signer;
  readonly record: KeyRecord;
  /** Fingerprint of the one master to trust, as hex with or without colons. */
  readonly masterFinger?: string | undefined;
  /** One-time token of the operator. */
  readonly token?: string | undefined;
  readonly pkiDir: string;
  /** Longest wait between two questions while the key is pending (`acceptance_wait_time`). */
  readonly maxDelayMs: number;
  readonly log: Record<"info" | "warn" | "error", (message: string, facts?: Record<string, unknown>) => void>;
  readonly signal: AbortSignal;
  readonly ask?: (question: Question) => Promise<Uint8Array>;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly random?: () => number;
}

const answerMs = 5000;
/** When nobody answers, or nothing that counts. */
const failureDelay = { minMs: 100, maxMs: 30_000 };
/** When the operator said no, or must first look into it. */
const refusedDelay = { minMs: 5000, maxMs: 30_000 };

type Outcome = EnrolState | "unreachable" | "garbage" | "wrong-master" | "stale-master";

/**
 * Asks until the key is accepted; gives the master's record then, and undefined when `signal` aborts.
 * @throws MsaltError `ERR_KEY_FILE` when the pin cannot be read or contradicts `masterFinger`.
 */
export async function enrol(options: EnrolOptions): Promise<KeyRecord | undefined> {
  const { signal, random = Math.random, sleep: pause = sleep } = options;
  const enrolment = new Enrolment(options);
  let previous: Outcome | undefined;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const { outcome, master } = await enrolment.askOnce();
    if (master !== undefined) return master;
    if (outcome !== previous) attempt = 0;
    previous = outcome;
    await pause(delay(attempt, delayAfter(outcome, options.maxDelayMs), random), signal);
  }
  return undefined;
}

function delayAfter(outcome: Outcome, maxDelayMs: number): { minMs: number; maxMs: number } {
  if (outcome === "pending") return { minMs: Math.min(1000, maxDelayMs), maxMs: maxDelayMs };
  return outcome === "rejected" || outcome === "denied" ? refusedDelay : failureDelay;
}

class Enrolment {
  readonly #options: EnrolOptions;
  readonly #own: string;
  #expected: Uint8Array | undefined;
  #said = "";

  constructor(options: EnrolOptions) {
    this.#options = options;
    this.#own = formatFingerprint(fingerprintOf(options.record.sign));
    this.#expected = expectedMaster(options);
  }

  async askOnce(): Promise<{ outcome: Outcome; master?: KeyRecord }> {
    const { host, port, signer, record, token, pkiDir, signal, ask = askMaster } = this.#options;
    const request = makeEnrolRequest(signer, record, { pin: this.#expected, token });
    let answer: Uint8Array;
    try {
      answer = await ask({ host, port, request, timeoutMs: answerMs, signal });
    } catch (failure) {
      const trusts = this.#expected === undefined ? {} : { trusts: formatFingerprint(this.#expected) };
      if (!signal.aborted) {
        this.#say("warn", "no answer on the enrolment port, asking again", { reason: messageOf(failure), ...trusts });
      }
      return { outcome: "unreachable" };
    }
    let verified: ReturnType<typeof verifyEnrolReply>;
    try {
      verified = verifyEnrolReply(answer, request);
    } catch (failure) {
      this.#say("warn", "ignored an answer on the enrolment port", { reason: messageOf(failure) });
      return { outcome: "garbage" };
    }
    const { state, record: master, fingerprint } = verified;
    const found = formatFingerprint(fingerprint);
    if (this.#expected !== undefined && !equalBytes(fingerprint, this.#expected)) {
      const expected = formatFingerprint(this.#expected);
      this.#say("error", `another master answers than the trusted one: expected ${expected}, found ${found}`, {});
      return { outcome: "wrong-master" };
    }
    try {
      const known = loadPin(pkiDir);
      savePin(pkiDir, master);
      if (known === undefined && this.#expected === undefined) {
        this.#options.log.warn(`first contact: trusting and pinning the master with fingerprint ${found}`, { host });
      }
    } catch (failure) {
      this.#say("error", "the master answers with keys that cannot be pinned", { reason: messageOf(failure) });
      return { outcome: "stale-master" };
    }
    this.#expected = fingerprint;
    this.#sayState(state);
    return state === "accepted" ? { outcome: state, master } : { outcome: state };
  }

  #sayState(state: EnrolState): void {
    const { id } = this.#options.record;
    const texts: Readonly<Record<EnrolState, string>> = {
      accepted: "the master has accepted this minion's key",
      pending: `the master has this minion's key, which waits to be accepted there: msalt-key -a ${id}; asking again`,
      rejected: "the master has rejected this minion's key; asking again, slowly",
      denied: `the master knows another key under the id ${id}, or this key under another id; asking again, slowly`,
    };
    this.#say(state === "accepted" || state === "pending" ? "info" : "error", texts[state], { fingerprint: this.#own });
  }

  /** One line per change, however often it is asked. */
  #say(level: "info" | "warn" | "error", message: string, facts: Record<string, unknown>): void {
    if (message === this.#said) return;
    this.#said = message;
    const { host, log } = this.#options;
    log[level](message, { host, ...facts });
  }
}

/** The master that must answer: the configured one, else the pinned one. */
function expectedMaster({ masterFinger, pkiDir }: EnrolOptions): Uint8Array | undefined {
  const pinned = loadPin(pkiDir);
  const pin = pinned && fingerprintOf(pinned.sign);
  if (masterFinger === undefined || masterFinger === "") return pin;
  const finger = Buffer.from(masterFinger.replaceAll(":", ""), "hex");
  if (finger.length !== 32)
    throw new MsaltError("ERR_CONFIG_INVALID", "master_finger must be a whole SHA-256 fingerprint");
  if (pin !== undefined && !equalBytes(pin, finger)) {
    const both = `${formatFingerprint(finger)}, but the pinned master is ${formatFingerprint(pin)}`;
    throw new MsaltError("ERR_KEY_FILE", `master_finger says ${both}`, {
      hint: `if the master was really replaced, remove minion_master.pub from ${pkiDir}`,
    });
  }
  return finger;
}
