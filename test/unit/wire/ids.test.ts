import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asJid, formatJidTime, isJid, isMinionId, nextJid } from "../../../src/wire/ids.ts";

describe("isMinionId", () => {
  it.each(["web1", "a", "web-1.prod.example.com", "WEB_1", "0", "a".repeat(128)])("takes %s", (id) => {
    expect(isMinionId(id)).toBe(true);
  });
  it.each(["", ".a", "a.", "-a", "a..b", "a/b", "../x", "a b", "a\0", "zürich", "a\n", "a".repeat(129), "a:b"])(
    "refuses %j",
    (id) => {
      expect(isMinionId(id)).toBe(false);
    },
  );
  it("FA-03: never takes what could leave a folder or break a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 140 }), (text) => {
        if (isMinionId(text)) expect(text).toMatch(/^[\w.-]+$/);
        if (text.includes("/") || text.includes("\0") || text.includes("..")) expect(isMinionId(text)).toBe(false);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("jids", () => {
  it("are the UTC time to the microsecond", () => {
    const micros = Date.UTC(2026, 10, 21, 2, 6, 34, 330) * 1000 + 961;
    expect(nextJid(micros, undefined)).toBe("20261121020634330961");
    expect(formatJidTime(nextJid(micros, undefined))).toBe("2026, Nov 21 02:06:34.330961");
  });

  it("rise strictly, whatever the clock does", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4e15 }), { maxLength: 50 }), (clock) => {
        let last = nextJid(clock[0] ?? 0, undefined);
        for (const micros of clock) {
          const next = nextJid(micros, last);
          expect(isJid(next) && next > last).toBe(true);
          last = next;
        }
      }),
    );
  });

  it("goes on behind the last one when the clock went back, over a second's end too", () => {
    const last = asJid("20261231235959999999");
    expect(nextJid(0, last)).toBe("20270101000000000000");
  });

  it.each(["", "2026", "2026112102063433096", "202611210206343309611", "2026112102063433096a", "../../../etc/passwd0"])(
    "FA-05: %j is no jid",
    (text) => expect(() => asJid(text)).toThrow(expect.objectContaining({ code: "ERR_USAGE" })),
  );
});
