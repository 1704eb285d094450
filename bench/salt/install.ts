/** Salt from the Python registry in a virtual environment of its own, below node_modules/.cache and made once. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Install {
  readonly version: string;
  /** Folder of `python`, `salt`, `salt-master`, `salt-minion`. */
  readonly bin: string;
  /** Folder of the Python programs beside this file, also when this runs from a bundle. */
  readonly programs: string;
}

type Outcome = Install | { readonly notInstalled: string };

/** Gives the one line why not, instead, where it cannot be installed. Takes some 20 s the first time. */
export function installSalt(): Outcome {
  const checkout = checkoutOf(import.meta.dirname);
  const programs = join(checkout, "bench/salt");
  const requirements = join(programs, "requirements.txt");
  const wanted = readFileSync(requirements, "utf8");
  const version = /^salt==(.+)$/m.exec(wanted)?.[1];
  if (version === undefined) return { notInstalled: `no salt==<version> in ${requirements}` };
  if (process.platform !== "linux") return { notInstalled: "the figures are read from /proc, so only on Linux" };
  const home = join(checkout, "node_modules/.cache/msalt-bench", `salt-${version}`);
  const install: Install = { version, bin: join(home, "bin"), programs };
  const stamp = join(home, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && run(join(home, "bin/salt"), "--version") === "")
    return install;

  // The system's own first: it is built with all optimisations, others often are not.
  const python = ["/usr/bin/python3", "python3.11", "python3", "python3.10", "python3.9"].find(
    (name) => run(name, "-c", "import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))") === "",
  );
  if (python === undefined) return { notInstalled: "no Python from 3.9 to 3.11 on the PATH" };
  process.stderr.write(`installing Salt ${version} into ${home}\n`);
  const problem = fill(python, home, requirements, wanted);
  if (problem !== "") return { notInstalled: problem };
  writeFileSync(stamp, wanted);
  return install;
}

/** @returns the problem in one line, or nothing. */
function fill(python: string, home: string, requirements: string, wanted: string): string {
  const inside = join(home, "bin/python");
  const fresh = (...command: string[]): string => {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(dirname(home), { recursive: true });
    return run(python, ...command);
  };
  const first = fresh("-m", "venv", home);
  const inEnvironment = first === "" || fresh("-m", "virtualenv", "--quiet", home) === "";
  if (!inEnvironment && fresh("-m", "venv", "--without-pip", home) !== "") return `no virtual environment: ${first}`;
  // Without a pip inside, the one outside installs into it.
  const pip = inEnvironment ? [inside, "-m", "pip"] : [python, "-m", "pip", "--python", inside];
  const add = (...what: string[]): string =>
    run(
      ...pip,
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--no-input",
      "--retries",
      "2",
      "--no-deps",
      ...what,
    );
  const builders = wanted.split("\n").filter((line) => /^(setuptools|wheel)==/.test(line));
  const problem =
    add("--only-binary", ":all:", ...builders) ||
    add("--no-build-isolation", "--only-binary", ":all:", "--no-binary", "salt", "--requirement", requirements) ||
    run(join(home, "bin/salt"), "--version");
  if (problem.includes("from versions: none")) return `pip: ${problem}: is the Python registry reachable?`;
  return problem === "" ? "" : `pip: ${problem}`;
}

/** Runs to the end. @returns nothing when it went well, otherwise one line of what it said. */
function run(...[program = "", ...args]: readonly string[]): string {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  if (status === 0) return "";
  const said = (stderr ?? "").split("\n").filter((line) => line.trim() !== "");
  return (
    error?.message ?? said.find((line) => line.startsWith("ERROR")) ?? said.at(-1) ?? `${program} ended with ${status}`
  );
}

function checkoutOf(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  if (folder === dirname(folder)) throw new Error("no package.json above the bench: run it from a checkout of msalt");
  return checkoutOf(dirname(folder));
}
