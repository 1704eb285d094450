import { describe, expect, it } from "vitest";
import { keyChange, keyToken, maxKeysPerChange, parseKeyReply } from "../../../src/wire/keys.ts";
import { code } from "../../support/keys.ts";

const fingerprint = "ab".repeat(32);
const key = { id: "web1", fingerprint };

describe("keyChange", () => {
  it.each([
    ["another act", { act: "destroy", keys: [key] }],
    ["an unknown field", { act: "accept", keys: [key], force: true }],
    ["an id that names a path", { act: "accept", keys: [{ ...key, id: "../web1" }] }],
    ["a fingerprint in capitals", { act: "accept", keys: [{ ...key, fingerprint: "AB".repeat(32) }] }],
    ["a fingerprint cut short", { act: "accept", keys: [{ ...key, fingerprint: "ab".repeat(16) }] }],
    ["too many keys", { act: "accept", keys: Array.from({ length: maxKeysPerChange + 1 }, () => key) }],
  ])("refuses %s", (_case, load) => {
    expect(keyChange.safeParse(load).success).toBe(false);
  });

  it("takes a good one", () => {
    expect(keyChange.parse({ act: "delete", keys: [key] })).toEqual({ act: "delete", keys: [key] });
  });
});

describe("keyToken", () => {
  it.each([0, -1, 1.5, 1e12])("refuses %d ms", (expiresMs) => {
    expect(keyToken.safeParse({ expiresMs }).success).toBe(false);
  });
});

describe("parseKeyReply", () => {
  it("names what is wrong in an answer", () => {
    expect(() => parseKeyReply("key.token", { token: 1, expires: 2 })).toThrow(code("ERR_WIRE_INVALID"));
    expect(() => parseKeyReply("key.token", { token: 1, expires: 2 })).toThrow(/token/);
  });
});
