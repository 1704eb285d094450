import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { header, type Job, parseTab, renderTab, type Special, type Tab } from "../../../src/modules/crontab.ts";
import { findProgram } from "../../../src/modules/programs.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const runner = new CommandRunner();
const host = fakeHost({ command: (spec) => runner.run(hostJid, spec, new AbortController().signal) });
const value = async (fun: string, ...words: string[]): Promise<unknown> => (await call(host, fun, ...words)).value;

/** The real program on a user of its own, where both are to be had; else one that does as it does, on a folder. */
const isReal = findProgram("crontab", process.env["PATH"] ?? "") !== undefined && process.getuid?.() === 0;
const user = isReal ? `msalt-c${process.pid % 10_000}` : "root";
let dir: string;
const tool = (program: string, args: readonly string[], input: string | Buffer = ""): Buffer =>
  execFileSync(program, args, { input });

const fake = (spool: string): string => `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -l) act=list ;; -u) user=$2; shift ;; -) act=write ;; *) echo "crontab: usage error" >&2; exit 1 ;; esac
  shift
done
id "$user" >/dev/null 2>&1 || { echo "crontab:  user \\\`$user' unknown" >&2; exit 1; }
file=${spool}/$user
if [ "$act" = list ]; then
  [ -f "$file" ] || { echo "no crontab for $user" >&2; exit 1; }
  exec cat "$file"
fi
cat >"$file.new"
if grep -qE '^[6-9][0-9] ' "$file.new" || grep -qvE '^($|#|@[a-z]+ .|[A-Za-z_]+ *=|([0-9a-z*][0-9a-z*,/-]*[ \t]+){5}.)' "$file.new"; then
  echo '"-":1: bad minute' >&2; echo "errors in crontab file, can't install." >&2; exit 1
fi
mv "$file.new" "$file"
`;

beforeAll(() => {
  if (isReal) tool("useradd", ["-M", user]);
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-cron-"));
  mkdirSync(join(dir, "spool"));
  if (isReal) return;
  writeFileSync(join(dir, "crontab"), fake(join(dir, "spool")), { mode: 0o755 });
  vi.stubEnv("PATH", `${dir}:${process.env["PATH"]}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  if (isReal) tool("sh", ["-c", 'crontab -u "$1" -r 2>/dev/null || true', "sh", user]);
  rmSync(dir, { recursive: true, force: true });
});
afterAll(() => {
  runner.close();
  if (isReal) tool("userdel", [user]);
});

const install = (text: string | Buffer): unknown => tool("crontab", ["-u", user, "-"], text);
const installed = (encoding: "utf8" | "latin1" = "utf8"): string =>
  tool("crontab", ["-l", "-u", user]).toString(encoding);
const job: Job = {
  minute: "1",
  hour: "2",
  daymonth: "*",
  month: "*",
  dayweek: "*",
  cmd: "/bin/a 'b  c' %x=y",
  identifier: null,
  comment: null,
  commented: false,
};

const salts = `# mine
MAILTO=me

5 4 * * * /own
${header}
PATH=/bin:/usr/bin
EMPTY=""
# first line
# second SALT_CRON_IDENTIFIER:one
*/5 1,2 * jan 1-5 /bin/one a=b # not a comment
#DISABLED#0 0 1 * * /bin/two
# only said
@daily echo  'two  blanks'
# SALT_CRON_IDENTIFIER:r
#DISABLED#@reboot /bin/r
`;

describe("parseTab and renderTab", () => {
  it("read and write Salt's form", () => {
    const tab = parseTab(salts);
    const note = { identifier: null, comment: null, commented: false };
    expect(tab).toEqual({
      pre: ["# mine", "MAILTO=me", "", "5 4 * * * /own"],
      env: [
        { name: "PATH", value: "/bin:/usr/bin" },
        { name: "EMPTY", value: '""' },
      ],
      crons: [
        {
          minute: "*/5",
          hour: "1,2",
          daymonth: "*",
          month: "jan",
          dayweek: "1-5",
          cmd: "/bin/one a=b # not a comment",
          identifier: "one",
          comment: "first line\nsecond",
          commented: false,
        },
        { ...note, minute: "0", hour: "0", daymonth: "1", month: "*", dayweek: "*", cmd: "/bin/two", commented: true },
      ],
      special: [
        { ...note, spec: "@daily", cmd: "echo  'two  blanks'", comment: "only said" },
        { spec: "@reboot", cmd: "/bin/r", identifier: "r", comment: "", commented: true },
      ],
    });
    expect(renderTab(tab)).toBe(salts);
  });

  it("take what a hand wrote below the header for what cron takes it for", () => {
    const tab = parseTab(`${header}\n\n 1\t2 *  * *\techo x\nA = b\n#DISABLED#C=d\n* * * * *\n`);
    expect(tab.crons).toEqual([{ ...job, cmd: "echo x" }]);
    expect(tab.env).toEqual([{ name: "A", value: " b" }]);
    expect(renderTab(tab)).toBe(`${header}\nA= b\n1 2 * * * echo x\n`);
  });

  const line = fc.string({ unit: "binary" }).map((text) => text.replaceAll(/\n/g, ""));
  const word = fc.stringMatching(/^[a-z0-9*][a-z0-9*,/-]{0,5}$/);
  const note = {
    cmd: line.map((text) => `/x${text}`),
    identifier: fc.option(line.filter((text) => text !== "")),
    comment: fc.option(fc.array(line).map((lines) => lines.join("\n"))),
    commented: fc.boolean(),
  };
  const jobs: fc.Arbitrary<Job> = fc.record({
    minute: word,
    hour: word,
    daymonth: word,
    month: word,
    dayweek: word,
    ...note,
  });
  const specials: fc.Arbitrary<Special> = fc.record({ spec: fc.constantFrom("@daily", "@reboot"), ...note });
  const tabs: fc.Arbitrary<Tab> = fc.record({
    pre: fc.array(line),
    env: fc.array(fc.record({ name: fc.stringMatching(/^[A-Z_]{1,5}$/), value: line })),
    crons: fc.array(jobs),
    special: fc.array(specials),
  });

  it("lose nothing of any crontab", () => {
    fc.assert(
      fc.property(tabs, (tab) => {
        const text = renderTab(tab);
        const back = parseTab(text);
        expect(renderTab(back)).toBe(text);
        const told = (entries: readonly (Job | Special)[]) =>
          entries.map((entry) => ({ ...entry, comment: undefined }));
        expect(back.pre).toEqual(tab.pre);
        expect(back.env).toEqual(tab.env);
        expect(told(back.crons)).toEqual(told(tab.crons));
        expect(told(back.special)).toEqual(told(tab.special));
        const plain = (text: string | null) => (text ?? "").replaceAll(/[#\s]/g, "");
        expect(back.crons.map(({ comment }) => plain(comment))).toEqual(tab.crons.map(({ comment }) => plain(comment)));
      }),
    );
  });

  it("make of any text what stays the same from then on, and leave what is above the header", () => {
    const pieces = ["#", " ", "\t", "\r", "=", "@a", "*", "1", "x", "#DISABLED#", "SALT_CRON_IDENTIFIER:", "\u00a0"];
    const piece = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("* * * * * ", "\n", "# ", "\n* * * * * x\n") },
      { weight: 3, arbitrary: fc.constantFrom(...pieces) },
      { weight: 1, arbitrary: line },
    );
    const texts = fc.array(piece, { maxLength: 40 }).map((all) => all.join(""));
    fc.assert(
      fc.property(texts, texts, (above, below) => {
        const pre = above === "" ? "" : `${above}\n`;
        const once = renderTab(parseTab(`${pre}${header}\n${below}`));
        expect(renderTab(parseTab(once))).toBe(once);
        expect(once.startsWith(`${pre}${header}\n`)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("cron", () => {
  it("adds, keeps, changes and removes a job, and leaves what was there", async () => {
    install("# mine\n5 4 * * * /own\n");
    const set = ["cron.set_job", user, "*/5", "*", "*", "JAN", "1"] as const;
    expect(await value(...set, "echo 'a  b'")).toBe("new");
    const top = `# mine\n5 4 * * * /own\n${header}\n`;
    expect(installed()).toBe(`${top}*/5 * * jan 1 echo 'a  b'\n`);
    expect(await value(...set, "echo 'a  b'")).toBe("present");
    expect(await value(...set, "echo 'a  b'", "False", "why\nnot", "7")).toBe("updated");
    expect(installed()).toBe(`${top}# why\n# not SALT_CRON_IDENTIFIER:7\n*/5 * * jan 1 echo 'a  b'\n`);
    expect(await value(...set, "echo c", "commented=True", "identifier=7")).toBe("updated");
    expect(installed()).toBe(`${top}# why\n# not SALT_CRON_IDENTIFIER:7\n#DISABLED#*/5 * * jan 1 echo c\n`);
    expect(await value(...set, "echo c", "True", "# why\nnot ", "7")).toBe("present");
    expect(await value("cron.get_entry", user, "7")).toMatchObject({ cmd: "echo c", commented: true });
    expect(await value("cron.get_entry", user, "cmd=echo c")).toMatchObject({ identifier: "7" });
    expect(await value("cron.get_entry", user, "8")).toBe(false);
    expect(await value("cron.rm_job", user, "echo c")).toBe("absent");
    expect(await value("cron.rm_job", user, "echo c", "hour=3", "identifier=7")).toBe("absent");
    expect(await value("cron.rm_job", user, "echo c", "hour=*", "identifier=7")).toBe("removed");
    expect(await value("cron.raw_cron", user)).toBe(top);
    expect(await value("cron.rm", user, "/own")).toBe("absent");
  });

  it("tells jobs with the same command apart by their identifiers", async () => {
    await value("cron.set_job", user, "1", "*", "*", "*", "*", "x", "identifier=a");
    expect(await value("cron.set_job", user, "2", "*", "*", "*", "*", "x", "identifier=b")).toBe("new");
    expect(await value("cron.set_job", user, "3", "*", "*", "*", "*", "x")).toBe("new");
    expect(await value("cron.set_job", user, "4", "*", "*", "*", "*", "x", "identifier=b")).toBe("updated");
    const { crons } = (await value("cron.list_tab", user)) as Tab;
    expect(crons.map(({ minute, identifier }) => [minute, identifier])).toEqual([
      ["1", "a"],
      ["3", null],
      ["4", "b"],
    ]);
    expect(await value("cron.ls", user)).toEqual(await value("cron.list_tab", user));
  });

  it("chooses a random time once", async () => {
    const set = ["cron.set_job", user, "random", "3:5", "random", "2", "random", "x"] as const;
    expect(await value(...set)).toBe("new");
    const before = installed();
    const [entry] = parseTab(before).crons;
    expect(Number(entry?.minute)).toBeLessThan(60);
    expect(["3", "4", "5"]).toContain(entry?.hour);
    expect(Number(entry?.daymonth)).toBeLessThan(29);
    expect(await value(...set)).toBe("present");
    expect(installed()).toBe(before);
  });

  it("keeps named times and variables", async () => {
    expect(await value("cron.set_special", user, "@hourly", "echo x", "comment=c")).toBe("new");
    expect(await value("cron.set_special", user, "@hourly", "echo x")).toBe("present");
    expect(await value("cron.set_special", user, "@daily", "echo x")).toBe("updated");
    expect(await value("cron.set_env", user, "MAILTO", "a@b")).toBe("new");
    expect(await value("cron.set_env", user, "MAILTO", "a@b")).toBe("present");
    expect(await value("cron.set_env", user, "MAILTO", "")).toBe("updated");
    expect(await value("cron.set_env", user, "MAILTO", "")).toBe("present");
    expect(installed()).toBe(`${header}\nMAILTO=""\n# c\n@daily echo x\n`);
    expect(await value("cron.rm_special", user, "echo x", "@hourly")).toBe("absent");
    expect(await value("cron.rm_special", user, "echo x", "@daily")).toBe("removed");
    expect(await value("cron.rm_env", user, "MAILTO")).toBe("removed");
    expect(await value("cron.rm_env", user, "MAILTO")).toBe("absent");
    expect(installed()).toBe(`${header}\n`);
  });

  it("loses none of many changes at once", async () => {
    const names = Array.from({ length: 8 }, (_, n) => `job${n}`);
    const verdicts = names.map((name) => value("cron.set_job", user, "1", "1", "*", "*", "*", name));
    expect(await Promise.all(verdicts)).toEqual(names.map(() => "new"));
    expect(parseTab(installed()).crons.map(({ cmd }) => cmd)).toEqual(names);
  });

  it("gives an empty crontab for a user that has none", async () => {
    expect(await value("cron.list_tab", user)).toEqual({ pre: [], crons: [], special: [], env: [] });
    expect(await value("cron.raw_cron", user)).toBe("");
  });

  it("leaves a crontab alone that it cannot read whole or that crontab refuses", async () => {
    const set = ["cron.set_job", user, "1", "1", "*", "*", "*", "x"] as const;
    expect(await value("cron.set_job", "nobody-here", "1", "1", "*", "*", "*", "x")).toMatch(/ended with 1: .*unknown/);
    install(Buffer.from("# caf\u00e9\n", "latin1"));
    expect(await value(...set)).toBe(`ERROR: the crontab of ${user} is not UTF-8: left as it is`);
    expect(installed("latin1")).toBe("# caf\u00e9\n");
    install("# mine\n");
    const refused = await value("cron.set_job", user, "99", "1", "*", "*", "*", "x");
    expect(refused).toMatch(/^ERROR: crontab -u \S+ - ended with 1: [^]*bad minute/);
    expect(installed()).toBe("# mine\n");
  });

  it.each([
    ["cron.set_job", [user, "1 2", "*", "*", "*", "*", "x"], "minute: must be a time"],
    ["cron.set_job", [user, "1", "*", "*", "*", "*", "x\n* * * * * y"], "cmd: must be one line"],
    ["cron.set_job", [user, "1", "*", "*", "*", "*", " "], "cmd: must be a command"],
    ["cron.set_job", [user, "1", "*", "*", "*", "*", "x", "False", "None", "a\nb"], "identifier: must be one line"],
    ["cron.set_job", [user, "1", "*", "*", "*", "*", "x", "comment=SALT_CRON_IDENTIFIER:x"], "comment: must not hold"],
    ["cron.set_special", [user, "daily", "x"], "special: must be such as @daily"],
    ["cron.set_env", [user, "A B", "x"], "name: must be the name of a variable"],
    ["cron.set_env", [user, "A", "x\ny"], "value: must be one line"],
    ["cron.raw_cron", ["-r"], "user: must be an account name"],
  ])("%s %j is refused", async (fun, words, reason) => {
    expect(await value(fun, ...words)).toContain(reason);
  });

  it("says so where there is no crontab", async () => {
    vi.stubEnv("PATH", join(dir, "spool"));
    expect(await call(host, "cron.list_tab", user)).toMatchObject({
      value: "ERROR: this minion has no program crontab",
      retcode: 1,
    });
  });
});
