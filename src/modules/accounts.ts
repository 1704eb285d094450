/** What /etc/passwd and /etc/group say. */
import { readFileSync } from "node:fs";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly fullname: string;
  readonly home: string;
  readonly shell: string;
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function fieldsOf(file: string): string[][] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

export function accounts(): Account[] {
  return fieldsOf("/etc/passwd").map(([name = "", , uid, gid, gecos = "", home = "", shell = ""]) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    fullname: gecos.split(",")[0] ?? "",
    home,
    shell,
  }));
}

export function groups(): Group[] {
  return fieldsOf("/etc/group").map(([name = "", , gid, members = ""]) => ({
    name,
    gid: Number(gid),
    members: members.split(",").filter(Boolean),
  }));
}

/** Names of owners by number. */
export function userNames(): ReadonlyMap<number, string> {
  return new Map(accounts().map(({ uid, name }) => [uid, name]));
}

export function groupNames(): ReadonlyMap<number, string> {
  return new Map(groups().map(({ gid, name }) => [gid, name]));
}
