/** A vendor's own API in JSON, for what distribution-spec has no words for: lists, namespaces, tags by themselves. */
import type { z } from 'zod';
import type { OciError, OciErrorCode } from '../oci/error.ts';
import { UpstreamInvalid, type UpstreamRefused, type UpstreamThrottled } from './errors.ts';
import { jsonIn } from './json.ts';
import { pagesOf } from './pages.ts';
import type { CallOptions } from './peer.ts';
import type {
  ApiAccess,
  Call,
  RegistryCalls,
  RegistryClient,
  WholeAnswer,
} from './registry-client.ts';
import { writeRefusal } from './repository-calls.ts';

export interface Question extends CallOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Below the API's URL; names in it are encoded by {@link part}. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>> | undefined;
  readonly json?: unknown;
  /** Instead of `json`: as HTML forms are sent. */
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** As in {@link Call.isOptional}. */
  readonly isOptional?: boolean;
}

/** Any answer but 401, 403, 429 and 5xx, which are the errors of `errors.ts`. */
export interface ApiAnswer {
  readonly status: number;
  /** What the answer means where it is not what was hoped for; `unknown` is what 404 says. */
  refusal(unknown: OciErrorCode): OciError | UpstreamInvalid | UpstreamRefused | UpstreamThrottled;
  /** @throws UpstreamInvalid where it is no such JSON */
  body<T>(schema: z.ZodType<T>): T;
}

/** A name as one part of a path. */
export function part(name: string): string {
  return encodeURIComponent(name);
}

export class VendorApi {
  readonly #calls: RegistryCalls;
  readonly #base: URL;

  constructor(client: RegistryClient, access: ApiAccess) {
    this.#calls = client.api(access);
    this.#base = access.url;
  }

  async ask(question: Question): Promise<ApiAnswer> {
    const call = this.#call(question);
    return answerOf(call, await this.#calls.read(call, this.#calls.limits.listBytes));
  }

  /** Follows `Link: …; rel="next"` (RFC 8288). */
  async *pages(question: Question): AsyncGenerator<ApiAnswer> {
    const call = this.#call(question);
    for await (const page of pagesOf(this.#calls, call)) yield answerOf(call, page);
  }

  /**
   * Page after page, where the vendor says in the answer itself what comes next: `next` makes the next question of it,
   * and nothing after the last.
   *
   * @throws UpstreamInvalid where pages repeat or do not end
   */
  async *follow(
    first: Question,
    next: (answer: ApiAnswer, question: Question) => Question['query'],
  ): AsyncGenerator<ApiAnswer> {
    const seen = new Set<string>();
    let question: Question | undefined = first;
    while (question !== undefined) {
      const { search } = this.#call(question).url;
      if (seen.has(search)) throw new UpstreamInvalid(this.#base.host, 'its pages go in a circle');
      if (seen.size === MOST_PAGES)
        throw new UpstreamInvalid(this.#base.host, `more than ${MOST_PAGES} pages`);
      seen.add(search);
      const answer = await this.ask(question);
      yield answer;
      const query: Question['query'] = answer.status === 200 ? next(answer, question) : undefined;
      question = query && { ...first, query };
    }
  }

  #call(question: Question): Call {
    const { method = 'GET', path, query = {}, headers, signal, abandoned, isOptional } = question;
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const { type, body } = bodyOf(question);
    return {
      method,
      url,
      scope: '',
      headers: {
        accept: 'application/json',
        ...(type === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      lane: 'control',
      body,
      isOptional,
      signal,
      abandoned,
    };
  }
}

function bodyOf({ json, form }: Question): { type?: string; body?: Uint8Array } {
  if (form !== undefined) {
    const body = Buffer.from(new URLSearchParams(form).toString());
    return { type: 'application/x-www-form-urlencoded', body };
  }
  if (json === undefined) return {};
  return { type: 'application/json', body: Buffer.from(JSON.stringify(json)) };
}

/** A hundred thousand repositories at a hundred a page. */
const MOST_PAGES = 1000;

function answerOf(call: Call, answer: WholeAnswer): ApiAnswer {
  const { status, bytes } = answer;
  return {
    status,
    refusal: (unknown) => writeRefusal(call, answer, unknown),
    body(schema) {
      const parsed = schema.safeParse(jsonIn(bytes, call.url.host));
      if (parsed.success) return parsed.data;
      const problem = `${call.method} ${call.url.pathname} is not as its API says`;
      throw new UpstreamInvalid(call.url.host, problem, { cause: parsed.error });
    },
  };
}
