import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import type { BusEvent } from "../wire/local.ts";
import { guessWord } from "../wire/yaml-word.ts";
import { type Runner, type RunnerArguments, type RunnerContext, wordOf } from "./runner.ts";

async function send({ arg, kwarg }: RunnerArguments, { call }: RunnerContext): Promise<unknown> {
  const [tag, text = "{}"] = arg.map((each) => wordOf(each));
  const data = guessWord(text);
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    throw new MsaltError("ERR_FUNCTION_ARGS", `event.send: ${JSON.stringify(text)} is no map, such as '{release: 42}'`);
  }
  const more = Object.fromEntries(Object.entries(kwarg).map(([name, value]) => [name, guessWord(wordOf(value))]));
  await call("event.fire", { tag: tag ?? "", data: { ...data, ...more } });
  return true;
}

const missedText = (count: number | undefined): string =>
  count === undefined
    ? "the event bus was away: events may be missing here"
    : `${count} ${count === 1 ? "event is" : "events are"} missing here: they came faster than they were read`;

/** A glob over whole tags; without a wildcard, what the tag begins with. */
function listener(name: string): Runner {
  return {
    name,
    summary: "Print events as they come, one a line: the tag, a tab, the data as JSON; a glob or a prefix of the tag.",
    params: ["tagmatch?", "count?"],
    keywords: ["tagmatch", "count", "quiet", "pretty"],
    run: async ({ arg, kwarg }, { subscribe, warn, write }) => {
      const pattern = wordOf(arg[0] ?? kwarg["tagmatch"]);
      const count = Number(wordOf(arg[1] ?? kwarg["count"], "-1"));
      if (!Number.isInteger(count)) throw new MsaltError("ERR_FUNCTION_ARGS", `${name}: count is no whole number`);
      const [flat, pretty] = ["quiet", "pretty"].map((key) => /^true$/i.test(wordOf(kwarg[key])));
      const prefix = /^[^*?[\]]*/.exec(pattern)?.[0] ?? "";
      const matches = prefix === pattern ? () => true : compileGlob(pattern);
      let left = count;
      await new Promise<void>((resolve, reject) => {
        const onEvent = ({ tag, data }: BusEvent): void => {
          if (left === 0 || !matches(tag)) return;
          if (flat !== true) write(tag, data, pretty === true);
          left -= 1;
          if (left === 0) resolve();
        };
        subscribe(prefix, onEvent, (missed) => warn(missedText(missed))).catch(reject);
        if (left === 0) resolve();
      });
      return undefined;
    },
  };
}

export const events: readonly Runner[] = [
  {
    name: "event.send",
    summary: "Fire an event on the bus: msalt-run event.send release/done '{version: 42}'.",
    params: ["tag", "data?"],
    keywords: "any",
    run: send,
  },
  listener("event.listen"),
  listener("state.event"),
];
