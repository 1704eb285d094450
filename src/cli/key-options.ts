import { type Command, Option } from "commander";
import { MsaltError } from "../errors.ts";
import { version } from "../lib/version.ts";
import { type KeyState, keyStates } from "../wire/keys.ts";
import { type OutputOptions, type SharedOptions, program, withDocumentation, withOutput } from "./tool.ts";

export interface Flags extends SharedOptions, Partial<OutputOptions> {
  readonly list?: string;
  readonly accept?: string;
  readonly reject?: string;
  readonly delete?: string;
  readonly print?: string;
  readonly finger?: string;
  readonly listAll?: boolean;
  readonly acceptAll?: boolean;
  readonly rejectAll?: boolean;
  readonly deleteAll?: boolean;
  readonly printAll?: boolean;
  readonly fingerAll?: boolean;
  readonly genKeys?: string;
  readonly genKeysDir?: string;
  readonly rotateKeys?: string;
  readonly token?: boolean;
  readonly expires?: string;
  readonly uses?: string;
  readonly includeAll?: boolean;
  readonly includeAccepted?: boolean;
  readonly includeRejected?: boolean;
  readonly includeDenied?: boolean;
  readonly yes?: boolean;
  readonly quiet?: boolean;
}

export function keyProgram(): Command {
  const tool = program(
    "msalt-key",
    version,
    "Accept, reject, delete and show the keys of minions.",
    "--log-level <level>",
  );
  withOutput(tool)
    .option("-l, --list <state>", "list the keys of one state: acc, pre (or un), rej, den, all")
    .option("-L, --list-all", "list all keys; this is what happens without an option")
    .option("-a, --accept <glob>", "accept the unaccepted keys that match; a fingerprint works too")
    .option("-A, --accept-all", "accept all unaccepted keys")
    .option("-r, --reject <glob>", "reject the unaccepted keys that match")
    .option("-R, --reject-all", "reject all unaccepted keys")
    .option("-d, --delete <glob>", "delete the keys that match, whatever their state")
    .option("-D, --delete-all", "delete all keys")
    .option("-p, --print <glob>", "print the public keys that match")
    .option("-P, --print-all", "print all public keys")
    .option("-f, --finger <glob>", "print the fingerprints of the keys that match")
    .option("-F, --finger-all", "print all fingerprints, the master's own first")
    .option("--include-all", "accept and reject: look at all other states too")
    .option("--include-accepted", "reject: look at accepted keys too")
    .option("--include-rejected", "accept: look at rejected keys too")
    .option("--include-denied", "accept and reject: look at denied keys too")
    .option("--token", "make a token: the minion that is given it is accepted at once")
    .option("--uses <n>", "how many minions may use the token (default: 1)")
    .option("--expires <time>", "how long the token may be used: 90s, 15m, 1h, 7d (default: 1h)")
    .option("--gen-keys <name>", "make the keys of a minion of this name, to be carried to its pki_dir")
    .option("--gen-keys-dir <dir>", "below which folder (default: .)")
    .option("--rotate-keys <who>", "new keys for the master or the minion of this machine, from its next start on")
    .addOption(new Option("--rotate-aes-key <bool>").hideHelp())
    .addOption(new Option("--preserve-minions <bool>").hideHelp())
    .addOption(new Option("--keysize <bits>").hideHelp())
    .option("-y, --yes", "do not ask")
    .option("-q, --quiet", "print nothing but errors")
    .addHelpText(
      "after",
      `
Examples:
  msalt-key -L
  msalt-key -a 'web*'
  msalt-key -y -d web1
  msalt-key -F                                       the master's own fingerprint comes first
  msalt-key --token --expires 1h                     then: msalt-minion --token <token>
  msalt-key --token --uses 200 --expires 1d          one token for the image of 200 machines
  msalt-key --rotate-keys master                     then: systemctl restart msalt-master

Exit status: 0 all good, 1 a key could not be changed, 2 the master cannot be reached or is not yours, 64 wrong use.`,
    );
  return withDocumentation(tool, "security", "errors");
}

/** Options of which one at most may be given, in the order in which they are looked for. */
const actions = [
  ...(["list", "listAll", "accept", "acceptAll", "reject", "rejectAll", "delete", "deleteAll"] as const),
  ...(["print", "printAll", "finger", "fingerAll", "token", "genKeys", "rotateKeys"] as const),
];
type Action = (typeof actions)[number];

/** What to do; list everything when nothing is said. @throws MsaltError `ERR_USAGE` for two at once. */
export function onlyAction(flags: Flags): Action {
  const given = actions.filter((name) => flags[name] !== undefined);
  const [first = "listAll", second] = given;
  if (second !== undefined) {
    throw new MsaltError("ERR_USAGE", `the options ${longFlag(first)} and ${longFlag(second)} exclude each other`);
  }
  return first;
}

const longFlag = (name: Action): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The states that the word of `--list` means. @throws MsaltError `ERR_USAGE`. */
export function listStates(word: string): readonly KeyState[] {
  if (word === "all") return keyStates;
  if (word === "pre" || word.startsWith("un")) return ["pending"];
  const state = (["accepted", "rejected", "denied"] as const).find((name) => word.startsWith(name.slice(0, 3)));
  if (state === undefined) throw new MsaltError("ERR_USAGE", `'${word}' is not a valid argument to '--list'`);
  return [state];
}
