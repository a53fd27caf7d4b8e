import { OciError } from '../oci/error.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import { StorageFull } from '../storage/errors.ts';

/** Nobody read the fill for as long as it may go on alone. */
export class FillAbandoned extends Error {
  override readonly name = 'FillAbandoned';
}

export function stopping(): OciError {
  return new OciError('UNAVAILABLE', { message: 'this node is stopping' });
}

/** Whether upstream may give the rest another time, so that what is here spares it that much. */
export function mayComeBack(error: Error): boolean {
  const isOver =
    error instanceof UpstreamInvalid ||
    error instanceof FillAbandoned ||
    error instanceof StorageFull;
  return !isOver;
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('a fill failed', { cause: thrown });
}
