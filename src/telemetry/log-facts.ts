import { LRUCache } from 'lru-cache';
import type { FactChannel } from './channel.ts';
import * as channels from './channels.ts';
import type { Log, LogLevel } from './log.ts';
import { redact } from './redact.ts';

/** One log line for each fact that a person may want to read. Nothing is heard that the level would drop. */
export function logFacts(log: Log, options: { readonly accessLog: boolean }): Disposable {
  const listening = new DisposableStack();

  function line<Fact extends object>(
    channel: FactChannel<Fact>,
    level: LogLevel,
    message: string,
  ): void {
    if (!log.isEnabled(level)) return;
    listening.use(channel.subscribe((fact) => log[level](fact, message)));
  }

  if (options.accessLog && log.isEnabled('info')) {
    listening.use(channels.requestFinished.subscribe(requestLines(log)));
  }
  line(channels.requestFailed, 'error', 'request failed');
  line(channels.authenticationFailed, 'warn', 'authentication failed');
  line(channels.fillStarted, 'debug', 'fill started');
  line(channels.fillJoined, 'debug', 'fill joined');
  line(channels.fillResumed, 'info', 'fill resumed');
  line(channels.fillInterrupted, 'warn', 'fill interrupted');
  line(channels.fillFinished, 'info', 'fill finished');
  line(channels.fillAborted, 'warn', 'fill aborted');
  line(channels.fillParked, 'warn', 'fill parked');
  line(channels.fillForgotten, 'info', 'fill forgotten');
  line(channels.blobPassedThrough, 'warn', 'blob passed through');
  line(channels.cacheDecided, 'debug', 'cache decided');
  line(channels.upstreamAnswered, 'debug', 'upstream answered');
  line(channels.upstreamFailed, 'warn', 'upstream failed');
  line(channels.circuitChanged, 'warn', 'circuit changed');
  line(channels.manifestPushed, 'info', 'manifest pushed');
  line(channels.manifestDeleted, 'info', 'manifest deleted');
  line(channels.tagDeleted, 'info', 'tag deleted');
  line(channels.uploadStarted, 'debug', 'upload started');
  line(channels.uploadEnded, 'debug', 'upload ended');
  line(channels.evicted, 'debug', 'blob evicted');
  line(channels.manifestEvicted, 'debug', 'manifest evicted');
  line(channels.collected, 'info', 'blobs collected');
  line(channels.straysCondemned, 'warn', 'blobs without a row condemned');
  line(channels.projectAdopted, 'info', 'project adopted');
  line(channels.taskFinished, 'debug', 'task finished');
  line(channels.executionFinished, 'info', 'execution finished');
  line(channels.jobHostChanged, 'warn', 'host of tasks changed');
  line(channels.maintenanceFailed, 'error', 'maintenance failed');
  return listening;
}

/** Characters of what a client calls itself. Real ones have less, and what is longer would fill memory and log. */
const LONGEST_NAME = 256;

/** The one line that comes 30,000 times a second: only what is there, in the order people read it. */
function requestLines(log: Log): (fact: channels.RequestFinished) => void {
  // A client may send anything as its name, and sends the same each time.
  const names = new LRUCache<string, string>({ max: 1_000, memoMethod: redact });
  return (fact) => {
    const fields: Record<string, unknown> = {
      id: fact.id,
      method: fact.method,
      path: fact.path,
      status: fact.status,
      sentBytes: fact.sentBytes,
      durationMs: Math.round(fact.durationMs * 100) / 100,
      clientAddress: fact.clientAddress,
    };
    if (fact.code !== undefined) fields['code'] = fact.code;
    if (fact.caller !== undefined) fields['caller'] = fact.caller;
    if (fact.aborted === true) fields['aborted'] = true;
    if (fact.userAgent !== undefined)
      fields['userAgent'] = names.memo(fact.userAgent.slice(0, LONGEST_NAME));
    log.info(fields, 'request');
  };
}
