import * as z from "zod";

/** Kinds of values that configuration files hold. Each message says what was expected; the loader adds file and key. */
export const text = z.string("must be text; put it in quotes").min(1, "must not be empty");

const hostMessage = "must be a host name or IPv4 address, without a port";
/** Ports have keys of their own. */
export const host = z
  .string(hostMessage)
  .regex(/^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?$/, hostMessage);

const portMessage = "must be a port number, 0 to 65535 (0: any free one)";
export const port = z.int(portMessage).min(0, portMessage).max(65_535, portMessage);

const secondsMessage = "must be a number of seconds, 0 or more";
export const seconds = z.number(secondsMessage).min(0, secondsMessage);

/** Seconds that become a timer: beyond 2^31 ms Node's timers fire at once. */
export const wait = seconds.max(2_147_483, "must be at most 2147483 seconds");

const megabytesMessage = "must be a number of MiB, 0 or more";
export const megabytes = z.number(megabytesMessage).min(0, megabytesMessage);

const minutesMessage = "must be a number of minutes, more than 0 and at most 10080";
export const minutes = z.number(minutesMessage).positive(minutesMessage).max(10_080, minutesMessage);

const countMessage = "must be a whole number, 1 to 1024";
export const count = z.int(countMessage).min(1, countMessage).max(1024, countMessage);

const rateMessage = "must be a whole number a minute, 1 to 1000000";
export const rate = z.int(rateMessage).min(1, rateMessage).max(1_000_000, rateMessage);

const levels = [
  "quiet",
  "critical",
  "error",
  "warning",
  "info",
  "profile",
  "debug",
  "trace",
  "garbage",
  "all",
] as const;
export const logLevel = z.enum(levels, `must be one of ${levels.join(", ")}`);

const words = new Map([
  ["yes", true],
  ["on", true],
  ["true", true],
  ["no", false],
  ["off", false],
  ["false", false],
]);
/** YAML 1.2 reads `yes`, `no`, `on`, `off` as text; hands that know Salt write them. */
export const flag = z.preprocess(
  (value) => (typeof value === "string" ? (words.get(value.toLowerCase()) ?? value) : value),
  z.boolean("must be true or false"),
);

/** Named targets: an expression as text, or a list of its words. */
export const nodegroups = z.record(
  z.string(),
  z.union(
    [z.string(), z.array(z.union([z.string(), z.number()]))],
    "must be an expression as text, or a list of its words",
  ),
  "must be a map of names to expressions",
);

/** Folders of each environment, of which there is one. */
export const pillarRoots = z
  .record(
    z.string(),
    z.array(text, "must be a list of folders").min(1, "must not be empty"),
    "must be {base: [folders]}",
  )
  .refine((roots) => Object.keys(roots).join() === "base", "must be {base: [folders]}: there is no other environment");

export const names = z.array(text, "must be a list of names, globs or regular expressions");

const single = (map: Readonly<Record<string, unknown>>): boolean => Object.keys(map).length === 1;
const pattern = z.string().nullable();
const condition = z.strictObject(
  { args: z.array(pattern).optional(), kwargs: z.record(z.string(), pattern).optional() },
  "must be a map with the keys args and kwargs",
);
const functionRule = z.union(
  [
    text,
    z
      .record(z.string(), z.union([condition, z.array(condition)]))
      .refine(single, "must have one function for its only key"),
  ],
  "must be a function, or {function: {args: [patterns], kwargs: {name: pattern}}}",
);
const aclRule = z.union(
  [
    text,
    z
      .record(z.string(), z.union([text, z.array(functionRule)]))
      .refine(single, "must have one target for its only key"),
  ],
  "must be a function, or {target: [functions]}",
);
/** Local users and what each may publish. */
export const publisherAcl = z.record(
  z.string(),
  z.array(aclRule, "must be a list of rules"),
  "must be a map of users to lists of rules",
);

const absolute = z.string("must be an absolute path").startsWith("/", "must be an absolute path");

/** The HTTP API. Without TLS it stays on this machine: passwords and tokens go over it. */
export const api = z
  .strictObject(
    {
      enabled: flag.default(false),
      interface: z.ipv4("must be an IPv4 address of this host, or 0.0.0.0 for all of them").default("127.0.0.1"),
      port: port.default(8000),
      tls_cert: absolute.optional(),
      tls_key: absolute.optional(),
      hosts: z.array(host, "must be a list of host names").default([]),
    },
    "must be a map with the keys enabled, interface, port, tls_cert, tls_key and hosts",
  )
  .refine(({ tls_cert: cert, tls_key: key }) => (cert === undefined) === (key === undefined), {
    message: "must have both tls_cert and tls_key, or neither",
  })
  .refine(({ interface: address, tls_cert: cert }) => cert !== undefined || address.startsWith("127."), {
    message: "must have tls_cert and tls_key where interface is not 127.x: passwords would go over the network",
  });

/** What the configuration holds, at any depth, stays as it was read. */
export function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(Object.freeze(value))) freeze(part);
  }
  return value;
}

/** Folders of the one environment that there is. */
export const roots = z.strictObject(
  { base: z.array(z.string().startsWith("/", "must be absolute paths"), "must be a list of folders") },
  "must be a map with the key base",
);
