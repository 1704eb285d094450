import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { addDashboard } from "../../../src/api/dashboard.ts";
import { FakeApi } from "../../support/fake-api.ts";

function served(api: FakeApi): FakeApi {
  const folder = join(api.dir, "dashboard");
  mkdirSync(folder);
  writeFileSync(join(folder, "index.html"), "<p>page</p>");
  writeFileSync(join(folder, "main-AB12.js"), "run()");
  addDashboard(api.app, api.context.gate, folder);
  return api;
}

describe("addDashboard", () => {
  it("serves the page at both addresses, under a policy that lets only its own files run", async () => {
    await using api = served(new FakeApi());
    for (const path of ["/", "/setup"]) {
      const { status, text, headers } = await api.ask("GET", path);
      expect([status, text, headers["content-type"]]).toEqual([200, "<p>page</p>", "text/html; charset=utf-8"]);
      expect(headers["cache-control"]).toBe("no-store");
      const policy = String(headers["content-security-policy"]);
      for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
        expect(policy.split("; ")).toContain(part);
      }
      expect(policy).not.toContain("unsafe");
    }
  });

  it("serves the files that the build made, for ever, and no other", async () => {
    await using api = served(new FakeApi());
    const { status, text, headers } = await api.ask("GET", "/assets/main-AB12.js");
    expect([status, text, headers["content-type"]]).toEqual([200, "run()", "text/javascript; charset=utf-8"]);
    expect(headers["cache-control"]).toContain("immutable");
    for (const path of ["/assets/index.html", "/assets/", "/assets/..%2fapi.sqlite", "/assets/%2e%2e/api.sqlite"]) {
      expect([path, (await api.ask("GET", path)).status]).toEqual([path, 404]);
    }
  });

  it("AP-08: opens from a link of another site, but not under another name", async () => {
    await using api = served(new FakeApi());
    expect((await api.ask("GET", "/", { "sec-fetch-site": "cross-site" })).status).toBe(200);
    expect((await api.ask("GET", "/", { host: "evil.example" })).status).toBe(403);
    expect((await api.ask("GET", "/assets/main-AB12.js", { host: "evil.example" })).status).toBe(403);
  });
});
