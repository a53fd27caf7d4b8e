/** Rows of those who call and of what lets them in; `tables.ts` draws how they hang together. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

export interface UserRow {
  id: Generated<number>;
  name: string;
  /** Unique where there is one. */
  email: string | null;
  real_name: Generated<string>;
  comment: Generated<string>;
  /** argon2id, in PHC form. */
  password_hash: string;
  admin: Flag;
  disabled: Generated<Flag>;
  last_login_at: number | null;
  /** Tokens that were issued before are void. */
  valid_from: Generated<number>;
  created_at: number;
  updated_at: number;
}

/** People whom an identity provider groups. */
export interface UserGroupRow {
  id: Generated<number>;
  name: string;
  kind: 'ldap' | 'http' | 'oidc';
  ldap_dn: string | null;
  created_at: number;
  updated_at: number;
}

/** As the identity provider said when the user last signed in. */
export interface UserGroupMemberRow {
  user_group: number;
  user_id: number;
}

/** Of a user or of a group. */
export interface ProjectMemberRow {
  id: Generated<number>;
  project: number;
  user_id: number | null;
  user_group: number | null;
  role: 'projectAdmin' | 'maintainer' | 'developer' | 'guest' | 'limitedGuest';
  created_at: number;
  updated_at: number;
}

export interface RobotRow {
  id: Generated<number>;
  /** Without prefix and project. */
  name: string;
  /** null: of the node. */
  project: number | null;
  description: string;
  /** SHA-256 with a salt: the secret is random, so that a slow hash protects nothing. */
  secret_hash: string;
  /** JSON: `[{ kind, project, permissions: ['repository:pull'] }]`, projects by id or `*`. */
  permissions: string;
  /** -1: for ever. */
  duration_days: number;
  expires_at: number | null;
  disabled: Flag;
  creator: string;
  /** Tokens that were issued before are void. */
  valid_from: number;
  created_at: number;
  updated_at: number;
}

export interface SigningKeyRow {
  kid: string;
  /** A JWK, sealed with the master key. */
  private_key: string;
  /** A JWK. */
  public_key: string;
  created_at: number;
  /** Signs no more, and verifies until its tokens have ended. */
  retired_at: number | null;
}

export interface RefreshTokenRow {
  /** SHA-256 of the token, which is random. */
  hash: string;
  user_id: number;
  /** As it called itself (`docker`). */
  client: string;
  created_at: number;
  used_at: number;
  expires_at: number;
}
