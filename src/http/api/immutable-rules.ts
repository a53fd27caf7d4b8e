import { z } from 'zod';
import type { Listed, ListQuery } from './list-query.ts';
import { type Actor, type ApiRoute, DONE, projectRoute } from './route.ts';

interface Selector {
  readonly pattern: string;
  readonly excludes: boolean;
}

interface Selectors {
  readonly repositories: Selector;
  readonly tags: Selector;
}

interface StoredRule {
  readonly id: number;
  readonly disabled: boolean;
  readonly rule: Selectors;
}

interface Change {
  readonly disabled: boolean;
  /** What it leaves out stays. */
  readonly rule: { readonly [part in keyof Selectors]: Selector | undefined };
}

/** What these routes need of the node. @throws ManagementError */
export interface ImmutableRules {
  list(project: number, query: ListQuery): Promise<Listed<StoredRule>>;
  create(project: number, rule: Omit<StoredRule, 'id'>, actor: Actor): Promise<{ id: number }>;
  update(project: number, id: number, change: Change, actor: Actor): Promise<void>;
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
/** A rule is switched by `disabled` alone: Harbor then looks at nothing else (v2.13 src/controller/immutable). */
const RuleChange = Rule.partial({ tag_selectors: true, scope_selectors: true });

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
      const change = changeOf(await json(RuleChange));
      await rules.update(project.id, id('immutable_rule_id'), change, actor);
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

function changeOf({
  disabled,
  tag_selectors: tags,
  scope_selectors: scope,
}: z.infer<typeof RuleChange>): Change {
  return {
    disabled,
    rule: {
      repositories: scope && selectorOf(scope.repository[0]),
      tags: tags && selectorOf(tags[0]),
    },
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
