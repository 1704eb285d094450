import type * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";

/** Output of a program that must work. @throws MsaltError `ERR_COMMAND` with what it said. */
export async function outputOf(host: Host, ...argv: [string, ...string[]]): Promise<string> {
  const { retcode, stdout, stderr } = await host.command({ argv, env: { LC_ALL: "C" } });
  if (retcode === 0) return stdout;
  throw new MsaltError("ERR_COMMAND", `${argv.join(" ")} ended with ${retcode}: ${(stderr || stdout).trim()}`);
}

/** A function that only looks: it may run twice without harm. */
export function fact<P extends z.ZodObject>(
  name: string,
  summary: string,
  params: P,
  run: (args: z.infer<P>, host: Host) => Promise<unknown>,
  example = "",
): AnyFunction {
  const examples = [`msalt '*' ${name} ${example}`.trimEnd()];
  return declare({ name, summary, examples, params, effects: "none", run });
}
