/** `msalt-key`: which minions may talk to the master. Salt's options and texts; what failed is said on stderr. */
import { join } from "node:path";
import { CommanderError } from "commander";
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { render } from "../output/render.ts";
import {
  type KeyAct,
  type KeyChangeResult,
  type KeyList,
  type KeyState,
  type KeyView,
  keyStates,
  maxKeysPerChange,
  parseKeyReply,
  maxTokenUses,
} from "../wire/keys.ts";
import { type Flags, keyProgram, listStates, onlyAction } from "./key-options.ts";
import {
  type Chosen,
  actTexts,
  choose,
  colons,
  fingerLine,
  idDocument,
  keyDetails,
  listText,
  notices,
  orList,
  parseDuration,
  printLine,
  stateTexts,
  statesOf,
  valueDocument,
} from "./key-text.ts";
import { isMinionId } from "../wire/ids.ts";
import { type SharedOptions, exits, outputOf, wholeOption } from "./tool.ts";

export interface KeyIo {
  /** Asks the controller; `shared` are the options with which to find it. */
  call(cmd: "key.list" | "key.change" | "key.token", load: unknown, shared: SharedOptions): Promise<unknown>;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Prints the question and reads one line; undefined when nobody sits at a terminal. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  readonly color: boolean;
  /** Makes the keys of a minion in this folder, or finds them there; their fingerprint. */
  generate(folder: string, id: string): string;
  /** Makes new keys for this machine's master or minion, to be used from its next start on; the fingerprint. */
  rotate(who: "master" | "minion", shared: SharedOptions): string;
}

/** Exit code of `msalt-key`. @throws MsaltError what `io.call` throws; wrong use is said on stderr and gives 64. */
export async function keyCommand(argv: readonly string[], io: KeyIo): Promise<number> {
  const command = keyProgram().configureOutput({
    writeOut: (text) => io.stdout(text),
    writeErr: (text) => io.stderr(text),
    outputError: (text, write) => write(`msalt-key: ${text.replace(/unknown option '(.*)'/, "no such option: $1")}`),
  });
  try {
    return await new KeyTool(command.parse([...argv], { from: "user" }).opts<Flags>(), io).run();
  } catch (failure) {
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? exits.good : exits.usage;
    if (!(failure instanceof MsaltError) || failure.code !== "ERR_USAGE") throw failure;
    io.stderr(`msalt-key: error: ${failure.message}\n`);
    return exits.usage;
  }
}

class KeyTool {
  readonly #flags: Flags;
  readonly #io: KeyIo;
  readonly #look: ReturnType<typeof outputOf>;
  readonly #quiet: boolean;
  readonly #color: boolean;

  constructor(flags: Flags, io: KeyIo) {
    this.#flags = flags;
    this.#io = io;
    const { output = "nested", color = true, ...rest } = flags;
    this.#look = outputOf({ ...rest, output, color });
    this.#quiet = flags.quiet === true || output === "quiet";
    this.#color = flags.forceColor === true || (color && io.color);
  }

  async run(): Promise<number> {
    const flags = this.#flags;
    const action = onlyAction(flags);
    switch (action) {
      case "accept":
      case "acceptAll":
        return this.#change("accept", flags.accept, this.#including(["rejected", "denied"]));
      case "reject":
      case "rejectAll":
        return this.#change("reject", flags.reject, this.#including(["accepted", "denied"]));
      case "delete":
      case "deleteAll":
        return this.#change("delete", flags.delete, keyStates);
      case "print":
      case "printAll":
        return this.#show(flags.print, printLine, keyDetails);
      case "finger":
      case "fingerAll":
        return this.#show(flags.finger, fingerLine, ({ fingerprint }) => colons(fingerprint));
      case "token":
        return this.#token();
      case "genKeys": {
        const name = flags.genKeys ?? "";
        if (!isMinionId(name)) throw new MsaltError("ERR_USAGE", `${JSON.stringify(name)} is no minion id`);
        const folder = join(flags.genKeysDir ?? ".", name);
        this.#io.stdout(`Keys of minion ${name} are in ${folder}:  ${colons(this.#io.generate(folder, name))}\n`);
        return exits.good;
      }
      case "rotateKeys": {
        const who = flags.rotateKeys;
        if (who !== "master" && who !== "minion")
          throw new MsaltError("ERR_USAGE", `--rotate-keys ${who}: master or minion was expected`);
        const fingerprint = colons(this.#io.rotate(who, flags));
        this.#io.stdout(
          `msalt-${who} uses its new keys from its next start on. Its fingerprint stays:  ${fingerprint}\n`,
        );
        return exits.good;
      }
      case "list":
      case "listAll":
        return this.#list(action === "list" ? listStates(flags.list ?? "") : keyStates);
    }
  }

  async #keys(): Promise<KeyList> {
    return parseKeyReply("key.list", await this.#io.call("key.list", {}, this.#flags));
  }

  async #list(states: readonly KeyState[]): Promise<number> {
    const chosen = choose(await this.#keys(), states, () => true);
    this.#print(() => listText(chosen, states, this.#color), idDocument(chosen, states));
    this.#note(notices(chosen));
    return exits.good;
  }

  async #show(
    pattern: string | undefined,
    line: (key: KeyView) => string,
    value: (key: KeyView) => unknown,
  ): Promise<number> {
    const list = await this.#keys();
    const { chosen, failed } = this.#select(list, pattern, keyStates);
    const local = this.#flags.fingerAll === true;
    const text = (): string => {
      const own = local ? `Local Keys:\nmaster.pub:  ${list.local}\n` : "";
      return own + listText(chosen, statesOf(chosen), this.#color, line);
    };
    if (local || chosen.length > 0) {
      this.#print(text, { ...(local && { local: { "master.pub": list.local } }), ...valueDocument(chosen, value) });
    }
    return failed ? exits.someFailed : exits.good;
  }

  async #change(act: KeyAct, pattern: string | undefined, states: readonly KeyState[]): Promise<number> {
    const selected = this.#select(await this.#keys(), pattern, states);
    const chosen = act === "accept" ? this.#withoutAmbiguous(selected.chosen) : selected.chosen;
    const failed = selected.failed || chosen.length < selected.chosen.length;
    if (chosen.length === 0) return failed ? exits.someFailed : exits.good;
    if (!(await this.#confirm(act, chosen))) return failed ? exits.someFailed : exits.good;
    const results = await this.#send(act, chosen);
    const done = chosen.filter((_, index) => results[index]?.ok === true);
    const { done: word } = actTexts[act];
    const lines = (): string => done.map(({ key }) => `Key for minion ${key.id} ${word}.\n`).join("");
    const after = (each: Chosen): Chosen =>
      act === "delete" ? each : { ...each, state: act === "accept" ? "accepted" : "rejected" };
    const now = done.map(after);
    this.#print(lines, idDocument(now, statesOf(now)));
    for (const result of results) {
      if (!result.ok) this.#io.stderr(`msalt-key: error: ${result.id}: ${result.message}\n`);
    }
    return failed || done.length < chosen.length ? exits.someFailed : exits.good;
  }

  async #send(act: KeyAct, chosen: readonly Chosen[]): Promise<KeyChangeResult[]> {
    const results: KeyChangeResult[] = [];
    for (let at = 0; at < chosen.length; at += maxKeysPerChange) {
      const keys = chosen.slice(at, at + maxKeysPerChange).map(({ key: { id, fingerprint } }) => ({ id, fingerprint }));
      const reply = await this.#io.call("key.change", { act, keys }, this.#flags);
      results.push(...parseKeyReply("key.change", reply).results);
    }
    return results;
  }

  async #confirm(act: KeyAct, chosen: readonly Chosen[]): Promise<boolean> {
    const { done, prompt, enterIsYes } = actTexts[act];
    const { ask } = this.#io;
    if (this.#flags.yes !== true && ask === undefined) {
      throw new MsaltError("ERR_USAGE", "standard input is not a terminal, so nobody can be asked; use -y");
    }
    const text = listText(chosen, statesOf(chosen), this.#color);
    const talk = `The following keys are going to be ${done}:\n${text}`;
    // A document on stdout stays alone there.
    if (this.#flags.output !== undefined) this.#note([talk.trimEnd()]);
    else if (!this.#quiet) this.#io.stdout(talk);
    this.#note(notices(chosen));
    if (this.#flags.yes === true || ask === undefined) return true;
    const answer = (await ask(prompt)).trim().toLowerCase();
    return answer === "" ? enterIsYes : answer.startsWith("y");
  }

  async #token(): Promise<number> {
    const expiresMs = parseDuration("--expires", this.#flags.expires ?? "1h");
    const uses = wholeOption("--uses", this.#flags.uses, 1, maxTokenUses) ?? 1;
    const reply = await this.#io.call("key.token", { expiresMs, uses }, this.#flags);
    const { token, expires } = parseKeyReply("key.token", reply);
    const until = new Date(expires).toISOString();
    this.#print(() => `${token}\n`, { token, expires: until });
    this.#note([
      `msalt-key: note: works ${uses === 1 ? "once" : `for ${uses} minions`}, until ${until}; on the new minion: msalt-minion --token <token>`,
    ]);
    return exits.good;
  }

  /** The keys that a comma list of globs and fingerprints names; without one, all. Says what matched nothing. */
  #select(
    list: KeyList,
    pattern: string | undefined,
    states: readonly KeyState[],
  ): { chosen: Chosen[]; failed: boolean } {
    const complain = (part: string): void =>
      this.#io.stderr(`The key glob '${part}' does not match any ${orList(states)} keys.\n`);
    if (pattern === undefined) {
      const chosen = choose(list, states, () => true);
      if (chosen.length === 0 && this.#flags.fingerAll !== true && this.#flags.printAll !== true) complain("*");
      return { chosen, failed: false };
    }
    const parts = pattern.split(",").map((part) => part.trim());
    const tests = parts.filter((part) => part !== "").map((part) => ({ part, matches: matcher(part) }));
    const missing = tests.filter(({ matches }) => choose(list, states, matches).length === 0);
    for (const { part } of missing) complain(part);
    if (tests.length === 0) complain(pattern);
    const chosen = choose(list, states, (key) => tests.some(({ matches }) => matches(key)));
    return { chosen, failed: missing.length > 0 || tests.length === 0 };
  }

  /** One key of an id can be accepted: where several stand for it, only the operator knows which. */
  #withoutAmbiguous(chosen: readonly Chosen[]): Chosen[] {
    const count = (id: string): number => chosen.filter(({ key }) => key.id === id).length;
    const ambiguous = new Set(chosen.map(({ key }) => key.id).filter((id) => count(id) > 1));
    for (const id of ambiguous) {
      const keys = chosen.filter(({ key }) => key.id === id);
      const lines = keys.map(({ key, state }) => `  ${colons(key.fingerprint)} (${stateTexts[state].word})\n`).join("");
      this.#io.stderr(
        `msalt-key: error: ${keys.length} keys stand under the id ${id}; accept one by its fingerprint:\n${lines}`,
      );
    }
    return chosen.filter(({ key }) => !ambiguous.has(key.id));
  }

  #including(others: readonly KeyState[]): KeyState[] {
    const { includeAll, includeAccepted, includeRejected, includeDenied } = this.#flags;
    const asked: Partial<Record<KeyState, boolean | undefined>> = {
      accepted: includeAccepted,
      rejected: includeRejected,
      denied: includeDenied,
    };
    return ["pending", ...others.filter((state) => includeAll === true || asked[state] === true)];
  }

  #print(text: () => string, value: unknown): void {
    const { outputter, indent } = this.#look;
    if (this.#quiet) return;
    if (this.#flags.output === undefined) return this.#io.stdout(text());
    this.#io.stdout(render(outputter, value, { color: this.#color, indent }));
  }

  #note(lines: readonly string[]): void {
    if (!this.#quiet) for (const line of lines) this.#io.stderr(`${line}\n`);
  }
}

function matcher(part: string): (key: KeyView) => boolean {
  const hex = part.replaceAll(":", "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return ({ fingerprint }) => fingerprint === hex;
  const matches = compileGlob(part);
  return ({ id }) => matches(id);
}
