import { describe, expect, it } from "vitest";
import { EventBus } from "../../../../src/event/bus.ts";
import { Outlet } from "../../../../src/master/controller/outlet.ts";
import { decode } from "../../../../src/wire/codec.ts";
import { eventChannel } from "../../../../src/wire/tags.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function kit() {
  const sent: unknown[][] = [];
  const bus = new EventBus();
  const outlet = new Outlet(bus, ([topic, ...frames]) => {
    const events = frames.length === 1 ? ["works"] : [];
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
    expect(sent).toEqual([["salt/key\0", "works"]]);
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
      ["salt/job/1/\0", 'salt/job/1/new {"a":1}', "salt/job/1/ret/m1 {}"],
      ["\0", 'salt/job/1/new {"a":1}', "salt/key {}", "salt/job/1/ret/m1 {}", "salt/job/12/new {}"],
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
      ["salt/\0", "works"],
      ["salt/\0", "works"],
      ["salt/\0", "salt/a {}"],
    ]);
  });
});
