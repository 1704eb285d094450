import { it, expect } from "vitest";
import { Bus } from "../support/bus.ts";
import { rawMinion, unharmed } from "../support/attack.ts";
it("trial", async () => {
  await using bus = await Bus.start({ minions: ["m1"] });
  using raw = await rawMinion(bus, "raw");
  console.log(await raw.ask({cmd:"sync"}), await raw.ask({cmd:"nope"}));
  console.log(raw.frames.length, raw.openOrder(raw.frames[0]!));
  await unharmed(bus, async () => undefined);
  const p = bus.spawn("msalt", "raw", "test.ping");
  await p.exit;
  console.log(raw.frames.length, raw.openOrder(raw.frames[1]!));
});
