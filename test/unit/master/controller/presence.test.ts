import { beforeEach, describe, expect, it } from "vitest";
import { type MinionLink, Presence } from "../../../../src/master/controller/presence.ts";
import type { KeyId, MinionId } from "../../../../src/wire/ids.ts";
import { limits } from "../../../../src/wire/limits.ts";
import type { Command } from "../../../../src/wire/loads.ts";

const id = "m1" as MinionId;
const keyId = "a".repeat(32) as KeyId;
const boot = (n: number): Uint8Array => new Uint8Array(8).fill(n);
const topic = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const session = (n: number): { topic: Uint8Array; publishKey: Uint8Array } => ({
  topic: topic(n),
  publishKey: new Uint8Array(32).fill(n),
});

let now = 1000;
let changes: boolean[] = [];
let presence: Presence;
let link: MinionLink;
beforeEach(() => {
  now = 1000;
  changes = [];
  presence = new Presence(
    () => now,
    (_link, connected) => changes.push(connected),
  );
  link = presence.of(id, keyId);
});

describe("isNewest", () => {
  /** Noted when it was the newest. */
  const ask = (cmd: Command, of: Uint8Array, counter: number): boolean => {
    const newest = presence.isNewest(link, cmd, of, counter);
    if (newest) presence.heard(link, cmd, of, counter);
    return newest;
  };

  it("EN-04: keeps the newest of each class and refuses older ones", () => {
    expect(ask("hello", boot(1), 5)).toBe(true);
    expect(ask("grains", boot(1), 7)).toBe(true);
    expect(ask("grains", boot(1), 6)).toBe(false);
    expect(ask("grains", boot(1), 7)).toBe(false);
    expect(ask("heartbeat", boot(1), 6)).toBe(true);
    expect(ask("job.return", boot(1), 1)).toBe(true);
  });

  it("EN-04: believes nothing of a process that a newer hello has replaced", () => {
    ask("hello", boot(1), 1);
    ask("hello", boot(2), 1);
    expect(ask("heartbeat", boot(1), 99)).toBe(false);
    expect(ask("hello", boot(1), 99)).toBe(false);
    expect(ask("heartbeat", boot(2), 2)).toBe(true);
  });

  it("does not let anything but a hello bring a new boot id", () => {
    ask("hello", boot(1), 1);
    expect(ask("grains", boot(3), 1)).toBe(false);
  });

  it("notes nothing by itself", () => {
    ask("hello", boot(1), 1);
    expect(presence.isNewest(link, "hello", boot(2), 1)).toBe(true);
    expect(ask("heartbeat", boot(1), 2)).toBe(true);
  });
});

describe("connections", () => {
  it("stand while the subscription of the present session does", () => {
    presence.startSession(link, session(1));
    presence.setLink(topic(1), true);
    expect(presence.view(id)).toEqual({ id, connected: true, since: 1000, lastSeen: 1000 });
    presence.startSession(link, session(2));
    presence.setLink(topic(1), true);
    expect(presence.isConnected(id)).toBe(false);
    presence.setLink(topic(2), true);
    expect(changes).toEqual([true, false, true]);
  });

  it("P8: fall when the minion has been silent too long, and say since when", () => {
    presence.startSession(link, session(1));
    presence.setLink(topic(1), true);
    now += limits.silentMs - 1;
    presence.tick();
    expect(presence.isConnected(id)).toBe(true);
    now += 2;
    presence.tick();
    expect(presence.view(id)).toEqual({ id, connected: false, since: now, lastSeen: 1000 });
  });

  it("are adopted from a publisher that outlived the controller, but only once", () => {
    expect(presence.adopt(link, topic(1))).toBe(true);
    expect(presence.isConnected(id)).toBe(true);
    expect(presence.adopt(link, topic(2))).toBe(false);
    presence.setLink(topic(1), false);
    expect(presence.isConnected(id)).toBe(false);
  });

  it("W6: end with the publisher; only those begun after that are handed to the next one", () => {
    presence.startSession(link, session(1));
    presence.setLink(topic(1), true);
    presence.publisherLost();
    expect([...presence.sessions()]).toEqual([]);
    expect(presence.isConnected(id)).toBe(false);
    presence.startSession(link, session(2));
    expect([...presence.sessions()]).toEqual([{ keyId, ...session(2) }]);
  });

  it("P6: are gone with the key; another key under the id starts from nothing", () => {
    presence.startSession(link, session(1));
    presence.setLink(topic(1), true);
    const other = presence.of(id, "b".repeat(32) as KeyId);
    expect(other).not.toBe(link);
    expect(presence.isConnected(id)).toBe(false);
    presence.setLink(topic(1), true);
    expect(presence.isConnected(id)).toBe(false);
  });
});

describe("who is on the way back", () => {
  const returning = (): boolean | undefined => presence.view(id).returning;

  it("is one that was seen before this master started, for a while, until it is there or its subscription fails to come", () => {
    link = presence.of("m2" as MinionId, keyId, { id: "m2" as MinionId, keyId, lastSeen: 500 });
    const view = (): boolean | undefined => presence.view("m2" as MinionId).returning;
    expect(view()).toBe(true);
    now = 9000;
    presence.startSession(link, session(2));
    expect(view()).toBe(true);
    now = 18_000;
    expect(view()).toBe(true);
    presence.setLink(topic(2), true);
    expect(view()).toBeUndefined();
    presence.setLink(topic(2), false);
    expect(view()).toBeUndefined();
  });

  it("is none that never was here, and none whose subscription does not come", () => {
    expect(returning()).toBeUndefined();
    presence.startSession(link, session(1));
    expect(returning()).toBe(true);
    now += 10_000;
    expect(returning()).toBeUndefined();
  });
});
