/** RFC 3339, of milliseconds UTC. */
export function timeJson(at: number): string {
  return new Date(at).toISOString();
}
