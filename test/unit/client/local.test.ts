import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalClient } from "../../../src/client/local.ts";

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
