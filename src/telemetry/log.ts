import { pino } from 'pino';
import { build as prettyLines } from 'pino-pretty';
import { describeError } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Static messages, facts as fields. A field named `error` is written without what may be secret in it. */
export interface Log extends Record<LogLevel, (fields: object, message: string) => void> {
  isEnabled(level: LogLevel): boolean;
  /** Everything so far is written when this returns. Lines may otherwise wait for a quarter of a second. */
  flush(): void;
}

export interface LogOptions {
  /** The least important lines to write. */
  readonly level: LogLevel;
  /** JSON lines, or lines for people. */
  readonly format: 'json' | 'pretty';
  /** An open file, or the path of one; standard output unless given. */
  readonly destination?: number | string;
}

// A system call for each line costs more than the line: 30,000 requests a second would be as many writes.
const GATHERED_BYTES = 8 * 1024;
const FLUSH_MS = 250;
/** Beyond that, a reader that stalls loses lines, and does not make the node grow. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

export function createLog({ level, format, destination = 1 }: LogOptions): Log {
  const stream =
    format === 'pretty' ? prettyDestination(destination) : jsonDestination(destination);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: timestamps(),
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: (error: unknown) => describeError(error) },
    },
    stream,
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    isEnabled: (asked) => logger.isLevelEnabled(asked),
    flush: () => stream.flushSync?.(),
  };
}

interface Destination {
  write(line: string): unknown;
  flushSync?(): void;
}

function jsonDestination(dest: number | string): Destination {
  return lasting(
    pino.destination({
      dest,
      sync: false,
      minLength: GATHERED_BYTES,
      maxLength: MOST_WAITING_BYTES,
      periodicFlush: FLUSH_MS,
    }),
  );
}

function prettyDestination(dest: number | string): Destination {
  return prettyLines({
    destination: lasting(pino.destination({ dest, sync: true })),
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    colorize: typeof dest === 'number',
  });
}

/**
 * A disk without room, or a reader that left, costs lines and not the node: what was not written is tried again with the
 * next. Flushing does not return before it could write (sonic-boom 4.2), so that it is left out while nothing can be.
 */
function lasting(stream: ReturnType<typeof pino.destination>) {
  let isTroubled = false;
  const flushSync = stream.flushSync.bind(stream);
  stream.flushSync = () => {
    if (!isTroubled) flushSync();
  };
  stream.on('write', () => {
    isTroubled = false;
  });
  return stream.on('error', () => {
    isTroubled = true;
  });
}

/** Under load many lines share a millisecond, and its text costs a quarter of a line. */
function timestamps(): () => string {
  let last = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== last) {
      last = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}
