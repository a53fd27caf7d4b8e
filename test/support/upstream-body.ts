import type { ServerResponse } from 'node:http';
import type { Paced } from './upstream-behaviour.ts';
import type { Answer, SeenRequest } from './upstream-exchange.ts';

const CHUNK_BYTES = 64 * 1024;

/** Sends the answer, or as much and as fast of it as `how` lets. Resolves when nothing more will be sent. */
export async function transmit(
  response: ServerResponse,
  answer: Answer,
  how: Paced,
  seen: SeenRequest,
): Promise<void> {
  const body = bodyOf(answer, how);
  describe(response, answer, body, how);
  if (seen.method === 'HEAD' || body.length === 0) {
    response.end();
    return;
  }
  response.flushHeaders();
  const stops = [how.stallAfter, how.cutAfter, how.resetAfter].filter((at) => at !== undefined);
  const end = Math.min(body.length, ...stops);
  const chunkBytes = Math.min(CHUNK_BYTES, Math.ceil((how.bytesPerSecond ?? Infinity) / 20));
  for (let position = 0; position < end; ) {
    const chunk = body.subarray(position, Math.min(position + chunkBytes, end));
    await how.pace?.(chunk.length);
    if (!(await isWritten(response, chunk))) return;
    position += chunk.length;
    seen.sentBytes += chunk.length;
  }
  if (end === body.length) response.end();
  else if (how.resetAfter === end) response.socket?.resetAndDestroy();
  else if (how.cutAfter === end) response.socket?.destroySoon();
}

function bodyOf({ body }: Answer, how: Paced): Buffer {
  const shorter = body.subarray(0, body.length - (how.shorterBy ?? 0));
  if (how.corrupt !== true || shorter.length === 0) return shorter;
  const corrupt = Buffer.from(shorter);
  corrupt[0] = (corrupt[0] ?? 0) ^ 0xff;
  return corrupt;
}

function describe(response: ServerResponse, answer: Answer, body: Buffer, how: Paced): void {
  response.statusCode = answer.status;
  const headers: Record<string, string> = { ...answer.headers };
  if (how.sayNoLength !== true) headers['content-length'] = String(body.length);
  Object.assign(headers, how.headers);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== '') response.setHeader(name, value);
  }
}

/** False when the client has gone. */
function isWritten(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  if (response.destroyed || response.closed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once('close', gone);
    response.write(chunk, (error) => {
      response.off('close', gone);
      resolve(error == null);
    });
  });
}
