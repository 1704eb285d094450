import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, encodeWithRaw, requestScan, resultScan } from "../../../src/wire/codec.ts";
import { encode as encodeWire } from "../../../src/wire/codec.ts";
import { limits } from "../../../src/wire/limits.ts";
import { prescan } from "../../../src/wire/prescan.ts";

const bytes = (...parts: (number | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from([part]))));
const nested = (depth: number): Uint8Array => new Uint8Array(depth + 1).fill(0x91, 0, depth);
const invalid = expect.objectContaining({ code: "ERR_WIRE_INVALID" });

describe("prescan", () => {
  it("EN-12: takes the deepest that is allowed and nothing deeper", () => {
    expect(() => prescan(nested(limits.depth), requestScan)).not.toThrow();
    expect(() => prescan(nested(limits.depth + 1), requestScan)).toThrow(/nested deeper than 16/);
    expect(() => prescan(nested(5_000_000), requestScan)).toThrow(invalid);
  });

  it.each<[string, Uint8Array]>([
    ["nothing", bytes()],
    ["a trailing byte", bytes(0xc0, 0xc0)],
    ["the reserved type 0xc1", bytes(0xc1)],
    ["an ext type", bytes(0xd4, 1, 0)],
    ["a timestamp", bytes(0xd6, 0xff, 0, 0, 0, 0)],
    ["an array longer than its bytes", bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ["a map longer than its bytes", bytes(0xdf, 0x7f, 0xff, 0xff, 0xff)],
    ["a text longer than its bytes", bytes(0xdb, 0xff, 0xff, 0xff, 0xff, "a")],
    ["a binary longer than its bytes", bytes(0xc6, 0xff, 0xff, 0xff, 0xff)],
    ["bad UTF-8", bytes(0xa2, 0xc3, 0x28)],
    ["an overlong UTF-8 form", bytes(0xa2, 0xc0, 0x80)],
    ["a surrogate in UTF-8", bytes(0xa3, 0xed, 0xa0, 0x80)],
    ["a key that is no text", bytes(0x81, 1, 2)],
    ["a key twice", bytes(0x82, 0xa1, "a", 1, 0xa1, "a", 2)],
    ["a key twice in two spellings", bytes(0x82, 0xa1, "a", 1, 0xd9, 1, "a", 2)],
    ["the key __proto__", bytes(0x81, 0xa9, "__proto__", 1)],
    ["a key of 300 bytes", bytes(0x81, 0xda, 1, 44, "k".repeat(300), 1)],
    ["an integer of 2^63", bytes(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0)],
    ["an integer of -2^63", bytes(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0)],
  ])("EN-12: refuses %s", (_case, data) => {
    expect(() => decode(data)).toThrow(invalid);
  });

  it("refuses a million empty arrays", () => {
    const many = new Uint8Array(1_000_005).fill(0x90);
    many.set([0xdd, 0x00, 0x0f, 0x42, 0x40]);
    expect(() => prescan(many, requestScan)).toThrow(/more than 20000 values/);
  });

  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(
        fc.string({ maxLength: 20 }).filter((key) => key !== "__proto__"),
        tie("value"),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).value;

  it("takes everything that the encoder writes, and decode gives it back", () => {
    fc.assert(
      fc.property(value, (original) => {
        const decoded = decode(encodeWire(original), resultScan);
        expect(encode(decoded)).toEqual(encode(decode(encode(original), resultScan)));
      }),
    );
  });

  it("EN-11: gives a typed error or nothing for any bytes, cut anywhere, with any byte changed", () => {
    const check = (data: Uint8Array): void => {
      try {
        decode(data);
      } catch (failure) {
        expect(failure).toMatchObject({ code: "ERR_WIRE_INVALID" });
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 5000 });
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 0, max: 255 }), (original, at, byte) => {
        const data = Uint8Array.from(encode(original));
        check(data.subarray(0, at % (data.length + 1)));
        data[at % data.length] = byte;
        check(data);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encodeWithRaw", () => {
  it("adds an encoded value without decoding it", () => {
    const raw = encode({ deep: [1, "two", null] });
    expect(decode(encodeWithRaw({ id: "m1", retcode: 0 }, "return", raw))).toEqual({
      id: "m1",
      retcode: 0,
      return: { deep: [1, "two", null] },
    });
  });
  it("refuses a map that has no room for one more in its first byte", () => {
    const big = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, i]));
    expect(() => encodeWithRaw(big, "return", encode(1))).toThrow(/at most 14/);
  });
});
