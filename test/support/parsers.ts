/** Every parser of what others wrote, as the fuzzer calls it: any bytes must end in a value or in an error that was meant. */
import { YAMLException } from "js-yaml";
import { parseYaml } from "../../src/config/yaml.ts";
import { masterFile } from "../../src/config/master.ts";
import { minionFile } from "../../src/config/minion.ts";
import { verifyKeyRecord } from "../../src/crypto/keys.ts";
import { MsaltError } from "../../src/errors.ts";
import { isUnsafe } from "../../src/lib/safe-text.ts";
import { parseTab, renderTab } from "../../src/modules/crontab.ts";
import { outputters, render } from "../../src/output/render.ts";
import { resolveTarget } from "../../src/target/target.ts";
import { parseWords, splitArg, toArg } from "../../src/wire/args.ts";
import { decode, encode, resultScan } from "../../src/wire/codec.ts";
import { parseEnrolReply, parseEnrolRequest } from "../../src/wire/enrolment.ts";
import { parseInner, parseOuter } from "../../src/wire/envelope.ts";
import { parseFromFront } from "../../src/wire/front.ts";
import type { KeyId, MinionId } from "../../src/wire/ids.ts";
import { isCommand, parseLoad } from "../../src/wire/loads.ts";
import { isLocalCommand, parseLocalLoad } from "../../src/wire/local.ts";
import { parseOrder, parsePublication } from "../../src/wire/publication.ts";
import type { TargetType } from "../../src/wire/local.ts";

type Parser = (bytes: Buffer) => void;

const sender = "0".repeat(32) as KeyId;
const types: readonly TargetType[] = ["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"];
const fleet = ["web1", "web2", "db-1.example.com"].map((id, n) => ({
  id: id as MinionId,
  grains: { os: "Debian", n, roles: ["web", { a: { b: "c" } }], ipv4: ["10.0.0.1"], nested: { a: { b: { c: "d" } } } },
}));

/** Runs `parse`; whatever it throws but an `MsaltError` is a finding. */
function meant<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (failure) {
    if (failure instanceof MsaltError) return undefined;
    throw failure;
  }
}

function yaml(bytes: Buffer): unknown {
  try {
    return parseYaml(bytes.toString(), "file");
  } catch (failure) {
    if (failure instanceof YAMLException || (failure as Error).message === "must be one YAML document")
      return undefined;
    throw failure;
  }
}

/** `decode` takes what `prescan` lets through, and what it gives is written and read as the same again. */
function msgpack(bytes: Buffer): unknown {
  const value = meant(() => decode(bytes));
  if (value !== undefined) decode(encode(value));
  return value;
}

function shown(bytes: Buffer): void {
  const value = meant(() => decode(bytes, resultScan));
  if (value === undefined) return;
  for (const name of [...outputters, "default"] as const) {
    const printed = render(name, { m1: value }, { color: false });
    // JSON as Salt writes it keeps these two.
    const text = name === "json" ? printed.replaceAll(/[\u2028\u2029]/g, "") : printed;
    const bad = Array.from(text).find((character) => character !== "\n" && character !== "\t" && isUnsafe(character));
    if (bad !== undefined) throw new Error(`${name} prints ${JSON.stringify(bad)}`);
  }
}

export const parsers: Readonly<Record<string, Parser>> = {
  frame: (bytes) => {
    for (const direction of ["request", "reply"] as const) {
      parseOuter(direction, bytes);
      meant(() => parseInner(direction, sender, bytes));
    }
    meant(() => parsePublication(bytes));
  },
  enrolment: (bytes) => {
    meant(() => parseEnrolRequest(bytes));
    meant(() => parseEnrolReply(bytes));
    meant(() => verifyKeyRecord(bytes));
  },
  msgpack: (bytes) => {
    const value = msgpack(bytes) as { cmd?: unknown } | null | undefined;
    const cmd = typeof value === "object" ? value?.cmd : undefined;
    if (isCommand(cmd)) meant(() => parseLoad(cmd, value));
    if (isLocalCommand(cmd)) meant(() => parseLocalLoad(cmd, value));
    meant(() => parseOrder(bytes));
    meant(() => parseFromFront(bytes));
  },
  output: shown,
  config: (bytes) => {
    const value = yaml(bytes);
    masterFile.safeParse(value);
    minionFile.safeParse(value);
  },
  target: (bytes) => {
    for (const type of types)
      meant(() => resolveTarget(bytes.toString(), type, fleet, { nodegroups: { g: "L@web1" } }));
  },
  arguments: (bytes) => {
    const { arg, kwarg } = parseWords(bytes.toString().split("\u0001"));
    splitArg(toArg(arg, kwarg));
    encode([arg, kwarg]);
  },
  crontab: (bytes) => void parseTab(renderTab(parseTab(bytes.toString()))),
};
