import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommand } from "../../../src/cli/msalt.ts";
import { callWords, curlLine, msaltLine, quote, takesText } from "../../../src/dashboard/command-line.ts";
import type { FunctionInfo, JobRequest, Parameter } from "../../../src/dashboard/types.ts";
import { parseWords } from "../../../src/wire/args.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0")),
  fc.constantFrom(
    "16:34",
    "yes",
    "a=b",
    "a=b\nc",
    "-x",
    "",
    "'",
    "{a: b}",
    "5",
    "\u001b[2J",
    "a\u202eb",
    "$(id)",
    "# x",
    "~",
  ),
);
const value = fc.oneof(
  text,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(text),
  fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), text),
);
const parameter = (name: string, kind: Parameter["kind"]): Parameter => ({ name, kind, required: false });
const fn: FunctionInfo = {
  name: "test.all",
  summary: "",
  effects: "none",
  parameters: [
    parameter("cmd", "text"),
    parameter("n", "any"),
    parameter("env", "map"),
    { ...parameter("rest", "list"), variadic: "rest" },
  ],
  schema: { properties: { rest: { type: "array", items: { type: "string" } } } },
};
const isText = (where: number | string): boolean =>
  where === 0 || where === "cmd" || (typeof where === "number" && where > 2);

/** The words that a shell makes of a line. */
function wordsOf(line: string): string[] {
  const script = `set -f; set -- ${line}; printf '%s\\0' "$@"`;
  return execFileSync("bash", ["--norc", "-c", script], { env: { LC_ALL: "C.UTF-8" } })
    .toString()
    .split("\0")
    .slice(0, -1);
}

describe("quote", () => {
  it("gives back each word through a shell, and no control character on the way", () => {
    const words = fc.array(text, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(words, (words) => {
        const line = words.map(quote).join(" ");
        expect(line).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
        expect(wordsOf(line)).toEqual(words);
      }),
      { numRuns: 60 },
    );
  });
});

describe("callWords", () => {
  it("gives words that the minion reads as the very values, or none", () => {
    const kwargs = fc.dictionary(fc.constantFrom("cmd", "n", "env"), value);
    let given = 0;
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), kwargs, (arg, all) => {
        // What has a place already is not named again.
        const kwarg = Object.fromEntries(
          Object.entries(all).filter(([name]) => ["cmd", "n", "env"].indexOf(name) >= arg.length),
        );
        const words = callWords({ fun: fn.name, arg, kwarg }, fn);
        if (words === undefined) return;
        given += 1;
        const call = parseWords(words, isText);
        const named = { ...Object.fromEntries(arg.map((each, n): [string, unknown] => [String(n), each])), ...kwarg };
        const read = {
          ...Object.fromEntries(call.arg.map((each, n): [string, unknown] => [String(n), each])),
          ...call.kwarg,
        };
        for (const [n, name] of ["cmd", "n", "env"].entries()) {
          if (name in read && n < arg.length) {
            read[String(n)] = read[name];
            delete read[name];
          }
        }
        const asWord = (where: string, each: unknown): unknown =>
          (where === "0" || where === "cmd" || Number(where) > 2) && typeof each !== "string"
            ? JSON.stringify(each)
            : each;
        expect(read).toEqual(
          Object.fromEntries(Object.entries(named).map(([where, each]) => [where, asWord(where, each)])),
        );
      }),
      { numRuns: 2000 },
    );
    expect(given).toBeGreaterThan(500);
  });

  it.each<[string, Partial<FunctionInfo> | undefined, unknown[], Record<string, unknown>, string[] | undefined]>([
    ["a text as it is typed", fn, ["16:34"], {}, ["16:34"]],
    ["an untyped text so that it stays one", fn, ["x", "16:34"], {}, ["x", '"16:34"']],
    ["what looks like a keyword, by name", fn, ["A=b"], {}, ["cmd=A=b"]],
    ["no text whose type is not known", undefined, ["16:34"], {}, undefined],
    ["no named text of several lines", fn, [], { cmd: "a\nb" }, undefined],
    ["several lines by place", fn, ["a\nb=c"], {}, ["a\nb=c"]],
  ])("gives %s", (_case, of, arg, kwarg, words) => {
    expect(callWords({ fun: "test.all", arg, kwarg }, of as FunctionInfo | undefined)).toEqual(words);
  });

  it("separates the calls of several functions", () => {
    expect(callWords({ fun: "test.ping,test.echo", arg: [[], ["x"]], kwarg: {} }, undefined)).toEqual([",", "x"]);
    expect(callWords({ fun: "test.ping,test.echo", arg: [[], [","]], kwarg: {} }, undefined)).toBeUndefined();
  });
});

describe("msaltLine", () => {
  const job: JobRequest = {
    fun: "test.all",
    arg: ["-v a'b"],
    kwarg: {},
    tgt: "G@os:Debian and not web7",
    tgt_type: "compound",
  };

  it("is read by msalt as the same job", () => {
    const options = {
      subset: 3,
      parallel: "10%",
      batch_wait: 2,
      fail_count: -1,
      fail_rate: 0.1,
      fail_kill: true,
      timeout: 5,
      ttl: 9,
    };
    const line = msaltLine({ ...job, ...options, metadata: { ticket: 7, by: "a'b" } }, fn) ?? "";
    const [tool, ...argv] = wordsOf(line);
    expect(tool).toBe("msalt");
    expect(readCommand(argv, "0")).toMatchObject({
      target: { tgt: job.tgt, tgtType: "compound" },
      call: { fun: "test.all", words: ["-v a'b"] },
      options: {
        subset: 3,
        parallel: { percent: 10 },
        batchWaitMs: 2000,
        failCount: -1,
        failRate: 0.1,
        failKill: true,
        timeoutMs: 5000,
        ttlMs: 9000,
        metadata: { ticket: 7, by: "a'b" },
      },
    });
  });

  it("is none for a word that no command line can carry", () => {
    expect(msaltLine({ ...job, arg: ["a\0b"] }, fn)).toBeUndefined();
  });
});

describe("curlLine", () => {
  it("carries the body as it is", () => {
    const body = { arg: ["it's", "\u001b$(id)`id`\\"] };
    const words = wordsOf(curlLine("http://127.0.0.1:8000", "POST", "/jobs", body).replace("$MSALT_TOKEN", "t"));
    expect(words.slice(0, 5)).toEqual(["curl", "-sS", "-X", "POST", "http://127.0.0.1:8000/jobs"]);
    expect(JSON.parse(words.at(-1) ?? "")).toEqual(body);
  });
});

describe("takesText", () => {
  it("knows the members of a variadic parameter from the schema", () => {
    expect(fn.parameters.map((parameter) => takesText(fn, parameter))).toEqual([true, false, false, true]);
  });
});
