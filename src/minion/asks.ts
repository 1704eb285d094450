/** What functions ask of the master: files, the mine, other minions. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { MsaltError, messageOf } from "../errors.ts";
import { sleep } from "../lib/deadline.ts";
import type { Host, MasterFiles, Mine } from "../modules/declare.ts";
import { decode, resultScan } from "../wire/codec.ts";
import { limits } from "../wire/limits.ts";
import type { Command, Load, Replies } from "../wire/loads.ts";
import { type Link, Refused } from "./link.ts";

const askMs = 10_000;
/** A link that breaks is back within seconds; so long a file waits for it. */
const patienceMs = 60_000;

/** Asks over whichever link stands, for a minute. */
function patientAsk(link: () => Link | undefined) {
  return async <C extends Command>(load: Load<C> & { readonly cmd: C }): Promise<Replies[C]> => {
    for (const end = performance.now() + patienceMs; ;) {
      try {
        const up = link();
        if (up === undefined) throw new MsaltError("ERR_MASTER_UNREACHABLE", "there is no link to the master");
        return await up.ask<C>(load, askMs);
      } catch (failure) {
        if (failure instanceof Refused && failure.retryMs === undefined) {
          throw new MsaltError("ERR_NOT_ALLOWED", failure.message, {}, { cause: failure });
        }
        if (performance.now() > end) {
          const text = `the master does not answer: ${messageOf(failure)}`;
          throw new MsaltError("ERR_MASTER_UNREACHABLE", text, {}, { cause: failure });
        }
        await sleep(failure instanceof Refused ? (failure.retryMs ?? 500) : 500, undefined);
      }
    }
  };
}

export function mineOf(link: () => Link | undefined): Mine {
  const ask = patientAsk(link);
  return {
    change: async ({ clear = false, remove = [], set = {} }) => {
      await ask({ cmd: "mine.set", clear, remove: [...remove], set: { ...set } });
    },
    get: async (tgt, tgtType, names) =>
      (await ask({ cmd: "mine.get", tgt, tgt_type: tgtType, names: [...names] })).data,
  };
}

export function publishOver(link: () => Link | undefined): Host["publish"] {
  return async (call) => {
    const up = link();
    if (up === undefined) throw new MsaltError("ERR_MASTER_UNREACHABLE", "there is no link to the master");
    // Asked once: whether it was heard is not known when no answer comes.
    const { data } = await up.ask({ cmd: "peer.publish", ...call }, call.timeout + askMs).catch((cause: unknown) => {
      throw new MsaltError(
        cause instanceof Refused ? "ERR_NOT_ALLOWED" : "ERR_MASTER_UNREACHABLE",
        messageOf(cause),
        {},
        { cause },
      );
    });
    return Object.fromEntries(Object.entries(data).map(([id, bytes]) => [id, decode(bytes, resultScan)]));
  };
}

/** The master's files over whichever link stands. */
export function masterFiles(link: () => Link | undefined): MasterFiles {
  const ask = patientAsk(link);
  return {
    stat: async (path) => (await ask({ cmd: "file.stat", path })).file,
    read: async (path, offset) => (await ask({ cmd: "file.read", path, offset })).data,
    list: (path, after) => ask({ cmd: "file.list", path, after }),
    push: async (path) => {
      const handle = await open(path, "r").catch((cause: unknown) => {
        throw new MsaltError("ERR_FUNCTION_ARGS", `cannot read ${path}: ${messageOf(cause)}`, {}, { cause });
      });
      try {
        const buffer = Buffer.alloc(limits.partBytes);
        const part = async (at: number): Promise<Buffer> =>
          buffer.subarray(0, (await handle.read(buffer, 0, buffer.length, at)).bytesRead);
        const { size: total } = await handle.stat();
        const hash = createHash("sha256");
        for (let at = 0; at < total;) {
          const data = await part(at);
          if (data.length === 0) break;
          hash.update(data);
          at += data.length;
        }
        const sha256 = hash.digest();
        for (let at = 0; ;) {
          const data = await part(at);
          await ask({ cmd: "file.push", path, offset: at, total, sha256, data });
          at += data.length;
          if (at >= total || data.length === 0) return;
        }
      } finally {
        await handle.close();
      }
    },
  };
}
