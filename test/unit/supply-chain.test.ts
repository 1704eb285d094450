/** What is installed is what was looked at: every package of the lock file stands in test/support/packages.txt, and no other. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Readonly<Record<string, Locked>>;
};
const packages = Object.entries(lock.packages).flatMap(([path, locked]) =>
  path === "" ? [] : [{ name: path.replace(/^.*node_modules\//, ""), path, ...locked }],
);
const line = ({ name, version, license, dev }: (typeof packages)[number]): string =>
  `${name} ${version} ${license ?? "unknown"}${dev === true ? " dev" : ""}`;

describe("the lock file", () => {
  it("holds the packages that were looked at, and no other", () => {
    const known = readFileSync(join(root, "test/support/packages.txt"), "utf8").trim().split("\n");
    expect([...new Set(packages.map(line))].toSorted()).toEqual(known);
  });

  it("names a hash for each that is installed here, and no other place than the registry", () => {
    const loose = packages.filter(
      ({ resolved, integrity, optional }) =>
        (optional !== true && integrity === undefined) || resolved?.startsWith("https://registry.npmjs.org/") === false,
    );
    expect(loose.map(line)).toEqual([]);
  });

  it("has free licences in what is delivered", () => {
    const free = /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|BlueOak-1\.0\.0|Unlicense|PSF-2\.0|MIT AND MPL-2\.0)$/;
    expect(packages.filter(({ dev, license = "" }) => dev !== true && !free.test(license)).map(line)).toEqual([]);
  });

  it("runs no install script: what has one carries what it would build", () => {
    const built: Readonly<Record<string, string>> = {
      zeromq: "build/manifest.json",
      "@photostructure/sqlite": "prebuilds/linux-x64",
    };
    const scripted = packages.filter(({ hasInstallScript, dev }) => hasInstallScript === true && dev !== true);
    expect(scripted.map(({ name }) => name).toSorted()).toEqual(Object.keys(built).toSorted());
    expect(readFileSync(join(root, ".npmrc"), "utf8")).toContain("ignore-scripts=true");
    for (const { name, path } of scripted) expect(existsSync(join(root, path, built[name] ?? ""))).toBe(true);
  });
});
