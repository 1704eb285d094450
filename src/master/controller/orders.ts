import type { Signer } from "../../crypto/primitives.ts";
import { type OpenJob, termSignal } from "../../job/open-job.ts";
import { notAfterOf } from "../../job/state.ts";
import type { Target } from "../../job/types.ts";
import { encode } from "../../wire/codec.ts";
import type { KeyId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import { type Order, digestSignedBytes, orderDigest } from "../../wire/publication.ts";

/** What is to be said to a target now; pure but for a cache of the encoded bytes. */
export class Orders {
  readonly #signer: Signer;
  /** Of the order signed last: it goes to many. */
  #digest: { readonly order: Uint8Array | undefined; readonly bytes: Uint8Array } = {
    order: undefined,
    bytes: new Uint8Array(0),
  };
  readonly #encoded = new WeakMap<OpenJob, { readonly name: string; readonly bytes: Uint8Array }>();

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** Run it, end it, or nothing; in a batch a target hears of the job when it is its turn. */
  of(open: OpenJob, target: Target, now: number): Uint8Array | undefined {
    const { job, stop } = open;
    const { state } = target;
    if (stop !== undefined) {
      const mayRun = state === "sent" || state === "running";
      if (stop.signal === undefined || !mayRun) return undefined;
      // Whoever was sent the job before it was stopped could begin it until its ttl is over, and must refuse it as long.
      const until = stop.at + job.notAfter - job.created;
      return this.#once(open, `kill ${stop.signal} ${until}`, () => killOrder(open, stop.signal ?? termSignal, until));
    }
    if (state !== "sent" && (state !== "waiting" || job.options.parallel !== undefined)) return undefined;
    const notAfter = notAfterOf(job, target) ?? 0;
    return notAfter > now ? this.#once(open, `run ${notAfter}`, () => runOrder(open, notAfter)) : undefined;
  }

  /** For one minion alone. */
  sign(order: Uint8Array, keyId: KeyId): Uint8Array {
    if (this.#digest.order !== order) this.#digest = { order, bytes: orderDigest(order) };
    return this.#signer.sign(digestSignedBytes(this.#digest.bytes, Buffer.from(keyId, "hex")));
  }

  #once(open: OpenJob, name: string, make: () => Order): Uint8Array {
    const known = this.#encoded.get(open);
    if (known?.name === name) return known.bytes;
    const bytes = encode(make());
    this.#encoded.set(open, { name, bytes });
    return bytes;
  }
}

function killOrder({ job }: OpenJob, signal: number, notAfter: number): Order {
  return { order: "kill", jid: job.jid, signal, not_after: notAfter };
}

/** A list target would tell each of the minions the others' names, so it is left out (W3). */
function runOrder({ job }: OpenJob, notAfter: number): Order {
  const { timeoutMs, follow } = job.options;
  return {
    order: "run",
    jid: job.jid,
    fun: job.fun,
    arg: [...job.arg],
    ...(job.words !== undefined && { words: job.words }),
    user: job.user,
    tgt: job.tgtType === "list" ? "" : job.tgt,
    tgt_type: job.tgtType,
    created: job.created,
    not_after: notAfter,
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(follow === true && { output: limits.outputWindowBytes }),
  };
}
