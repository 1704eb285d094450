import { describe, expect, it } from "vitest";
import { openEnvelope, openFrame, sealEnvelope } from "../../../src/crypto/envelope.ts";
import { sharedKey, x25519Public } from "../../../src/crypto/primitives.ts";
import { type Inner, buildInner, parseInner, parseOuter } from "../../../src/wire/envelope.ts";
import { code, flip, host } from "../../support/keys.ts";

const m1 = host("m1");
const m2 = host("m2");
const master = host("master", "master", "master");
const key = sharedKey(m1.keys.box, x25519Public(master.keys.box));
const inner: Inner = {
  sender: m1.keyId,
  requestId: new Uint8Array(16).fill(3),
  bootId: new Uint8Array(8).fill(4),
  counter: 2 ** 53 - 1,
  body: Uint8Array.from(Buffer.from("the load")),
};
const frame = sealEnvelope("request", inner, key);
const headerBytes = 44;

const plain = (found: Inner): unknown => ({
  ...found,
  requestId: [...found.requestId],
  bootId: [...found.bootId],
  body: Buffer.from(found.body).toString(),
});

describe("openFrame", () => {
  it("gives what was sealed, with the key of either side", () => {
    const theirs = sharedKey(master.keys.box, m1.record.box);
    expect(plain(openFrame("request", frame, theirs))).toEqual(plain(inner));
  });

  it("EN-02: refuses each flipped bit of the header and each flipped byte of the box", () => {
    for (let at = 0; at < frame.length; at += 1) {
      for (let bit = 0; bit < (at < headerBytes ? 8 : 1); bit += 1) {
        expect(() => openFrame("request", flip(frame, at, bit), key), `byte ${at}`).toThrow(code("ERR_WIRE_INVALID"));
      }
    }
  });

  it("EN-02: refuses another minion's key id in the header, though the box opens", () => {
    const forged = Buffer.from(frame);
    forged.write(m2.keyId, 4, "hex");
    expect(() => openFrame("request", forged, key)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("EN-07: refuses a request as a reply and a reply as a request, also under a changed header", () => {
    const reply = sealEnvelope("reply", inner, key);
    expect(() => openFrame("reply", frame, key)).toThrow(code("ERR_WIRE_INVALID"));
    expect(() => openFrame("request", reply, key)).toThrow(code("ERR_WIRE_INVALID"));
    for (const [direction, from, type] of [
      ["reply", frame, 2],
      ["request", reply, 1],
    ] as const) {
      const relabelled = Buffer.from(from);
      relabelled[3] = type;
      expect(typeof parseOuter(direction, relabelled)).toBe("object");
      expect(() => openFrame(direction, relabelled, key)).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("refuses a cut at each byte", () => {
    for (let length = 0; length < frame.length; length += 1) {
      expect(() => openFrame("request", frame.subarray(0, length), key)).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("refuses another pair's key", () => {
    const other = sharedKey(m2.keys.box, master.record.box);
    const outer = parseOuter("request", frame);
    expect(typeof outer === "string" ? outer : openEnvelope("request", outer, other)).toBeUndefined();
  });

  it("J1: seals the same request under another nonce each time", () => {
    const nonces = Array.from({ length: 1000 }, () =>
      Buffer.from(sealEnvelope("request", inner, key).subarray(20, 44)).toString("hex"),
    );
    expect(new Set(nonces).size).toBe(1000);
  });
});

describe("parseOuter", () => {
  it.each([
    ["size", Buffer.alloc(0)],
    ["size", Buffer.alloc(59)],
    ["magic", Buffer.alloc(60)],
    ["magic", flip(frame, 0)],
    ["magic", flip(frame, 3)],
    ["version", flip(frame, 2, 1)],
  ])("names the reason %s", (reason, bytes) => {
    expect(parseOuter("request", bytes)).toBe(reason);
  });
});

describe("parseInner", () => {
  it("refuses a counter that a number cannot hold", () => {
    const bytes = Buffer.from(buildInner("request", inner));
    bytes.writeBigUInt64BE(2n ** 53n, 41);
    expect(() => parseInner("request", m1.keyId, bytes)).toThrow(code("ERR_WIRE_INVALID"));
  });
});
