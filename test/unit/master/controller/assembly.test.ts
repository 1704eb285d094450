import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Assembly } from "../../../../src/master/controller/assembly.ts";
import { limits } from "../../../../src/wire/limits.ts";
import type { Jid, MinionId } from "../../../../src/wire/ids.ts";
import type { Load } from "../../../../src/wire/loads.ts";

const id = "m1" as MinionId;
const whole = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
const part = (from: number, to: number, more: Partial<Load<"job.return">> = {}): Load<"job.return"> => ({
  cmd: "job.return",
  jid: "2".repeat(20) as Jid,
  fun: "f",
  retcode: 0,
  success: true,
  state: "succeeded",
  total: whole.length,
  offset: from,
  sha256: new Uint8Array(32),
  data: whole.subarray(from, to),
  ...more,
});

describe("Assembly", () => {
  it("gives a result that came whole at once", () => {
    expect(new Assembly().take(id, part(0, 1000), 0)).toEqual(whole);
  });

  it("says how far it is, and gives the whole with the last part", () => {
    const assembly = new Assembly();
    expect(assembly.take(id, part(0, 400), 0)).toBe(400);
    expect(assembly.take(id, part(400, 900), 0)).toBe(900);
    expect(new Uint8Array(assembly.take(id, part(900, 1000), 0) as Uint8Array)).toEqual(whole);
  });

  it("takes parts in any order, and asks for the first that it has not", () => {
    const assembly = new Assembly();
    expect(assembly.take(id, part(400, 900), 0)).toBe(0);
    expect(assembly.take(id, part(0, 300), 0)).toBe(300);
    expect(assembly.take(id, part(0, 300), 0)).toBe(300);
    expect(assembly.take(id, part(300, 400), 0)).toBe(900);
    expect(assembly.take(id, part(500, 1000), 0)).toBe(900);
    expect(assembly.take(id, part(900, 900), 0)).toBe(900);
    expect(assembly.take(id, part(900, 1000, { sha256: new Uint8Array(32).fill(1) }), 0)).toBe(0);
  });

  it("remembers only so many parts out of order, and always takes the next one", () => {
    const assembly = new Assembly();
    for (let from = 2; from < 500; from += 2) expect(assembly.take(id, part(from, from + 1), 0)).toBe(0);
    expect(assembly.take(id, part(0, 2), 0)).toBe(3);
    const kept = limits.resultBytes / limits.partBytes;
    for (let from = 3; from < 2 * kept; from += 2) assembly.take(id, part(from, from + 1), 0);
    expect(assembly.take(id, part(2 * kept + 1, 2 * kept + 2), 0)).toBe(2 * kept + 2);
    expect(assembly.take(id, part(2 * kept + 2, 1000), 0)).toEqual(Buffer.from(whole));
  });

  it("I9: takes no more than its share of memory, and forgets what was left lying", () => {
    const assembly = new Assembly();
    const total = limits.resultBytes;
    const first = (n: number): ReturnType<Assembly["take"]> =>
      assembly.take(`m${n}` as MinionId, part(0, 1000, { total }), n === 99 ? 120_000 : 0);
    const room = Math.floor(limits.assemblyBytes / total);
    for (let n = 0; n < room; n += 1) expect(first(n)).toBe(1000);
    expect(first(98)).toBe("busy");
    expect(first(99)).toBe(1000);
  });

  it("RX-11: one minion cannot hold all of it, and its own results still get their turn", () => {
    const assembly = new Assembly();
    const total = limits.resultBytes;
    const first = (n: number, from: MinionId, at = 0): ReturnType<Assembly["take"]> =>
      assembly.take(from, part(0, 1000, { total, jid: String(n).padStart(20, "0") as Jid }), at);
    const answers = Array.from({ length: 100 }, (_, n) => first(n, id));
    expect(answers.filter((answer) => answer === 1000)).toHaveLength(limits.assemblyBytesEach / total);
    expect(first(0, "m2" as MinionId)).toBe(1000);
    expect(first(200, id, 120_000)).toBe(1000);
  });

  it("gives the whole for any order of sending in which the sender heeds the answer", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.boolean()),
        (sizes, lost) => {
          const assembly = new Assembly();
          let at = 0;
          for (let turn = 0; turn < 200; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1;
            const answer = assembly.take(id, part(at, Math.min(1000, at + size)), 0);
            if (answer instanceof Uint8Array) {
              expect(new Uint8Array(answer)).toEqual(whole);
              return;
            }
            if (answer !== "busy" && lost[turn] !== true) at = answer;
          }
        },
      ),
    );
  });
});
