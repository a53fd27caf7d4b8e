type Fixed = string | number | boolean;

const TEXT = [
  'http_authproxy_admin_groups',
  'http_authproxy_admin_usernames',
  'http_authproxy_endpoint',
  'http_authproxy_server_certificate',
  'http_authproxy_tokenreview_endpoint',
  'ldap_base_dn',
  'ldap_filter',
  'ldap_group_admin_dn',
  'ldap_group_attribute_name',
  'ldap_group_base_dn',
  'ldap_group_membership_attribute',
  'ldap_group_search_filter',
  'ldap_search_dn',
  'ldap_uid',
  'ldap_url',
  'oidc_admin_group',
  'oidc_client_id',
  'oidc_endpoint',
  'oidc_extra_redirect_parms',
  'oidc_group_filter',
  'oidc_groups_claim',
  'oidc_name',
  'oidc_scope',
  'oidc_user_claim',
  'uaa_client_id',
  'uaa_client_secret',
  'uaa_endpoint',
];
const NUMBERS = ['ldap_group_search_scope', 'ldap_scope', 'ldap_timeout'];
const FLAGS = [
  'http_authproxy_skip_search',
  'http_authproxy_verify_cert',
  'ldap_group_attach_parallel',
  'ldap_verify_cert',
  'oidc_auto_onboard',
  'oidc_logout',
  'oidc_verify_cert',
  'uaa_verify_cert',
];

/**
 * Keys of Harbor's configuration that are as they are here. All of them are told, since its clients (harbor-cli) take it
 * for granted that each is there, and what is sent back as it is changes nothing.
 */
export const FIXED: Readonly<Record<string, Fixed>> = {
  audit_log_forward_endpoint: '',
  auth_mode: 'db_auth',
  banner_message: '',
  notification_enable: true,
  primary_auth_mode: false,
  quota_per_project_enable: true,
  robot_name_prefix: 'robot$',
  scanner_skip_update_pulltime: false,
  self_registration: false,
  // Minutes.
  session_timeout: 60,
  skip_audit_log_database: false,
  // Nobody signs in by what these are about.
  ...all(TEXT, ''),
  ...all(NUMBERS, 0),
  ...all(FLAGS, false),
};

/** Told as well, and no item with a value. */
export const SCAN_ALL_POLICY = { scan_all_policy: { type: 'none' } };

function all(names: readonly string[], value: Fixed): Readonly<Record<string, Fixed>> {
  return Object.fromEntries(names.map((name) => [name, value]));
}
