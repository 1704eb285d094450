/** `user` and `group`: read from /etc, changed with the system's own tools. */
import * as z from "zod";
import { type Account, accounts, type Group, groups } from "./accounts.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";
import { fact, outputOf } from "./facts.ts";

const none = z.strictObject({});
/** As useradd takes them; never an option. */
export const account = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/, "must be an account name");
const named = z.strictObject({ name: account });

function infoOf({ name, uid, gid, fullname, home, shell }: Account): Record<string, unknown> {
  const all = groups();
  const primary = all.find((group) => group.gid === gid)?.name;
  const others = all.filter(({ members }) => members.includes(name)).map((group) => group.name);
  const mine = [...new Set([...(primary === undefined ? [] : [primary]), ...others])].toSorted();
  return { fullname, gid, groups: mine, home, name, passwd: "x", shell, uid };
}

function groupInfo({ name, gid, members }: Group): Record<string, unknown> {
  return { gid, members, name, passwd: "x" };
}

/** Runs a tool that changes accounts; true when it worked. @throws MsaltError `ERR_COMMAND` with what it said. */
function change<P extends z.ZodObject>(
  name: string,
  summary: string,
  params: P,
  argv: (args: z.infer<P>) => [string, ...string[]],
  example: string,
): AnyFunction {
  return declare({
    name,
    summary,
    examples: [`msalt '*' ${name} ${example}`],
    params,
    effects: "some",
    run: async (args, host: Host) => {
      await outputOf(host, ...argv(args));
      return true;
    },
  });
}

const option = (flag: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [flag, String(value)];

export const userFunctions: readonly AnyFunction[] = [
  fact(
    "user.info",
    "Give what is known of a user; nothing for one that is not there.",
    named,
    async ({ name }) => {
      const found = accounts().find((each) => each.name === name);
      return found === undefined ? {} : infoOf(found);
    },
    "root",
  ),
  fact("user.list_users", "List the users.", none, async () =>
    accounts()
      .map(({ name }) => name)
      .toSorted(),
  ),
  fact("user.getent", "Give what is known of every user.", none, async () => accounts().map(infoOf)),
  fact(
    "user.list_groups",
    "List the groups of a user.",
    named,
    async ({ name }) => {
      const found = accounts().find((each) => each.name === name);
      return found === undefined ? [] : infoOf(found)["groups"];
    },
    "root",
  ),
  change(
    "user.add",
    "Make a user.",
    z.strictObject({
      name: account,
      uid: z.int().min(0).optional(),
      gid: z.string().optional(),
      groups: z.array(account).optional(),
      home: z.string().optional(),
      shell: z.string().optional(),
      fullname: z.string().optional(),
      system: z.boolean().default(false),
      createhome: z.boolean().default(true),
    }),
    ({ name, uid, gid, groups: more, home, shell, fullname, system, createhome }) => [
      "useradd",
      ...option("-u", uid),
      ...option("-g", gid),
      ...option("-G", more?.join(",")),
      ...option("-d", home),
      ...option("-s", shell),
      ...option("-c", fullname),
      ...(system ? ["-r"] : []),
      createhome ? "-m" : "-M",
      name,
    ],
    "alice shell=/bin/bash",
  ),
  change(
    "user.delete",
    "Remove a user; remove=True takes the home directory too.",
    z.strictObject({ name: account, remove: z.boolean().default(false), force: z.boolean().default(false) }),
    ({ name, remove, force }) => ["userdel", ...(remove ? ["-r"] : []), ...(force ? ["-f"] : []), name],
    "alice remove=True",
  ),
  change(
    "user.chgroups",
    "Set the further groups of a user; append=True adds to them.",
    z.strictObject({ name: account, groups: z.array(account), append: z.boolean().default(false) }),
    ({ name, groups: more, append }) => ["usermod", ...(append ? ["-a"] : []), "-G", more.join(","), name],
    "alice wheel,docker append=True",
  ),
  change(
    "user.chshell",
    "Set the shell of a user.",
    z.strictObject({ name: account, shell: z.string() }),
    ({ name, shell }) => ["usermod", "-s", shell, name],
    "alice /bin/zsh",
  ),
  change(
    "user.chhome",
    "Set the home directory of a user.",
    z.strictObject({ name: account, home: z.string() }),
    ({ name, home }) => ["usermod", "-d", home, name],
    "alice /home/alice",
  ),
  change(
    "user.chfullname",
    "Set the full name of a user.",
    z.strictObject({ name: account, fullname: z.string() }),
    ({ name, fullname }) => ["usermod", "-c", fullname, name],
    "alice 'Alice Liddell'",
  ),
  fact(
    "group.info",
    "Give what is known of a group; nothing for one that is not there.",
    named,
    async ({ name }) => {
      const found = groups().find((each) => each.name === name);
      return found === undefined ? {} : groupInfo(found);
    },
    "adm",
  ),
  fact("group.getent", "Give what is known of every group.", none, async () => groups().map(groupInfo)),
  change(
    "group.add",
    "Make a group.",
    z.strictObject({ name: account, gid: z.int().min(0).optional(), system: z.boolean().default(false) }),
    ({ name, gid, system }) => ["groupadd", ...option("-g", gid), ...(system ? ["-r"] : []), name],
    "ops",
  ),
  change("group.delete", "Remove a group.", named, ({ name }) => ["groupdel", name], "ops"),
  change(
    "group.adduser",
    "Add a user to a group.",
    z.strictObject({ name: account, username: account }),
    ({ name, username }) => ["gpasswd", "--add", username, name],
    "ops alice",
  ),
  change(
    "group.deluser",
    "Take a user out of a group.",
    z.strictObject({ name: account, username: account }),
    ({ name, username }) => ["gpasswd", "--delete", username, name],
    "ops alice",
  ),
];
