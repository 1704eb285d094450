/** Keys and configurations of one master and its minions, made once: each history gets a copy of the master's folder. */
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadMasterConfig, loadMinionConfig } from "../../src/config/load.ts";
import type { MasterConfig } from "../../src/config/master.ts";
import type { MinionConfig } from "../../src/config/minion.ts";
import { KeyBook } from "../../src/crypto/key-book.ts";
import { ensureOwnKeys, savePin } from "../../src/crypto/keystore.ts";
import { fingerprintOf, keyIdOf } from "../../src/crypto/primitives.ts";
import { masterSockets } from "../../src/lib/sockets.ts";
import type { KeyId, MinionId } from "../../src/wire/ids.ts";
import type { KeyRecord } from "../../src/wire/key-record.ts";

export const mostMinions = 20;

export interface Enrolled {
  readonly id: MinionId;
  readonly keyId: KeyId;
  readonly fingerprint: string;
  readonly config: MinionConfig;
}

export class Fixtures {
  readonly dir = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "msalt-sim-"));
  readonly master: KeyRecord;
  readonly minions: readonly Enrolled[];
  readonly config: MasterConfig;
  readonly root = join(this.dir, "root");

  constructor() {
    const template = join(this.dir, "master");
    this.master = ensureOwnKeys(template, "master", "master");
    this.minions = Array.from({ length: mostMinions }, (_, n) => {
      const id = `m${n}` as MinionId;
      const pki = join(this.dir, id);
      const record = ensureOwnKeys(pki, "minion", id);
      savePin(pki, this.master);
      const keyId = keyIdOf(record.sign);
      const overrides = { id, master: "127.0.0.1", pki_dir: pki, shutdown_timeout: 5 };
      const config = loadMinionConfig({ rootDir: join(this.dir, `of-${id}`), overrides });
      const fingerprint = Buffer.from(fingerprintOf(record.sign)).toString("hex");
      const book = new KeyBook(join(this.dir, `only-${id}`), () => undefined);
      book.add({ id, keyId, record, state: "accepted", since: 0 });
      book.sync();
      return { id, keyId, fingerprint, config };
    });
    const overrides = { interface: "127.0.0.1", enroll: false, pki_dir: join(this.root, "pki") };
    this.config = loadMasterConfig({ rootDir: this.root, overrides });
  }

  /** A master's folder as on its first day, with these keys accepted. */
  reset(minions: readonly Enrolled[]): void {
    this.#closeLeft();
    rmSync(this.root, { recursive: true, force: true });
    mkdirSync(this.root, { mode: 0o700 });
    cpSync(join(this.dir, "master"), this.config.pkiDir, { recursive: true });
    for (const { id } of minions) cpSync(join(this.dir, `only-${id}`), this.config.pkiDir, { recursive: true });
    mkdirSync(this.config.sockDir, { recursive: true, mode: 0o700 });
    // The simulated socket has no file of its own; tools look at who owns it.
    writeFileSync(masterSockets(this.config.sockDir).local, "", { mode: 0o600 });
  }

  dispose(): void {
    this.#closeLeft();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What simulated processes had open when they were killed. */
  #closeLeft(): void {
    for (const descriptor of readdirSync("/proc/self/fd")) {
      if (targetOf(descriptor).startsWith(`${this.root}/`)) closeSync(Number(descriptor));
    }
  }
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}
