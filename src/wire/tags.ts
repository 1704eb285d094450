import type { Jid, MinionId } from "./ids.ts";

/** Salt's event tags, built in one place so that a tag in the docs is found in the code. */
export const tags = {
  auth: "salt/auth",
  key: "salt/key",
  minionStart: (id: MinionId) => `salt/minion/${id}/start` as const,
  minionEvent: (id: MinionId, tag: string) => `salt/minion/${id}/${tag}` as const,
  jobNew: (jid: Jid) => `salt/job/${jid}/new` as const,
  jobStart: (jid: Jid, id: MinionId) => `salt/job/${jid}/start/${id}` as const,
  jobRet: (jid: Jid, id: MinionId) => `salt/job/${jid}/ret/${id}` as const,
  /** No more targets begin: the failure budget is spent, or it was killed; not one of Salt's. */
  jobStop: (jid: Jid) => `salt/job/${jid}/stop` as const,
  /** All targets are terminal; not one of Salt's. */
  jobEnd: (jid: Jid) => `salt/job/${jid}/end` as const,
  /** Prefix of everything that a job's follower wants. */
  job: (jid: Jid) => `salt/job/${jid}/` as const,
  presenceChange: "salt/presence/change",
} as const;

/**
 * Under what `events.sock` is asked for all events whose tag begins with `prefix`, and sends them. It ends in a zero, which no
 * tag has: so no channel is the beginning of another, and who listens to one is sent nothing of the others.
 */
export function eventChannel(prefix: string): Buffer {
  return Buffer.from(`${prefix}\0`);
}
