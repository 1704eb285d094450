import { describe, expect, it } from "vitest";
import { Shared } from "../../../src/lib/shared.ts";
import { encode } from "../../../src/wire/codec.ts";

const nameOf = (value: unknown): string => Buffer.from(encode(value)).toString("latin1");
const grains = (id: string) => ({ id, os: "Debian", ips: ["::1", "127.0.0.1"], disks: { sda: 1 }, cpus: 2, gpu: null });

describe("Shared", () => {
  it("gives equal maps, of which equal parts are the same", () => {
    const shared = new Shared(nameOf);
    const [a, b] = [shared.of(grains("a")), shared.of(grains("b"))];
    expect([a, b]).toEqual([grains("a"), grains("b")]);
    expect(a["ips"]).toBe(b["ips"]);
    expect(a["disks"]).toBe(b["disks"]);
  });

  it("does not take one kind of value for another", () => {
    const shared = new Shared(nameOf);
    const values = ["1", [1], { 0: 1 }, new Uint8Array([1]), { a: undefined }, {}];
    for (const value of values) expect(shared.of({ value })).toEqual({ value });
  });

  it("goes on when more differs than it can know", () => {
    const shared = new Shared(nameOf, 3);
    for (let n = 0; n < 20; n += 1) expect(shared.of(grains(`m${n}`))).toEqual(grains(`m${n}`));
  });
});
