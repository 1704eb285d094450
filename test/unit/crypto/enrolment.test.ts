import { describe, expect, it } from "vitest";
import { makeEnrolReply, tokenKey, verifyEnrolReply, verifyEnrolRequest } from "../../../src/crypto/enrolment.ts";
import { makeKeyRecord } from "../../../src/crypto/keys.ts";
import { Signer, fingerprintOf } from "../../../src/crypto/primitives.ts";
import { type EnrolState, encodeEnrolReply, parseEnrolReply } from "../../../src/wire/enrolment.ts";
import { encodeKeyRecord } from "../../../src/wire/key-record.ts";
import { limits } from "../../../src/wire/limits.ts";
import { code, fixedKeys, flip, host } from "../../support/keys.ts";

const m1 = host("m1");
const master = host("master", "master", "master");
const pin = fingerprintOf(master.record.sign);
const request = m1.request({ pin, token: "open sesame" });

describe("verifyEnrolRequest", () => {
  it("gives the record and the pin, and knows the token by its proof", () => {
    const asked = verifyEnrolRequest(request);
    expect(asked.record.id).toBe("m1");
    expect(asked.pin).toEqual(Uint8Array.from(pin));
    expect(asked.hasProof).toBe(true);
    expect(asked.provedWith(tokenKey("open sesame"))).toBe(true);
    expect(asked.provedWith(tokenKey("open sesamf"))).toBe(false);
  });

  it("without pin and token gives neither", () => {
    const asked = verifyEnrolRequest(m1.request());
    expect(asked.pin).toBeUndefined();
    expect(asked.hasProof).toBe(false);
    expect(asked.provedWith(tokenKey(""))).toBe(false);
  });

  it("HS-18: never carries the token, and proves it for one record only", () => {
    expect(Buffer.from(request).includes("open sesame")).toBe(false);
    const spied = verifyEnrolRequest(request);
    const thief = verifyEnrolRequest(host("m1", "thief").request({ token: "guess" }));
    expect(spied.provedWith(tokenKey("open sesame"))).toBe(true);
    expect(thief.provedWith(tokenKey("open sesame"))).toBe(false);
  });

  it("refuses every flipped bit", () => {
    for (let at = 0; at < request.length; at += 1) {
      for (const bit of [0, 7])
        expect(() => verifyEnrolRequest(flip(request, at, bit)), `byte ${at}`).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("refuses a cut at each byte, and a byte too many", () => {
    for (let length = 0; length < request.length; length += 1) {
      expect(() => verifyEnrolRequest(request.subarray(0, length))).toThrow(code("ERR_WIRE_INVALID"));
    }
    expect(() => verifyEnrolRequest(Buffer.concat([request, Buffer.alloc(1)]))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("HS-06: refuses m1's record under another signer", () => {
    const other = host("m1", "thief");
    const forged = other.request({ record: { ...m1.record } });
    expect(() => verifyEnrolRequest(forged)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses the record of a master", () => {
    expect(() => verifyEnrolRequest(master.request())).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("fits the longest id into the limit", () => {
    const id = "a".repeat(128);
    const longest = host(id).request({ pin, token: "t" });
    expect(longest.length).toBeLessThanOrEqual(limits.enrolRecordBytes);
    expect(verifyEnrolRequest(longest).record.id).toBe(id);
  });
});

describe("verifyEnrolReply", () => {
  const reply = makeEnrolReply(master.signer, master.record, "accepted", request);

  it.each(["pending", "accepted", "rejected", "denied"] satisfies EnrolState[])("gives the state %s", (state) => {
    const answer = verifyEnrolReply(makeEnrolReply(master.signer, master.record, state, request), request);
    expect(answer.state).toBe(state);
    expect(answer.record.id).toBe("master");
    expect(answer.fingerprint).toEqual(pin);
  });

  it("HS-08: refuses every flipped bit: state, keys, signature", () => {
    for (let at = 0; at < reply.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        expect(() => verifyEnrolReply(flip(reply, at, bit), request), `byte ${at}`).toThrow(code("ERR_WIRE_INVALID"));
      }
    }
  });

  it("HS-08: refuses another state under the same signature", () => {
    const parsed = parseEnrolReply(reply);
    for (const state of ["pending", "rejected", "denied"] as const) {
      expect(() => verifyEnrolReply(encodeEnrolReply({ ...parsed, state }), request)).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("HS-08: refuses another good record of the same master under the same signature", () => {
    const newer = encodeKeyRecord(
      makeKeyRecord("master", "master", { ...fixedKeys("new"), sign: master.keys.sign }, 2),
    );
    const changed = encodeEnrolReply({ ...parseEnrolReply(reply), record: newer });
    expect(() => verifyEnrolReply(changed, request)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses the answer to another question, even to the same one asked again", () => {
    expect(() => verifyEnrolReply(reply, m1.request({ pin, token: "open sesame" }))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses a cut at each byte, and a byte too many", () => {
    for (let length = 0; length < reply.length; length += 1) {
      expect(() => verifyEnrolReply(reply.subarray(0, length), request)).toThrow(code("ERR_WIRE_INVALID"));
    }
    expect(() => verifyEnrolReply(Buffer.concat([reply, Buffer.alloc(1)]), request)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses a minion that plays master, and a master's record signed for by somebody else", () => {
    const minion = makeEnrolReply(m1.signer, m1.record, "accepted", request);
    expect(() => verifyEnrolReply(minion, request)).toThrow(code("ERR_WIRE_INVALID"));
    const borrowed = makeEnrolReply(new Signer(fixedKeys("fake").sign), master.record, "accepted", request);
    expect(() => verifyEnrolReply(borrowed, request)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses the request itself as a reply", () => {
    expect(() => verifyEnrolReply(request, request)).toThrow(code("ERR_WIRE_INVALID"));
  });
});
