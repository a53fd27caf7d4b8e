import { OciError } from '../oci/error.ts';

/** Seconds. Long enough for a slot to come free, short enough for a person to wait for. */
const RETRY_AFTER = 5;

export interface UploadSlots {
  /** Does the work while it holds a slot. @throws OciError UNAVAILABLE when all are taken */
  hold<T>(work: () => Promise<T>): Promise<T>;
}

/** Bounds the uploads whose bytes are arriving at one time; sessions that wait for their client take none. */
export function createUploadSlots(most: number): UploadSlots {
  let taken = 0;
  return {
    async hold(work) {
      if (taken >= most) {
        const message = `${most} uploads are running already`;
        throw new OciError('UNAVAILABLE', { message, retryAfterSeconds: RETRY_AFTER });
      }
      taken++;
      try {
        return await work();
      } finally {
        taken--;
      }
    },
  };
}
