import { Verifier, openLine } from "../audit/chain.ts";
import { MsaltError } from "../errors.ts";
import type { Runner, RunnerContext } from "./runner.ts";

const defaultLines = 10;

const fileOf = ({ config }: RunnerContext, given: unknown): string =>
  typeof given === "string" ? given : `${String(config["cachedir"])}/audit.log`;

export const audit: readonly Runner[] = [
  {
    name: "audit.verify",
    summary: "Follow the hashes of the audit log, or of a file that it was moved to; exit 1 when a line was changed.",
    params: ["file?"],
    offline: true,
    run: async ({ arg: [given] }, context) => {
      const file = fileOf(context, given);
      const verifier = new Verifier();
      for await (const { bytes, whole } of context.lines(file)) verifier.add(bytes, whole);
      const { lines, mended, broken } = verifier.verdict;
      if (broken !== undefined) {
        const text = `${file}: line ${broken.line} of ${lines} cannot be believed: ${broken.why}`;
        throw new MsaltError("ERR_STORE", text, {
          hint: "compare it with a copy; docs/users.md says what a line holds",
        });
      }
      return { file, lines, ...(mended > 0 && { mended }), unbroken: true };
    },
  },
  {
    name: "audit.tail",
    summary: "Show the last lines of the audit log by their numbers (default 10).",
    params: ["count?"],
    offline: true,
    run: async ({ arg: [given] }, context) => {
      const count = given === undefined ? defaultLines : Number(given);
      if (!Number.isInteger(count) || count < 1) {
        throw new MsaltError("ERR_FUNCTION_ARGS", `audit.tail: ${String(given)} is no number of lines`);
      }
      let last: Uint8Array[] = [];
      for await (const { bytes } of context.lines(fileOf(context, undefined))) {
        last.push(bytes);
        if (last.length >= 2 * count) last = last.slice(-count);
      }
      const shown = last.slice(-count).map((bytes) => {
        const line = openLine(bytes);
        if (typeof line === "string") return ["?", { broken: line }] as const;
        const { n, prev: _prev, sum: _sum, ...fields } = line.fields;
        return [String(n), fields] as const;
      });
      return Object.fromEntries(shown);
    },
  },
];
