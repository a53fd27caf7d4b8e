import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { basic } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';

const LAYER = Buffer.from('a layer');

/** Asks leave to send the layer as a whole blob, and sends it only when told to go on. */
async function ask(
  node: TestNode,
  authorization?: string,
): Promise<{ status: number; wasTold: boolean }> {
  let wasTold = false;
  const outgoing = request({
    host: node.host,
    port: node.port,
    method: 'POST',
    path: `/v2/local/app/blobs/uploads/?digest=${digestOf(LAYER)}`,
    signal: AbortSignal.timeout(10_000),
    headers: {
      Expect: '100-continue',
      'Content-Length': LAYER.length,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    },
  });
  outgoing.on('continue', () => {
    wasTold = true;
    outgoing.end(LAYER);
  });
  outgoing.flushHeaders();
  const [response] = await once(outgoing, 'response');
  response.resume();
  await once(response, 'end');
  outgoing.destroy();
  return { status: response.statusCode, wasTold };
}

describe('Expect: 100-continue', () => {
  it('is told to go on once the caller may', async () => {
    await using node = await startNode();

    assert.deepEqual(await ask(node, basic(ADMIN)), { status: 201, wasTold: true });
  });

  it('is told what is wrong before a byte is sent', async () => {
    await using node = await startNode();

    assert.deepEqual(await ask(node), { status: 401, wasTold: false });
    assert.deepEqual(await ask(node, basic('guest:pw')), { status: 403, wasTold: false });
  });
});
