/** What the daemons take, and their help. */
import type { Command } from "commander";
import { program, withDocumentation } from "./tool.ts";

export function masterProgram(version: string): Command {
  const command = program(
    "msalt-master",
    version,
    "The msalt master; runs in the foreground and logs to standard error.",
  ).addHelpText(
    "after",
    `
Examples:
  msalt-master
  msalt-master -c /srv/msalt/etc -l debug
  msalt-master --root-dir /tmp/try

Exit status: 0 it was told to stop, 1 it could not start, 2 the configuration is wrong, 64 wrong use.`,
  );
  return withDocumentation(command, "configuration", "errors");
}

export function minionProgram(version: string): Command {
  const command = program(
    "msalt-minion",
    version,
    "The msalt minion; runs in the foreground and logs to standard error.",
  )
    .option("--id <id>", "minion id (default: id of the configuration, else the host name)")
    .option("--token <token>", "token from msalt-key --token: the key is accepted at once")
    .addHelpText(
      "after",
      `
Examples:
  msalt-minion
  msalt-minion --id web1 -l debug
  msalt-minion --token <token>

Exit status: 0 it was told to stop, 1 it could not start, 2 the configuration is wrong, 64 wrong use.`,
    );
  return withDocumentation(command, "configuration", "errors");
}

export function apiProgram(version: string): Command {
  const command = program(
    "msalt-api",
    version,
    "The HTTP API of the msalt master; runs in the foreground and logs to standard error.",
  ).addHelpText(
    "after",
    `
Examples:
  msalt-api
  msalt-api -c /srv/msalt/etc -l debug

It runs as the user that runs msalt-master; with api: {enabled: true} in the master's configuration msalt-master starts it itself.

Exit status: 0 it was told to stop, 1 it could not start, 2 the configuration is wrong, 64 wrong use.`,
  );
  return withDocumentation(command, "api", "configuration");
}
