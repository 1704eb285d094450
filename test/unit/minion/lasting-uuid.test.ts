import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLog } from "../../../src/log/log.ts";
import { lastingUuid } from "../../../src/minion/lasting-uuid.ts";
import { tempFolder } from "../../support/keys.ts";

const lines: string[] = [];
const log = createLog({ name: "test", level: "info", write: (line) => lines.push(line) });

describe("lastingUuid", () => {
  it("is made once and stays, readable by nobody else", async () => {
    using folder = tempFolder();
    const file = join(folder.path, "new", "uuid");
    const uuid = await lastingUuid(file, log);
    expect(uuid).toMatch(/^[0-9a-f]{32}$/);
    expect(await lastingUuid(file, log)).toBe(uuid);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await lastingUuid(join(folder.path, "other"), log)).not.toBe(uuid);
  });

  it("is made anew where the file holds none, and only said to be lost where it cannot be kept", async () => {
    using folder = tempFolder();
    const file = join(folder.path, "uuid");
    writeFileSync(file, "damaged");
    const uuid = await lastingUuid(file, log);
    expect(uuid).toMatch(/^[0-9a-f]{32}$/);
    expect(await lastingUuid(file, log)).toBe(uuid);
    expect(lines).toEqual([]);
    expect(await lastingUuid(join(file, "below"), log)).toMatch(/^[0-9a-f]{32}$/);
    expect(lines.join("")).toContain("cannot keep the UUID");
  });
});
