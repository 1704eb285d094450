/** One minion from start to stop: lock, keys, ledger, enrolment, link, executor and outbox, put together. */
import { mkdirSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import type { MinionConfig } from "../config/minion.ts";
import { ensureOwnKeys, loadPin, loadSecret, savePin } from "../crypto/keystore.ts";
import { verifyKeyRecord } from "../crypto/keys.ts";
import { Signer, Verifier, equalBytes, randomBytes } from "../crypto/primitives.ts";
import { messageOf } from "../errors.ts";
import { delay } from "../lib/backoff.ts";
import { sleep } from "../lib/deadline.ts";
import { takeLock } from "../lib/lock-file.ts";
import type { Log } from "../log/log.ts";
import { onChange } from "../log/once.ts";
import type { AnyFunction } from "../modules/declare.ts";
import type { KeyRecord } from "../wire/key-record.ts";
import { callSocket, serveCalls } from "./call-server.ts";
import { MasterClock } from "./clock.ts";
import { CommandRunner } from "./command.ts";
import { enrol } from "./enrol.ts";
import { Executor } from "./executor.ts";
import { OwnFacts } from "./facts.ts";
import { masterFiles, mineOf, publishOver } from "./asks.ts";
import { Ledger } from "./ledger.ts";
import type { LedgerFs } from "./ledger-file.ts";
import { Live } from "./live.ts";
import { type Link, Refused } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { OwnModules, modulesDir } from "./own-modules.ts";
import { Session } from "./session.ts";
import { Scheduler } from "./scheduler.ts";

/** After so many links to each address that came to nothing, ask on the enrolment port what the master thinks of this key. */
const failuresBeforeEnrolment = 1;
/** Connections are remade about daily, so that their forward secrecy is worth something (W15). */
const dayMs = 86_400_000;

/** What differs where many minions share one machine and one process; all else is as everywhere. */
interface Emulation {
  readonly functions: ReadonlyMap<string, AnyFunction>;
  /** The facts of the machine, gathered once for all. */
  readonly grains: Readonly<Record<string, unknown>>;
  /** About how often the link is given up and made anew; milliseconds. */
  readonly remakeMs?: number | undefined;
  /** The disk of the ledger, where it is not the machine's. */
  readonly ledgerFs?: LedgerFs | undefined;
}

export interface MinionOptions {
  readonly config: MinionConfig;
  readonly log: Log;
  readonly version: string;
  /** Called once, when keys and ledger are in order and the minion looks for its master. */
  readonly onStarted: () => void;
  /** Called once, when jobs can be taken for the first time. */
  readonly onReady: () => void;
  readonly emulation?: Emulation;
}

/** Runs until `signal` aborts, then ends in order: no new orders, running jobs waited for, results in the ledger. */
export async function runMinion(options: MinionOptions, signal: AbortSignal): Promise<void> {
  const { config, log, version } = options;
  const unlock = takeLock(join(config.dataDir, "lock"), "msalt-minion");
  try {
    const record = ensureOwnKeys(config.pkiDir, "minion", config.id);
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    const clock = new MasterClock(() => performance.now());
    const ledger = await Ledger.open(join(config.dataDir, "ledger"), {
      now: () => clock.now(),
      fs: options.emulation?.ledgerFs,
      onError: (failure) =>
        log.warn("cannot make the ledger smaller, trying again later", { failure: messageOf(failure) }),
    });
    for (const warning of ledger.warnings) log.warn(warning);
    clock.setFloor(ledger.highestTime);
    await new Minion(options, record, clock, ledger).run(signal);
    await ledger.close();
    log.info("stopped", { version });
  } finally {
    unlock();
  }
}

class Minion {
  readonly #options: MinionOptions;
  readonly #record: KeyRecord;
  readonly #outbox: Outbox;
  readonly #live: Live;
  readonly #executor: Executor;
  readonly #scheduler: Scheduler;
  readonly #session: Session;
  readonly #changes: ReturnType<typeof onChange>;
  readonly #facts: OwnFacts;
  #master: KeyRecord | undefined;
  #verifier: Verifier | undefined;
  #link: Link | undefined;
  #ready = false;
  readonly #modules: OwnModules;

  constructor(options: MinionOptions, record: KeyRecord, clock: MasterClock, ledger: Ledger) {
    const { config, log, version } = options;
    this.#options = options;
    this.#record = record;
    this.#changes = onChange(log);
    this.#modules = new OwnModules(modulesDir(config.dataDir), log);
    this.#facts = new OwnFacts({ config, version, log, link: () => this.#link, machine: options.emulation?.grains });
    this.#outbox = new Outbox(ledger, log);
    const commands = new CommandRunner({}, (jid) => this.#live.grown(jid));
    this.#live = new Live({ commands, log });
    const facts = this.#facts;
    const files = masterFiles(() => this.#link);
    const schedule = (): Scheduler => this.#scheduler;
    this.#executor = new Executor({
      id: config.id,
      ownSignKey: record.sign,
      verifier: () => this.#verifier ?? new Verifier(record.sign),
      ledger,
      clock,
      commands,
      functions: options.emulation?.functions ?? this.#modules.functions,
      allowed: config.allowedFunctions,
      maxJobs: config.maxJobs,
      log,
      host: {
        id: config.id,
        get grains() {
          return facts.grains;
        },
        get pillar() {
          return facts.pillar;
        },
        config: config.shown,
        files,
        mine: mineOf(() => this.#link),
        publish: publishOver(() => this.#link),
        fire: (tag, data) => this.#fire(tag, data),
        setGrains: (change) => facts.setGrains(change),
        syncModules: () => this.#modules.sync(files),
        fetchPillar: () => facts.fetchPillar(),
        refreshPillar: () => facts.refreshPillar(),
        get schedule() {
          return schedule();
        },
      },
      onStart: (jid) =>
        void this.#link?.ask({ cmd: "job.start", jid, count: ledger.count }, 5000).catch(() => undefined),
      onResult: (jid) => this.#outbox.add(jid),
      onOutput: (jid, want) => this.#live.want(jid, want),
      onEnd: (jid) => this.#live.ended(jid),
    });
    this.#scheduler = new Scheduler({
      config,
      log,
      clocks: { monotonic: () => performance.now(), wall: Date.now, random: Math.random },
      refusal: (call) => this.#executor.refusal(call),
      run: (name, call, atMost) => this.#executor.runOwn(name, call, atMost),
      fire: (tag, data) => this.#fire(tag, data),
    });
    this.#session = new Session({
      version,
      ledger,
      clock,
      log,
      grains: () => facts.grains,
      running: () => this.#executor.jids(),
      connectMs: config.masters.length > 1 ? 5000 : 15_000,
      remakeMs: options.emulation?.remakeMs ?? dayMs,
      onOrder: (order, signature) => this.#executor.take(order, signature),
      onMasterRecord: (bytes) => this.#follow(bytes),
      onLink: (link) => {
        this.#link = link;
        this.#outbox.use(link);
        this.#live.use(link);
      },
      onPillar: (bytes) => facts.takePillar(bytes),
      onReady: () => {
        log.info("connected to the master");
        this.#changes.reset();
        if (!this.#ready) {
          options.onReady();
          this.#updateMine();
        }
        this.#ready = true;
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { config, log, emulation } = this.#options;
    await this.#facts.load();
    const calls = emulation === undefined ? await this.#serveMachine() : undefined;
    this.#setMaster(loadPin(config.pkiDir));
    this.#options.onStarted();
    this.#scheduler.start();
    const stopped = new AbortController();
    const connecting = this.#connect(stopped.signal);
    const asked = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    // The loop ends by itself only for what the operator must mend, such as a pin that contradicts the configuration.
    try {
      await Promise.race([asked, connecting]);
    } finally {
      log.info("stopping", { running: this.#executor.jids().length });
      calls?.close();
      this.#scheduler.stop();
      await this.#executor.stop(config.shutdownTimeoutMs);
    }
    for (let waited = 0; !this.#outbox.empty && this.#link !== undefined && waited < 20; waited += 1)
      await sleep(100, undefined);
    stopped.abort();
    await connecting.catch(() => undefined);
  }

  /** The operator's own modules, and `msalt-call`. */
  async #serveMachine(): Promise<Server | undefined> {
    const { config, log } = this.#options;
    await this.#modules.load();
    try {
      return await serveCalls(callSocket(config.dataDir), (call, gone) => this.#executor.here(call, gone));
    } catch (failure) {
      log.warn("msalt-call cannot reach this minion", { failure: messageOf(failure) });
      return undefined;
    }
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const { config } = this.#options;
    // Read once: later there may be no descriptor to read them with.
    const secret = (name: "sign" | "box" | "curve"): Uint8Array => loadSecret(config.pkiDir, "minion", name);
    const keys = { box: secret("box"), curve: secret("curve") };
    const signer = new Signer(secret("sign"));
    let bootId = randomBytes(8);
    let counter = 0;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const host = config.masters[failures % config.masters.length] ?? "localhost";
      if (this.#master === undefined || failures >= failuresBeforeEnrolment * config.masters.length) {
        const accepted = await this.#enrol(host, signer, signal).catch((failure: unknown) => {
          // What was in order once is the system's fault now (no descriptors, say), and ends no running job.
          if (!this.#ready) throw failure;
          this.#changes.warn("cannot ask on the enrolment port, trying again", { reason: messageOf(failure) });
          return false;
        });
        if (signal.aborted) return;
        if (accepted) failures = 0;
      }
      const master = this.#master;
      if (master === undefined) continue;
      const started = performance.now();
      try {
        const ports = { requestPort: config.masterPort, publishPort: config.publishPort };
        await this.#session.run(
          { host, ...ports, keys, record: this.#record, master, bootId, nextCounter: () => (counter += 1) },
          signal,
        );
      } catch (failure) {
        const code = failure instanceof Refused ? failure.code : undefined;
        // A hello of an earlier process came late and was taken for the newer one: under this boot id nobody is heard again.
        if (code === "E_STALE") bootId = randomBytes(8);
        this.#changes.warn("no link to the master, trying again", {
          host,
          reason: messageOf(failure),
          ...(code !== undefined && { code }),
        });
      }
      if (performance.now() - started > 60_000) failures = 0;
      await sleep(delay(failures, { minMs: 100, maxMs: 10_000 }, Math.random), signal);
    }
  }

  /** Asks on the enrolment port; true when the master says that this key is accepted. */
  async #enrol(host: string, signer: Signer, signal: AbortSignal): Promise<boolean> {
    const { config } = this.#options;
    // With a pin a closed enrolment port must not keep us from a master that works, nor one address from the next: a bounded
    // try, then on.
    const bounded =
      this.#master === undefined && config.masters.length === 1
        ? signal
        : AbortSignal.any([signal, AbortSignal.timeout(5000)]);
    const accepted = await enrol({
      host,
      port: config.enrollPort,
      signer,
      record: this.#record,
      masterFinger: config.masterFinger,
      token: config.token,
      pkiDir: config.pkiDir,
      maxDelayMs: config.acceptanceWaitMs,
      log: this.#changes,
      signal: bounded,
    });
    if (accepted !== undefined) this.#setMaster(accepted);
    return accepted !== undefined;
  }

  #setMaster(record: KeyRecord | undefined): void {
    this.#master = record;
    this.#verifier = record === undefined ? undefined : new Verifier(record.sign);
  }

  /** The master's record came with a hello: a rotation is followed forward only (W10). */
  #follow(bytes: Uint8Array): void {
    const { config, log } = this.#options;
    const known = this.#master;
    const record = verifyKeyRecord(bytes);
    if (known === undefined || !equalBytes(known.sign, record.sign) || record.number <= known.number) return;
    savePin(config.pkiDir, record);
    this.#setMaster(record);
    log.info("the master has new keys", { number: record.number });
  }

  /** At the start and every `mine_interval` minutes. */
  #updateMine(): void {
    const { config, log } = this.#options;
    if (config.shown["mine_functions"] === undefined) return;
    const call = { fun: "mine.update", arg: [], words: [], user: "mine" };
    const again = (): void => void setTimeout(() => this.#updateMine(), config.mineIntervalMs).unref();
    void this.#executor
      .here(call, new AbortController().signal)
      .then(({ success, value }) => {
        if (!success) log.warn("cannot update the mine", { reason: value });
      })
      .finally(again);
  }

  async #fire(tag: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#link === undefined) throw new Error("not connected to a master");
    await this.#link.ask({ cmd: "event", tag, data: { ...data } }, 5000);
  }
}
