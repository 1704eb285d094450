import { MsaltError } from "../errors.ts";
import { didYouMean } from "../lib/near.ts";
import { bashScript } from "./completion/bash.ts";
import { fishScript } from "./completion/fish.ts";
import { tools } from "./completion/spec.ts";
import { zshScript } from "./completion/zsh.ts";
import { shells } from "./run-options.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const satisfies Record<
  (typeof shells)[number],
  unknown
>;

/** The script that completes every tool in this shell. @throws MsaltError `ERR_USAGE` for a shell that there is none for. */
export function completion(words: readonly string[], version: string): string {
  const [word = "", ...more] = words;
  const shell = shells.find((name) => name === word);
  if (shell === undefined || more.length > 0) {
    const what = words.length === 1 ? `no completion for ${JSON.stringify(word)}` : "one shell is expected";
    throw new MsaltError("ERR_USAGE", `completion: ${what}`, {
      hint: didYouMean(word, shells) ?? `there are ${shells.join(", ")}, such as: source <(msalt-run completion bash)`,
    });
  }
  return scripts[shell](tools(version));
}
