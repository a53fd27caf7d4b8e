import type { Grant, Identity } from './auth.ts';
import { UpstreamDenied } from './errors.ts';
import type { CallOptions } from './peer.ts';
import type { Renewable } from './renewable.ts';

/** Being somebody at an API that asks for nothing and wants to be told: the same `Authorization` with every request. */
export class ApiIdentity implements Identity {
  readonly #host: string;
  readonly #authorization: Renewable<string> | undefined;

  constructor(host: string, authorization: Renewable<string> | undefined) {
    this.#host = host;
    this.#authorization = authorization;
  }

  async bring(scope: string, { signal, abandoned }: CallOptions): Promise<Grant | undefined> {
    const given = await this.#authorization?.get({ signal, abandoned });
    return given && { authorization: given.secret, isFresh: given.isFresh, scope };
  }

  async answer(
    _challenges: () => Promise<string>,
    scope: string,
    { refused, cause, ...options }: Parameters<Identity['answer']>[2],
  ): Promise<Grant> {
    if (refused !== undefined && !refused.isFresh) {
      const given = await this.#authorization?.get({ ...options, refused: refused.authorization });
      if (given !== undefined) return { authorization: given.secret, isFresh: true, scope };
    }
    throw new UpstreamDenied(this.#host, 401, { cause });
  }
}
