/** `service`: systemd, else the scripts of sysvinit. What a system lacks is said in one line. */
import { existsSync, readdirSync } from "node:fs";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";
import { fact, outputOf } from "./facts.ts";

const service = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9@_.:\\-]*$/, "must be the name of a service");
const named = z.strictObject({ name: service });
const none = z.strictObject({});

const hasSystemd = (): boolean => existsSync("/run/systemd/system");
const initScript = (name: string): string => `/etc/init.d/${name}`;

async function succeeds(host: Host, ...argv: [string, ...string[]]): Promise<boolean> {
  return (await host.command({ argv })).retcode === 0;
}

/** @throws MsaltError `ERR_COMMAND` for a service that neither knows. */
function needScript(name: string): string {
  if (existsSync(initScript(name))) return name;
  throw new MsaltError(
    "ERR_COMMAND",
    `no service ${JSON.stringify(name)}: this minion has no systemd and no ${initScript(name)}`,
  );
}

function action(verb: "start" | "stop" | "restart" | "reload", summary: string): AnyFunction {
  return declare({
    name: `service.${verb}`,
    summary,
    examples: [`msalt '*' service.${verb} nginx`],
    params: named,
    effects: "some",
    run: async ({ name }, host) => {
      if (hasSystemd()) await outputOf(host, "systemctl", verb, name);
      else await outputOf(host, "service", needScript(name), verb);
      return true;
    },
  });
}

function enabling(verb: "enable" | "disable", summary: string): AnyFunction {
  return declare({
    name: `service.${verb}`,
    summary,
    examples: [`msalt '*' service.${verb} nginx`],
    params: named,
    effects: "some",
    run: async ({ name }, host) => {
      if (hasSystemd()) await outputOf(host, "systemctl", verb, name);
      else await outputOf(host, "update-rc.d", needScript(name), verb);
      return true;
    },
  });
}

async function isEnabled(name: string, host: Host): Promise<boolean> {
  if (hasSystemd()) return succeeds(host, "systemctl", "is-enabled", "--quiet", name);
  const levels = readdirSync("/etc").filter((each) => /^rc[2-5]\.d$/.test(each));
  return levels.some((level) =>
    readdirSync(`/etc/${level}`).some((link) => /^S\d\d/.test(link) && link.slice(3) === name),
  );
}

async function all(host: Host): Promise<string[]> {
  if (!hasSystemd())
    return existsSync("/etc/init.d")
      ? readdirSync("/etc/init.d")
          .filter((name) => name !== "README")
          .toSorted()
      : [];
  const listed = await outputOf(
    host,
    "systemctl",
    "list-unit-files",
    "--type=service",
    "--full",
    "--no-legend",
    "--no-pager",
  );
  return listed
    .split("\n")
    .map((line) => line.trim().split(/\s+/)[0] ?? "")
    .filter(Boolean)
    .map((name) => name.replace(/\.service$/, ""))
    .toSorted();
}

export const serviceFunctions: readonly AnyFunction[] = [
  action("start", "Start a service."),
  action("stop", "Stop a service."),
  action("restart", "Restart a service."),
  action("reload", "Make a service read its configuration again."),
  enabling("enable", "Start a service at boot."),
  enabling("disable", "Do not start a service at boot."),
  fact(
    "service.status",
    "Say whether a service runs.",
    named,
    async ({ name }, host) =>
      hasSystemd()
        ? succeeds(host, "systemctl", "is-active", "--quiet", name)
        : succeeds(host, "service", needScript(name), "status"),
    "nginx",
  ),
  fact(
    "service.enabled",
    "Say whether a service is started at boot.",
    named,
    async ({ name }, host) => isEnabled(name, host),
    "nginx",
  ),
  fact(
    "service.disabled",
    "Say whether a service is not started at boot.",
    named,
    async ({ name }, host) => !(await isEnabled(name, host)),
    "nginx",
  ),
  fact(
    "service.available",
    "Say whether there is such a service.",
    named,
    async ({ name }, host) => (await all(host)).includes(name),
    "nginx",
  ),
  fact(
    "service.missing",
    "Say whether there is no such service.",
    named,
    async ({ name }, host) => !(await all(host)).includes(name),
    "nginx",
  ),
  fact("service.get_all", "List the services.", none, async (_args, host) => all(host)),
];
