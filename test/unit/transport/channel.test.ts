import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.doUnmock("zeromq");
  vi.resetModules();
});

describe("libzmq", () => {
  it.each([
    ["without CURVE", { capability: { curve: false }, version: "4.3.5" }, /built without CURVE/],
    ["of a version with holes", { capability: { curve: true }, version: "4.3.2" }, /4\.3\.2 is too old/],
    ["of an ancient version", { capability: { curve: true }, version: "4.1.10" }, /4\.1\.10 is too old/],
  ])("HS-16: %s is refused before there is a socket", async (_case, stub, why) => {
    vi.doMock("zeromq", () => stub);
    vi.resetModules();
    const { startZap, zmqVersion } = await import("../../../src/transport/channel.ts");
    await expect(startZap(() => true)).rejects.toThrow(why);
    await expect(zmqVersion()).rejects.toThrow(why);
  });

  it.each(["4.3.3", "4.3.5", "4.10.0", "5.0.0"])("HS-16: %s will do", async (version) => {
    vi.doMock("zeromq", () => ({ capability: { curve: true }, version, context: {} }));
    vi.resetModules();
    const { zmqVersion } = await import("../../../src/transport/channel.ts");
    expect(await zmqVersion()).toBe(version);
  });
});
