import { describe, expect, it } from "vitest";
import { event } from "../../../../src/master/workers/event.ts";
import { grains } from "../../../../src/master/workers/grains.ts";
import type { MinionId } from "../../../../src/wire/ids.ts";

const m1 = "m1" as MinionId;
const tagOf = (tag: string): string => event({ cmd: "event", tag, data: {} }, m1).tag;

describe("event", () => {
  it.each([
    ["my/tag", "salt/minion/m1/my/tag"],
    ["/my/tag", "salt/minion/m1/my/tag"],
    ["salt/minion/m1/start", "salt/minion/m1/start"],
    ["salt/key/accept", "salt/minion/m1/salt/key/accept"],
    ["salt/job/20261121020634330961/ret/m2", "salt/minion/m1/salt/job/20261121020634330961/ret/m2"],
    ["salt/minion/m2/start", "salt/minion/m1/salt/minion/m2/start"],
    ["salt/minion/m10/x", "salt/minion/m1/salt/minion/m10/x"],
  ])("AZ-08: puts %s under the minion's own name", (tag, forced) => expect(tagOf(tag)).toBe(forced));

  it.each(["../m2/start", "a/../../x", "a b", "a\nb", "a\0b", "\u001b[31m", "x".repeat(256)])(
    "AZ-08: refuses %j",
    (tag) => {
      expect(() => tagOf(tag)).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
    },
  );
});

describe("grains", () => {
  it("AZ-01: are of the minion whose key they came under, whatever they say", () => {
    expect(grains({ cmd: "grains", grains: { id: "m2", os: "Debian" } }, m1).grains).toEqual({
      id: "m1",
      os: "Debian",
    });
  });
});
