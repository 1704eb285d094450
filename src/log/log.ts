type Say = (message: string, fields?: Record<string, unknown>) => void;
export interface Log { debug: Say; info: Say; warn: Say; error: Say }
export function createLog(o: { level: string; name: string }): Log {
  const say = (l: string): Say => (m, f) => void process.stderr.write(`${new Date().toISOString()} [${l}] ${o.name}: ${m} ${f ? JSON.stringify(f) : ""}\n`);
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}
