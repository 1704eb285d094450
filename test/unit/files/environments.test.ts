import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { masterFile } from "../../../src/config/master.ts";

describe("environments", () => {
  it.each(["", "dev", "..", "../base", "__env__", "base/..", "BASE", "base\0"])(
    "FA-04: %j is none, for files or pillar",
    (name) => {
      for (const key of ["file_roots", "pillar_roots"]) {
        expect([key, masterFile.safeParse({ [key]: { base: ["/srv"] } }).success]).toEqual([key, true]);
        expect([key, masterFile.safeParse({ [key]: { base: ["/srv"], [name]: ["/srv"] } }).success]).toEqual([
          key,
          false,
        ]);
        expect([key, masterFile.safeParse({ [key]: { [name]: ["/srv"] } }).success]).toEqual([key, false]);
      }
    },
  );
});

describe("folders that all users share", () => {
  it("LF-05: nothing is made there but under a name that nobody can have taken", () => {
    const src = join(import.meta.dirname, "../../../src");
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const shared = files.filter((file) =>
      /tmpdir\(|["'`]\/(?:tmp|dev\/shm|var\/tmp)["'`]/.test(readFileSync(join(src, file), "utf8")),
    );
    expect(shared.toSorted()).toEqual(["minion/pipes.ts", "modules/cmd.ts"]);
    expect(readFileSync(join(src, "minion/pipes.ts"), "utf8")).toContain("mkdtempSync(join(place,");
    expect(readFileSync(join(src, "modules/cmd.ts"), "utf8")).toContain("mkdtemp(join(tmpdir(),");
  });
});
