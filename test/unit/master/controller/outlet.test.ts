import { describe, expect, it } from "vitest";
import { EventBus } from "../../../../src/event/bus.ts";
import { Outlet } from "../../../../src/master/controller/outlet.ts";
import { decode } from "../../../../src/wire/codec.ts";
import { limits } from "../../../../src/wire/limits.ts";
import { eventChannel } from "../../../../src/wire/tags.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function kit() {
  const sent: unknown[][] = [];
  const bus = new EventBus();
  const outlet = new Outlet(bus, ([topic, sentBefore, ...frames]) => {
    const events = [
      `${frames.length === 0 ? "works" : "events"} after ${String(decode(sentBefore ?? new Uint8Array()))}`,
    ];
    for (let at = 0; at + 1 < frames.length; at += 2) {
      events.push(
        `${Buffer.from(frames[at] ?? []).toString()} ${JSON.stringify(decode(frames[at + 1] ?? new Uint8Array()))}`,
      );
    }
    sent.push([Buffer.from(topic ?? []).toString(), ...events]);
  });
  const fire = (tag: string, data: Record<string, unknown> = {}): void => void bus.emit("event", { tag, data });
  return { sent, outlet, fire, bus };
}

describe("Outlet", () => {
  it("says nothing where nobody listens", async () => {
    const { sent, fire, outlet, bus } = kit();
    expect(bus.isHeard).toBe(false);
    fire("salt/job/1/new");
    outlet.listen(eventChannel("salt/key"), 1);
    fire("salt/job/1/ret/m1");
    await turn();
    expect(sent).toEqual([["salt/key\0", "works after 0"]]);
  });

  it("sends in one message, in order, what happens in one turn, to each channel what it asked for", async () => {
    const { sent, fire, outlet } = kit();
    outlet.listen(eventChannel("salt/job/1/"), 1);
    outlet.listen(eventChannel(""), 1);
    fire("salt/job/1/new", { a: 1 });
    fire("salt/key");
    fire("salt/job/1/ret/m1");
    fire("salt/job/12/new");
    await turn();
    expect(sent.slice(2)).toEqual([
      ["salt/job/1/\0", "events after 0", 'salt/job/1/new {"a":1}', "salt/job/1/ret/m1 {}"],
      ["\0", "events after 0", 'salt/job/1/new {"a":1}', "salt/key {}", "salt/job/1/ret/m1 {}", "salt/job/12/new {}"],
    ]);
  });

  it("stops when the last listener of a channel has gone", async () => {
    const { sent, fire, outlet, bus } = kit();
    const topic = eventChannel("salt/");
    outlet.listen(topic, 1);
    outlet.listen(topic, 1);
    outlet.listen(topic, -1);
    fire("salt/a");
    await turn();
    outlet.listen(topic, -1);
    fire("salt/b");
    await turn();
    expect(bus.isHeard).toBe(false);
    expect(sent).toEqual([
      ["salt/\0", "works after 0"],
      ["salt/\0", "works after 0"],
      ["salt/\0", "events after 0", "salt/a {}"],
    ]);
  });

  it("RX-09: says with each message how many events came before it, so that who misses some knows", async () => {
    const { sent, fire, outlet } = kit();
    const topic = eventChannel("salt/");
    outlet.listen(topic, 1);
    fire("salt/a");
    fire("salt/b");
    await turn();
    outlet.listen(topic, 1);
    fire("salt/c");
    await turn();
    expect(sent.map(([, first]) => first)).toEqual([
      "works after 0",
      "events after 0",
      "works after 2",
      "events after 2",
    ]);
  });

  it("RX-09: what waits for a listener is bounded: many events of one turn are several messages", async () => {
    const { sent, fire, outlet } = kit();
    outlet.listen(eventChannel(""), 1);
    for (let n = 0; n < 100; n += 1) fire("salt/a", { text: "x".repeat(2000) });
    await turn();
    const counts = sent.slice(1).map((message) => message.length - 2);
    expect(counts.reduce((sum, n) => sum + n)).toBe(100);
    expect(Math.max(...counts) * 2000).toBeLessThanOrEqual(limits.eventMessageBytes);
    expect(sent.at(-1)?.[1]).toBe(`events after ${100 - (counts.at(-1) ?? 0)}`);
  });
});
