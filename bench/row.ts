/** What a row of the table is, and how its samples are taken: every contender once, in turn, and then again. */
import { loadavg } from "node:os";
import { messageOf } from "../src/errors.ts";

/** Values of one sample by the name of the figure. A contender may know fewer figures than the row has. */
export type Sample = Readonly<Record<string, number>>;

interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Of msalt's median. */
  readonly budget?: { readonly atMost: number } | { readonly atLeast: number };
}

/** Whoever is measured. The first of a row is msalt. */
export type Contender =
  | { readonly name: string; readonly sample: () => Promise<Sample> }
  | { readonly name: string; readonly missing: string };

export interface Scale {
  /** For trying: small sizes. */
  readonly quick: boolean;
  readonly salt: boolean;
}

export interface Row {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Rounds unless the caller asks for another number. */
  readonly rounds: number;
  /** Starts what the row needs; what it hands to `cleanup` is ended after the last round. */
  readonly open: (scale: Scale, cleanup: Cleanup) => Promise<readonly Contender[]>;
}

/** Minimum, median and maximum of so many samples. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly samples: number;
}

export interface Line {
  readonly row: string;
  readonly figure: string;
  readonly unit: string;
  readonly budget?: Figure["budget"];
  /** Whether msalt's median is within the budget; absent where there is no budget or no figure. */
  readonly ok?: boolean;
  /** Load average over one minute, before the row and after it. */
  readonly load: readonly [number, number];
  readonly contenders: Readonly<Record<string, Spread | { readonly missing: string }>>;
}

/** Ends what was started, the last first. Goes on when something does not end, and says so at the end. */
export class Cleanup implements AsyncDisposable {
  /** Those that have not run. */
  static readonly #open = new Set<Cleanup>();
  readonly #steps: (() => Promise<void> | void)[] = [];
  #done: Promise<void> | undefined;

  static #over = false;

  /** @throws when the run has been broken off: nothing is started any more. */
  constructor() {
    if (Cleanup.#over) throw new Error("broken off");
    Cleanup.#open.add(this);
  }

  /** When the whole run is broken off. */
  static async endAll(): Promise<void> {
    Cleanup.#over = true;
    await Promise.allSettled([...Cleanup.#open].map((cleanup) => cleanup[Symbol.asyncDispose]()));
  }

  use<T extends AsyncDisposable>(resource: T): T {
    this.#steps.push(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#done ??= this.#end().finally(() => Cleanup.#open.delete(this));
    return this.#done;
  }

  async #end(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new Error(failures.map(messageOf).join("; "));
  }
}

/** The lines of one row. A contender that fails is named with its reason and not asked again. */
export async function measure(
  row: Row,
  { rounds, scale, cleanup, say }: { rounds: number; scale: Scale; cleanup: Cleanup; say: (text: string) => void },
): Promise<Line[]> {
  const before = loadavg()[0] ?? 0;
  const missing = new Map<string, string>();
  const samples = new Map<string, Sample[]>();
  try {
    say(`${row.name}: starting`);
    const contenders = await row.open(scale, cleanup);
    for (const contender of contenders) {
      samples.set(contender.name, []);
      if ("missing" in contender) missing.set(contender.name, contender.missing);
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const contender of contenders) {
        if ("missing" in contender || missing.has(contender.name)) continue;
        try {
          const sample = await contender.sample();
          samples.get(contender.name)?.push(sample);
          const shown = Object.entries(sample).map(([name, value]) => `${name} ${roundTo3(value)}`);
          say(`${row.name}: round ${round} of ${rounds}, ${contender.name}: ${shown.join(", ")}`);
        } catch (failure) {
          missing.set(contender.name, messageOf(failure));
          say(`${row.name}: round ${round}, ${contender.name} failed: ${messageOf(failure)}`);
        }
      }
    }
  } catch (failure) {
    missing.set("msalt", messageOf(failure));
    say(`${row.name} failed: ${messageOf(failure)}`);
  } finally {
    await cleanup[Symbol.asyncDispose]().catch((failure: unknown) =>
      say(`${row.name}: cleaning up: ${messageOf(failure)}`),
    );
  }
  const load = [before, loadavg()[0] ?? 0] as const;
  // Budgets are meant for the full size.
  const figures = scale.quick ? row.figures.map(({ name, unit }) => ({ name, unit })) : row.figures;
  return figures.map((figure) => lineOf(row.name, figure, { samples, missing, load }));
}

function lineOf(
  row: string,
  { name, unit, budget }: Figure,
  taken: { samples: Map<string, Sample[]>; missing: Map<string, string>; load: readonly [number, number] },
): Line {
  const contenders: Record<string, Spread | { missing: string }> = {};
  for (const who of new Set([...taken.samples.keys(), ...taken.missing.keys()])) {
    const values = (taken.samples.get(who) ?? []).flatMap((sample) => sample[name] ?? []);
    const reason = taken.missing.get(who);
    // A run that failed half-way is not a figure.
    if (reason !== undefined) contenders[who] = { missing: reason };
    else if (values.length > 0) contenders[who] = spreadOf(values);
  }
  const own = contenders["msalt"];
  const ok = budget === undefined || own === undefined || "missing" in own ? undefined : isWithin(own.median, budget);
  return {
    row,
    figure: name,
    unit,
    load: taken.load,
    contenders,
    ...(budget !== undefined && { budget }),
    ...(ok !== undefined && { ok }),
  };
}

function isWithin(value: number, budget: NonNullable<Figure["budget"]>): boolean {
  return "atMost" in budget ? value <= budget.atMost : value >= budget.atLeast;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2;
  return { min: at(0), median, max: at(sorted.length - 1), samples: sorted.length };
}

/** Three digits that count, and all those before the point. */
export function roundTo3(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
