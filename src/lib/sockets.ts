/** Where a master's processes meet, all but `users` in its 0700 socket folder. */
export function masterSockets(sockDir: string): {
  /** Front processes → controller. */
  readonly minion: string;
  /** Reqserver → workers. */
  readonly workers: string;
  /** Operator's tools → controller, with the secret beside it. */
  readonly local: string;
  readonly secret: string;
  readonly events: string;
  /** Folder of the users that `publisher_acl` names, which everybody may enter. */
  readonly users: string;
} {
  return {
    minion: `${sockDir}/minion.sock`,
    workers: `${sockDir}/workers.sock`,
    local: `${sockDir}/local.sock`,
    secret: `${sockDir}/local.secret`,
    events: `${sockDir}/events.sock`,
    users: `${sockDir}-users`,
  };
}

/** In the folder `users`: the socket, and the folder in which a user proves who it is. */
export const userSocket = "users.sock";
export const proofFolder = "proof";
