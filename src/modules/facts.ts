import type * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, type CommandResult, type CommandSpec, declare, type Host } from "./declare.ts";

/** What a program that must work came to. @throws MsaltError `ERR_COMMAND` with what it said. */
export async function worked(host: Host, spec: CommandSpec): Promise<CommandResult> {
  const result = await host.command({ ...spec, env: { LC_ALL: "C", ...spec.env } });
  const { retcode, stdout, stderr } = result;
  if (retcode === 0) return result;
  throw new MsaltError("ERR_COMMAND", `${spec.argv.join(" ")} ended with ${retcode}: ${(stderr || stdout).trim()}`);
}

/** Output of a program that must work. @throws MsaltError `ERR_COMMAND` with what it said. */
export async function outputOf(host: Host, ...argv: [string, ...string[]]): Promise<string> {
  return (await worked(host, { argv })).stdout;
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
