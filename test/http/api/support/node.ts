import { type NodeOptions, startNode, type TestNode } from '../../support/node.ts';
import { assertAsDeclared } from './contract.ts';

/** A node whose answers are held against Harbor's contract, each of them. */
export async function startApiNode(options: NodeOptions = {}): Promise<TestNode> {
  const node = await startNode(options);
  return {
    ...node,
    async send(sent) {
      const answer = await node.send(sent);
      assertAsDeclared({ method: sent.method ?? 'GET', path: sent.path }, answer);
      return answer;
    },
  };
}
