export interface MasterConfig {
  readonly id: string;
  readonly interface: string;
  readonly publishPort: number;
  readonly retPort: number;
  readonly enrollPort: number;
  readonly enroll: boolean;
  readonly workerThreads: number;
  readonly timeoutMs: number;
  readonly keepJobsMs: number;
  readonly autoAccept: boolean;
  readonly pkiDir: string;
  readonly sockDir: string;
  readonly dataDir: string;
  readonly logLevel: "info";
  readonly showTimeout: boolean;
  readonly showJid: boolean;
  readonly cliSummary: boolean;
}
