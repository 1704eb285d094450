import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { maxBytes } from "../../config/yaml.ts";
import { messageOf } from "../../errors.ts";
import { invalid, type PillarReader, type Source } from "../../pillar/source.ts";

/** The files under `pillar_roots`. What was looked for is remembered, so that a change of it is seen. */
export class PillarFiles implements PillarReader {
  readonly #roots: readonly string[];
  /** By whole path: what the file looked like when it was read, or that it was not there. */
  readonly #stamps = new Map<string, string>();

  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  read(path: string): Source | undefined {
    for (const root of this.#roots) {
      const file = join(root, path);
      // Before it is read: what is written meanwhile counts as a change.
      const stamp = stampOf(file);
      this.#stamps.set(file, stamp);
      if (stamp !== absent) return { path, file, text: textOf(root, file) };
    }
    return undefined;
  }

  /** Whether anything that was looked for has changed, come or gone since; then all of it is forgotten. */
  changed(): boolean {
    for (const [file, stamp] of this.#stamps) {
      if (stampOf(file) === stamp) continue;
      this.#stamps.clear();
      return true;
    }
    return false;
  }
}

const absent = "absent";

function stampOf(file: string): string {
  try {
    const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return absent;
    return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join();
  } catch (failure) {
    return messageOf(failure);
  }
}

function textOf(root: string, file: string): string {
  let descriptor: number | undefined;
  try {
    const real = realpathSync(file);
    if (/^\.\.(?:\/|$)/.test(relative(realpathSync(root), real))) throw new Error("leads out of its root");
    // Without O_NONBLOCK a pipe in place of the file would hold us here.
    descriptor = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error("is not a file");
    if (stats.size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(descriptor));
  } catch (failure) {
    const { code } = failure as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = {
      EACCES: "the master's user may not read it",
      ERR_ENCODING_INVALID_ENCODED_DATA: "is not UTF-8",
    };
    throw invalid(`${file}: ${reasons[code ?? ""] ?? messageOf(failure)}`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
