import { describe, expect, it } from "vitest";
import { Admitted } from "../../../../src/master/front/admitted.ts";
import type { KeyUpdate } from "../../../../src/wire/front.ts";
import type { KeyId, MinionId } from "../../../../src/wire/ids.ts";

const key = (n: number, curve = n) => ({
  keyId: String(n).padStart(32, "0") as KeyId,
  id: `m${n}` as MinionId,
  box: new Uint8Array(32),
  curve: new Uint8Array(32).fill(curve),
});
const update = (change: Partial<KeyUpdate>): KeyUpdate => ({
  is: "keys",
  n: 1,
  full: false,
  add: [],
  remove: [],
  ...change,
});
const curve = (n: number) => new Uint8Array(32).fill(n);

describe("Admitted", () => {
  it("admits what was added, and no longer what was removed", () => {
    const admitted = new Admitted();
    admitted.apply(update({ add: [key(1), key(2)] }));
    expect([1, 2, 3].map((n) => admitted.has(curve(n)))).toEqual([true, true, false]);
    admitted.apply(update({ remove: [key(1).keyId, key(9).keyId] }));
    expect([1, 2].map((n) => admitted.has(curve(n)))).toEqual([false, true]);
  });

  it("forgets all others when it is told all", () => {
    const admitted = new Admitted();
    admitted.apply(update({ add: [key(1), key(3)] }));
    // Key 1 went while there was no controller to say so: what goes with a key must go with it.
    expect(admitted.apply(update({ full: true, add: [key(2), key(3)] }))).toEqual([key(1).keyId]);
    expect([1, 2].map((n) => admitted.has(curve(n)))).toEqual([false, true]);
    expect(admitted.apply(update({ remove: [key(2).keyId] }))).toEqual([key(2).keyId]);
  });

  it("follows a new CURVE key of the same minion", () => {
    const admitted = new Admitted();
    admitted.apply(update({ add: [key(1)] }));
    admitted.apply(update({ add: [key(1, 7)] }));
    expect([1, 7].map((n) => admitted.has(curve(n)))).toEqual([false, true]);
  });

  it("keeps a CURVE key that two name until neither does", () => {
    const admitted = new Admitted();
    admitted.apply(update({ add: [key(1, 5), key(2, 5)] }));
    admitted.apply(update({ remove: [key(1).keyId] }));
    expect(admitted.has(curve(5))).toBe(true);
    admitted.apply(update({ remove: [key(2).keyId] }));
    expect(admitted.has(curve(5))).toBe(false);
  });
});
