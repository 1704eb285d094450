/** Says what failed in vitest's reports, and the one closing line. Arguments: the folder of the reports, the status so far. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, status] = process.argv.slice(2);
const sum = { passed: 0, failed: 0 };

function say(what, message) {
  process.stdout.write(`FAILED ${what}\n${(message ?? "").split("\n").slice(0, 15).join("\n")}\n`);
}

for (const report of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  const found = JSON.parse(readFileSync(join(folder, report), "utf8"));
  sum.passed += found.numPassedTests;
  sum.failed += found.numFailedTests;
  for (const { name, status: whole, message, assertionResults } of found.testResults) {
    const failed = assertionResults.filter((test) => test.status === "failed");
    for (const { fullName, failureMessages } of failed) say(`${name}: ${fullName}`, failureMessages[0]);
    if (whole === "failed" && failed.length === 0) {
      sum.failed += 1;
      say(name, message);
    }
  }
}
if (status !== "0" && sum.failed === 0) sum.failed = 1;
process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`);
