import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalClient } from "../../../src/client/local.ts";
import { type Channel, bindRouter } from "../../../src/transport/channel.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { asJid } from "../../../src/wire/ids.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-local-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("LocalClient.connect", () => {
  it("CL-05: says where it looked when there is no master", async () => {
    await expect(LocalClient.connect(dir)).rejects.toMatchObject({
      code: "ERR_MASTER_UNREACHABLE",
      message: expect.stringContaining(join(dir, "local.sock")),
    });
  });

  it.each([
    ["belongs to somebody else", (path: string): void => chownSync(path, 65_534, 65_534)],
    ["is open to others", (path: string): void => chmodSync(path, 0o666)],
  ])("LF-03: does not send its secret to a socket that %s", async (_case, spoil) => {
    if (process.getuid?.() !== 0 && _case.startsWith("belongs")) return;
    const heard: Buffer[] = [];
    const server = createServer((socket) => socket.on("data", (data) => heard.push(data)));
    const path = join(dir, "local.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      chmodSync(path, 0o600);
      writeFileSync(join(dir, "local.secret"), Buffer.alloc(32, 1), { mode: 0o600 });
      spoil(path);
      await expect(LocalClient.connect(dir)).rejects.toMatchObject({
        code: "ERR_NOT_ALLOWED",
        message: expect.stringContaining("is not trusted"),
      });
      expect(heard).toEqual([]);
    } finally {
      server.close();
    }
  });
});

describe("a master that restarts while it is asked", () => {
  /** Hears everything; `answers`: all but the first call. */
  async function master(heard: string[], answers: boolean): Promise<Channel> {
    const path = join(dir, "local.sock");
    rmSync(path, { force: true });
    const channel: Channel = await bindRouter(`ipc://${path}`, {
      receiveHighWaterMark: 100,
      onError: () => undefined,
      onMessage: ([from, frame]) => {
        if (from === undefined || frame === undefined) return;
        const { n, cmd } = decode(frame, { depth: 16, nodes: 1000 }) as { n: number; cmd: string };
        heard.push(`${n} ${cmd}`);
        if (answers) void channel.send([from, encode({ n, ok: { n } })]);
      },
    });
    chmodSync(path, 0o600);
    writeFileSync(join(dir, "local.secret"), Buffer.alloc(32, 1), { mode: 0o600 });
    return channel;
  }

  it("is asked again what it may not have heard, once; a new job is not sent twice", async () => {
    const before: string[] = [];
    const first = await master(before, false);
    const client = await LocalClient.connect(dir);
    const jid = asJid("20261121020634330961");
    const asked = client.call("job.record", { jid });
    const published = client
      .call("publish", { tgt: "*", tgtType: "glob", fun: "test.ping", arg: [], user: "root", waitMs: 1000 })
      .catch((failure: unknown) => failure);
    while (before.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    first.close();
    await expect(published).resolves.toMatchObject({ code: "ERR_MASTER_UNREACHABLE" });
    const later = client.call("minion.list", {});
    const after: string[] = [];
    const second = await master(after, true);
    try {
      await expect(asked).resolves.toEqual({ n: 1 });
      await expect(later).resolves.toEqual({ n: 3 });
      expect(before).toEqual(["1 job.record", "2 publish"]);
      expect(after.toSorted()).toEqual(["1 job.record", "3 minion.list"]);
    } finally {
      client.close();
      second.close();
    }
  });
});
