import { accessSync, constants, statSync } from "node:fs";
import { userInfo } from "node:os";
import { isAbsolute } from "node:path";
import { MsaltError } from "../errors.ts";
import type { CommandSpec } from "../modules/declare.ts";
import { findProgram } from "../modules/programs.ts";
import { findUser, type User } from "./passwd.ts";

/** All that spawn needs, checked: what cannot work fails here with a text of ours. */
export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Only when it is not the user that we are. */
  readonly user: User | undefined;
}

/** @throws MsaltError `ERR_COMMAND`. */
export function launchOf(spec: CommandSpec): Launch {
  const user = spec.runas === undefined ? undefined : otherUser(spec.runas);
  const env = {
    ...(spec.cleanEnv === true ? {} : ownEnvironment()),
    ...(user === undefined || spec.cleanEnv === true ? {} : userEnvironment(user)),
    ...spec.env,
  };
  const cwd = spec.cwd ?? usableHome(user);
  if (!isAbsolute(cwd) || !isFolder(cwd)) {
    throw new MsaltError("ERR_COMMAND", `Specified cwd '${cwd}' either not absolute or does not exist`);
  }
  const [program, ...args] = spec.argv;
  if (findProgram(program, env["PATH"] ?? "/usr/bin:/bin", cwd) === undefined) {
    throw new MsaltError(
      "ERR_COMMAND",
      `Unable to run command '${program}': no such program, or it may not be executed`,
    );
  }
  if (spec.umask === undefined) return { file: program, args, cwd, env, user };
  if (!/^[0-7]{1,4}$/.test(spec.umask)) {
    throw new MsaltError("ERR_COMMAND", `umask must be octal digits, such as 022, not '${spec.umask}'`);
  }
  const script = 'umask "$1" && shift && exec "$@"';
  return { file: "/bin/sh", args: ["-c", script, "sh", spec.umask, program, ...args], cwd, env, user };
}

function otherUser(name: string): User | undefined {
  const user = findUser(name);
  const own = process.getuid?.();
  if (user.uid === own) return undefined;
  if (own !== 0) throw new MsaltError("ERR_COMMAND", `cannot run as '${name}': the minion does not run as root`);
  return user;
}

/** Our own settings may carry an enrolment token: no command needs them. */
function ownEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !name.startsWith("MSALT_"),
  );
  return Object.fromEntries(entries) as Record<string, string>;
}

function userEnvironment({ name, home, shell }: User): Record<string, string> {
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell };
}

function usableHome(user: User | undefined): string {
  try {
    const home = user?.home ?? userInfo().homedir;
    if (user === undefined) accessSync(home, constants.R_OK | constants.X_OK);
    return isFolder(home) ? home : "/";
  } catch {
    return "/";
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
