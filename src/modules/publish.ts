import * as z from "zod";
import { parseWords, toArg } from "../wire/args.ts";
import { type AnyFunction, declare } from "./declare.ts";

const publish = declare({
  name: "publish.publish",
  summary: "Run a function on other minions, where the master's peer rules allow it; their answers by id.",
  examples: ["publish.publish 'web*' test.ping", "publish.publish os:Debian cmd.run 'uptime' tgt_type=grain"],
  params: z.strictObject({
    tgt: z.string(),
    fun: z.string(),
    arg: z.unknown().default("").describe("a list, or text with commas between the arguments"),
    tgt_type: z
      .enum(["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"])
      .default("glob"),
    timeout: z.number().min(1).max(60).default(5).describe("seconds to wait for answers"),
  }),
  effects: "some",
  run: async ({ tgt, fun, arg, tgt_type, timeout }, host) => {
    const words = typeof arg === "string" ? arg.split(",").map((word) => word.trim()) : [];
    const { arg: values, kwarg } = parseWords(arg === "" ? [] : words);
    const list: unknown[] = typeof arg === "string" ? toArg(values, kwarg) : Array.isArray(arg) ? arg : [arg];
    return host.publish({ tgt, tgt_type, fun, arg: list, timeout: Math.round(timeout * 1000) });
  },
});

export const publishFunctions: readonly AnyFunction[] = [publish];
