/** What a consumer may follow: the changes of what is owned here, and the arrivals of what was pulled through. */
import { type Selectable, sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { ArrivalRow, ChangeRow } from '../database/tables.ts';

/** Everything up to there has been seen. */
export interface Place {
  readonly epoch: number;
  readonly seq: number;
}

export interface Outbox<Item> {
  /** Behind everything that is there. */
  end(queries: Queries): Promise<Place>;
  /** The next ones, at most so many, in order. */
  after(queries: Queries, place: Place, most: number): Promise<readonly Item[]>;
  count(queries: Queries, place: Place): Promise<number>;
  placeOf(item: Item, before: Place): Place;
  /** Where to go on if what came next may not be there any more; undefined where nothing is missing. */
  beyondGap(queries: Queries, place: Place): Promise<Place | undefined>;
}

/** Of this node. Another epoch begins where its data are a copy: what it did after the copy was made is nowhere. */
export const changeOutbox: Outbox<ChangeRow> = {
  async end(queries) {
    const { feed_epoch, last_seq } = await queries
      .selectFrom('instance')
      .select(['feed_epoch', 'last_seq'])
      .executeTakeFirstOrThrow();
    return { epoch: feed_epoch, seq: last_seq };
  },

  async after(queries, { epoch, seq }, most) {
    return ownChanges(queries)
      .selectAll('changes')
      .where('epoch', '=', epoch)
      .where('seq', '>', seq)
      .orderBy('seq')
      .limit(most)
      .execute();
  },

  async count(queries, { epoch, seq }) {
    const { count } = await ownChanges(queries)
      .select((row) => row.fn.countAll<number>().as('count'))
      .where(sql<boolean>`(epoch, seq) > (${epoch}, ${seq})`)
      .executeTakeFirstOrThrow();
    return count;
  },

  placeOf: ({ epoch, seq }) => ({ epoch, seq }),

  async beyondGap(queries, { epoch, seq }) {
    const next = await ownChanges(queries)
      .select(['epoch', 'seq'])
      .where(sql<boolean>`(epoch, seq) > (${epoch}, ${seq})`)
      .orderBy('epoch')
      .orderBy('seq')
      .executeTakeFirst();
    const { epoch: begun } = next ?? (await changeOutbox.end(queries));
    return begun === epoch ? undefined : { epoch: begun, seq: 0 };
  },
};

function ownChanges(queries: Queries) {
  return queries
    .selectFrom('changes')
    .where('origin', '=', (row) => row.selectFrom('instance').select('instance.id'));
}

const NOTHING_YET = -1;

/** They are kept for some days only: who was away for longer misses some. */
export const arrivalOutbox: Outbox<Selectable<ArrivalRow>> = {
  async end(queries) {
    const last = await queries
      .selectFrom('arrivals')
      .select((row) => row.fn.max('id').as('id'))
      .executeTakeFirst();
    // Whatever the first will be called, nothing is missing before it.
    return { epoch: 0, seq: last?.id ?? NOTHING_YET };
  },

  async after(queries, { seq }, most) {
    return queries
      .selectFrom('arrivals')
      .selectAll()
      .where('id', '>', seq)
      .orderBy('id')
      .limit(most)
      .execute();
  },

  async count(queries, { seq }) {
    const { count } = await queries
      .selectFrom('arrivals')
      .select((row) => row.fn.countAll<number>().as('count'))
      .where('id', '>', seq)
      .executeTakeFirstOrThrow();
    return count;
  },

  placeOf: ({ id }, { epoch }) => ({ epoch, seq: id }),

  async beyondGap(queries, { epoch, seq }) {
    if (seq === NOTHING_YET) return undefined;
    const next = await queries
      .selectFrom('arrivals')
      .select('id')
      .where('id', '>', seq)
      .orderBy('id')
      .limit(1)
      .executeTakeFirst();
    return next === undefined || next.id === seq + 1 ? undefined : { epoch, seq: next.id - 1 };
  },
};
