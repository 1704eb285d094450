import type crypto from "node:crypto";
import nacl from "tweetnacl";
import { describe, expect, it, vi } from "vitest";
import { generateKeys, makeKeyRecord, verifyKeyRecord } from "../../../src/crypto/keys.ts";
import { Signer } from "../../../src/crypto/primitives.ts";
import { type KeyRecord, encodeKeyRecord, keyRecordBody } from "../../../src/wire/key-record.ts";
import { code, fixedKeys, flip } from "../../support/keys.ts";

const random = vi.hoisted(() => ({ fill: undefined as ((buffer: Uint8Array) => Uint8Array) | undefined }));
vi.mock("node:crypto", async (load) => {
  const real = await load<Pick<typeof crypto, "randomFillSync">>();
  const randomFillSync = (buffer: Uint8Array, ...rest: []): Uint8Array =>
    random.fill === undefined ? real.randomFillSync(buffer, ...rest) : random.fill(buffer);
  return { ...real, randomFillSync };
});

const keys = fixedKeys("web1");
const record = makeKeyRecord("minion", "web1", keys, 7);
const bytes = encodeKeyRecord(record);

const plain = (found: KeyRecord): unknown =>
  Object.fromEntries(
    Object.entries(found).map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]),
  );

function signedBy(signer: Signer, change: Partial<KeyRecord>): Uint8Array {
  const body = { ...record, ...change };
  return encodeKeyRecord({ ...body, signature: signer.sign(keyRecordBody(body)) });
}

describe("verifyKeyRecord", () => {
  it("gives back what was made", () => {
    expect(plain(verifyKeyRecord(bytes))).toEqual(plain(record));
    expect(record).toMatchObject({ role: "minion", id: "web1", number: 7 });
    expect(record.box).toEqual(nacl.scalarMult.base(keys.box));
    expect(record.curve).toEqual(nacl.scalarMult.base(keys.curve));
  });

  it.each(Array.from({ length: bytes.length }, (_, at) => at))("refuses a flipped bit in byte %i", (at) => {
    for (let bit = 0; bit < 8; bit += 1) {
      expect(() => verifyKeyRecord(flip(bytes, at, bit))).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("refuses a cut at each byte, and a byte too many", () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => verifyKeyRecord(bytes.subarray(0, length))).toThrow(code("ERR_WIRE_INVALID"));
    }
    expect(() => verifyKeyRecord(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses a record signed by another key", () => {
    expect(() => verifyKeyRecord(signedBy(new Signer(fixedKeys("m2").sign), {}))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it.each(["sign", "box", "curve"] as const)("HS-04: refuses an all-zero %s key", (kind) => {
    const changed = signedBy(new Signer(keys.sign), { [kind]: new Uint8Array(32) });
    expect(() => verifyKeyRecord(changed)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("HS-04: refuses the identity as sign key, under which a made-up signature verifies", () => {
    const identity = new Uint8Array(32);
    identity[0] = 1;
    const forged = encodeKeyRecord({
      ...record,
      sign: identity,
      signature: Buffer.concat([identity, Buffer.alloc(32)]),
    });
    expect(() => verifyKeyRecord(forged)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses an id that is not valid UTF-8, which has more than one encoding", () => {
    const raw = Buffer.from(keyRecordBody({ ...record, id: "aaaa" }));
    raw[26] = 0xff;
    const forged = Buffer.concat([raw, new Signer(keys.sign).sign(raw)]);
    expect(() => verifyKeyRecord(forged)).toThrow(code("ERR_WIRE_INVALID"));
  });
});

describe("generateKeys", () => {
  it("HS-05: gives distinct keys each time", () => {
    const seen = Array.from({ length: 2000 }, () => Object.values(generateKeys())).flat();
    expect(new Set(seen.map((key) => Buffer.from(key).toString("hex"))).size).toBe(6000);
  });

  it.each([
    ["zeros", (buffer: Uint8Array) => buffer.fill(0)],
    ["the same bytes", (buffer: Uint8Array) => buffer.fill(42)],
  ])("HS-05: makes no keys when the random source gives %s", (_case, fill) => {
    random.fill = fill;
    try {
      expect(() => generateKeys()).toThrow(code("ERR_INTERNAL"));
    } finally {
      random.fill = undefined;
    }
  });

  it("HS-05: makes no keys when the random source fails", () => {
    random.fill = () => {
      throw new Error("no entropy");
    };
    try {
      expect(() => generateKeys()).toThrow("no entropy");
    } finally {
      random.fill = undefined;
    }
  });
});
