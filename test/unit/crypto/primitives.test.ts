import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import nacl from "tweetnacl";
import { describe, expect, it } from "vitest";
import {
  Signer,
  Verifier,
  equalBytes,
  fingerprintOf,
  formatFingerprint,
  freshNonce,
  isUsableX25519,
  keyIdOf,
  open,
  seal,
  sha256,
  sharedKey,
  x25519Public,
} from "../../../src/crypto/primitives.ts";
import { code, fixedKeys, flip } from "../../support/keys.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const plain = (data: Uint8Array): Uint8Array => Uint8Array.from(data);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

/** y coordinates of the points of order 1, 2, 4 and 8, canonical or not; with both signs. */
const smallOrder = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

const lowOrderX25519 = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/** Order of the base point, little endian. */
const groupOrder = BigInt("0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed");

function addGroupOrder(signature: Uint8Array): Uint8Array {
  const s = [...signature.subarray(32)].toReversed().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) + groupOrder;
  const out = Uint8Array.from(signature);
  for (let at = 0; at < 32; at += 1) out[32 + at] = Number((s >> BigInt(8 * at)) & 255n);
  return out;
}

describe("against tweetnacl", () => {
  it.each(Array.from({ length: 20 }, (_, n) => n))("EN-14: signs and verifies the same bytes, case %i", (n) => {
    const { sign } = fixedKeys(`oracle ${n}`);
    const message = bytes("x".repeat(n * 7));
    const pair = nacl.sign.keyPair.fromSeed(sign);
    const signer = new Signer(sign);
    const signature = plain(signer.sign(message));
    expect(signer.publicKey).toEqual(pair.publicKey);
    expect(signature).toEqual(nacl.sign.detached(message, pair.secretKey));
    const verifier = new Verifier(pair.publicKey);
    expect(verifier.verify(message, signature)).toBe(true);
    expect(verifier.verify(flip(bytes(`${"x".repeat(n * 7)}.`), n), signature)).toBe(false);
    expect(verifier.verify(message, flip(signature, n))).toBe(false);
  });

  it.each(Array.from({ length: 20 }, (_, n) => n))("EN-14: agrees on box keys and boxes, case %i", (n) => {
    const a = fixedKeys(`a ${n}`).box;
    const b = fixedKeys(`b ${n}`).box;
    const key = sharedKey(a, x25519Public(b));
    expect(key).toEqual(nacl.box.before(nacl.scalarMult.base(b), a));
    expect(key).toEqual(sharedKey(b, x25519Public(a)));
    const nonce = freshNonce();
    const message = bytes("m".repeat(n * 31));
    const box = seal(message, nonce, key);
    expect(box).toEqual(nacl.box(message, nonce, x25519Public(b), a));
    expect(open(box, nonce, key)).toEqual(message);
    expect(open(flip(box, n), nonce, key)).toBeUndefined();
  });
});

describe("Verifier", () => {
  it.each(smallOrder)("EN-14: refuses the small-order key %s, under which anything could verify", (key) => {
    expect(() => new Verifier(hex(key))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it.each([
    ["a key cut short", 31],
    ["a key too long", 33],
  ])("refuses %s", (_case, length) => {
    expect(() => new Verifier(new Uint8Array(length).fill(9))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("EN-14: refuses S + L, which tweetnacl takes", () => {
    const { sign } = fixedKeys("malleable");
    const message = bytes("order");
    const signer = new Signer(sign);
    const other = addGroupOrder(plain(signer.sign(message)));
    expect(nacl.sign.detached.verify(message, other, signer.publicKey)).toBe(true);
    expect(new Verifier(signer.publicKey).verify(message, other)).toBe(false);
  });

  it("refuses a signature of another length", () => {
    const signer = new Signer(fixedKeys("length").sign);
    const signature = plain(signer.sign(bytes("m")));
    const verifier = new Verifier(signer.publicKey);
    expect(verifier.verify(bytes("m"), signature.subarray(0, 63))).toBe(false);
    expect(verifier.verify(bytes("m"), new Uint8Array([...signature, 0]))).toBe(false);
  });
});

describe("sharedKey", () => {
  it.each(lowOrderX25519)("EN-14: refuses the low-order key %s", (key) => {
    expect(isUsableX25519(hex(key))).toBe(false);
    expect(() => sharedKey(fixedKeys("x").box, hex(key))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("takes a common key and refuses one cut short", () => {
    expect(isUsableX25519(x25519Public(fixedKeys("x").box))).toBe(true);
    expect(isUsableX25519(new Uint8Array(31).fill(9))).toBe(false);
  });
});

describe("freshNonce", () => {
  it("J1: gives 24 bytes and does not repeat", () => {
    const nonces = Array.from({ length: 20_000 }, () => Buffer.from(freshNonce()).toString("hex"));
    expect(new Set(nonces).size).toBe(nonces.length);
    expect(new Set(nonces.map((nonce) => nonce.length))).toEqual(new Set([48]));
  });
});

describe("fingerprintOf", () => {
  const { publicKey } = new Signer(fixedKeys("m1").sign);

  it("is SHA-256 over a label and the key, and its first 16 bytes are the key id", () => {
    const fingerprint = plain(fingerprintOf(publicKey));
    expect(fingerprint).toEqual(plain(sha256(new Uint8Array([...bytes("msalt fingerprint v1\0"), ...publicKey]))));
    expect(keyIdOf(publicKey)).toBe(Buffer.from(fingerprint.subarray(0, 16)).toString("hex"));
  });

  it("is shown whole, with colons", () => {
    const text = formatFingerprint(fingerprintOf(publicKey));
    expect(text).toMatch(/^([0-9a-f]{2}:){31}[0-9a-f]{2}$/);
  });
});

describe("equalBytes", () => {
  it.each([
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1, 2], [1, 2, 3], false],
    [[], [], true],
  ])("%j and %j: %s", (a, b, equal) => {
    expect(equalBytes(Uint8Array.from(a), Uint8Array.from(b))).toBe(equal);
  });
});

describe("comparisons", () => {
  it("EN-14: of what nobody must guess take the same time for every guess", () => {
    const src = join(import.meta.dirname, "../../../src");
    const guarded =
      /\b\w*(?:secret|proof|hmac|mac|signature|publishKey|topic)\b(?:\.toString\([^)]*\))? ?(?:[!=]==? (?!undefined|"string")|\.equals\()/gi;
    const found = readdirSync(src, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        [...readFileSync(join(src, file), "utf8").matchAll(guarded)].map(([what]) => `${file}: ${what}`),
      );
    expect(found).toEqual([]);
    expect("if (proof === given)").toMatch(guarded);
  });
});
