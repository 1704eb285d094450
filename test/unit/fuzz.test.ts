/**
 * What parsers are given by others. The corpus is read again each time, and mutated for a while; `npm run fuzz` does that for
 * longer and keeps what it finds in test/corpus, where it stays when it is mended.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parsers } from "../support/parsers.ts";
import { seedOfRun, seeded } from "../support/seed.ts";

const corpus = join(import.meta.dirname, "../corpus");
const seconds = Number(process.env["MSALT_FUZZ_SECONDS"] ?? 0);
const fewRuns = 1500;
const random = seeded(seedOfRun());
const upTo = (end: number): number => Math.floor(random() * end);

const odd = [0, 1, 0x7f, 0x80, 0xc1, 0xdf, 0xdd, 0xc6, 0xd9, 0xff, 0x0a, 0x22, 0x3a, 0x5b, 0x7b, 0x28, 0x2a];
const oddTexts = [
  "\u0000",
  "\n",
  "../",
  "__proto__",
  "\u001b[2J",
  "\u202e",
  "*:",
  " not ",
  " or ",
  "(",
  "[1-9]",
  "E@",
  "&a ",
  "*a",
  "!!",
  "1e999",
  "0x",
  "= ",
];

/** One of the seeds, changed in one to eight places. */
function mutated(seeds: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(seeds[upTo(seeds.length)] ?? Buffer.alloc(0));
  for (let change = upTo(8); change >= 0; change -= 1) {
    const at = upTo(bytes.length + 1);
    const to = Math.min(bytes.length, at + upTo(16));
    const [head, middle, tail] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    switch (upTo(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << upTo(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = odd[upTo(odd.length)] ?? 0;
        break;
      case 2:
        bytes = Buffer.concat([head, tail]);
        break;
      case 3:
        bytes = Buffer.concat([head, ...Array.from({ length: 1 + upTo(20) }, () => middle), tail]);
        break;
      case 4:
        bytes = Buffer.concat([head, Buffer.from(oddTexts[upTo(oddTexts.length)] ?? ""), tail]);
        break;
      case 5: {
        const other = seeds[upTo(seeds.length)] ?? head;
        bytes = Buffer.concat([head, other.subarray(upTo(other.length + 1))]);
        break;
      }
      default:
        bytes = head;
    }
  }
  return bytes.subarray(0, 100_000);
}

describe("EN-11: parsers and bytes that nobody meant", () => {
  it.each(Object.entries(parsers))(
    "EN-11: %s ends in a value or an error of its own",
    (name, parse) => {
      const folder = join(corpus, name);
      const seeds = readdirSync(folder).map((file) => readFileSync(join(folder, file)));
      expect(seeds.length).toBeGreaterThan(3);
      for (const bytes of seeds) parse(bytes);
      const end = performance.now() + seconds * 1000;
      for (let run = 0; seconds > 0 ? performance.now() < end : run < fewRuns; run += 1) {
        const bytes = mutated(seeds);
        try {
          parse(bytes);
        } catch (failure) {
          if (seconds === 0) throw new Error(`${name}: ${bytes.toString("hex")}`, { cause: failure });
          const file = join(folder, `found-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}`);
          writeFileSync(file, bytes);
          throw new Error(`kept in ${file}`, { cause: failure });
        }
      }
    },
    20_000 + seconds * 2000,
  );
});
