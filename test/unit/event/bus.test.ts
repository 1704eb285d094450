import { describe, expect, it } from "vitest";
import { encodeEvent } from "../../../src/event/bus.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { limits } from "../../../src/wire/limits.ts";

const told = (data: Record<string, unknown>, value?: unknown): Record<string, unknown> => {
  const raw = value === undefined ? undefined : encode(value);
  const payload = encodeEvent({ tag: "t", data, ...(raw !== undefined && { raw }) });
  expect(payload.length).toBeLessThanOrEqual(limits.eventMessageBytes);
  return decode(payload, { depth: 8, nodes: 1000 }) as Record<string, unknown>;
};
const text = (length: number): string => "x".repeat(length);

describe("encodeEvent", () => {
  it("puts the result beside the rest, as it is", () => {
    expect(told({ id: "m1" })).toEqual({ id: "m1" });
    expect(told({ id: "m1" }, { a: [1, "two"] })).toEqual({ id: "m1", return: { a: [1, "two"] } });
    expect(told({ id: "m1" }, text(60_000))).toEqual({ id: "m1", return: text(60_000) });
  });

  it("trims the result when it is too large, and the rest only when that is not enough", () => {
    const trimmed = "VALUE_TRIMMED";
    expect(told({ id: "m1" }, text(8_000_000))).toEqual({ id: "m1", return: trimmed });
    expect(told({ fun_args: [text(40_000)] }, text(40_000))).toEqual({ fun_args: [text(40_000)], return: trimmed });
    expect(told({ id: "m1", fun_args: [text(70_000)] }, true)).toEqual({ id: "m1", fun_args: trimmed, return: true });
    expect(told({ id: "m1", fun_args: [text(70_000)] }, text(70_000))).toEqual({
      id: "m1",
      fun_args: trimmed,
      return: trimmed,
    });
  });
});
