/** What a minion knows of its machine and of itself: grains, those set by hand among them, and its part of the pillar. */
import { saveGrains } from "../config/grains-file.ts";
import type { MinionConfig } from "../config/minion.ts";
import { messageOf } from "../errors.ts";
import { gatherGrains } from "../grains/gather.ts";
import type { Log } from "../log/log.ts";
import { zmqVersion } from "../transport/channel.ts";
import { decode, resultScan } from "../wire/codec.ts";
import { checkGrains } from "./check-grains.ts";
import type { Link } from "./link.ts";
import { lastingUuid } from "./lasting-uuid.ts";
import { patiently } from "./session.ts";

type Facts = Readonly<Record<string, unknown>>;

export interface OwnFactsOptions {
  readonly config: MinionConfig;
  readonly version: string;
  readonly log: Log;
  readonly link: () => Link | undefined;
  /** In place of what would be gathered. */
  readonly machine?: Facts | undefined;
}

const askMs = 5000;

export class OwnFacts {
  readonly #options: OwnFactsOptions;
  #grains: Facts = {};
  #pillar: Facts = {};
  #custom: Facts;
  #uuid: string | undefined;

  constructor(options: OwnFactsOptions) {
    this.#options = options;
    this.#custom = { ...options.config.grains, ...options.config.customGrains };
  }

  get grains(): Facts {
    return this.#grains;
  }

  get pillar(): Facts {
    return this.#pillar;
  }

  async load(): Promise<void> {
    this.#grains = await this.#gather(this.#custom);
  }

  /** Durable, and known to the master if it can be reached. `undefined` takes a grain away. */
  async setGrains(change: Facts): Promise<void> {
    const { config, link, log } = this.#options;
    const merged = Object.entries({ ...this.#custom, ...change });
    const custom = Object.fromEntries(merged.filter(([, value]) => value !== undefined));
    const grains = await this.#gather(custom);
    checkGrains(grains);
    await saveGrains(config.grainsFile, custom);
    this.#custom = custom;
    this.#grains = grains;
    await link()?.ask({ cmd: "grains", grains: { ...grains } }, askMs);
    // What the pillar holds may follow from them; they are set whether or not it comes.
    await this.refreshPillar().catch((failure: unknown) =>
      log.warn("cannot refresh the pillar", { failure: messageOf(failure) }),
    );
  }

  /** As it is on the master now. */
  async fetchPillar(): Promise<Facts> {
    const link = this.#options.link();
    if (link === undefined) throw new Error("not connected to a master");
    const { pillar } = await patiently(() => link.ask({ cmd: "pillar" }, askMs), undefined);
    return pillarOf(pillar);
  }

  async refreshPillar(): Promise<void> {
    this.#setPillar(await this.fetchPillar());
  }

  /** @param bytes as the master sent it. @throws MsaltError `ERR_WIRE_INVALID`. */
  takePillar(bytes: Uint8Array): void {
    this.#setPillar(pillarOf(bytes));
  }

  #setPillar(pillar: Facts): void {
    const { _errors: errors } = pillar;
    if (errors !== undefined) this.#options.log.error("the pillar of this minion has errors", { errors });
    this.#pillar = pillar;
  }

  async #gather(custom: Facts): Promise<Facts> {
    const { config, version, machine, log } = this.#options;
    if (machine !== undefined) return { ...machine, ...custom, id: config.id };
    const master = config.masters[0] ?? "";
    const zmqversion = await zmqVersion();
    this.#uuid ??= await lastingUuid(`${config.dataDir}/uuid`, log);
    const own = { zmqversion, minion_uuid: this.#uuid };
    return gatherGrains({ id: config.id, master, version, custom: { ...own, ...custom } });
  }
}

function pillarOf(bytes: Uint8Array): Facts {
  return decode(bytes, resultScan) as Facts;
}
