// A tour of msalt on this machine: real processes, real keys, loopback only. Cleans up after itself.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const checkout = new URL("..", import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), "msalt-demo-"));
const pki = mkdtempSync(join(checkout, "pki", "demo-"));
const daemons = [];

const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
const say = (text) => process.stdout.write(`\n${bold(`# ${text}`)}\n`);
const configure = (folder, file, lines) => {
  mkdirSync(join(root, folder, "etc/msalt"), { recursive: true });
  writeFileSync(join(root, folder, "etc/msalt", file), `${lines.join("\n")}\n`, { mode: 0o644 });
};

function daemon(name, folder) {
  const child = spawn(process.execPath, [join(checkout, `dist/${name}.js`), "--root-dir", join(root, folder)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const proc = { child, text: "", ended: new Promise((resolve) => child.once("close", resolve)) };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (proc.text += data));
  daemons.push(proc);
  return proc;
}

async function says(proc, text) {
  for (let waited = 0; !proc.text.includes(text); waited += 20) {
    if (proc.child.exitCode !== null || waited > 20_000) throw new Error(`expected "${text}", got:\n${proc.text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function tool(name, ...args) {
  process.stdout.write(`$ ${name} ${args.map((arg) => (/^[\w.=-]+$/.test(arg) ? arg : `'${arg}'`)).join(" ")}\n`);
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [join(checkout, `dist/${name}.js`), "--root-dir", join(root, "master"), ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
    process.stdout.write(data);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  process.stdout.write(`(exit ${code}, ${((performance.now() - started) / 1000).toFixed(2)} s)\n`);
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return text;
}

async function tour() {
  say("A master: one supervisor and its processes, on free loopback ports.");
  configure("master", "master", [
    "interface: 127.0.0.1",
    "publish_port: 0",
    "ret_port: 0",
    "enroll_port: 0",
    `pki_dir: ${pki}/master`,
  ]);
  const master = daemon("msalt-master", "master");
  await says(master, "msalt-master ready");
  const port = (name) => new RegExp(`${name}=(\\d+)`).exec(master.text)[1];
  process.stdout.write(master.text.split("\n").find((line) => line.includes("ready")) + "\n");

  say("Three minions: each makes its own keys and asks to be enrolled.");
  const minions = ["web1", "web2", "db1"].map((id) => {
    const lines = [
      `id: ${id}`,
      "master: 127.0.0.1",
      `publish_port: ${port("publish_port")}`,
      `master_port: ${port("ret_port")}`,
      `enroll_port: ${port("enroll_port")}`,
      `pki_dir: ${pki}/${id}`,
    ];
    configure(id, "minion", lines);
    return daemon("msalt-minion", id);
  });
  await Promise.all(minions.map((minion) => says(minion, "waits to be accepted")));

  say("Their keys wait for you: nothing runs on a minion, and nothing is believed of it, before you accept it.");
  await tool("msalt-key", "-L");
  await tool("msalt-key", "-y", "-A");
  await Promise.all(minions.map((minion) => says(minion, "msalt-minion ready")));
  await tool("msalt-key", "-L");

  say("Run a command everywhere; each answer is printed as it comes.");
  await tool("msalt", "*", "cmd.run", "uptime");

  say("Only the web minions, with exit status, output and errors apart.");
  await tool("msalt", "web*", "cmd.run_all", "uname -sr; echo oops >&2");

  say("Do not wait: the job id is a promise that the job is on disk.");
  const jid = /\d{20}/.exec(await tool("msalt", "--async", "*", "cmd.run", "sleep 1; hostname"))[0];
  await new Promise((resolve) => setTimeout(resolve, 1500));

  say("Any time later, from any terminal, from the durable record:");
  await tool("msalt-run", "jobs.lookup", jid);
  await tool("msalt-run", "manage.status");
}

let failed = false;
try {
  await tour();
  say("Done. Stopping everything.");
} catch (failure) {
  failed = true;
  process.stderr.write(`demo: ${failure.message}\n`);
} finally {
  for (const { child } of daemons.toReversed()) child.kill("SIGTERM");
  const force = setTimeout(() => daemons.forEach(({ child }) => child.kill("SIGKILL")), 12_000);
  await Promise.all(daemons.map(({ ended }) => ended));
  clearTimeout(force);
  rmSync(root, { recursive: true, force: true });
  rmSync(pki, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
