import * as z from "zod";
import { limits } from "../wire/limits.ts";
import { type AnyFunction, declare } from "./declare.ts";

const send = declare({
  name: "event.send",
  summary: "Fire an event on the master, under this minion's own tags.",
  examples: ["msalt '*' event.send myco/build/done '{version: 7}'", "msalt '*' event.send myco/build/done version=7"],
  params: z.strictObject({
    tag: z.string().min(1).max(limits.tagBytes),
    data: z.record(z.string(), z.unknown()).optional(),
    more: z.record(z.string(), z.unknown()).describe("further data"),
  }),
  keywords: "more",
  effects: "some",
  run: async ({ tag, data, more }, host) => {
    await host.fire(tag, { ...data, ...more });
    return true;
  },
});

export const eventFunctions: readonly AnyFunction[] = [send];
