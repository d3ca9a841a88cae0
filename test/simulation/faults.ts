// Faults that are planted into a copy of the sources, one at a time, to prove that the checker can fail:
// an exact text of a module is replaced by another, and must be there.

export interface PlantedFault {
  readonly name: string;
  /** The module, in src/. */
  readonly file: string;
  readonly replace: string;
  readonly by: string;
  /** The function of the checker that must catch it; any, where none is named. */
  readonly breaks?: string;
  /** Seeds from 0 on within which it is caught. */
  readonly within: number;
}

export const plantedFaults: readonly PlantedFault[] = [
  // Swallowing
  {
    name: 'an arrival joins a call that has started',
    file: 'update.ts',
    replace: '(update.attempts === 0 ? update.joined : update.late).push(joiner);',
    by: 'update.joined.push(joiner);',
    within: 100,
  },
  {
    name: 'a success covers whatever comes within a minute',
    file: 'ledger.ts',
    replace: 'sentAtMs < proof.watermarkMs - marginMs',
    by: 'sentAtMs < proof.watermarkMs + 60_000',
    within: 100,
  },
  {
    name: 'the hosts’ clocks are trusted to the millisecond',
    file: 'ledger.ts',
    replace: 'defaultMarginMs = 1000',
    by: 'defaultMarginMs = 0',
    within: 200,
  },
  {
    name: 'the watermark is this process’s own clock',
    file: 'dispatcher.ts',
    replace: 'beginCall(update, held.newestMs(), clock.now())',
    by: 'beginCall(update, clock.now(), clock.now())',
    within: 100,
  },
  {
    name: 'the watermark is taken when the call has ended',
    file: 'dispatcher.ts',
    replace: 'endCall(update, calling, result, clock.now());',
    by: 'endCall(update, { ...calling, watermarkMs: held.newestMs() }, result, clock.now());',
    within: 1500,
  },
  {
    name: 'a weaker success covers a stronger request',
    file: 'ledger.ts',
    replace: '.filter((known) => atLeast(known, status))',
    by: '',
    within: 300,
  },
  {
    name: 'a timeout counts as a success',
    file: 'call.ts',
    replace: "if (answer.kind === 'updated') return",
    by: "if (answer.kind === 'failed' && answer.failure.kind === 'unknown-result') return { kind: 'applied' };\n  if (answer.kind === 'updated') return",
    within: 100,
  },
  {
    name: 'a state conflict counts as done, without a look',
    file: 'call.ts',
    replace: '? lookInto(answer.failure, certificates, wanted, signal)',
    by: "? { kind: 'unchanged', status: wanted.status }",
    within: 100,
  },
  {
    name: 'a certificate in a transfer counts as done',
    file: 'call.ts',
    replace: "(status !== 'INACTIVE' && status !== 'REVOKED') || !atLeast(status, wanted)",
    by: "status === 'ACTIVE'",
    within: 300,
  },
  // Losing
  {
    name: 'a message is deleted before its call',
    file: 'pipeline.ts',
    replace: 'held.add(message);',
    by: "held.add(message);\n    await acknowledge(message, { kind: 'delete' });",
    within: 100,
  },
  {
    name: 'a missing permission refuses the request',
    file: 'update.ts',
    replace: "isTransient(kind) || kind === 'unauthorized'",
    by: 'isTransient(kind)',
    within: 200,
  },
  {
    name: 'throttled out is refused',
    file: 'call.ts',
    replace: "    case 'throttled':\n    case 'unavailable':",
    by: "    case 'throttled':\n      return false;\n    case 'unavailable':",
    within: 100,
  },
  {
    name: 'what is deferred is deleted',
    file: 'acknowledgement.ts',
    replace: "    case 'deferred':\n      return {",
    by: "    case 'deferred':\n      if (outcome.failureKind !== 'stopping') return { kind: 'delete' };\n      return {",
    within: 300,
  },
  {
    name: 'the refused is deleted before its letter is written',
    file: 'carry.ts',
    replace: 'const sent = await carrier.deadLetter(message, acknowledgement);',
    by: 'await carrier.delete(message);\n      const sent = await carrier.deadLetter(message, acknowledgement);',
    within: 100,
  },
  {
    name: 'the refused is deleted though its letter was not taken',
    file: 'carry.ts',
    replace: 'if (sent.done) return carrier.delete(message);',
    by: 'if (sent.done || !sent.done) return carrier.delete(message);',
    within: 300,
  },
  {
    name: 'who came during a call is forgotten',
    file: 'dispatcher.ts',
    replace: 'for (const late of update.late) void',
    by: 'for (const late of [] as typeof update.late) void',
    within: 100,
  },
  {
    name: 'the function answers that all is settled',
    file: 'invocation.ts',
    replace: 'return { batchItemFailures: kept.map(',
    by: 'return { batchItemFailures: kept.slice(1).map(',
    within: 300,
  },
  {
    name: 'the function counts the delayed as settled',
    file: 'invocation.ts',
    replace: "      case 'retry':\n",
    by: "      case 'retry':\n        settled(message);\n",
    within: 200,
  },
  {
    name: 'the function ignores its deadline',
    file: 'invocation.ts',
    replace: 'clock.sleep(remainingMs - beforeDeadlineMs, ended.signal)',
    by: 'clock.sleep(remainingMs + beforeDeadlineMs, ended.signal)',
    within: 300,
  },
  {
    name: 'an account’s name is not read',
    file: 'place.ts',
    replace: 'account !== undefined && account !== deployment.accountId',
    by: 'account === deployment.region',
    within: 300,
  },
  // Sharing the ledger
  {
    name: 'what somebody wrote into the table by hand is believed',
    file: 'dispatcher.ts',
    replace: 'proof.watermarkMs < held.newestMs() + newestProofMs',
    by: 'proof.watermarkMs > 0',
    within: 1000,
  },
  {
    name: 'who comes after the others were served by the table joins what is over',
    file: 'dispatcher.ts',
    replace: 'if (update.joined.length === 0) close(update);',
    by: '',
    within: 300,
  },
  // Weakening
  {
    name: 'the first request decides the status',
    file: 'update.ts',
    replace: 'strongest(update.joined.map(({ request }) => request.newStatus))',
    by: "update.joined[0]?.request.newStatus ?? 'INACTIVE'",
    within: 300,
  },
  {
    name: 'INACTIVE is sent after REVOKED, without a look',
    file: 'dispatcher.ts',
    replace: "calling.status !== 'REVOKED' && ledger.knowsRevoked(update.certificateId)",
    by: 'false',
    within: 300,
  },
  {
    name: 'whatever is asked, REVOKED is sent',
    file: 'update.ts',
    replace: 'strongest(update.joined.map(({ request }) => request.newStatus))',
    by: "'REVOKED'",
    within: 100,
  },
  // The quota
  {
    name: 'slots come twice as fast',
    file: 'pace.ts',
    replace: '(attempts * 1000) / callsPerSecond };',
    by: '(attempts * 500) / callsPerSecond };',
    within: 100,
  },
  {
    name: 'each request makes a call of its own',
    file: 'decision.ts',
    replace: 'return update === undefined ?',
    by: "return update === undefined || update.lane !== 'incident' ?",
    breaks: 'oneCallAtATime',
    within: 100,
  },
  {
    name: 'a second attempt takes no slot',
    file: 'dispatcher.ts',
    replace: 'const release = await slots.take(update);',
    by: 'const release = update.attempts === 1 ? () => undefined : await slots.take(update);',
    within: 200,
  },
  {
    name: 'the pace is not told of throttling',
    file: 'call.ts',
    replace: "? 'throttled' : 'failed'",
    by: "? 'failed' : 'failed'",
    within: 300,
  },
  // The order
  {
    name: 'rotation has no floor',
    file: 'priority.ts',
    replace: 'const floorEvery = 10;',
    by: 'const floorEvery = Infinity;',
    within: 200,
  },
  {
    name: 'the urgent goes last',
    file: 'priority.ts',
    replace: 'return lanes.find((lane) => waiting[lane].size > 0);\n  }',
    by: 'return lanes.findLast((lane) => waiting[lane].size > 0);\n  }',
    within: 300,
  },
  {
    name: 'a duplicate in an urgent lane promotes nothing',
    file: 'priority.ts',
    replace: 'if (remove(waiter)) waiting[waiter.lane].add(waiter);',
    by: '',
    within: 200,
  },
  // The books
  {
    name: 'an entry that failed in a batch counts as done',
    file: 'batch.ts',
    replace: 'if (taken.done || taken.final || one.tries === tries.attempts) one.settle(taken);',
    by: 'if (!taken.done) one.settle({ done: true });\n      else if (taken.done || taken.final || one.tries === tries.attempts) one.settle(taken);',
    within: 300,
  },
  {
    name: 'a batch’s first answer is taken for all',
    file: 'batch.ts',
    replace: 'const taken = answers[at] ??',
    by: 'const taken = answers[0 * at] ??',
    within: 300,
  },
  {
    name: 'a refusal is deferred',
    file: 'outcome.ts',
    replace: "  const order: readonly Outcome['kind'][] = [",
    by: "  if (outcomes[0]?.kind === 'rejected') return { kind: 'deferred', failureKind: 'bug', cause: '' };\n  const order: readonly Outcome['kind'][] = [",
    within: 300,
  },
  {
    name: 'a dead letter is written once more, to be sure',
    file: 'carry.ts',
    replace: 'if (taken.done || !taken.final) return taken;',
    by: 'if (!taken.done && !taken.final) return taken;',
    within: 100,
  },
  {
    name: 'what the worker carries out as a delete, it gives back too',
    file: 'carry.ts',
    replace: "    case 'delete':\n      return carrier.delete(message);",
    by: "    case 'delete':\n      void carrier.delay(message, 0);\n      return carrier.delete(message);",
    within: 100,
  },
  {
    name: 'only what is well is told',
    file: 'pipeline.ts',
    replace: 'log.write(levelOf(event)',
    by: 'if (event.acknowledged) log.write(levelOf(event)',
    within: 300,
  },
  // Holding and stopping
  {
    name: 'a stop forgets what is held',
    file: 'worker.ts',
    replace: 'await intake.empty();',
    by: 'Object.assign(intake, { held: () => [] });',
    breaks: 'nothingIsHeldAfterAStop',
    within: 300,
  },
  {
    name: 'nothing keeps the held hidden',
    file: 'visibility.ts',
    replace: 'if (sinceMs <= dueAtMs) void hideAgain(message);',
    by: 'if (sinceMs < 0 * dueAtMs) void hideAgain(message);',
    within: 200,
  },
  {
    name: 'what is given back is hidden again',
    file: 'visibility.ts',
    replace: 'letGone.add(message);',
    by: '',
    within: 3000,
  },
  {
    name: 'a stop does not wait for what is held',
    file: 'worker.ts',
    replace: 'await intake.empty();',
    by: '',
    within: 300,
  },
  {
    name: 'a stop has no time limit',
    file: 'worker.ts',
    replace: 'await Promise.race([finished, timeout]);',
    by: 'await finished;',
    within: 1500,
  },
  {
    name: 'calls start after the stop',
    file: 'slots.ts',
    replace: 'if (stopping.aborted) return undefined;',
    by: '',
    within: 500,
  },
  {
    name: 'what has not started at the stop comes back late',
    file: 'acknowledgement.ts',
    replace: "if (failureKind === 'stopping') return 0;",
    by: '',
    within: 300,
  },
];
