import type { Filter } from '../database/listing.ts';
import type { Jobs } from './jobs.ts';
import type { Task } from './tasks.ts';

/** Tasks of one query. */
const PAGE = 1000;

/** Of an execution, the oldest first: by their ids, page after page, so that a page costs the same wherever it is. */
export async function* everyTask(
  { tasks }: Pick<Jobs, 'tasks'>,
  execution: number,
  { kind }: { readonly kind?: string } = {},
): AsyncGenerator<Task> {
  const own: Filter[] = [{ field: 'execution', kind: 'exact', value: String(execution) }];
  if (kind !== undefined) own.push({ field: 'kind', kind: 'exact', value: kind });
  const sort = [{ field: 'id', descending: false }];
  for (let least = 0; ; ) {
    const filters: Filter[] = [...own, { field: 'id', kind: 'range', min: String(least) }];
    const { items } = await tasks.list({ filters, sort, offset: 0, limit: PAGE });
    yield* items;
    const last = items.at(-1);
    if (last === undefined || items.length < PAGE) return;
    least = last.id + 1;
  }
}
