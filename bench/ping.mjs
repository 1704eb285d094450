// Times whole commands against a master and a minion on this machine, beside an empty Node process in the same run.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

const print = (line) => process.stdout.write(`${line}\n`);
const rounds = Number(process.argv[2] ?? 15);
const dist = new URL("../dist/", import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), "msalt-bench-"));
const configure = (folder, file, lines) => {
  mkdirSync(join(root, folder, "etc/msalt"), { recursive: true });
  writeFileSync(join(root, folder, "etc/msalt", file), `${lines.join("\n")}\n`, { mode: 0o644 });
};
const daemon = (name, folder) => {
  const child = spawn(process.execPath, [join(dist, `${name}.js`), "--root-dir", join(root, folder)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ready = new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => ((text += data).includes(" ready ") ? resolve(text) : undefined));
    child.once("close", () => reject(new Error(`${name} ended:\n${text}`)));
  });
  return { child, ready };
};

const commands = {
  "empty node process": ["-e", ""],
  "msalt --version": [join(dist, "msalt.js"), "--version"],
  "msalt m1 test.ping": [join(dist, "msalt.js"), "--root-dir", join(root, "master"), "m1", "test.ping"],
  "msalt m1 cmd.run true": [join(dist, "msalt.js"), "--root-dir", join(root, "master"), "m1", "cmd.run", "true"],
  "msalt-key -L": [join(dist, "msalt-key.js"), "--root-dir", join(root, "master"), "-L"],
};

configure("master", "master", [
  "interface: 127.0.0.1",
  "publish_port: 0",
  "ret_port: 0",
  "enroll_port: 0",
  "auto_accept: true",
  "log_level: error",
]);
const master = daemon("msalt-master", "master");
let minion;
try {
  const ports = Object.fromEntries(
    [...(await master.ready).matchAll(/(\w+_port)=(\d+)/g)].map(([, name, port]) => [name, port]),
  );
  configure("m1", "minion", [
    "id: m1",
    "master: 127.0.0.1",
    `publish_port: ${ports.publish_port}`,
    `master_port: ${ports.ret_port}`,
    `enroll_port: ${ports.enroll_port}`,
    "log_level: error",
  ]);
  minion = daemon("msalt-minion", "m1");
  await minion.ready;
  const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, args] of Object.entries(commands)) {
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
      times[name].push(performance.now() - started);
    }
  }
  print(
    `Node ${process.version}, ${rounds} interleaved rounds, load ${loadavg()[0].toFixed(2)}; wall seconds: minimum, median, maximum`,
  );
  for (const [name, all] of Object.entries(times)) {
    const sorted = all.toSorted((a, b) => a - b);
    const figures = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((ms) => (ms / 1000).toFixed(3));
    print(`${name.padEnd(24)} ${figures.join("  ")}`);
  }
} finally {
  for (const each of [minion, master]) {
    if (each === undefined) continue;
    const ended = new Promise((resolve) => each.child.once("close", resolve));
    if (each.child.exitCode === null) each.child.kill("SIGTERM");
    await ended;
  }
  rmSync(root, { recursive: true, force: true });
}
