#!/usr/bin/env node
import { msaltRun } from "../cli/run.ts";
import { runTool } from "../cli/tool.ts";
import { version } from "../lib/version.ts";

await runTool("msalt-run", () => msaltRun(process.argv.slice(2), version));
