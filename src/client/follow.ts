/**
 * Waits for the answers to one job (P5, P8). The record is read first, then the live tail of the event bus goes on behind it; a
 * gap in the numbers, or a quiet second, is answered by reading the record again. So what is in the store is always shown, and
 * "did not return" is said only after a last look.
 */
import { MsaltError } from "../errors.ts";
import { hasResult, isTerminal } from "../job/state.ts";
import type { Job, Target } from "../job/types.ts";
import { decode, resultScan } from "../wire/codec.ts";
import type { Jid, MinionId } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { KillReport } from "../wire/loads.ts";
import { type BusEvent, type JobView, type LocalReplies, type TargetView, trimmedValue } from "../wire/local.ts";
import { tags } from "../wire/tags.ts";
import type { LocalClient } from "./local.ts";

/** One answer, decoded. */
export interface Return {
  readonly id: MinionId;
  readonly target: Target;
  /** The returned value; a text that says so when it cannot be read. */
  readonly value: unknown;
}

export interface Followed {
  readonly record: LocalReplies["job.record"];
  /** Targets that gave no result, as the record knows them at the end. */
  readonly missing: readonly TargetView[];
}

/** A minion that lost its link so lately may be about to come back. */
const graceMs = 2000;
const quietMs = 1000;
/** Where no events are heard, the record is read so soon at first, and then ever more seldom. */
const firstLookMs = 40;

/** Result of a stored target. */
function returnOf(target: Target): Return {
  try {
    const value = target.ret === undefined ? (target.reason ?? target.state) : decode(target.ret, resultScan);
    return { id: target.id, target, value };
  } catch {
    return { id: target.id, target, value: "The stored result cannot be read." };
  }
}

/** Targets with their stored results: all of a job, or these, page by page. */
export async function* storedTargets(
  client: Pick<LocalClient, "call">,
  jid: Jid,
  ids?: readonly MinionId[],
): AsyncGenerator<Target> {
  for (let at = 0; at < (ids?.length ?? 1); at += limits.returnsIds) {
    const asked = { jid, ...(ids !== undefined && { ids: ids.slice(at, at + limits.returnsIds) }) };
    let after: number | undefined;
    do {
      const page = await client.call("job.returns", { ...asked, ...(after !== undefined && { after }) });
      yield* page.targets;
      after = page.next;
    } while (after !== undefined);
  }
}

/** Every stored result of a job, or of these targets. */
export async function* storedReturns(client: LocalClient, jid: Jid, ids?: readonly MinionId[]): AsyncGenerator<Return> {
  for await (const target of storedTargets(client, jid, ids)) if (hasResult(target)) yield returnOf(target);
}

export interface Watcher {
  /** Each answer once, as it comes. */
  readonly onReturn: (answer: Return) => void;
  /** Once for each target that is not there and is not waited for; it may answer all the same. */
  readonly onAway?: (target: TargetView, job: Job) => void;
  /** Once, with the states of all targets: kept up to date while the job is followed. */
  readonly onTargets?: (targets: ReadonlyMap<MinionId, Target>) => void;
}

/**
 * Resolves when nothing more is to be waited for: all targets are terminal, or `waitMs` went by since the last sign of life of
 * what is left. Minions that say they are running are waited for, and so are those behind them in a batch.
 */
export async function followJob(client: LocalClient, jid: Jid, waitMs: number, watcher: Watcher): Promise<Followed> {
  const { onReturn, onAway, onTargets } = watcher;
  const shown = new Set<MinionId>();
  const away = new Set<MinionId>();
  const targets = new Map<MinionId, Target>();
  let sequence = 0;
  let bus = "";
  let gap = false;
  /** A result that was too large for its event has come since the record was asked for. */
  let owed = false;
  let lastSign = performance.now();
  let wake = (): void => undefined;
  onTargets?.(targets);

  const show = (answer: Return): void => {
    if (shown.has(answer.id)) return;
    shown.add(answer.id);
    lastSign = performance.now();
    onReturn(answer);
  };
  const onEvent = ({ tag, data }: BusEvent): void => {
    const number = Number(data["_seq"] ?? 0);
    if (data["_bus"] !== bus || number > sequence + 1) gap = true;
    if (number <= sequence && data["_bus"] === bus) return;
    sequence = number;
    lastSign = performance.now();
    const id = data["id"] as MinionId;
    if (tag === tags.jobStop(jid)) gap = true;
    if (tag === tags.jobStart(jid, id)) targets.set(id, { id, state: "running" });
    if (tag === tags.jobRet(jid, id)) {
      const target = targetOf(data);
      targets.set(id, target);
      if (data["return"] === trimmedValue) owed = true;
      else if (data["out"] !== "no_return") show({ id, target, value: data["return"] });
    }
    wake();
  };
  await client.subscribe(tags.job(jid), onEvent);
  let pauseMs = client.isDeaf ? firstLookMs : quietMs;

  for (;;) {
    gap = false;
    owed = false;
    const record = await client.call("job.record", { jid });
    sequence = Math.max(record.bus === bus ? sequence : 0, record.sequence);
    bus = record.bus;
    for (const target of record.targets) targets.set(target.id, target);
    const unseen = record.targets.filter((target) => hasResult(target) && !shown.has(target.id));
    const stored = record.targets.filter((target) => hasResult(target)).length;
    const missed = unseen.length < stored / 2 ? unseen.map(({ id }) => id) : undefined;
    if (unseen.length > 0) for await (const answer of storedReturns(client, jid, missed)) show(answer);
    const open = record.targets.filter(({ state }) => !isTerminal(state));
    for (const target of open) {
      if (!isAway(target, record.time) || isQueued(target, record.job) || away.has(target.id)) continue;
      away.add(target.id);
      onAway?.(target, record.job);
    }
    // The last answers came while the record was read: events follow the commit, so another look shows them all.
    if (open.length > 0 && shown.size >= record.targets.length) continue;
    if (!isWorthWaiting(open, record, performance.now() - lastSign, waitMs)) {
      return { record, missing: record.targets.filter(({ id }) => !shown.has(id)) };
    }
    // Until something is missing, or nothing happens for a while, the tail is all there is to read.
    await new Promise<void>((resolve) => {
      const quiet = (): void => {
        wake = () => undefined;
        resolve();
      };
      // The more targets a record has, the more of them it is asked for at once.
      const owedMs = Math.min(100, record.targets.length / 10);
      let timer = setTimeout(quiet, owed ? owedMs : pauseMs);
      pauseMs = Math.min(quietMs, 1.5 * pauseMs);
      wake = () => {
        clearTimeout(timer);
        const isNow = gap || shown.size >= record.targets.length;
        timer = setTimeout(quiet, isNow ? 0 : owed ? owedMs : quietMs);
      };
    });
  }
}

/** Its turn in the batch has not come. */
function isQueued({ state, turn }: Target, { options }: Job): boolean {
  return options.parallel !== undefined && state === "waiting" && turn === undefined;
}

/** Gone for longer than a link takes to come back. */
function isAway({ link }: TargetView, time: number): boolean {
  if (link?.connected === true || link?.returning === true) return false;
  return (link?.since ?? 0) < time - graceMs;
}

/** Whether an open target may still answer within `waitMs` of the last sign, which is `silentMs` old, as far as the record knows. */
function isWorthWaiting(
  open: readonly TargetView[],
  { job, time }: JobView,
  silentMs: number,
  waitMs: number,
): boolean {
  const begun = open.filter((target) => !isQueued(target, job));
  if (begun.length === 0) return open.length > 0 && silentMs < waitMs + (job.options.batchWaitMs ?? 0);
  return begun.some((target) => {
    if (isAway(target, time)) return target.state === "running" && silentMs < waitMs;
    return target.state === "running" || silentMs < waitMs;
  });
}

function targetOf(data: Readonly<Record<string, unknown>>): Target {
  const { id, retcode, success, state, out, kill } = data;
  if (typeof id !== "string" || typeof retcode !== "number")
    throw new MsaltError("ERR_WIRE_INVALID", "not a return event");
  return {
    id: id as MinionId,
    state: state as Target["state"],
    retcode,
    success: success === true,
    ...(typeof out === "string" && { out }),
    ...(typeof kill === "object" && kill !== null && { kill: kill as KillReport }),
  };
}
