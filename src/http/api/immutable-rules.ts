import { z } from 'zod';
import type { Listed, ListQuery } from './list-query.ts';
import { type Actor, type ApiRoute, DONE, projectRoute } from './route.ts';

interface Selector {
  readonly pattern: string;
  readonly excludes: boolean;
}

interface StoredRule {
  readonly id: number;
  readonly disabled: boolean;
  readonly rule: { readonly repositories: Selector; readonly tags: Selector };
}

/** What these routes need of the node. @throws ManagementError */
export interface ImmutableRules {
  list(project: number, query: ListQuery): Promise<Listed<StoredRule>>;
  create(project: number, rule: Omit<StoredRule, 'id'>, actor: Actor): Promise<{ id: number }>;
  update(project: number, id: number, rule: Omit<StoredRule, 'id'>, actor: Actor): Promise<void>;
  remove(project: number, id: number, actor: Actor): Promise<void>;
}

const RULES = '/projects/{project_name_or_id}/immutabletagrules';
const RULE = `${RULES}/{immutable_rule_id}` as const;

const Selected = z.object({
  kind: z.literal('doublestar').default('doublestar'),
  decoration: z.enum(['matches', 'excludes', 'repoMatches', 'repoExcludes']),
  pattern: z.string(),
});
const Rule = z.object({
  disabled: z.boolean().default(false),
  action: z.literal(['immutable', '']).default('immutable'),
  template: z.literal(['immutable_template', '']).default('immutable_template'),
  // Harbor looks at the first of each alone (v2.13 src/pkg/immutable/match/rule).
  tag_selectors: z.tuple([Selected]),
  scope_selectors: z.object({ repository: z.tuple([Selected]) }),
});

/** Which tags of a project nobody moves or deletes. */
export function immutableRoutes(rules: ImmutableRules): readonly ApiRoute[] {
  return [listRules(rules), createRule(rules), updateRule(rules), deleteRule(rules)];
}

const listRules = (rules: ImmutableRules): ApiRoute =>
  projectRoute({
    operation: 'ListImmuRules',
    method: 'GET',
    path: RULES,
    permission: { project: 'immutable-tag:list' },
    answers: [200, 400, 401, 403],
    async handle({ project, list }) {
      const { items, total } = await rules.list(
        project.id,
        list({ id: 'id', disabled: 'disabled' }),
      );
      return { json: items.map(ruleJson), total };
    },
  });

const createRule = (rules: ImmutableRules): ApiRoute =>
  projectRoute({
    operation: 'CreateImmuRule',
    method: 'POST',
    path: RULES,
    permission: { project: 'immutable-tag:create' },
    answers: [201, 400, 401, 403, 404],
    async handle({ project, json, actor }) {
      const { id } = await rules.create(project.id, ruleOf(await json(Rule)), actor);
      return { location: `/projects/${project.id}/immutabletagrules/${id}` };
    },
  });

const updateRule = (rules: ImmutableRules): ApiRoute =>
  projectRoute({
    operation: 'UpdateImmuRule',
    method: 'PUT',
    path: RULE,
    permission: { project: 'immutable-tag:update' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, id, json, actor }) {
      const rule = ruleOf(await json(Rule));
      await rules.update(project.id, id('immutable_rule_id'), rule, actor);
      return DONE;
    },
  });

const deleteRule = (rules: ImmutableRules): ApiRoute =>
  projectRoute({
    operation: 'DeleteImmuRule',
    method: 'DELETE',
    path: RULE,
    permission: { project: 'immutable-tag:delete' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, id, actor }) {
      await rules.remove(project.id, id('immutable_rule_id'), actor);
      return DONE;
    },
  });

function ruleOf({
  disabled,
  tag_selectors: [tags],
  scope_selectors: {
    repository: [repositories],
  },
}: z.infer<typeof Rule>): Omit<StoredRule, 'id'> {
  return {
    disabled,
    rule: { repositories: selectorOf(repositories), tags: selectorOf(tags) },
  };
}

function selectorOf({ pattern, decoration }: z.infer<typeof Selected>): Selector {
  return { pattern, excludes: /excludes$/i.test(decoration) };
}

function ruleJson({ id, disabled, rule: { repositories, tags } }: StoredRule): object {
  const kind = 'doublestar';
  return {
    id,
    disabled,
    priority: 0,
    action: 'immutable',
    template: 'immutable_template',
    tag_selectors: [
      { kind, decoration: tags.excludes ? 'excludes' : 'matches', pattern: tags.pattern },
    ],
    scope_selectors: {
      repository: [
        {
          kind,
          decoration: repositories.excludes ? 'repoExcludes' : 'repoMatches',
          pattern: repositories.pattern,
        },
      ],
    },
  };
}
