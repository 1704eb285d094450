/** The way to the master. It may be away when the API starts, and come and go while it runs. */
import { readFileSync } from "node:fs";
import { LocalClient } from "../client/local.ts";
import { MsaltError } from "../errors.ts";
import { masterSockets } from "../lib/sockets.ts";
import type { ApiAct, LocalCommand, LocalLoad, LocalReplies } from "../wire/local.ts";

/** What the routes ask of the master. */
export interface Master {
  /** @throws MsaltError what the controller said, or `ERR_MASTER_UNREACHABLE`. */
  call<C extends LocalCommand>(cmd: C, load: LocalLoad<C>): Promise<LocalReplies[C]>;
  /** Hands on events whose tag begins with `prefix` from when it resolves until the answer is called. */
  readonly subscribe: LocalClient["subscribe"];
}

/** What was asked of a master that has gone for good is given up after so long. */
const leftMs = 60_000;

export class MasterLink implements Master {
  readonly #sockDir: string;
  #client: Promise<LocalClient> | undefined;
  #secret: Buffer | undefined;
  #closed = false;

  constructor(sockDir: string) {
    this.#sockDir = sockDir;
  }

  async call<C extends LocalCommand>(cmd: C, load: LocalLoad<C>): Promise<LocalReplies[C]> {
    return (await this.#connected()).call(cmd, load);
  }

  async subscribe(...what: Parameters<LocalClient["subscribe"]>): Promise<() => void> {
    return (await this.#connected()).subscribe(...what);
  }

  #connected(): Promise<LocalClient> {
    if (this.#closed) throw new MsaltError("ERR_MASTER_UNREACHABLE", "the API is stopping");
    const secret = this.#readSecret();
    if (this.#client !== undefined && secret !== undefined && this.#secret?.equals(secret) === false) this.#leave();
    this.#secret = secret ?? this.#secret;
    this.#client ??= connect(this.#sockDir).catch((failure: unknown) => {
      this.#client = undefined;
      throw failure;
    });
    return this.#client;
  }

  /** A master whose folder was made anew has another secret. */
  #readSecret(): Buffer | undefined {
    try {
      return readFileSync(masterSockets(this.#sockDir).secret);
    } catch {
      return undefined;
    }
  }

  #leave(): void {
    const left = this.#client;
    this.#client = undefined;
    setTimeout(() => void left?.then((client) => client.close()).catch(() => undefined), leftMs).unref();
  }

  close(): void {
    this.#closed = true;
    void this.#client?.then((client) => client.close()).catch(() => undefined);
  }
}

async function connect(sockDir: string): Promise<LocalClient> {
  const client = await LocalClient.connect(sockDir);
  if (!client.isDeaf) return client;
  client.close();
  throw new MsaltError("ERR_NOT_ALLOWED", "the API must run as the user that runs msalt-master");
}

/** A line in the audit log. @throws MsaltError when it could not be written. */
export async function note(
  master: Master,
  user: string,
  act: ApiAct,
  arg: unknown = {},
  outcome = "accepted",
): Promise<void> {
  await master.call("audit.note", { user, act, arg, outcome });
}
