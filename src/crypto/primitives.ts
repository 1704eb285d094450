/**
 * The operations everything else is built from. Ed25519 and X25519 go through `node:crypto`: the same bytes as tweetnacl,
 * which needs 5 ms for one verification; boxes go through tweetnacl (DESIGN §5). Tests hold the two against each other.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  type KeyObject,
  randomFillSync,
  sign as edSign,
  timingSafeEqual,
  verify as edVerify,
} from "node:crypto";
import nacl from "tweetnacl";
import { MsaltError } from "../errors.ts";
import { type KeyId, isKeyId } from "../wire/ids.ts";

type Curve = "Ed25519" | "X25519";
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** Through JWK, which imports 15 times faster than DER. */
function publicKey(crv: Curve, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv, x: b64(raw) }, format: "jwk" });
}

/** The public half in a JWK is asked for and not looked at; tests hold what comes of it against tweetnacl. */
const anyPublic = b64(new Uint8Array(32));

function privateKey(crv: Curve, secret: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: "OKP", crv, d: b64(secret), x: anyPublic }, format: "jwk" });
}

function publicHalf(key: KeyObject): Uint8Array {
  return Uint8Array.from(Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url"));
}

/** Signs with one Ed25519 key; keep it, importing the key costs more than a signature. */
export class Signer {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  /** @param seed 32 bytes */
  constructor(seed: Uint8Array) {
    this.#key = privateKey("Ed25519", seed);
    this.publicKey = publicHalf(this.#key);
  }

  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return edSign(null, bytes, this.#key);
  }
}

/** Checks signatures of one Ed25519 key. */
export class Verifier {
  readonly #key: KeyObject;

  /** @throws MsaltError `ERR_WIRE_INVALID` for a key of small order, under which anything would verify. */
  constructor(raw: Uint8Array) {
    if (raw.length !== 32 || isLowOrderEd25519(raw))
      throw new MsaltError("ERR_WIRE_INVALID", "not a usable Ed25519 public key");
    this.#key = publicKey("Ed25519", raw);
  }

  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return signature.length === 64 && edVerify(null, bytes, this.#key, signature);
  }
}

/** The y coordinates of the eight points of small order, both signs and the non-canonical spellings; little endian. */
const lowOrderY: ReadonlySet<string> = new Set([
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

function isLowOrderEd25519(raw: Uint8Array): boolean {
  const y = Buffer.from(raw);
  y[31] = (y[31] ?? 0) & 0x7f;
  return lowOrderY.has(y.toString("hex"));
}

/** True for a 32 byte X25519 public key with which a key agreement gives a shared secret that is not zero. */
export function isUsableX25519(raw: Uint8Array): boolean {
  try {
    sharedKey(new Uint8Array(32).fill(7), raw);
    return true;
  } catch {
    return false;
  }
}

/**
 * The key of all boxes between two X25519 keys, 32 bytes; the same as `nacl.box.before`. Cache it per peer.
 * @throws MsaltError `ERR_WIRE_INVALID` for a public key of low order.
 */
export function sharedKey(secret: Uint8Array, peer: Uint8Array): Uint8Array {
  try {
    const point = diffieHellman({
      privateKey: privateKey("X25519", secret),
      publicKey: publicKey("X25519", peer),
    });
    if (point.every((byte) => byte === 0)) throw new Error("zero point");
    const key = new Uint8Array(32);
    lowlevel.crypto_core_hsalsa20(key, new Uint8Array(16), point, sigma);
    return key;
  } catch (cause) {
    throw new MsaltError("ERR_WIRE_INVALID", "not a usable X25519 public key", {}, { cause });
  }
}

/** Missing in tweetnacl's own types. */
const { lowlevel } = nacl as unknown as {
  lowlevel: { crypto_core_hsalsa20(out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array): number };
};
const sigma = Buffer.from("expand 32-byte k", "ascii");

export function x25519Public(secret: Uint8Array): Uint8Array {
  return publicHalf(privateKey("X25519", secret));
}

/** Seals with a shared or secret key; used for boxes (after `sharedKey`) and secretboxes alike. */
export function seal(plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return nacl.secretbox(plain, nonce, key);
}

/** The plaintext, or undefined when the box was not made with this key and nonce. */
export function open(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  return nacl.secretbox.open(box, nonce, key) ?? undefined;
}

export function randomBytes(size: number): Uint8Array {
  return randomFillSync(new Uint8Array(size));
}

/** Random bytes for nonces, fetched many at a time: one call costs more than the box itself. None is used twice. */
const pool = { bytes: Buffer.alloc(4096), at: 4096 };

/** 24 bytes: 16 random ones, then the clock in microseconds, so that a cloned process state cannot repeat one (W5). */
export function freshNonce(): Uint8Array {
  const nonce = Buffer.alloc(24);
  if (pool.at === pool.bytes.length) {
    randomFillSync(pool.bytes);
    pool.at = 0;
  }
  pool.bytes.copy(nonce, 0, pool.at, (pool.at += 16));
  nonce.writeBigUInt64BE(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)), 16);
  return nonce;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

export function hmac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(bytes).digest();
}

/** Constant-time; false for different lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** SHA-256 over a label and the `sign` key, 32 bytes: names a host, whatever its other keys. */
export function fingerprintOf(signKey: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([Buffer.from("msalt fingerprint v1\0", "ascii"), signKey]));
}

/** `c0:e5:…`, the whole fingerprint as Salt prints one. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return Array.from(fingerprint, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export function keyIdOf(signKey: Uint8Array): KeyId {
  const hex = Buffer.from(fingerprintOf(signKey).subarray(0, 16)).toString("hex");
  if (!isKeyId(hex)) throw new MsaltError("ERR_INTERNAL", "a key id must be 32 hex digits");
  return hex;
}
