import { describe, expect, it } from "vitest";
import { swarmOptions } from "../../../src/cli/swarm-options.ts";
import { code } from "../../support/keys.ts";

const parse = (...argv: string[]) => swarmOptions(argv, "1.0.0");

describe("swarmOptions", () => {
  it("has defaults that disturb nothing", () => {
    expect(parse()).toEqual({
      minions: 100,
      first: 1,
      processes: undefined,
      idPattern: "minion{n}",
      grains: [],
      behaviour: { thinkMs: [0, 0], failRate: 0, outputBytes: undefined },
      remakeMs: undefined,
      settings: { rootDir: undefined, configDir: undefined, overrides: { id: "swarm", log_level: "error" } },
    });
  });

  it("takes them all", () => {
    const words =
      "--minions 2000 --first 7 --id w{n} --grain a=1 --grain b=2 --processes 3 --think 0.1-2 --fail-rate 0.02";
    const more = "--output-size 64k --disconnect-every 60 --master m --publish-port 1 --master-port 2 --enroll-port 3";
    expect(parse(...words.split(" "), ...more.split(" "), "--token", "ab", "-l", "info", "--root-dir", "/r")).toEqual({
      minions: 2000,
      first: 7,
      processes: 3,
      idPattern: "w{n}",
      grains: ["a=1", "b=2"],
      behaviour: { thinkMs: [100, 2000], failRate: 0.02, outputBytes: 65_536 },
      remakeMs: 60_000,
      settings: {
        rootDir: "/r",
        configDir: undefined,
        overrides: {
          id: "swarm",
          master: "m",
          publish_port: 1,
          master_port: 2,
          enroll_port: 3,
          token: "ab",
          log_level: "info",
        },
      },
    });
  });

  it.each([
    ["--minions", "0"],
    ["--minions", "many"],
    ["--processes", "0"],
    ["--think", "soon"],
    ["--fail-rate", "1.5"],
    ["--output-size", "4G"],
    ["--disconnect-every", "-1"],
    ["--disconnect-every", "0"],
    ["--think", "1-2-3"],
    ["--fail-rate", ""],
    ["--master-port", "x"],
  ])("refuses %s %s, naming the option", (option, value) => {
    expect(() => parse(`${option}=${value}`)).toThrow(code("ERR_USAGE"));
    expect(() => parse(`${option}=${value}`)).toThrow(option);
  });
});
