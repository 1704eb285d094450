import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

let dir: string;
let told: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-notify-"));
  told = join(dir, "told");
  const helper = join(dir, "systemd-notify");
  // Moved into its place, so that what appears is whole.
  writeFileSync(helper, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" > ${told}.new && mv ${told}.new ${told}\n`);
  chmodSync(helper, 0o755);
  vi.stubEnv("PATH", `${dir}:${process.env["PATH"]}`);
  vi.resetModules();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
});

describe("notifySystemd", () => {
  it("lets systemd's helper say it, to the socket that systemd named", async () => {
    vi.stubEnv("NOTIFY_SOCKET", "@msalt/test");
    const { notifySystemd } = await import("../../../src/lib/notify.ts");
    notifySystemd("READY=1");
    await vi.waitFor(() => expect(existsSync(told)).toBe(true), { timeout: 10_000 });
    expect(readFileSync(told, "utf8")).toBe(`@msalt/test --pid=${process.pid} READY=1\n`);
  });

  it("keeps the socket from what jobs start", async () => {
    vi.stubEnv("NOTIFY_SOCKET", "@msalt/test");
    await import("../../../src/lib/notify.ts");
    expect(process.env["NOTIFY_SOCKET"]).toBeUndefined();
  });

  it("does no harm where the helper is missing", async () => {
    vi.stubEnv("NOTIFY_SOCKET", "@msalt/test");
    vi.stubEnv("PATH", join(dir, "nowhere"));
    const { notifySystemd } = await import("../../../src/lib/notify.ts");
    const failures: unknown[] = [];
    const keep = (failure: unknown): number => failures.push(failure);
    process.on("uncaughtException", keep);
    notifySystemd("STOPPING=1");
    // The failed start is reported in a later turn of the loop.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    process.off("uncaughtException", keep);
    expect(failures).toEqual([]);
  });
});
