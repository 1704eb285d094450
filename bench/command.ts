/** One whole command line, timed from outside. */
import { spawn } from "node:child_process";

export interface Cost {
  readonly wallMs: number;
  /** User and system time, of its children too. */
  readonly cpuMs: number;
  readonly code: number;
  readonly stdout: string;
}

/** The shell knows what its children used; its own start is not counted. The last three lines are ours. */
const script = 'start=$EPOCHREALTIME; "$@"; code=$?; end=$EPOCHREALTIME; echo; echo "$start $end $code"; times';
const shape = /\n([\d.]+) ([\d.]+) (\d+)\n.*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n$/;

/** Runs these words. What it says on stderr is not shown; a command that cannot be run at all ends with 127. */
export async function timed(words: readonly string[]): Promise<Cost> {
  // Times are written with a point.
  const env = { ...process.env, LC_ALL: "C" };
  const child = spawn("bash", ["-c", script, "bash", ...words], { stdio: ["ignore", "pipe", "ignore"], env });
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  const found = shape.exec(text);
  if (found === null) throw new Error(`cannot time ${words.join(" ")}: ${text}`);
  const [start = 0, end = 0, code = 0, userMin = 0, userS = 0, systemMin = 0, systemS = 0] = found.slice(1).map(Number);
  const wallMs = (end - start) * 1000;
  const cpuMs = ((userMin + systemMin) * 60 + userS + systemS) * 1000;
  return { wallMs, cpuMs, code, stdout: text.slice(0, found.index) };
}

/** The same for a command that must succeed. */
export async function timedWell(words: readonly string[]): Promise<Cost> {
  const cost = await timed(words);
  if (cost.code !== 0) throw new Error(`${words.slice(1).join(" ")} ended with ${cost.code}:\n${cost.stdout}`);
  return cost;
}
