import { MsaltError, messageOf } from "../../errors.ts";
import type { Log } from "../../log/log.ts";
import { compilePillar, failed } from "../../pillar/compile.ts";
import { namesOf, readTop, type Top } from "../../pillar/top.ts";
import type { Data } from "../../target/data.ts";
import type { Nodegroups } from "../../target/nodegroups.ts";
import type { Candidate } from "../../target/target.ts";
import { decode, encode, resultScan } from "../../wire/codec.ts";
import type { MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { PillarFiles } from "./pillar-files.ts";

/** One minion's pillar; `data` is what the minion reads out of `encoded`. */
export interface Pillar {
  readonly data: Data;
  readonly encoded: Uint8Array;
}

type Minion = Pick<Candidate, "id" | "grains">;

export interface PillarsOptions {
  readonly files: PillarFiles;
  readonly nodegroups: Nodegroups;
  readonly log: Pick<Log, "error">;
}

/** Everybody's pillar, kept until a file, or the grains that it depends on, change. */
export class Pillars {
  readonly #options: PillarsOptions;
  readonly #known = new Map<MinionId, Pillar & { readonly grains: Data | undefined }>();
  /** Minions that get the same files share one pillar. */
  readonly #byNames = new Map<string, Pillar>();
  readonly #logged = new Set<string>();
  #checked = false;

  constructor(options: PillarsOptions) {
    this.#options = options;
  }

  of(minion: Minion): Pillar {
    this.#prepare([minion]);
    return this.#known.get(minion.id) ?? nothing;
  }

  /** The same candidates, each with its pillar, which is made only when a target asks for one. */
  withPillar(minions: readonly Minion[]): Candidate[] {
    let prepared = false;
    const pillarOf = (id: MinionId): Data => {
      if (!prepared) this.#prepare(minions);
      prepared = true;
      return (this.#known.get(id) ?? nothing).data;
    };
    return minions.map(({ id, grains }) => ({
      id,
      grains,
      get pillar() {
        return pillarOf(id);
      },
    }));
  }

  forget(id: MinionId): void {
    this.#known.delete(id);
  }

  #prepare(minions: readonly Minion[]): void {
    this.#check();
    const stale = minions.filter(({ id, grains }) => {
      const known = this.#known.get(id);
      return known === undefined || known.grains !== grains;
    });
    if (stale.length === 0) return;
    const pillars = this.#compile(stale);
    for (const { id, grains } of stale) this.#known.set(id, { ...(pillars.get(id) ?? nothing), grains });
  }

  /** What is asked at once shares one look at the files. */
  #check(): void {
    if (this.#checked) return;
    this.#checked = true;
    setImmediate(() => (this.#checked = false));
    if (!this.#options.files.changed()) return;
    this.#known.clear();
    this.#byNames.clear();
    this.#logged.clear();
  }

  #compile(minions: readonly Minion[]): ReadonlyMap<MinionId, Pillar> {
    const { files, nodegroups } = this.#options;
    try {
      const top = readTop(files);
      if (top === undefined) return new Map();
      const names = namesOf(top, minions, nodegroups);
      return new Map([...names].map(([id, each]) => [id, this.#ofNames(each, top)]));
    } catch (failure) {
      if (!(failure instanceof MsaltError)) throw failure;
      const { cause } = failure;
      this.#complain([cause === undefined ? failure.message : `${failure.message} (${messageOf(cause)})`]);
      const pillar = encoded(failed([failure.message]));
      return new Map(minions.map(({ id }) => [id, pillar]));
    }
  }

  #ofNames(names: readonly string[], { source }: Top): Pillar {
    const key = names.join("\n");
    const known = this.#byNames.get(key);
    if (known !== undefined) return known;
    const pillar = encoded(compilePillar(names, source, this.#options.files));
    const { _errors: errors } = pillar.data;
    if (Array.isArray(errors)) this.#complain(errors.map(String));
    this.#byNames.set(key, pillar);
    return pillar;
  }

  /** Each fault once, until the files change. */
  #complain(errors: readonly string[]): void {
    for (const error of errors) {
      if (!this.#logged.has(error)) this.#options.log.error("the pillar has an error", { failure: error });
      this.#logged.add(error);
    }
  }
}

/** As it will be sent; one that cannot be is replaced by the reason. */
function encoded(data: Data): Pillar {
  try {
    const bytes = encode(data);
    if (bytes.length <= limits.pillarBytes) return { data: decode(bytes, resultScan) as Data, encoded: bytes };
    return encoded(failed([`the pillar is ${bytes.length} bytes, over the limit of ${limits.pillarBytes}`]));
  } catch (failure) {
    return encoded(failed([`the pillar cannot be sent: ${messageOf(failure)}`]));
  }
}

const nothing: Pillar = encoded({});
