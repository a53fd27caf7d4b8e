terraform {
  required_providers {
    harbor = {
      source = "goharbor/harbor"
    }
  }
}

variable "upstream" {
  type = string
}

# What the second form of the plan changes.
variable "changed" {
  type    = bool
  default = false
}

variable "password" {
  type    = string
  default = "Passw0rd1"
}

resource "harbor_config_system" "node" {
  project_creation_restriction = var.changed ? "everyone" : "adminonly"
  robot_token_expiration       = var.changed ? 60 : 45
  storage_per_project          = 100
}

resource "harbor_user" "ann" {
  username  = "ann"
  password  = var.password
  full_name = var.changed ? "Ann B" : "Ann A"
  email     = "ann@example.com"
  admin     = var.changed
}

resource "harbor_group" "ops" {
  group_name = var.changed ? "operators" : "ops"
  group_type = 3
}

resource "harbor_registry" "hub" {
  provider_name = "docker-registry"
  name          = "hub"
  description   = var.changed ? "changed" : "of the plan"
  endpoint_url  = var.upstream
}

resource "harbor_replication" "nightly" {
  name                   = "nightly"
  description            = var.changed ? "changed" : "of the plan"
  action                 = "pull"
  registry_id            = harbor_registry.hub.registry_id
  schedule               = var.changed ? "0 30 4 * * *" : "0 0 3 * * *"
  dest_namespace         = harbor_project.works.name
  dest_namespace_replace = 1
  enabled                = !var.changed
  speed                  = 512
  filters {
    name = "library/**"
  }
  filters {
    tag        = var.changed ? "v2*" : "v*"
    decoration = "matches"
  }
  filters {
    resource = "image"
  }
}

resource "harbor_replication" "onward" {
  name        = "onward"
  action      = "push"
  registry_id = harbor_registry.hub.registry_id
  schedule    = "event_based"
  deletion    = true
  filters {
    name = "${harbor_project.works.name}/**"
  }
  filters {
    tag        = "latest"
    decoration = "excludes"
  }
  filters {
    labels     = [harbor_label.node.name]
    decoration = "matches"
  }
}

resource "harbor_project" "works" {
  name                   = "works"
  public                 = var.changed
  storage_quota          = var.changed ? 20 : 10
  vulnerability_scanning = false
  force_destroy          = true
}

resource "harbor_project" "cache" {
  name        = "cache"
  registry_id = harbor_registry.hub.registry_id
  public      = true
}

resource "harbor_project_member_user" "ann" {
  project_id = harbor_project.works.id
  user_name  = harbor_user.ann.username
  role       = var.changed ? "maintainer" : "developer"
}

resource "harbor_project_member_group" "ops" {
  project_id = harbor_project.works.id
  group_name = harbor_group.ops.group_name
  type       = "oidc"
  role       = var.changed ? "guest" : "limitedguest"
}

resource "harbor_robot_account" "system" {
  name        = "sweeper"
  description = "goes everywhere"
  level       = "system"
  disable     = var.changed
  permissions {
    access {
      action   = "list"
      resource = "project"
    }
    kind      = "system"
    namespace = "/"
  }
  permissions {
    access {
      action   = "pull"
      resource = "repository"
    }
    kind      = "project"
    namespace = "*"
  }
}

resource "harbor_robot_account" "project" {
  name     = "ci"
  level    = "project"
  duration = var.changed ? 14 : 7
  secret   = var.changed ? "Secret234" : "Secret123"
  permissions {
    access {
      action   = "pull"
      resource = "repository"
    }
    access {
      action   = "push"
      resource = "repository"
    }
    kind      = "project"
    namespace = harbor_project.works.name
  }
}

resource "harbor_label" "node" {
  name        = "tested"
  color       = "#00AB9A"
  description = var.changed ? "changed" : "of the node"
}

resource "harbor_label" "works" {
  name       = var.changed ? "theirs" : "ours"
  project_id = harbor_project.works.id
}

resource "harbor_immutable_tag_rule" "releases" {
  project_id    = harbor_project.works.id
  repo_matching = "**"
  tag_matching  = var.changed ? "r*" : "v*"
  disabled      = false
}

resource "harbor_immutable_tag_rule" "others" {
  project_id     = harbor_project.works.id
  repo_excluding = "team/**"
  tag_excluding  = "latest"
  disabled       = !var.changed
}

data "harbor_project" "works" {
  name       = "works"
  depends_on = [harbor_project.works]
}

data "harbor_projects" "all" {
  depends_on = [harbor_project.works, harbor_project.cache]
}

data "harbor_registry" "hub" {
  name       = "hub"
  depends_on = [harbor_registry.hub]
}

data "harbor_users" "all" {
  depends_on = [harbor_user.ann]
}

data "harbor_groups" "all" {
  depends_on = [harbor_group.ops]
}

data "harbor_robot_accounts" "works" {
  level      = "project"
  project_id = harbor_project.works.project_id
  depends_on = [harbor_robot_account.project]
}

data "harbor_project_member_users" "works" {
  project_id = harbor_project.works.id
  depends_on = [harbor_project_member_user.ann]
}

data "harbor_project_member_groups" "works" {
  project_id = harbor_project.works.id
  depends_on = [harbor_project_member_group.ops]
}

output "seen" {
  value = {
    project  = data.harbor_project.works.id
    projects = sort([for each in data.harbor_projects.all.projects : each.name])
    registry = data.harbor_registry.hub.id
    users    = sort([for each in data.harbor_users.all.users : each.username])
    groups   = [for each in data.harbor_groups.all.groups : each.group_name]
    robots   = [for each in data.harbor_robot_accounts.works.robot_accounts : each.name]
    members  = [for each in data.harbor_project_member_users.works.project_member_users : each.user_name]
  }
}
