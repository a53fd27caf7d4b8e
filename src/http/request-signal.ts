import type { Context } from './context.ts';

const signals = new WeakMap<object, AbortSignal>();

/** Aborts when the client goes away before its answer is finished. One per request. */
export function requestSignal({ req, res }: Pick<Context, 'req' | 'res'>): AbortSignal {
  const known = signals.get(res);
  if (known !== undefined) return known;
  const controller = new AbortController();
  const onClose = (): void => {
    req.socket.off('close', onClose);
    if (!res.writableFinished) controller.abort(new Error('client went away'));
  };
  if (res.closed) onClose();
  else res.once('close', onClose);
  // The answer to a pipelined request has no socket until its turn comes, and is told nothing before that.
  if (res.socket === null) req.socket.once('close', onClose);
  signals.set(res, controller.signal);
  return controller.signal;
}
