import assert from 'node:assert/strict';
import type { Answer } from '../../support/client.ts';
import { ADMIN, type NodeOptions, startNode, type TestNode } from '../../support/node.ts';
import { assertAsDeclared } from './contract.ts';

export interface ApiNode extends TestNode {
  /**
   * Sends `PUT /users/5`, below `/api/v2.0` or with it, with the object as JSON.
   *
   * @param as `name:password`; the admin unless it says otherwise
   */
  call(what: string, body?: object, as?: string): Promise<Answer>;
  /** Creates something; where it is. */
  create(what: string, body: object): Promise<string>;
}

/** A node whose answers are held against Harbor's contract, each of them. */
export async function startApiNode(options: NodeOptions = {}): Promise<ApiNode> {
  const node = await startNode(options);
  const send: TestNode['send'] = async (sent) => {
    const answer = await node.send(sent);
    assertAsDeclared({ method: sent.method ?? 'GET', path: sent.path }, answer);
    return answer;
  };
  const call: ApiNode['call'] = (what, body, as = ADMIN) => {
    const [method = '', target = ''] = what.split(' ');
    const path = target.startsWith('/api/') ? target : `/api/v2.0${target}`;
    if (body === undefined) return send({ method, path, as });
    const headers = { 'Content-Type': 'application/json' };
    return send({ method, path, as, headers, body: JSON.stringify(body) });
  };
  return {
    ...node,
    send,
    call,
    async create(what, body) {
      const answer = await call(`POST ${what}`, body);
      assert.equal(answer.status, 201, answer.body.toString());
      return answer.headers.location ?? '';
    },
  };
}
