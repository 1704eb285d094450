#!/usr/bin/env node
import { msalt } from "../cli/msalt.ts";
import { runTool } from "../cli/tool.ts";
import { version } from "../lib/version.ts";

await runTool("msalt", () => msalt(process.argv.slice(2), version));
