import { describe, expect, it } from "vitest";
import { generateKeys, makeKeyRecord } from "../../../src/crypto/keys.ts";
import { makeEnrolReply, makeEnrolRequest } from "../../../src/crypto/enrolment.ts";
import { Signer, Verifier, freshNonce, sha256 } from "../../../src/crypto/primitives.ts";
import { enrolReplySignedBytes, parseEnrolReply, parseEnrolRequest } from "../../../src/wire/enrolment.ts";
import { enrolRequestBody } from "../../../src/wire/enrolment.ts";
import { encodeKeyRecord, keyRecordBody } from "../../../src/wire/key-record.ts";
import { orderSignedBytes } from "../../../src/wire/publication.ts";

describe("signatures", () => {
  it("EN-09: one of each kind is good in its own place and in no other", () => {
    const keys = generateKeys();
    const signer = new Signer(keys.sign);
    const minion = makeKeyRecord("minion", "m1", keys, 1);
    const master = makeKeyRecord("master", "master", keys, 1);
    const order = Buffer.from("order");
    const keyId = new Uint8Array(16).fill(9);
    const request = makeEnrolRequest(signer, minion, {});
    const asked = parseEnrolRequest(request);
    const answered = parseEnrolReply(makeEnrolReply(signer, master, "accepted", request));
    const label = Buffer.from("msalt enrolment request v1\0", "ascii");
    const kinds = [
      { bytes: keyRecordBody(minion), signature: minion.signature },
      { bytes: keyRecordBody(master), signature: master.signature },
      { bytes: Buffer.concat([label, enrolRequestBody(asked)]), signature: asked.signature },
      {
        bytes: enrolReplySignedBytes("accepted", encodeKeyRecord(master), sha256(request)),
        signature: answered.signature,
      },
      { bytes: orderSignedBytes(order, keyId), signature: signer.sign(orderSignedBytes(order, keyId)) },
    ];
    const verifier = new Verifier(signer.publicKey);
    for (const [i, { bytes }] of kinds.entries()) {
      for (const [j, { signature }] of kinds.entries()) expect(verifier.verify(bytes, signature)).toBe(i === j);
    }
  });
});

describe("freshNonce", () => {
  it("EN-13: never comes twice, and holds the clock beside what is random", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200_000; i += 1) seen.add(Buffer.from(freshNonce()).toString("latin1"));
    expect(seen.size).toBe(200_000);
    const micros = Number(Buffer.from(freshNonce()).readBigUInt64BE(16));
    expect(Math.abs(micros / 1000 - Date.now())).toBeLessThan(60_000);
  });
});
