import type { Database } from '../database/database.ts';

/** The outbox of what was pulled through. */
export interface Arrivals {
  /** Forgets what arrived until that time (milliseconds UTC), whether anybody read it or not. @returns how many */
  expire(before: number): Promise<number>;
}

/** In one write, so that no push waits long behind them. */
const BATCH = 500;

export function createArrivals({ database }: { readonly database: Database }): Arrivals {
  return {
    async expire(before) {
      let expired = 0;
      let last: number;
      do {
        last = await database.write(async (transaction) => {
          const { numDeletedRows } = await transaction
            .deleteFrom('arrivals')
            .where('id', 'in', (query) =>
              query.selectFrom('arrivals').select('id').where('at', '<=', before).limit(BATCH),
            )
            .executeTakeFirst();
          return Number(numDeletedRows);
        });
        expired += last;
      } while (last === BATCH);
      return expired;
    },
  };
}
