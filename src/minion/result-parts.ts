import { MsaltError } from "../errors.ts";
import { limits } from "../wire/limits.ts";
import type { Replies } from "../wire/loads.ts";

/** Parts of one result on their way at once: the answers of a far master take their time. */
const inFlight = 4;
/** A part that is not taken is sent again; this only ends a master that never has enough. */
const maxParts = (4 * limits.resultBytes) / limits.partBytes;

/**
 * Sends an encoded result, several parts at a time, until the master has stored it.
 * @param from how much of it the master has
 * @param onHave is told whenever the master says how much it has
 * @throws what `ask` throws, once nothing of it is on its way any more; MsaltError `ERR_TIMEOUT` when the master keeps asking for parts
 */
export async function sendResult(
  ret: Uint8Array,
  from: number,
  ask: (part: { readonly offset: number; readonly data: Uint8Array }) => Promise<Replies["job.return"]>,
  onHave: (bytes: number) => void = () => undefined,
): Promise<void> {
  let have = from;
  let next = from;
  let left = maxParts;
  let stored = false;
  let forgotten = 0;
  const goesOn = (): boolean => !stored && left > 0;
  const send = async (): Promise<void> => {
    for (let offset = Math.max(next, have); goesOn() && offset < ret.length; offset = Math.max(next, have)) {
      next = offset + limits.partBytes;
      left -= 1;
      const [before, known] = [have, forgotten];
      const reply = await ask({ offset, data: ret.subarray(offset, next) }).catch((failure: unknown) => {
        left = 0;
        throw failure;
      });
      if (reply.stored) stored = true;
      // Said before something was forgotten.
      else if (known < forgotten) continue;
      else if (reply.have < before) {
        // Less than it had said before, as after a restart.
        forgotten += 1;
        have = next = reply.have;
      } else have = Math.max(have, reply.have);
      onHave(have);
    }
  };
  while (goesOn()) {
    // It has all and did not store it: from the beginning.
    if (have >= ret.length) have = 0;
    next = have;
    const lanes = Math.min(inFlight, Math.ceil((ret.length - have) / limits.partBytes));
    for (const end of await Promise.allSettled(Array.from({ length: lanes }, send))) {
      if (end.status === "rejected" && !stored) throw end.reason;
    }
  }
  if (!stored) throw new MsaltError("ERR_TIMEOUT", "the master keeps asking for parts of a result");
}
