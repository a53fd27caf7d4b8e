import assert from 'node:assert/strict';
import { type Arbitrary, constantFrom, nat, oneof, option, record } from 'fast-check';
import type { Answer } from '../../http/support/client.ts';
import type { FuzzNode } from './node.ts';
import { textOf } from './text.ts';

/** Which part of a list a client asks for, as it writes it. */
export interface AskedPage {
  readonly n: string | undefined;
  readonly last: string | undefined;
}

/** Pages of a list of such names. */
export function pagesOf(names: Arbitrary<string>): Arbitrary<AskedPage> {
  return record({
    n: option(oneof(nat(12).map(String), constantFrom('007', '99999', '9'.repeat(400))), {
      nil: undefined,
    }),
    last: option(
      oneof(
        names,
        names.map((name) => name.slice(0, -1)),
        ODD,
      ),
      { nil: undefined },
    ),
  });
}

// What no name is has its place among them all the same.
const ODD = oneof(textOf({ maxLength: 5 }), constantFrom('', '\0', '~', '\u{10ffff}'));

/** In the order of bytes, as the specification has it (distribution-spec main "Listing Tags"). */
export function inByteOrder(names: Iterable<string>): readonly string[] {
  return [...names].toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}

/** What the page has of these names. */
export function partOf(names: Iterable<string>, { n, last }: AskedPage): readonly string[] {
  const after = inByteOrder(names).filter(
    (name) => last === undefined || Buffer.compare(Buffer.from(name), Buffer.from(last)) > 0,
  );
  return n === undefined ? after : after.slice(0, Number(n));
}

export function pathOf(path: string, { n, last }: AskedPage): string {
  const query = new URLSearchParams({
    ...(n === undefined ? {} : { n }),
    ...(last === undefined ? {} : { last }),
  });
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** Where the next page is, on this node. */
export function nextIn({ headers }: Answer): string | undefined {
  if (headers['link'] === undefined) return undefined;
  const [, path] = /^<(\/v2\/[^>]*)>; rel="next"$/.exec(String(headers['link'])) ?? [];
  assert.ok(path, `what is ${String(headers['link'])}?`);
  return path;
}

/** The answers from this page to the last. `between` runs before each but the first. */
export async function walk(
  node: FuzzNode,
  path: string,
  between: () => Promise<void> = async () => {},
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (
    let next: string | undefined = path;
    next !== undefined;
    next = nextIn(answers.at(-1) ?? assert.fail())
  ) {
    if (answers.length > 0) await between();
    const answer: Answer = await node.send({ path: next });
    assert.equal(answer.status, 200);
    answers.push(answer);
    assert.ok(answers.length < 1_000, 'the pages never end');
  }
  return answers;
}

/** The list of an answer by its key. */
export function listIn(answer: Answer, key: string): readonly unknown[] {
  const json = answer.json();
  assert.ok(typeof json === 'object' && json !== null);
  const list: unknown = Object.entries(json).find(([name]) => name === key)?.[1];
  assert.ok(Array.isArray(list));
  return list;
}

export function namesIn(answer: Answer, key: string): readonly string[] {
  return listIn(answer, key).map((entry) => (typeof entry === 'string' ? entry : assert.fail()));
}
