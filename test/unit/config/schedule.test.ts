import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadMinionConfig } from "../../../src/config/load.ts";
import { tempFolder } from "../../support/keys.ts";

let folder: ReturnType<typeof tempFolder>;
let file: string;
beforeAll(() => {
  folder = tempFolder();
  mkdirSync(join(folder.path, "etc/msalt"), { recursive: true, mode: 0o755 });
  file = join(folder.path, "etc/msalt/minion");
});
afterAll(() => folder[Symbol.dispose]());

const load = (text: string): ReturnType<typeof loadMinionConfig> => {
  writeFileSync(file, `id: web1\n${text}\n`, { mode: 0o644 });
  return loadMinionConfig({ rootDir: folder.path, env: {} });
};

describe("the key schedule", () => {
  it("takes jobs as Salt writes them", () => {
    const { schedule } = load(
      "schedule:\n  enabled: no\n  a:\n    function: cmd.run\n    args: [date]\n    kwargs: {cwd: /}\n    minutes: 5\n" +
        '    splay: 3\n    maxrunning: 2\n    return_job: off\n  b: {function: test.ping, cron: "@hourly", enabled: on}',
    );
    expect(schedule).toEqual({
      enabled: false,
      a: {
        function: "cmd.run",
        args: ["date"],
        kwargs: { cwd: "/" },
        minutes: 5,
        splay: 3,
        maxrunning: 2,
        return_job: false,
      },
      b: { function: "test.ping", cron: "@hourly", enabled: true },
    });
  });

  it.each([
    ["schedule: [a]", "schedule: must be a map of jobs"],
    ["schedule: {a: 1}", "schedule.a: must be a map that describes a job"],
    ["schedule: {a: {seconds: 1}}", "schedule.a.function: must be the name of a function"],
    ["schedule: {a: {function: test.ping, secnds: 1}}", "schedule.a: has no secnds; it may have function, args, "],
    [
      "schedule: {a: {function: test.ping}}",
      "schedule.a: must say when it runs: seconds, minutes, hours, days or cron",
    ],
    ["schedule: {a: {function: test.ping, seconds: 0}}", "schedule.a.seconds: must be a number above 0"],
    ["schedule: {a b: {function: test.ping, seconds: 1}}", "schedule.a b: its name must be 1 to 64 letters"],
  ])("%s is a problem with a place", (text, problem) => {
    expect(() => load(text)).toThrow(
      expect.objectContaining({
        code: "ERR_CONFIG_INVALID",
        message: expect.stringContaining(`${file}: ${problem}`) as unknown,
      }),
    );
  });
});
