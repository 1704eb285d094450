import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutputLog } from "../../../src/minion/output-log.ts";
import { limits } from "../../../src/wire/limits.ts";

const all = (log: OutputLog): string => Buffer.from(log.read(0, log.size)).toString();

describe("OutputLog", () => {
  it("gives each source its own text, and live readers everything in the order it came", () => {
    const log = new OutputLog();
    const [out, err] = [log.source(100), log.source(100)];
    log.add(out, Buffer.from("one "));
    log.add(err, Buffer.from("bad "));
    log.add(out, Buffer.from("two"));
    expect(all(log)).toBe("one bad two");
    expect(log.finish(out)).toEqual({ text: "one two", cut: false });
    expect(log.finish(err)).toEqual({ text: "bad ", cut: false });
    expect(all(log)).toBe("one bad two");
  });

  it("reads the same whatever the parts are", () => {
    const chunks = fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 90_000 })), { maxLength: 12 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 70_000 }), (given, step) => {
        const log = new OutputLog();
        const sources = [log.source(1e9), log.source(1e9)] as const;
        for (const [second, chunk] of given) log.add(sources[second ? 1 : 0], chunk);
        const parts: Uint8Array[] = [];
        for (let at = 0; at < log.size; at += step) parts.push(log.read(at, step));
        const whole = Buffer.concat(given.map(([, chunk]) => chunk));
        expect(Buffer.concat(parts).equals(whole)).toBe(true);
        for (const second of [false, true]) {
          const own = Buffer.concat(given.filter(([each]) => each === second).map(([, chunk]) => chunk));
          expect(log.finish(sources[second ? 1 : 0]).text).toBe(
            new TextDecoder("utf-8", { ignoreBOM: true }).decode(own),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps the first bytes of a source, and says how many there were", () => {
    const log = new OutputLog();
    const out = log.source(10);
    for (let n = 0; n < 10; n += 1) log.add(out, Buffer.from("abc"));
    expect(log.finish(out)).toEqual({
      text: "abcabcabca\n[output cut: 30 bytes were printed, the limit is 10]\n",
      cut: true,
    });
    expect(all(log)).toBe("abcabcabca\n[output over 10 bytes is not kept]\n");
  });

  it("leaves out a character that its own cut broke, and shows bad bytes as U+FFFD", () => {
    const log = new OutputLog();
    const cut = log.source(4);
    log.add(cut, Buffer.from("aéé"));
    expect(log.finish(cut).text).toMatch(/^aé\n\[output cut: 5 bytes/);
    const bad = log.source(100);
    log.add(bad, Buffer.from([0x61, 0xff, 0x62]));
    expect(log.finish(bad)).toEqual({ text: "a\ufffdb", cut: false });
  });

  it("keeps no more than its caps of 100 MB, in few pieces, and shows the first of it live", () => {
    const log = new OutputLog();
    const [first, second] = [log.source(limits.outputBytes), log.source(limits.outputBytes)];
    const chunk = Buffer.alloc(65_536, "x");
    for (let n = 0; n < 1600; n += 1) log.add(first, chunk);
    expect(log.keptBytes).toBeLessThan(limits.outputBytes + 100);
    expect(log.size).toBeLessThan(limits.outputBytes + 100);
    log.add(second, Buffer.from("of the second command"));
    expect(log.finish(second).text).toBe("of the second command");
    expect(log.finish(first).cut).toBe(true);
    expect(all(log).slice(limits.outputBytes)).toBe(`\n[output over ${limits.outputBytes} bytes is not kept]\n`);
  });
});
