export const HELP = `Portolan, a container registry and pull-through cache.

  portolan [serve]         serve until a signal ends it
  portolan config check    say whether the configuration can be used
  portolan config print    show the configuration in effect, without secrets
  portolan backup FILE     write database and blobs into a tar file, also while the node runs
                           (to restore: untar it into an empty data folder); it holds what opens its secrets,
                           unless the configuration has the master key
  portolan keys rotate     sign tokens with a new key from now on, also while the node runs
  portolan secrets rotate  seal the secrets in the database with a new master key, while the node does not run
  portolan users disable NAME
                           let nobody in by that name, and void what it has, also while the node runs
  portolan users enable NAME
                           let it in again
  portolan users sign-out NAME
                           end its tokens, logins and sessions; the password stays good
  portolan groups add GROUP USER, portolan groups remove GROUP USER
                           give a user the roles of a group, or take them, also while the node runs

  portolan replicate --from REGISTRY --to REGISTRY[/NAMESPACE] --repositories PATTERN...
                           copy once, with no node: from an endpoint of --config or host[:port] to another;
                           logins are those of docker and podman
      [--exclude-repositories PATTERN...] [--tags PATTERN...] [--exclude-tags PATTERN...] [--semver RANGE...]
      [--newest NUMBER] [--platforms PLATFORM...] [--max-size SIZE] [--signed-only] [--no-referrers]
      [--no-override] [--namespace NAME] [--flatten NUMBER|all] [--bandwidth RATE]
      [--rules FILE]       more rules, YAML, as those of a policy but source, destinations, trigger and enabled
      [--dry-run]          say what would be copied, and copy nothing

  portolan policies list   replication policies of a running node
  portolan policies show NAME
                           one of them, as the configuration file would have it
  portolan policies start NAME [--dry-run] [--wait]
                           run it; say what it would do and do nothing; stay until it is over
  portolan policies stop NAME
                           stop what runs of it
  portolan policies retry NAME [--wait]
                           do again what failed in its last execution
  portolan executions list [--policy NAME] [--status STATUS]
                           its runs, the newest first
  portolan executions show ID, portolan executions stop ID
                           how one is, and why it failed; stop it
  portolan executions retry ID [--wait]
                           do its failed tasks again
  portolan tags history REPOSITORY:TAG
                           what a tag pointed to
  portolan tags rollback REPOSITORY:TAG [--to DIGEST]
                           point it to what it pointed to before, or to what it once pointed to
  portolan import regsync FILE [--local REGISTRY]
                           print a configuration that does what regsync's does; what is REGISTRY there is this node
  portolan import harbor URL
                           print one that has the registries and replication policies of a Harbor

  --node URL               which node (PORTOLAN_NODE); default: http://localhost:5000
  --user NAME              who asks (PORTOLAN_USER); default: admin
  --password-file FILE, --password-stdin
                           the password (PORTOLAN_PASSWORD)
  --json                   JSON instead of text

  --config FILE            the configuration, YAML (PORTOLAN_CONFIG); without one, everything has its default
  --data DIR               the folder of database and blobs (PORTOLAN_DATA); default: ./data
  --listen HOST:PORT       where to serve (PORTOLAN_LISTEN); default: 0.0.0.0:5000
  --help, --version

The password of the user admin comes from PORTOLAN_ADMIN_PASSWORD or the configuration; without one, it is generated
at the first start and printed once.
Exit codes: 0 done, 1 failed, 2 the command line, the configuration or the data cannot be used.
`;
