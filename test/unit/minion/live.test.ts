import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MsaltError } from "../../../src/errors.ts";
import { Live } from "../../../src/minion/live.ts";
import { Refused } from "../../../src/minion/link.ts";
import { OutputLog } from "../../../src/minion/output-log.ts";
import type { Jid } from "../../../src/wire/ids.ts";
import { limits } from "../../../src/wire/limits.ts";
import type { Load, Replies } from "../../../src/wire/loads.ts";

const jid = "20261121023504473347" as Jid;
const window = 1000;

/** The master: takes parts in order, and wants so much more than it has. */
class Master {
  text = "";
  asked: Load<"job.output">[] = [];
  total: number | undefined;
  want = window;
  fail: unknown;
  together = 0;
  most = 0;

  readonly ask = async (load: Load<"job.output">): Promise<Replies["job.output"]> => {
    this.asked.push(load);
    this.together += 1;
    this.most = Math.max(this.most, this.together);
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.together -= 1;
    if (this.fail !== undefined) throw this.fail;
    expect(load.offset + load.data.length).toBeLessThanOrEqual(Math.max(this.want, load.offset));
    if (load.offset === this.text.length) this.text += Buffer.from(load.data).toString();
    if (load.total === this.text.length) this.total = load.total;
    return { have: this.text.length, want: this.want };
  };
}

let master: Master;
let logs: Map<Jid, OutputLog>;
let live: Live;

beforeEach(() => {
  vi.useFakeTimers();
  master = new Master();
  logs = new Map();
  live = new Live({
    commands: { log: (of) => logs.get(of), forget: (of) => void logs.delete(of) },
    log: { debug: () => undefined },
  });
  live.use(master);
});
afterEach(() => void vi.useRealTimers());

const pass = (ms = 500): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
function print(text: string, of = jid): void {
  const log = logs.get(of) ?? new OutputLog();
  logs.set(of, log);
  log.add(log.source(1e9), Buffer.from(text));
  live.grown(of);
}

describe("Live", () => {
  it("sends nothing that nobody asked for, and forgets it with the job", async () => {
    print("quiet");
    live.ended(jid);
    await pass();
    expect(master.asked).toEqual([]);
    expect(logs.size).toBe(0);
  });

  it("sends from the beginning, then what comes, and the end with its total", async () => {
    print("before ");
    live.want(jid, window);
    await pass();
    expect(master.text).toBe("before ");
    print("after");
    await pass();
    live.ended(jid);
    await pass();
    expect(master.text).toBe("before after");
    expect(master.total).toBe(12);
    expect(logs.size).toBe(0);
  });

  it("answers at once where there is nothing yet, and says so when there never was", async () => {
    live.want(jid, window);
    await pass();
    expect(master.asked).toHaveLength(1);
    live.ended(jid);
    await pass();
    expect(master.total).toBe(0);
  });

  it("goes no further than it was asked to, and on from there when it is", async () => {
    print("x".repeat(2500));
    live.want(jid, window);
    await pass();
    expect(master.text).toHaveLength(window);
    const before = master.asked.length;
    await pass();
    expect(master.asked).toHaveLength(before);
    master.want = 2200;
    live.want(jid, 2200);
    await pass();
    expect(master.text).toHaveLength(2200);
    live.ended(jid);
    await pass();
    expect(master.total).toBeUndefined();
    master.want = 9999;
    live.want(jid, 9999);
    await pass();
    expect(master.total).toBe(2500);
  });

  it("sends one part of a job at a time, of few jobs at once, none larger than a part", async () => {
    master.want = 1e9;
    const many = Array.from({ length: 10 }, (_, n) => `2026112102350447${String(n).padStart(4, "0")}` as Jid);
    for (const each of many) {
      print("y".repeat(3 * limits.partBytes), each);
      live.want(each, 1e9);
    }
    await pass(5000);
    expect(master.most).toBeLessThanOrEqual(4);
    expect(Math.max(...master.asked.map(({ data }) => data.length))).toBe(limits.partBytes);
  });

  it("neither loses nor repeats anything when parts are lost, refused for now, or the link is another", async () => {
    print("one ");
    live.want(jid, window);
    await pass();
    for (const failure of [new MsaltError("ERR_TIMEOUT", "lost"), new Refused("E_RATE", "too fast", 100)]) {
      master.fail = failure;
      print("two ");
      await pass(2000);
      master.fail = undefined;
      await pass(2000);
    }
    live.use(undefined);
    print("three");
    await pass();
    live.use(master);
    await pass();
    expect(master.text).toBe("one two two three");
  });

  it("starts again where a master that has forgotten everything wants it", async () => {
    print("all of it");
    live.want(jid, window);
    await pass();
    const other = new Master();
    live.use(other);
    await pass();
    expect(other.text).toBe("all of it");
  });

  it("stops where the master does not want the job, and keeps what is unread for a minute only", async () => {
    print("z".repeat(window + 1));
    live.want(jid, window);
    live.ended(jid);
    await pass();
    expect(logs.size).toBe(1);
    await pass(61_000);
    expect(logs.size).toBe(0);
    master.fail = new Refused("E_NOT_TARGETED", "not yours", undefined);
    print("more");
    live.want(jid, window);
    await pass();
    const before = master.asked.length;
    print("more");
    await pass(5000);
    expect(master.asked).toHaveLength(before);
  });
});
