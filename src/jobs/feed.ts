/**
 * Who wants to know what happened here reads an outbox from its own place: `changes` of what is owned, `arrivals` of what
 * was pulled through. A consumer's place moves in the transaction in which it does something about what it read, so that
 * nothing is lost between and nothing is done twice.
 */
import type { Selectable } from 'kysely';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { ArrivalRow, ChangeRow } from '../database/tables.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import { arrivalOutbox, changeOutbox, type Outbox, type Place } from './outboxes.ts';

export type FedChange = Readonly<Selectable<ChangeRow>>;
export type FedArrival = Readonly<Selectable<ArrivalRow>>;

interface Consumer<Item> {
  /** Its place is kept under that name. */
  readonly name: string;
  /**
   * Finds out what has to be done about them: in their order, at most a few hundred. What it resolves to does it, in the
   * transaction that moves its place; undefined where there is nothing to do.
   */
  plan(items: readonly Item[]): Promise<Deed | undefined>;
  /**
   * The same where items may be missing before the next ones: the data are a copy, so that what happened after it was made
   * is told nowhere, or they were forgotten before the consumer came.
   */
  planAnew?(): Promise<Deed | undefined>;
}
/** Touches no network and no file. */
type Deed = (transaction: WriteTransaction) => Promise<void>;
export type ChangeConsumer = Consumer<FedChange>;
export type ArrivalConsumer = Consumer<FedArrival>;

export interface FeedOptions {
  readonly database: Database;
  readonly changes: readonly ChangeConsumer[];
  readonly arrivals: readonly ArrivalConsumer[];
  readonly pollMs?: number;
}

/** How far a consumer is behind. */
export interface FeedLag {
  readonly items: number;
  /** When the first of them happened, milliseconds UTC. */
  readonly since: number | undefined;
}

export interface Feed extends AsyncDisposable {
  /** Of the consumer of that name. @throws RangeError where there is none */
  lag(name: string): Promise<FeedLag>;
}

const POLL_MS = 200;
const BATCH = 500;

/**
 * Hands what happens to the consumers until it is disposed, which waits for what is under way. A consumer that is new
 * begins with what happens from now on; one that fails gets the same again, and holds up no other.
 */
export function startFeed(options: FeedOptions): Feed {
  const { database, changes, arrivals, pollMs = POLL_MS } = options;
  const readers = new Map<string, Reader>([
    ...changes.map((consumer) => readerOf(database, changeOutbox, consumer)),
    ...arrivals.map((consumer) => readerOf(database, arrivalOutbox, consumer)),
  ]);
  const poll = (): void => {
    for (const reader of readers.values()) reader.poll();
  };
  const timer = setInterval(poll, pollMs).unref();
  poll();
  return {
    async lag(name) {
      const reader = readers.get(name);
      if (reader === undefined) throw new RangeError(`no consumer is called ${name}`);
      return reader.lag();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.all([...readers.values()].map((reader) => reader.stop()));
    },
  };
}

interface Reader {
  /** Looks for what is new, where anything was written since the last look. */
  poll(): void;
  lag(): Promise<FeedLag>;
  stop(): Promise<void>;
}

function readerOf<Item extends { readonly at: number }>(
  database: Database,
  outbox: Outbox<Item>,
  consumer: Consumer<Item>,
): [name: string, Reader] {
  const { name } = consumer;
  const stopping = new AbortController();
  let seen: number | undefined;
  let running: Promise<void> | undefined;
  const round = async (): Promise<void> => {
    const revision = database.revision();
    if (revision === seen) return;
    while (!stopping.signal.aborted && (await step(database, outbox, consumer)));
    seen = revision;
  };
  const poll = (): void => {
    running ??= round()
      .catch((error: unknown) => {
        if (maintenanceFailed.hasSubscribers) {
          maintenanceFailed.publish({ work: `the feed of ${name}`, error });
        }
      })
      .finally(() => {
        running = undefined;
      });
  };
  const lag = async (): Promise<FeedLag> => {
    const place = await placeOf(database.read, name);
    if (place === undefined) return { items: 0, since: undefined };
    const [first] = await outbox.after(database.read, place, 1);
    return { items: await outbox.count(database.read, place), since: first?.at };
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  return [name, { poll, lag, stop }];
}

/** @returns whether there may be more */
async function step<Item>(
  database: Database,
  outbox: Outbox<Item>,
  consumer: Consumer<Item>,
): Promise<boolean> {
  const { read } = database;
  const place = await placeOf(read, consumer.name);
  if (place === undefined) {
    await begin(database, outbox, consumer.name);
    return false;
  }
  const beyond = await outbox.beyondGap(read, place);
  if (beyond !== undefined) {
    await move(database, consumer.name, {
      from: place,
      to: beyond,
      deed: await consumer.planAnew?.(),
    });
    return true;
  }
  const items = await outbox.after(read, place, BATCH);
  const newest = items.at(-1);
  if (newest === undefined) return false;
  const to = outbox.placeOf(newest, place);
  await move(database, consumer.name, { from: place, to, deed: await consumer.plan(items) });
  return items.length === BATCH;
}

async function placeOf(queries: Queries, consumer: string): Promise<Place | undefined> {
  return queries
    .selectFrom('feed_cursors')
    .select(['epoch', 'seq'])
    .where('consumer', '=', consumer)
    .executeTakeFirst();
}

async function begin(database: Database, outbox: Outbox<unknown>, consumer: string): Promise<void> {
  await database.write(async (transaction) => {
    await transaction
      .insertInto('feed_cursors')
      .values({ consumer, ...(await outbox.end(transaction)) })
      .onConflict((conflict) => conflict.column('consumer').doNothing())
      .execute();
  });
}

interface Move {
  readonly from: Place;
  readonly to: Place;
  readonly deed: Deed | undefined;
}

/** Nothing where another process was faster. */
async function move(database: Database, consumer: string, { from, to, deed }: Move): Promise<void> {
  await database.write(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('feed_cursors')
      .set(to)
      .where('consumer', '=', consumer)
      .where('epoch', '=', from.epoch)
      .where('seq', '=', from.seq)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) await deed?.(transaction);
  });
}
