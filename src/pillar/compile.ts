/** Puts a pillar together from the files that it is made of. */
import { MsaltError, messageOf } from "../errors.ts";
import type { Data } from "../target/data.ts";
import { isMap, merge } from "./merge.ts";
import { invalid, kindOf, lineOf, type PillarReader, parseSource, type Source } from "./source.ts";

/** A file that another one includes; `key` is where in the pillar it goes (`a:b`), the top where there is none. */
interface Include {
  readonly name: string;
  readonly key: string | undefined;
}

/**
 * The pillar of a minion that gets these files: later ones win, and a file wins over what it includes. Whatever is wrong with
 * any of them makes it `{_errors: […]}`, never half a pillar.
 * @param top names them
 */
export function compilePillar(names: readonly string[], top: Source, reader: PillarReader): Data {
  const errors: string[] = [];
  const seen = new Set<string>();
  let pillar: Data = {};
  for (const name of names) {
    try {
      pillar = merge(pillar, compileFile(name, top, reader, seen));
    } catch (failure) {
      if (!(failure instanceof MsaltError)) throw failure;
      errors.push(failure.message);
    }
  }
  return errors.length > 0 ? failed(errors) : pillar;
}

/** As Salt tells a minion that there is no pillar for it, and why. */
export function failed(errors: readonly string[]): Data {
  return { _errors: errors };
}

/** @param seen what this minion has got already: an included file comes once */
function compileFile(name: string, namedIn: Source, reader: PillarReader, seen: Set<string>): Data {
  seen.add(name);
  const source = find(name, namedIn, reader);
  const { include = [], ...own } = parsed(name, source);
  let below: Data = {};
  for (const each of includesOf(include, name, source)) {
    if (seen.has(each.name)) continue;
    const data = compileFile(each.name, source, reader, seen);
    below = merge(below, each.key === undefined ? data : under(each.key, data));
  }
  return merge(below, own);
}

function find(name: string, { file, text }: Source, reader: PillarReader): Source {
  const where = `${file} line ${lineOf(text, name)}`;
  // No empty part and no slash: such a name cannot lead anywhere but down.
  if (!/^[^./\0]+(?:\.[^./\0]+)*$/.test(name)) {
    throw invalid(`${where}: ${JSON.stringify(name)} is no name of a file: b.c stands for b/c.sls or b/c/init.sls`);
  }
  const path = name.replaceAll(".", "/");
  const found = reader.read(`${path}.sls`) ?? reader.read(`${path}/init.sls`);
  if (found !== undefined) return found;
  const problem = `Specified SLS '${name}' in environment 'base' is not available on the master`;
  throw invalid(`${problem}: ${where} names it`);
}

function parsed(name: string, source: Source): Data {
  try {
    return parseSource(source);
  } catch (failure) {
    throw invalid(`Rendering SLS '${name}' failed: ${messageOf(failure)}`);
  }
}

function includesOf(value: unknown, name: string, source: Source): Include[] {
  const { file, text } = source;
  const where = `${file} line ${lineOf(text, "include")}`;
  if (!Array.isArray(value)) throw invalid(`${where}: include must be a list of names, not ${kindOf(value)}`);
  return value.map((entry: unknown) => {
    if (typeof entry === "string") return { name: absolute(entry, name, source), key: undefined };
    const [included, ...more] = isMap(entry) ? Object.entries(entry) : [];
    const options = included?.[1];
    if (included === undefined || more.length > 0 || !isMap(options) || Object.keys(options).join() !== "key") {
      throw invalid(`${where}: include holds names, each alone or with "key: a:b", nothing else`);
    }
    return { name: absolute(included[0], name, source), key: String(options["key"]) };
  });
}

/** `.c` in `b/a.sls`, and in `b/init.sls`, is `b.c`. */
function absolute(included: string, name: string, { path }: Source): string {
  if (!included.startsWith(".")) return included;
  const parts = name.split(".");
  return [...(path.endsWith("/init.sls") ? parts : parts.slice(0, -1)), included.slice(1)].join(".");
}

function under(key: string, data: Data): Data {
  return key.split(":").reduceRight<Data>((inner, part) => Object.fromEntries([[part, inner]]), data);
}
