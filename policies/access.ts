/** What a caller wants of a project; `catalog` is seeing that its repositories exist. */
export type Action = 'pull' | 'push' | 'delete' | 'catalog';

/**
 * Whether the caller may. So far there are an admin, who may everything, and everybody, who may see and pull what is
 * public; the table of project roles comes with users.
 */
export function may(
  caller: { readonly isAdmin: boolean },
  action: Action,
  project: { readonly isPublic: boolean },
): boolean {
  if (caller.isAdmin) return true;
  return project.isPublic && (action === 'pull' || action === 'catalog');
}
