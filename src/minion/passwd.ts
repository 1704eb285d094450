import { readFileSync } from "node:fs";
import { MsaltError } from "../errors.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** @throws MsaltError `ERR_COMMAND` for a name that `file` does not list. */
export function findUser(name: string, file = "/etc/passwd"): User {
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [user, , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
    if (user === name && /^\d+$/.test(uid) && /^\d+$/.test(gid)) {
      return { name, uid: Number(uid), gid: Number(gid), home: home || "/", shell: shell || "/bin/sh" };
    }
  }
  throw new MsaltError("ERR_COMMAND", `no user ${JSON.stringify(name)} on this minion`);
}
