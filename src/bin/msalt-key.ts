#!/usr/bin/env node
import { createInterface } from "node:readline/promises";
import { keyCommand } from "../cli/key.ts";
import { runTool, userName } from "../cli/tool.ts";
import { LocalClient } from "../client/local.ts";
import { ensureOwnKeys, rotateOwnKeys } from "../crypto/keystore.ts";
import { fingerprintOf } from "../crypto/primitives.ts";
import { loadMasterConfig, loadMinionConfig } from "../config/load.ts";
import type { KeyRecord } from "../wire/key-record.ts";

const fingerprint = ({ sign }: KeyRecord): string => Buffer.from(fingerprintOf(sign)).toString("hex");

let client: LocalClient | undefined;

await runTool("msalt-key", async () => {
  try {
    return await keyCommand(process.argv.slice(2), {
      call: async (cmd, load, shared) => {
        client ??= await LocalClient.connect(loadMasterConfig(shared).sockDir);
        const who = cmd === "key.list" ? {} : { user: userName() };
        return client.call(cmd, { ...(load as object), ...who } as never);
      },
      stdout: (text) => process.stdout.write(text),
      stderr: (text) => process.stderr.write(text),
      ask: process.stdin.isTTY ? ask : undefined,
      color: process.stdout.isTTY,
      generate: (folder, id) => fingerprint(ensureOwnKeys(folder, "minion", id)),
      rotate: (who, shared) => {
        const { pkiDir } = who === "master" ? loadMasterConfig(shared) : loadMinionConfig(shared);
        return fingerprint(rotateOwnKeys(pkiDir, who));
      },
    });
  } finally {
    client?.close();
  }
});

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-D closes the input without an answer: that is a no.
    const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("n")));
    return await Promise.race([lines.question(question), closed]);
  } finally {
    lines.close();
  }
}
