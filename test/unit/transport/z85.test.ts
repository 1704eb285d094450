import { describe, expect, it } from "vitest";
import { z85 } from "../../../src/transport/z85.ts";

describe("z85", () => {
  it("writes the example of ZeroMQ's RFC 32", () => {
    expect(z85(Buffer.from("864fd26fb559f75b", "hex"))).toBe("HelloWorld");
  });
  it("refuses a length that does not divide by four", () => {
    expect(() => z85(new Uint8Array(5))).toThrow(/multiple of 4/);
  });
});
