import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, type CommandResult, declare, type Host, Outcome } from "./declare.ts";
import { defaultShell, findProgram, quoteWord, scriptCommand, splitWords } from "./programs.ts";

const options = {
  cwd: z.string().optional().describe("absolute; default: home of the user it runs as"),
  stdin: z.string().optional(),
  runas: z.string().optional().describe("user to run as; only root can"),
  shell: z.string().optional().describe("default /bin/bash, or /bin/sh where there is none"),
  python_shell: z.boolean().default(true).describe("False: split into words and run without a shell"),
  env: z.record(z.string(), z.string()).optional().describe("variables, such as '{A: b}'"),
  clean_env: z.boolean().default(false).describe("no other variables than env"),
  rstrip: z.boolean().default(true).describe("take white space off the end of the output"),
  umask: z.string().optional().describe("octal, such as 022"),
  timeout: z.number().positive().max(1_000_000).optional().describe("seconds; then TERM and 2 s later KILL"),
  ignore_retcode: z.boolean().default(false).describe("the job succeeds whatever the retcode"),
  success_retcodes: z.array(z.int()).optional().describe("retcodes that count as 0"),
};
const params = z.strictObject({ cmd: z.string(), ...options });
type Options = Omit<z.infer<typeof params>, "cmd">;
/** What is not asked for where a function takes fewer. */
const runOptions = { python_shell: false, clean_env: false, rstrip: true, ignore_retcode: false } as const;

/** What a command came to: the dict of `cmd.run_all` and what the job is to say of it. */
interface Ended {
  readonly all: { pid: number; retcode: number; stdout: string; stderr: string };
  readonly verdict: (value: unknown) => Outcome;
}

async function execute(
  argv: readonly [string, ...string[]],
  shown: string,
  options: Options,
  host: Host,
  merge: boolean,
): Promise<Ended> {
  const { cwd, stdin, runas, env, umask, timeout } = options;
  const result = await host.command({
    argv,
    merge,
    cleanEnv: options.clean_env,
    ...(cwd !== undefined && { cwd }),
    ...(stdin !== undefined && { stdin }),
    ...(runas !== undefined && { runas }),
    ...(env !== undefined && { env }),
    ...(umask !== undefined && { umask }),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
  });
  const strip = (text: string): string => (options.rstrip ? text.trimEnd() : text);
  const note = endNote(result, shown, timeout, host.signal);
  const printed = strip(result.stdout);
  const stdout = note === undefined ? printed : printed === "" ? note : `${printed.trimEnd()}\n${note}`;
  const counted = options.success_retcodes?.includes(result.retcode) === true ? 0 : result.retcode;
  // A command that was ended did not do its work, whatever it made of the signal.
  const retcode = note !== undefined && counted === 0 ? 1 : counted;
  return {
    all: { pid: result.pid, retcode, stdout, stderr: strip(result.stderr) },
    verdict: (value) =>
      note === undefined
        ? new Outcome(value, options.ignore_retcode ? 0 : retcode)
        : new Outcome(value, retcode, result.timedOut ? "timed_out" : undefined),
  };
}

/** What is added to the output of a command that did not end by itself. */
function endNote(
  result: CommandResult,
  shown: string,
  timeout: number | undefined,
  signal: AbortSignal,
): string | undefined {
  const left = result.survivors.length === 0 ? "" : `; still alive: ${result.survivors.join(", ")}`;
  const name = shown.length > 1000 ? `${shown.slice(0, 1000)}…` : shown;
  if (result.timedOut) return `${name} : Timed out after ${timeout} seconds${left}`;
  if (!signal.aborted) return undefined;
  const after = ` after ${(result.waitMs / 1000).toFixed(1)} s`;
  const how = `${result.signal === undefined ? `ended with ${result.retcode}` : `ended by ${result.signal}`}${after}`;
  return `${name} : ${signal.reason === "timeout" ? "The job's time was up" : "Killed"}, ${how}${left}`;
}

function argvOf(
  cmd: string,
  { shell, python_shell }: Pick<Options, "shell" | "python_shell">,
): readonly [string, ...string[]] {
  if (python_shell) return [shell ?? defaultShell(), "-c", cmd];
  const [program, ...words] = splitWords(cmd) ?? [];
  if (program === undefined) throw new MsaltError("ERR_COMMAND", "no command, or a quote in it stays open");
  return [program, ...words];
}

async function run({ cmd, ...options }: z.infer<typeof params>, host: Host, merge: boolean): Promise<Ended> {
  return execute(argvOf(cmd, options), cmd, options, host, merge);
}

/** A function that runs `cmd` and gives back a part of what came of it. */
function command(
  name: string,
  summary: string,
  pick: (all: Ended["all"]) => unknown,
  merge = false,
  example = "ls -l",
): AnyFunction {
  return declare({
    name,
    summary,
    examples: [`msalt '*' ${name} '${example}'`],
    params,
    effects: "some",
    run: async (args, host) => {
      const { all, verdict } = await run(args, host, merge);
      return verdict(pick(all));
    },
  });
}

const shell = declare({
  name: "cmd.shell",
  summary: "Run a command in a shell, whatever python_shell says; give its output.",
  examples: ["msalt '*' cmd.shell 'df -h | tail -n 3'"],
  params,
  effects: "some",
  run: async (args, host) => {
    const { all, verdict } = await run({ ...args, python_shell: true }, host, true);
    return verdict(all.stdout);
  },
});

const script = declare({
  name: "cmd.script",
  summary: "Run a script that is on the minion; give pid, retcode, stdout and stderr.",
  examples: ["msalt '*' cmd.script /usr/local/bin/tidy 'first second'"],
  params: z.strictObject({
    source: z.string().describe("absolute path on the minion"),
    args: z.string().optional().describe("arguments, as a shell would split them"),
    ...options,
  }),
  effects: "some",
  run: async ({ source, args, ...options }, host) => {
    const problem = scriptProblem(source);
    if (problem !== undefined) {
      return new Outcome({ pid: 0, retcode: 1, stdout: "", stderr: problem, cache_error: true }, 1);
    }
    const words = scriptCommand(source, options.shell ?? defaultShell()).map(quoteWord);
    const cmd = [...words, ...(args === undefined ? [] : [args])].join(" ");
    const { all, verdict } = await execute(argvOf(cmd, options), cmd, options, host, false);
    return verdict(all);
  },
});

function scriptProblem(source: string): string | undefined {
  if (/^[a-z]+:\/\//i.test(source)) return `${source}: only paths on the minion can be run so far, no URLs`;
  if (!isAbsolute(source)) return `${source}: give an absolute path on the minion`;
  return existsSync(source) ? undefined : `${source}: no such file on this minion`;
}

const scriptSource = declare({
  name: "cmd.script_source",
  summary: "Run a script that comes with the call; give its output and errors, in the order they came.",
  examples: ["msalt '*' cmd.script_source script=\"$(base64 -w0 tidy.sh)\" args='[first, second]'"],
  params: z.strictObject({
    script: z.base64("must be base64").describe("base64; without a #! line it is run by the shell"),
    args: z.array(z.string()).default([]).describe("arguments, as they are"),
    cwd: options.cwd,
    shell: options.shell,
    env: options.env,
    umask: options.umask,
    timeout: options.timeout,
  }),
  effects: "some",
  run: async ({ script, args, ...given }, host) => {
    const folder = await mkdtemp(join(tmpdir(), "msalt-script-"));
    try {
      const file = join(folder, "script");
      await writeFile(file, Buffer.from(script, "base64"), { mode: 0o600, flag: "wx" });
      // Not executable: a folder for temporary files is often mounted so that nothing in it is.
      const argv = [...scriptCommand(file, given.shell ?? defaultShell()), ...args] as [string, ...string[]];
      const { all, verdict } = await execute(argv, "script", { ...runOptions, ...given }, host, true);
      return verdict(all.stdout);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

const { cwd, runas, shell: shellOption, python_shell, env, clean_env, umask } = options;
const runBg = declare({
  name: "cmd.run_bg",
  summary: "Start a command and leave it to itself, its output unseen; give its pid.",
  examples: ["msalt '*' cmd.run_bg 'sleep 3600'"],
  params: z.strictObject({ cmd: z.string(), cwd, runas, shell: shellOption, python_shell, env, clean_env, umask }),
  effects: "some",
  run: async ({ cmd, cwd, runas, shell, python_shell, env, clean_env, umask }, host) => {
    const { pid } = await host.command({
      argv: argvOf(cmd, { shell, python_shell }),
      background: true,
      cleanEnv: clean_env,
      ...(cwd !== undefined && { cwd }),
      ...(runas !== undefined && { runas }),
      ...(env !== undefined && { env }),
      ...(umask !== undefined && { umask }),
    });
    return { pid };
  },
});

const path = (): string => process.env["PATH"] ?? "/usr/bin:/bin";

const which = declare({
  name: "cmd.which",
  summary: "Give the path of a program, or None.",
  examples: ["msalt '*' cmd.which rsync"],
  params: z.strictObject({ cmd: z.string() }),
  effects: "none",
  run: async ({ cmd }) => findProgram(cmd, path()) ?? null,
});

const hasExec = declare({
  name: "cmd.has_exec",
  summary: "Say whether a program is there.",
  examples: ["msalt '*' cmd.has_exec rsync"],
  params: z.strictObject({ cmd: z.string() }),
  effects: "none",
  run: async ({ cmd }) => findProgram(cmd, path()) !== undefined,
});

export const cmdFunctions: readonly AnyFunction[] = [
  command(
    "cmd.run",
    "Run a command in a shell; give its output and errors, in the order they came.",
    ({ stdout }) => stdout,
    true,
  ),
  command("cmd.run_all", "Run a command; give pid, retcode, stdout and stderr.", (all) => all),
  command("cmd.run_stdout", "Run a command; give its standard output only.", ({ stdout }) => stdout),
  command("cmd.run_stderr", "Run a command; give its standard error only.", ({ stderr }) => stderr),
  command(
    "cmd.retcode",
    "Run a command; give its retcode only.",
    ({ retcode }) => retcode,
    false,
    "test -e /etc/nologin",
  ),
  shell,
  script,
  scriptSource,
  runBg,
  which,
  hasExec,
];
