import type { Log } from "./log.ts";

/** A log that says the same thing once, until something else happens: an outage is one line, not one a second (HS-09). */
export function onChange(log: Log): Pick<Log, "info" | "warn" | "error"> & { reset(): void } {
  const said = new Set<string>();
  const say =
    (level: "info" | "warn" | "error") =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (said.has(message)) return;
      said.add(message);
      log[level](message, fields);
    };
  return { info: say("info"), warn: say("warn"), error: say("error"), reset: () => said.clear() };
}
