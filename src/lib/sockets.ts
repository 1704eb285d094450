/** Where a master's processes meet, all in its 0700 socket folder. */
export function masterSockets(sockDir: string): {
  /** Front processes → controller. */
  readonly minion: string;
  /** Reqserver → workers. */
  readonly workers: string;
  /** Operator's tools → controller, with the secret beside it. */
  readonly local: string;
  readonly secret: string;
  readonly events: string;
} {
  return {
    minion: `${sockDir}/minion.sock`,
    workers: `${sockDir}/workers.sock`,
    local: `${sockDir}/local.sock`,
    secret: `${sockDir}/local.secret`,
    events: `${sockDir}/events.sock`,
  };
}
