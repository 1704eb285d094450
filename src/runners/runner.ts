/**
 * A runner is a function on the master's side. It runs in the tool that asks (msalt-run, later the HTTP API) over the local
 * commands, so that the controller does nothing but own the record.
 */
import type { Job, Target } from "../job/types.ts";
import type { BusEvent } from "../wire/local.ts";
import { formatJidTime, type Jid } from "../wire/ids.ts";
import type { LocalCommand, LocalLoad, LocalReplies } from "../wire/local.ts";

/** What a runner may use. */
export interface RunnerContext {
  readonly call: <C extends LocalCommand>(cmd: C, load: LocalLoad<C>) => Promise<LocalReplies[C]>;
  /** Every stored result of a job, decoded. */
  readonly returns: (
    jid: Jid,
  ) => AsyncIterable<{ readonly id: string; readonly target: Target; readonly value: unknown }>;
  /** Who asks. */
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Resolves when it works: events whose tag begins with `prefix`, from now on; `onMissed` as for `LocalClient.subscribe`. */
  readonly subscribe: (
    prefix: string,
    onEvent: (event: BusEvent) => void,
    onMissed: (count: number | undefined) => void,
  ) => Promise<unknown>;
  /** Says something beside what is printed. */
  readonly warn: (text: string) => void;
  /** Prints one event at once. */
  readonly write: (tag: string, data: Readonly<Record<string, unknown>>, pretty: boolean) => void;
  /** Of a file on this machine; the last may lack its line feed. */
  readonly lines: (file: string) => AsyncIterable<{ readonly bytes: Uint8Array; readonly whole: boolean }>;
  /** The master's configuration under the file's names. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly version: string;
}

export interface RunnerArguments {
  readonly arg: readonly unknown[];
  readonly kwarg: Readonly<Record<string, unknown>>;
}

export interface Runner {
  readonly name: string;
  readonly summary: string;
  /** Names of positional arguments; a trailing `?` makes one optional. */
  readonly params: readonly string[];
  /** Named arguments it takes beside them. */
  readonly keywords?: readonly string[] | "any";
  /** It asks nothing of a running master. */
  readonly offline?: true;
  readonly run: (args: RunnerArguments, context: RunnerContext) => Promise<unknown>;
}

/** A job under the field names of Salt's job runners. */
export function jobFields({
  arg,
  fun,
  jid,
  tgt,
  tgtType,
  user,
  options,
}: Omit<Job, "minions">): Record<string, unknown> {
  return {
    Arguments: arg,
    Function: fun,
    ...(options.metadata !== undefined && { Metadata: options.metadata }),
    StartTime: formatJidTime(jid),
    Target: tgt,
    "Target-type": tgtType,
    User: user,
  };
}

/** An argument of a runner is the text that was typed. */
export function wordOf(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}
