/** SQLite's primary result codes (sqlite.org/rescode.html). */
export const SQLITE_BUSY = 5;
export const SQLITE_FULL = 13;

export function isSqliteError(error: unknown, code: number): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  // An extended code carries the primary one in its lowest byte.
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === code;
}
