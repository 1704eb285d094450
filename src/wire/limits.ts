/**
 * Every cap of the bus in one place. Sizes in bytes, times in milliseconds unless the name says otherwise. Where a figure
 * is wider than the first plan of the threat model, docs/security.md says why.
 */
export const limits = {
  /**
   * One frame on 4506, and what it carries of a result, of live output or of a pushed file. libzmq's proxy hands on up to 1,000
   * frames in one direction before it looks at the other: the larger they are, the longer a flood of one makes all others wait.
   */
  requestBytes: 151_552,
  partBytes: 131_072,
  /** What a minion takes from its master in one message, and the minions' own words in one answer to what a minion asked of others. */
  messageBytes: 4 * 1_048_576,
  answerBytes: 1_048_576,
  /** Whole result of one function on one minion, encoded. */
  resultBytes: 8 * 1_048_576,
  /** Inbound on 4505: a subscription, nothing else. */
  subscriptionBytes: 4096,
  /** A follower is sent so much more live output than it has shown, and no run shows more than `outputBytes` live. */
  outputWindowBytes: 524_288,
  outputBytes: 8 * 1_048_576,
  /** Live output kept on the master's disk for followers, of all runs. */
  outputSpoolBytes: 1024 * 1_048_576,
  receiveHighWaterMark: 16,
  handshakeMs: 5000,
  /** Structural pre-scan of anything a peer sent. */
  depth: 16,
  nodes: 20_000,
  /** Results and grains may be broader than requests; they are never walked on the master. */
  resultNodes: 1_000_000,
  mapKeyBytes: 256,
  /** Frames of one routing id that did not open before its frames are dropped unopened. */
  badFrames: 10,
  /** Per minion, after the box opened. */
  requestsPerSecond: 500,
  requestBurst: 2000,
  bytesPerSecond: 4 * 1_048_576,
  byteBurst: 16 * 1_048_576,
  eventsPerSecond: 20,
  eventBurst: 100,
  eventBytes: 16_384,
  tagBytes: 256,
  grainsBytes: 65_536,
  /** What one minion keeps in the mine. */
  mineBytes: 131_072,
  /** One part of a file from the master, and the names of one page of a list. */
  filePartBytes: 524_288,
  fileNames: 1000,
  /** Of one minion, encoded. */
  pillarBytes: 1_048_576,
  conflictsKept: 1,
  /** Jobs on others that one minion may wait for at once. */
  peerPublishes: 20,
  /** Bytes of results being put together from parts, over all minions. */
  assemblyBytes: 128 * 1_048_576,
  /** … and of one minion. */
  assemblyBytesEach: 16 * 1_048_576,
  syncJobs: 64,
  syncBytes: 1_048_576,
  argBytes: 1_048_576,
  targetBytes: 65_536,
  targetTerms: 1000,
  /** Levels of one grain or pillar expression, `a:b:c`. */
  targetLevels: 32,
  /** How long the minions of one target may be looked for; and of one minion's requests, how much of each second. */
  targetMs: 1000,
  targetMsPerSecond: 50,
  controllerQueue: 10_000,
  /** Targets of one job that are asked for by name at once. */
  returnsIds: 256,
  localRequestBytes: 4 * 1_048_576,
  /** Local users other than the master's: connections whose user is not proved yet, and proved ones, in all and of one user. */
  userStrangers: 16,
  userConnections: 48,
  userConnectionsEach: 16,
  userConnectsPerSecond: 50,
  userConnectBurst: 100,
  userProofMs: 10_000,
  userIdleMs: 60_000,
  userRequestBytes: 2_621_440,
  userRules: 1000,
  userRequestsPerSecond: 50,
  userRequestBurst: 200,
  /** Each has a line in the audit log. */
  userRefusalsPerSecond: 1,
  userRefusalBurst: 60,
  /** How far back a list of a user's own jobs looks. */
  userListedJobs: 20_000,
  /** Enrolment, 4507. */
  enrolRecordBytes: 512,
  enrolDeadlineMs: 2000,
  enrolSockets: 64,
  enrolSignaturesPerSecond: 100,
  enrolSignatureBurst: 300,
  pendingKeys: 1000,
  candidatesPerId: 3,
  pendingForgottenMs: 3_600_000,
  deletedRememberedMs: 30 * 86_400_000,
  /** Messages that wait for one listener of the event bus; each holds what happened together. */
  eventSubscriberBacklog: 1000,
  /** One event as it is sent, and one message of several small ones: what is larger is trimmed, so that the backlog is bounded in bytes. */
  eventMessageBytes: 65_536,
  /** A revocation counts a front process that is silent this long as gone, and it is killed. */
  revokeAckMs: 500,
  heartbeatMs: 15_000,
  /** A minion without any sign of life for so long is not connected. */
  silentMs: 35_000,
  diskRefuseJobs: 0.05,
  diskRefuseReturns: 0.01,
  memoryBytes: {
    reqserver: 512 * 1_048_576,
    publisher: 512 * 1_048_576,
    worker: 256 * 1_048_576,
    controller: 1024 * 1_048_576,
    api: 512 * 1_048_576,
  },
} as const;
