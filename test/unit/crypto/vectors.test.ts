import { createHash, createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import nacl from "tweetnacl";
import { describe, expect, it } from "vitest";
import { makeEnrolReply, tokenKey, verifyEnrolReply, verifyEnrolRequest } from "../../../src/crypto/enrolment.ts";
import { openFrame } from "../../../src/crypto/envelope.ts";
import { makeKeyRecord, verifyKeyRecord } from "../../../src/crypto/keys.ts";
import { Signer, Verifier, fingerprintOf, keyIdOf, sharedKey, x25519Public } from "../../../src/crypto/primitives.ts";
import { openPublication } from "../../../src/crypto/publication.ts";
import { encodeKeyRecord } from "../../../src/wire/key-record.ts";
import { orderSignedBytes, parseOrder, parsePublication } from "../../../src/wire/publication.ts";
import { fixedKeys } from "../../support/keys.ts";

// The golden bytes are written by this second implementation, which shares only the fixed keys with msalt.
const ascii = (text: string): Buffer => Buffer.from(text, "ascii");
const sha = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u64 = (value: number): Buffer => Buffer.concat([Buffer.alloc(4), Buffer.from([0, 0, value >> 8, value & 255])]);
const edSign = (seed: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
  nacl.sign.detached(Uint8Array.from(Buffer.concat(parts)), nacl.sign.keyPair.fromSeed(seed).secretKey);

const masterKeys = fixedKeys("master");
const minionKeys = fixedKeys("web1");
const token = "5f1d7f2c0a9b4e8d";
const jid = "20260102030405678901";
const number = 3;

function recordBytes(role: 1 | 2, id: string, keys: typeof masterKeys): Buffer {
  const body = Buffer.concat([
    ascii("msalt key record v1\0"),
    Buffer.from([role, 0, 0, 0, number, id.length]),
    ascii(id),
    nacl.sign.keyPair.fromSeed(keys.sign).publicKey,
    nacl.scalarMult.base(keys.box),
    nacl.scalarMult.base(keys.curve),
  ]);
  return Buffer.concat([body, edSign(keys.sign, body)]);
}

function generate(): Record<string, Record<string, string>> {
  const fingerprint = (keys: typeof masterKeys): Buffer =>
    sha(ascii("msalt fingerprint v1\0"), nacl.sign.keyPair.fromSeed(keys.sign).publicKey);
  const masterRecord = recordBytes(1, "master", masterKeys);
  const minionRecord = recordBytes(2, "web1", minionKeys);
  const secrets = (keys: typeof masterKeys): Record<string, string> => ({
    sign: hex(keys.sign),
    box: hex(keys.box),
    curve: hex(keys.curve),
    fingerprint: hex(fingerprint(keys)),
  });

  const nonce = Buffer.alloc(32, 0xa1);
  const tokenLabel = ascii("msalt enrolment token v1\0");
  const proof = createHmac("sha256", sha(tokenLabel, ascii(token)))
    .update(Buffer.concat([tokenLabel, minionRecord, nonce]))
    .digest();
  const head = Buffer.concat([ascii("mE"), Buffer.from([1]), u16(minionRecord.length)]);
  const requestBody = Buffer.concat([head, minionRecord, nonce, fingerprint(masterKeys), proof]);
  const request = Buffer.concat([
    requestBody,
    edSign(minionKeys.sign, ascii("msalt enrolment request v1\0"), requestBody),
  ]);

  const replyHead = Buffer.concat([ascii("mR"), Buffer.from([1, 2]), u16(masterRecord.length)]);
  const replyLabel = ascii("msalt enrolment reply v1\0");
  const replySignature = edSign(masterKeys.sign, replyLabel, replyHead, masterRecord, sha(request));
  const reply = Buffer.concat([replyHead, masterRecord, replySignature]);

  const boxNonce = Buffer.alloc(24, 0xb2);
  const keyId = fingerprint(minionKeys).subarray(0, 16);
  const body = Buffer.from("81a3636d64a473796e63", "hex");
  const seal = (direction: 1 | 2): Buffer => {
    const inner = Buffer.concat([
      Buffer.from([direction]),
      keyId,
      Buffer.alloc(16, 0xc3),
      Buffer.alloc(8, 0xd4),
      u64(513),
      body,
    ]);
    const box = nacl.box(inner, boxNonce, nacl.scalarMult.base(masterKeys.box), minionKeys.box);
    return Buffer.concat([ascii("mS"), Buffer.from([1, direction]), keyId, boxNonce, box]);
  };

  const order = Buffer.concat([
    Buffer.from("84a56f72646572a46b696c6ca36a6964b4", "hex"),
    ascii(jid),
    Buffer.from("a67369676e616c0fa96e6f745f6166746572cd03e8", "hex"),
  ]);
  const contentKey = Buffer.alloc(32, 0xe5);
  const bodyNonce = Buffer.alloc(24, 0xf6);
  const publishKey = Buffer.alloc(32, 0x17);
  const wrapNonce = Buffer.alloc(24, 0x28);
  const topic = Buffer.alloc(16, 0x39);
  const sealedBody = Buffer.concat([bodyNonce, nacl.secretbox(order, bodyNonce, contentKey)]);
  const signature = edSign(masterKeys.sign, ascii("msalt order v1\0"), sha(order), keyId);
  const wrapped = (...parts: Uint8Array[]): Uint8Array => nacl.secretbox(Buffer.concat(parts), wrapNonce, publishKey);
  const publication = (kind: 1 | 2, wrap: Uint8Array, ...rest: Uint8Array[]): Buffer =>
    Buffer.concat([topic, ascii("mP"), Buffer.from([1, kind]), wrapNonce, u16(wrap.length), wrap, ...rest]);
  const orderWrap = wrapped(u64(41), ascii(jid), contentKey, sha(sealedBody), signature);

  return {
    master: { ...secrets(masterKeys), record: hex(masterRecord) },
    minion: { ...secrets(minionKeys), id: "web1", record: hex(minionRecord) },
    enrolment: { token, nonce: hex(nonce), request: hex(request), replyAccepted: hex(reply) },
    envelope: { body: hex(body), request: hex(seal(1)), reply: hex(seal(2)) },
    publication: {
      topic: hex(topic),
      publishKey: hex(publishKey),
      order: hex(order),
      signature: hex(signature),
      orderFrame: hex(publication(2, orderWrap, sealedBody)),
      readyFrame: hex(publication(1, wrapped(u64(40), Buffer.alloc(8, 0x4a)))),
    },
  };
}

const file = join(import.meta.dirname, "../../vectors/protocol.json");
if (process.env["UPDATE_VECTORS"] === "1") writeFileSync(file, `${JSON.stringify(generate(), null, 2)}\n`);
const golden = JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, string>>;
const bytes = (section: string, name: string): Uint8Array => unhex(golden[section]?.[name] ?? "");

describe("the golden protocol bytes", () => {
  it("are what the description gives", () => {
    expect(generate()).toEqual(golden);
  });

  it.each([
    ["master", "master", masterKeys],
    ["minion", "web1", minionKeys],
  ] as const)("key record of the %s", (role, id, keys) => {
    const record = verifyKeyRecord(bytes(role, "record"));
    expect(record).toMatchObject({ role, id, number });
    expect(hex(encodeKeyRecord(makeKeyRecord(role, id, keys, number)))).toBe(golden[role]?.["record"]);
    expect(hex(fingerprintOf(record.sign))).toBe(golden[role]?.["fingerprint"]);
    expect(golden[role]?.["fingerprint"]).toMatch(new RegExp(`^${keyIdOf(record.sign)}`));
  });

  it("enrolment request", () => {
    const asked = verifyEnrolRequest(bytes("enrolment", "request"));
    expect(asked.record.id).toBe("web1");
    expect(asked.pin && hex(asked.pin)).toBe(golden["master"]?.["fingerprint"]);
    expect(asked.provedWith(tokenKey(token))).toBe(true);
  });

  it("enrolment reply", () => {
    const request = bytes("enrolment", "request");
    const record = makeKeyRecord("master", "master", masterKeys, number);
    expect(hex(makeEnrolReply(new Signer(masterKeys.sign), record, "accepted", request))).toBe(
      golden["enrolment"]?.["replyAccepted"],
    );
    expect(verifyEnrolReply(bytes("enrolment", "replyAccepted"), request).state).toBe("accepted");
  });

  it.each(["request", "reply"] as const)("envelope: %s", (direction) => {
    const inner = openFrame(
      direction,
      bytes("envelope", direction),
      sharedKey(masterKeys.box, x25519Public(minionKeys.box)),
    );
    expect(inner.counter).toBe(513);
    expect(hex(inner.requestId)).toBe("c3".repeat(16));
    expect(hex(inner.bootId)).toBe("d4".repeat(8));
    expect(hex(inner.body)).toBe(golden["envelope"]?.["body"]);
  });

  it("publication", () => {
    const frame = parsePublication(bytes("publication", "orderFrame"));
    const opened = openPublication(frame, bytes("publication", "publishKey"));
    if (opened.kind !== "order") throw new Error("not an order");
    expect(opened).toMatchObject({ sequence: 41, jid });
    expect(parseOrder(opened.order)).toEqual({ order: "kill", jid, signal: 15, not_after: 1000 });
    const verifier = new Verifier(verifyKeyRecord(bytes("master", "record")).sign);
    const target = bytes("minion", "fingerprint").subarray(0, 16);
    expect(verifier.verify(orderSignedBytes(opened.order, target), opened.signature)).toBe(true);
  });

  it("ready frame", () => {
    const frame = parsePublication(bytes("publication", "readyFrame"));
    expect(openPublication(frame, bytes("publication", "publishKey"))).toEqual({ kind: "ready", sequence: 40 });
  });
});
