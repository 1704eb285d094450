import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Assembly } from "../../../src/master/controller/assembly.ts";
import { sendResult } from "../../../src/minion/result-parts.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import { limits } from "../../../src/wire/limits.ts";
import type { Replies } from "../../../src/wire/loads.ts";

const ret = Uint8Array.from({ length: 7 * limits.partBytes + 5 }, (_, i) => (i * 7) & 255);
const meta = { cmd: "job.return", jid: "2".repeat(20) as Jid, fun: "f", retcode: 0, success: true } as const;

/** A master that puts the parts together in its own order, and may forget all of them or be away. */
class Master {
  holdsAll = false;
  parts = 0;
  atOnce = 0;
  #open = 0;
  #assembly = new Assembly();

  forget(): void {
    this.#assembly = new Assembly();
  }

  async take(offset: number, data: Uint8Array, late: number): Promise<Replies["job.return"]> {
    this.parts += 1;
    this.#open += 1;
    this.atOnce = Math.max(this.atOnce, this.#open);
    for (let turn = 0; turn < late; turn += 1) await new Promise(setImmediate);
    this.#open -= 1;
    const load = { ...meta, state: "succeeded", total: ret.length, sha256: new Uint8Array(32), offset, data } as const;
    const whole = this.#assembly.take("m1" as MinionId, load, 0);
    if (whole === "busy") throw new Error("busy");
    if (typeof whole === "number") return { have: whole, stored: false };
    this.holdsAll = Buffer.from(ret).equals(whole);
    return { have: ret.length, stored: true };
  }
}

describe("sendResult", () => {
  it("sends each part once, several at a time", async () => {
    const master = new Master();
    const have: number[] = [];
    const ask = ({ offset, data }: { offset: number; data: Uint8Array }): Promise<Replies["job.return"]> =>
      master.take(offset, data, 1);
    await sendResult(ret, 0, ask, (bytes) => have.push(bytes));
    expect(master.holdsAll).toBe(true);
    expect([master.parts, master.atOnce]).toEqual([8, 4]);
    expect(have).toEqual(have.toSorted((a, b) => a - b));
  });

  it("goes on where the master is", async () => {
    const master = new Master();
    await master.take(0, ret.subarray(0, 100), 0);
    await sendResult(ret, 100, ({ offset, data }) => master.take(offset, data, 0));
    expect(master.holdsAll).toBe(true);
    expect(master.parts).toBe(8);
  });

  it("sends an empty-handed master all of it, in whatever order parts arrive and however often it forgets", async () => {
    const turn = fc.record({ late: fc.nat({ max: 5 }), forgets: fc.nat({ max: 9 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 30 }), fc.nat({ max: 8 }), async (turns, parts) => {
        const master = new Master();
        const from = Math.min(parts * limits.partBytes, ret.length - 1);
        const ask = ({ offset, data }: { offset: number; data: Uint8Array }): Promise<Replies["job.return"]> => {
          const { late = 0, forgets = 1 } = turns[master.parts] ?? {};
          if (forgets === 0) master.forget();
          return master.take(offset, data, late);
        };
        await sendResult(ret, from, ask);
        expect(master.holdsAll).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("stops at the first failure, and tells it when nothing is on its way any more", async () => {
    let [asked, open] = [0, 0];
    const ask = async (): Promise<Replies["job.return"]> => {
      const number = (asked += 1);
      open += 1;
      await sleep(number === 2 ? 1 : 30);
      open -= 1;
      if (number === 2) throw new Error("no answer");
      return { have: 0, stored: false };
    };
    await expect(sendResult(ret, 0, ask)).rejects.toThrow("no answer");
    expect([asked, open]).toEqual([4, 0]);
  });

  it.each([0, 1, ret.length])(
    "gives up on a master that never has enough, and says that it has %i bytes",
    async (have) => {
      let asked = 0;
      const ask = async (): Promise<Replies["job.return"]> => {
        asked += 1;
        return { have, stored: false };
      };
      await expect(sendResult(ret, 0, ask)).rejects.toThrow("keeps asking for parts");
      expect(asked).toBe((4 * limits.resultBytes) / limits.partBytes);
    },
  );
});
