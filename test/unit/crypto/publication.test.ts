import { describe, expect, it } from "vitest";
import { openPublication, sealBody, sealOrder, sealReady } from "../../../src/crypto/publication.ts";
import { Verifier } from "../../../src/crypto/primitives.ts";
import type { Jid } from "../../../src/wire/ids.ts";
import { buildPublication, orderSignedBytes, parsePublication } from "../../../src/wire/publication.ts";
import { code, flip, host } from "../../support/keys.ts";

const jid = "20260102030405678901" as Jid;
const master = host("master", "master", "master");
const m1 = host("m1");
const session = { topic: new Uint8Array(16).fill(1), publishKey: new Uint8Array(32).fill(2) };
const order = Uint8Array.from(Buffer.from("the order"));
const target = Buffer.from(m1.keyId, "hex");
const signature = Uint8Array.from(master.signer.sign(orderSignedBytes(order, target)));
const sealed = sealBody(jid, order);
const frame = sealOrder(session, 41, sealed, signature);
const openFrame = (bytes: Uint8Array, key = session.publishKey): ReturnType<typeof openPublication> =>
  openPublication(parsePublication(bytes), key);

describe("openPublication", () => {
  it("gives the order, its sequence number and the signature for this target", () => {
    const opened = openFrame(frame);
    expect(opened).toEqual({ kind: "order", sequence: 41, jid, order, signature });
    expect(new Verifier(master.record.sign).verify(orderSignedBytes(order, target), signature)).toBe(true);
  });

  it("P2: the signature does not hold for another target or another order", () => {
    const verifier = new Verifier(master.record.sign);
    expect(verifier.verify(orderSignedBytes(order, Buffer.from(host("m2").keyId, "hex")), signature)).toBe(false);
    expect(verifier.verify(orderSignedBytes(flip(order, 0), target), signature)).toBe(false);
  });

  it("gives the sequence number of a ready frame", () => {
    expect(openFrame(sealReady(session, 7, new Uint8Array(8)))).toEqual({ kind: "ready", sequence: 7 });
  });

  it("refuses every flipped byte behind the topic, and a cut at each byte", () => {
    for (let at = 16; at < frame.length; at += 1) {
      for (const bit of [0, 7])
        expect(() => openFrame(flip(frame, at, bit)), `byte ${at}`).toThrow(code("ERR_WIRE_INVALID"));
    }
    for (let length = 0; length < frame.length; length += 1) {
      expect(() => openFrame(frame.subarray(0, length)), `length ${length}`).toThrow(code("ERR_WIRE_INVALID"));
    }
  });

  it("refuses the wrap of one job with the body of another", () => {
    const other = parsePublication(sealOrder(session, 42, sealBody(jid, order), signature));
    const mixed = buildPublication({ ...parsePublication(frame), body: other.body });
    expect(() => openFrame(mixed)).toThrow(/do not belong together/);
  });

  it("refuses a body encrypted under another content key, though its hash fits", () => {
    const other = sealBody(jid, order);
    const wrong = sealOrder(session, 1, { ...sealed, body: other.body, hash: other.hash }, signature);
    expect(() => openFrame(wrong)).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses another minion's publish key", () => {
    expect(() => openFrame(frame, new Uint8Array(32).fill(3))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("refuses a ready frame as an order", () => {
    const ready = parsePublication(sealReady(session, 7, new Uint8Array(8)));
    expect(() => openFrame(buildPublication({ ...ready, kind: "order" }))).toThrow(code("ERR_WIRE_INVALID"));
  });

  it("J1: never uses a content key or a nonce twice", () => {
    const bodies = Array.from({ length: 500 }, () => sealBody(jid, order));
    expect(new Set(bodies.map(({ contentKey }) => Buffer.from(contentKey).toString("hex"))).size).toBe(500);
    const nonces = bodies.map((body) =>
      Buffer.from(sealOrder(session, 1, body, signature).subarray(20, 44)).toString("hex"),
    );
    expect(new Set(nonces).size).toBe(500);
  });
});
