import type { WriteTransaction } from '../database/database.ts';

/** Who has a role in a project, and its robots, as far as the making and the end of the project change them. */
export const projectPeople = {
  /** Makes the user a project admin. `at` is in milliseconds UTC. */
  async welcome(
    transaction: WriteTransaction,
    { project, user, at }: { readonly project: number; readonly user: number; readonly at: number },
  ): Promise<void> {
    await transaction
      .insertInto('project_members')
      .values({
        project,
        user_id: user,
        user_group: null,
        role: 'projectAdmin',
        created_at: at,
        updated_at: at,
      })
      .execute();
  },

  async dismiss(transaction: WriteTransaction, project: number): Promise<void> {
    await transaction.deleteFrom('project_members').where('project', '=', project).execute();
    await transaction.deleteFrom('robots').where('project', '=', project).execute();
  },
};
