/**
 * Who wants to know what happened here reads an outbox from its own place: `changes` of what is owned, `arrivals` of what
 * was pulled through. A consumer's place moves in the transaction in which it does something about what it read, so that
 * nothing is lost between and nothing is done twice.
 */
import type { Selectable } from 'kysely';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { ArrivalRow, ChangeRow } from '../database/tables.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';

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

const POLL_MS = 200;
const BATCH = 500;

/**
 * Hands what happens to the consumers until it is disposed, which waits for what is under way. A consumer that is new
 * begins with what happens from now on.
 */
export function startFeed(options: FeedOptions): AsyncDisposable {
  const { database, changes, arrivals, pollMs = POLL_MS } = options;
  const rounds = [
    ...changes.map((consumer) => () => readChanges(database, consumer)),
    ...arrivals.map((consumer) => () => readArrivals(database, consumer)),
  ];
  let seen: number | undefined;
  let running: Promise<void> | undefined;
  const round = async (): Promise<void> => {
    const revision = database.revision();
    if (revision === seen) return;
    for (const read of rounds) {
      let last: number;
      do last = await read();
      while (last === BATCH);
    }
    seen = revision;
  };
  const poll = (): void => {
    running ??= round()
      .catch((error: unknown) => {
        if (maintenanceFailed.hasSubscribers) {
          maintenanceFailed.publish({ work: 'the feed of changes', error });
        }
      })
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(poll, pollMs);
  poll();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}

interface Place {
  readonly epoch: number;
  readonly seq: number;
}

/** @returns how many there were */
async function readChanges(database: Database, consumer: ChangeConsumer): Promise<number> {
  const { id, feed_epoch: epoch, last_seq } = await instanceOf(database);
  const { seq } = await placeOf(database, consumer.name, { epoch, seq: last_seq });
  const items = await database.read
    .selectFrom('changes')
    .selectAll()
    .where('origin', '=', id)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(BATCH)
    .execute();
  const newest = items.at(-1);
  if (newest === undefined) return 0;
  const deed = await consumer.plan(items);
  await database.write(async (transaction) => {
    await deed?.(transaction);
    // Data that were restored go on in a new epoch; the seqs go on, too.
    await move(transaction, consumer.name, { epoch, seq: newest.seq });
  });
  return items.length;
}

/** @returns how many there were */
async function readArrivals(database: Database, consumer: ArrivalConsumer): Promise<number> {
  const { feed_epoch: epoch } = await instanceOf(database);
  const last = await database.read
    .selectFrom('arrivals')
    .select((select) => select.fn.max('id').as('id'))
    .executeTakeFirst();
  const { seq } = await placeOf(database, consumer.name, { epoch, seq: last?.id ?? 0 });
  const items = await database.read
    .selectFrom('arrivals')
    .selectAll()
    .where('id', '>', seq)
    .orderBy('id')
    .limit(BATCH)
    .execute();
  const newest = items.at(-1);
  if (newest === undefined) return 0;
  const deed = await consumer.plan(items);
  await database.write(async (transaction) => {
    await deed?.(transaction);
    await move(transaction, consumer.name, { epoch, seq: newest.id });
  });
  return items.length;
}

function instanceOf({ read }: Database) {
  return read.selectFrom('instance').selectAll().executeTakeFirstOrThrow();
}

/** Where it stands; a new one is put at `now`, and remembered there. */
async function placeOf(database: Database, consumer: string, now: Place): Promise<Place> {
  const known = await database.read
    .selectFrom('feed_cursors')
    .select(['epoch', 'seq'])
    .where('consumer', '=', consumer)
    .executeTakeFirst();
  if (known !== undefined) return known;
  await database.write((transaction) =>
    transaction
      .insertInto('feed_cursors')
      .values({ consumer, ...now })
      .onConflict((conflict) => conflict.column('consumer').doNothing())
      .execute(),
  );
  return now;
}

async function move(transaction: WriteTransaction, consumer: string, place: Place): Promise<void> {
  await transaction
    .updateTable('feed_cursors')
    .set(place)
    .where('consumer', '=', consumer)
    .execute();
}
