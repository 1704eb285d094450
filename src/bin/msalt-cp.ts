#!/usr/bin/env node
import { msaltCp } from "../cli/cp.ts";
import { runTool } from "../cli/tool.ts";
import { version } from "../lib/version.ts";

await runTool("msalt-cp", () => msaltCp(process.argv.slice(2), version));
