export const asyncText = (j: string): string => `Executed command with job ID: ${j}`;
export const ctrlCText = (j: string): string => `Exiting gracefully on Ctrl-c\nmsalt-run jobs.lookup ${j}`;
export const noReturnText = (j: string, k: string, x?: string): string => `Minion did not return. [${k}] ${x} ${j}`;
export const summaryText = (s: object): string => JSON.stringify(s);
export const verboseHeader = (j: string): string => `Executing job with jid ${j}\n${"-".repeat(43)}\n`;
