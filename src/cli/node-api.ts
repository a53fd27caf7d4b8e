/** A running node, asked by its API. */
import { readFile } from 'node:fs/promises';
import { text as readStream } from 'node:stream/consumers';
import got, { RequestError } from 'got';
import { z } from 'zod';
import { CommandFailed } from './command-failed.ts';
import { plain } from './table.ts';

/** Where it is, and who asks. */
export interface NodeAccess {
  readonly url: URL;
  readonly user: string | undefined;
  /** From the environment. */
  readonly password: string | undefined;
  /** Where it is read from; `-` is standard input. */
  readonly passwordFile: string | undefined;
}

export interface NodeApi {
  /** Below the base of the API. @throws CommandFailed with what the node says, and where it says something else than such a node */
  get<T>(path: string, said: z.ZodType<T>): Promise<T>;
  /** Page after page. */
  list<T>(path: string, item: z.ZodType<T>): AsyncIterable<T>;
  /** @returns what `Location` says, and what the body */
  post<T>(
    path: string,
    said: z.ZodType<T>,
    body?: object,
  ): Promise<{ readonly id: number | undefined; readonly said: T }>;
}

const OWN = '/api/portolan/v1';
/** Of Harbor. */
export const HARBOR = '/api/v2.0';
const PAGE = 100;
const ANSWER_MS = 60_000;

const Errors = z.object({ errors: z.array(z.object({ message: z.string() })).min(1) });

/** @throws CommandFailed where the password cannot be read */
export async function nodeApi(access: NodeAccess, under = OWN): Promise<NodeApi> {
  const password = await passwordOf(access);
  const { url: base, user } = access;
  const login = password === undefined ? {} : { username: user ?? 'admin', password };
  const ask = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${under}${path}`, base);
    try {
      const answer = await got(url, {
        ...login,
        method,
        ...(body === undefined ? {} : { json: body }),
        throwHttpErrors: false,
        followRedirect: false,
        timeout: { request: ANSWER_MS },
      });
      if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
      throw new CommandFailed(refusalIn(answer, password !== undefined));
    } catch (cause) {
      if (!(cause instanceof RequestError)) throw cause;
      throw new CommandFailed(`${base.origin} does not answer: ${cause.message}`, { cause });
    }
  };
  const understood = <T>(body: string, schema: z.ZodType<T>): T => {
    const { data, error } = schema.safeParse(jsonIn(body));
    if (error === undefined) return data;
    const what = under === HARBOR ? 'Harbor' : 'Portolan node';
    throw new CommandFailed(`${base.origin} answers, but is no ${what}`, { cause: error });
  };
  return {
    get: async (path, said) => understood((await ask('GET', path)).body, said),
    async *list(path, item) {
      for (let page = 1; ; page++) {
        const query = `${path.includes('?') ? '&' : '?'}page=${page}&page_size=${PAGE}`;
        const items = understood((await ask('GET', `${path}${query}`)).body, z.array(item));
        yield* items;
        if (items.length < PAGE) return;
      }
    },
    async post(path, said, body) {
      const { headers, body: told } = await ask('POST', path, body);
      const id = /\/(\d+)$/.exec(headers.location ?? '')?.[1];
      return { id: id === undefined ? undefined : Number(id), said: understood(told, said) };
    },
  };
}

async function passwordOf({ password, passwordFile }: NodeAccess): Promise<string | undefined> {
  if (passwordFile === undefined) return password;
  const text =
    passwordFile === '-' ? await readStream(process.stdin) : await passwordIn(passwordFile);
  return text.replace(/\r?\n$/, '');
}

async function passwordIn(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailed(`the password cannot be read: ${why}`, { cause });
  }
}

/** In the node's own words. */
function refusalIn(
  { statusCode, body }: { readonly statusCode: number; readonly body: string },
  isSignedIn: boolean,
): string {
  if (statusCode === 401 && !isSignedIn) {
    return 'the node wants to know who asks: PORTOLAN_USER and PORTOLAN_PASSWORD, or --user and --password-file';
  }
  const { data } = Errors.safeParse(jsonIn(body));
  const [first] = data?.errors ?? [];
  return first === undefined ? `the node answered ${statusCode}` : plain(first.message);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
