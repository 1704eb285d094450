import { encode } from "@msgpack/msgpack";
import { describe, expect, it } from "vitest";
import { parseFromFront } from "../../../src/wire/front.ts";
import { isLocalCommand, parseLocalLoad } from "../../../src/wire/local.ts";

const call = { n: 1, keyId: "a".repeat(32), bootId: new Uint8Array(8), counter: 1, size: 9, cmd: "hello", load: {} };

describe("parseFromFront", () => {
  it("takes what the three kinds of front process say", () => {
    for (const message of [
      { is: "hello" },
      { is: "ack", n: 1 },
      { is: "calls", calls: [call] },
      { is: "enrol", n: 1, request: new Uint8Array(9), address: "127.0.0.1" },
      { is: "link", keyId: "a".repeat(32), topic: new Uint8Array(16), up: true },
    ]) {
      expect(parseFromFront(encode(message))).toEqual(message);
    }
  });

  it.each(["publish", "key.accept", "key.change", "job.record", "runner", "replies", "keys", "sessions"])(
    "AZ-05: a taken-over front process cannot say %s",
    (is) => {
      const message = { is, n: 1, cmd: is, load: {}, act: "accept", keys: [] };
      expect(() => parseFromFront(encode(message))).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
    },
  );

  it.each([
    ["a field more", { is: "hello", secret: 1 }],
    ["a call without a key", { is: "calls", calls: [{ ...call, keyId: undefined }] }],
    ["a call with a name for a key", { is: "calls", calls: [{ ...call, keyId: "m1" }] }],
    ["a call that names its minion", { is: "calls", calls: [{ ...call, id: "m2" }] }],
    ["a thousand and one calls", { is: "calls", calls: Array.from({ length: 1001 }, () => call) }],
    ["nothing", null],
  ])("AZ-05: refuses %s", (_case, message) => {
    expect(() => parseFromFront(encode(message))).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
  });
});

describe("local commands", () => {
  it.each(["hello", "job.return", "constructor", "__proto__", "valueOf", ""])("AZ-03: %j is none", (name) => {
    expect(isLocalCommand(name)).toBe(false);
  });
  it.each([
    ["publish", { tgt: "*" }],
    ["publish", { tgt: "*", tgtType: "nobody", fun: "f", arg: [], user: "u", waitMs: 1 }],
    ["job.record", { jid: "../x" }],
    ["key.change", { act: "accept", keys: [{ id: "../m1", fingerprint: "0".repeat(64) }] }],
    ["key.token", { expiresMs: -1 }],
  ] as const)("refuses a bad load of %s", (cmd, load) => {
    expect(() => parseLocalLoad(cmd, load)).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
  });
});
