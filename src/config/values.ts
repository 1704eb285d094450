import * as z from "zod";

/** Kinds of values that configuration files hold. Each message says what was expected; the loader adds file and key. */
export const text = z.string("must be text").min(1, "must not be empty");
export const port = z.int("must be a port number, 0 to 65535 (0: any free one)").min(0).max(65_535);
export const seconds = z.number("must be a number of seconds").min(0, "must be a number of seconds, 0 or more");
export const count = z.int("must be a whole number").min(1, "must be a whole number, 1 or more").max(1024);
export const levels = ["quiet", "critical", "error", "warning", "info", "debug", "trace", "all", "profile", "garbage"] as const;
export const logLevel = z.enum(levels, `must be one of ${levels.join(", ")}`);

/** YAML 1.2 reads `yes`, `no`, `on`, `off` as text; hands that know Salt write them. */
export const flag = z.preprocess(
  (value) => (typeof value === "string" ? (words[value.toLowerCase()] ?? value) : value),
  z.boolean("must be true or false"),
);
const words: Readonly<Record<string, boolean>> = { yes: true, on: true, true: true, no: false, off: false, false: false };
