package main

import (
	"os"
	"strings"

	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/artifact"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/auditlog"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/configure"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/health"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/immutable"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/label"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/permissions"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/ping"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/registry"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/repository"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/search"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/statistic"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/systeminfo"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/user"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/usergroup"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

// The SDK encodes it once, and a name with a slash is encoded twice.
const app = "team%2Fapp"

func repositories(admin *client.HarborAPI, works int64) {
	copied := must(admin.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{
		ProjectName: "works", RepositoryName: app, From: "local/app:1",
	}))
	check(strings.Contains(copied.Location, "/artifacts/sha256:"), copied)
	must(admin.Repository.UpdateRepository(ctx, &repository.UpdateRepositoryParams{
		ProjectName: "works", RepositoryName: app, Repository: &models.Repository{Description: "bold"},
	}))
	read := must(admin.Repository.GetRepository(ctx,
		&repository.GetRepositoryParams{ProjectName: "works", RepositoryName: app})).Payload
	check(read.Name == "works/team/app" && read.Description == "bold" && read.ProjectID == works, read)
	listed := must(admin.Repository.ListRepositories(ctx, &repository.ListRepositoriesParams{ProjectName: "works"}))
	check(listed.XTotalCount == 1, listed)
	all := must(admin.Repository.ListAllRepositories(ctx, &repository.ListAllRepositoriesParams{}))
	check(all.XTotalCount == 2, all)

	get := &artifact.GetArtifactParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", WithAccessory: the(true),
	}
	image := must(admin.Artifact.GetArtifact(ctx, get)).Payload
	check(image.Type == "IMAGE" && len(image.Accessories) == 1, image)
	hanging := must(admin.Artifact.ListAccessories(ctx, &artifact.ListAccessoriesParams{
		ProjectName: "works", RepositoryName: app, Reference: image.Digest,
	})).Payload
	check(len(hanging) == 1 && hanging[0].SubjectArtifactDigest == image.Digest, hanging)
	// An array, as Harbor has it; the SDK, made from a contract that says text, cannot take it apart.
	_, err := admin.Artifact.GetAddition(ctx, &artifact.GetAdditionParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", Addition: "build_history",
	})
	check(err != nil && strings.Contains(err.Error(), "cannot unmarshal array"), err)
	artifacts := must(admin.Artifact.ListArtifacts(ctx,
		&artifact.ListArtifactsParams{ProjectName: "works", RepositoryName: app}))
	check(artifacts.XTotalCount == 1, artifacts)
	ofProject := must(admin.Project.ListArtifactsOfProject(ctx,
		&project.ListArtifactsOfProjectParams{ProjectNameOrID: "works"}))
	check(ofProject.XTotalCount >= 1, ofProject)

	tagging := &artifact.CreateTagParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", Tag: &models.Tag{Name: "stable"},
	}
	must(admin.Artifact.CreateTag(ctx, tagging))
	refused[*artifact.CreateTagConflict](admin.Artifact.CreateTag(ctx, tagging))
	tags := must(admin.Artifact.ListTags(ctx,
		&artifact.ListTagsParams{ProjectName: "works", RepositoryName: app, Reference: "1"}))
	check(tags.XTotalCount == 2, tags)
	must(admin.Artifact.DeleteTag(ctx, &artifact.DeleteTagParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", TagName: "stable",
	}))
}

func labels(admin *client.HarborAPI, works int64) {
	id := idIn(must(admin.Label.CreateLabel(ctx, &label.CreateLabelParams{
		Label: &models.Label{Name: "ours", Scope: "p", ProjectID: works},
	})).Location)
	must(admin.Label.UpdateLabel(ctx, &label.UpdateLabelParams{
		LabelID: id, Label: &models.Label{Name: "mine", Color: "#00AB9A", Scope: "p", ProjectID: works},
	}))
	read := must(admin.Label.GetLabelByID(ctx, &label.GetLabelByIDParams{LabelID: id})).Payload
	check(read.Name == "mine" && read.Color == "#00AB9A", read)
	listed := must(admin.Label.ListLabels(ctx, &label.ListLabelsParams{Scope: the("p"), ProjectID: &works}))
	check(listed.XTotalCount == 1, listed)
	must(admin.Artifact.AddLabel(ctx, &artifact.AddLabelParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", Label: &models.Label{ID: id},
	}))
	image := must(admin.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", WithLabel: the(true),
	})).Payload
	check(len(image.Labels) == 1 && image.Labels[0].Name == "mine", image.Labels)
	must(admin.Artifact.RemoveLabel(ctx, &artifact.RemoveLabelParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", LabelID: id,
	}))
	must(admin.Label.DeleteLabel(ctx, &label.DeleteLabelParams{LabelID: id}))
	refused[*label.GetLabelByIDNotFound](
		admin.Label.GetLabelByID(ctx, &label.GetLabelByIDParams{LabelID: id}))
}

func immutableRules(admin *client.HarborAPI) {
	rule := &models.ImmutableRule{
		Action: "immutable", Template: "immutable_template",
		TagSelectors: []*models.ImmutableSelector{{Kind: "doublestar", Decoration: "matches", Pattern: "1"}},
		ScopeSelectors: map[string][]models.ImmutableSelector{
			"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}},
		},
	}
	id := idIn(must(admin.Immutable.CreateImmuRule(ctx,
		&immutable.CreateImmuRuleParams{ProjectNameOrID: "works", ImmutableRule: rule})).Location)
	// The contract declares no such refusal, so the SDK has no type for it.
	_, err := deleteTag(admin)
	check(err != nil && strings.Contains(err.Error(), "412"), err)
	// What the SDK leaves out, and what it sends as null, stays.
	must(admin.Immutable.UpdateImmuRule(ctx, &immutable.UpdateImmuRuleParams{
		ProjectNameOrID: "works", ImmutableRuleID: id, ImmutableRule: &models.ImmutableRule{Disabled: true},
	}))
	listed := must(admin.Immutable.ListImmuRules(ctx,
		&immutable.ListImmuRulesParams{ProjectNameOrID: "works"})).Payload
	check(len(listed) == 1 && listed[0].Disabled && listed[0].TagSelectors[0].Pattern == "1", listed)
	must(deleteTag(admin))
	must(admin.Immutable.DeleteImmuRule(ctx,
		&immutable.DeleteImmuRuleParams{ProjectNameOrID: "works", ImmutableRuleID: id}))
}

func deleteTag(admin *client.HarborAPI) (*artifact.DeleteTagOK, error) {
	return admin.Artifact.DeleteTag(ctx, &artifact.DeleteTagParams{
		ProjectName: "works", RepositoryName: app, Reference: "1", TagName: "1",
	})
}

func registries(admin *client.HarborAPI) {
	upstream := os.Getenv("UPSTREAM_URL")
	hub := &models.Registry{Name: "hub", Type: "docker-registry", URL: upstream}
	id := idIn(must(admin.Registry.CreateRegistry(ctx, &registry.CreateRegistryParams{Registry: hub})).Location)
	refused[*registry.CreateRegistryConflict](
		admin.Registry.CreateRegistry(ctx, &registry.CreateRegistryParams{Registry: hub}))
	must(admin.Registry.UpdateRegistry(ctx, &registry.UpdateRegistryParams{
		ID: id, Registry: &models.RegistryUpdate{Description: the("changed")},
	}))
	read := must(admin.Registry.GetRegistry(ctx, &registry.GetRegistryParams{ID: id})).Payload
	check(read.URL == upstream && read.Description == "changed", read)
	must(admin.Registry.PingRegistry(ctx, &registry.PingRegistryParams{Registry: &models.RegistryPing{ID: &id}}))
	listed := must(admin.Registry.ListRegistries(ctx, &registry.ListRegistriesParams{Q: the("name=hub")}))
	check(listed.XTotalCount == 1, listed)
	must(admin.Project.CreateProject(ctx, &project.CreateProjectParams{
		Project: &models.ProjectReq{ProjectName: "cache", RegistryID: &id},
	}))
	refused[*registry.DeleteRegistryPreconditionFailed](
		admin.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: id}))
	must(admin.Project.DeleteProject(ctx, &project.DeleteProjectParams{ProjectNameOrID: "cache"}))
	must(admin.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: id}))
}

func nodeWide(admin *client.HarborAPI) {
	check(must(admin.Ping.GetPing(ctx, &ping.GetPingParams{})).Payload == "Pong")
	check(must(admin.Health.GetHealth(ctx, &health.GetHealthParams{})).Payload.Status == "healthy")
	info := must(admin.Systeminfo.GetSystemInfo(ctx, &systeminfo.GetSystemInfoParams{})).Payload
	check(strings.HasPrefix(*info.HarborVersion, "v2."), info)
	must(admin.Systeminfo.GetVolumes(ctx, &systeminfo.GetVolumesParams{}))
	refused[*systeminfo.GetCertNotFound](
		admin.Systeminfo.GetCert(ctx, &systeminfo.GetCertParams{}, os.Stderr))
	must(admin.Permissions.GetPermissions(ctx, &permissions.GetPermissionsParams{}))
	counts := must(admin.Statistic.GetStatistic(ctx, &statistic.GetStatisticParams{})).Payload
	check(counts.TotalRepoCount == 2, counts)
	found := must(admin.Search.Search(ctx, &search.SearchParams{Q: "works"})).Payload
	check(len(found.Project) == 1 && len(found.Repository) == 1, found)

	must(admin.Configure.UpdateConfigurations(ctx, &configure.UpdateConfigurationsParams{
		Configurations: &models.Configurations{RobotTokenDuration: the(int64(45))},
	}))
	configuration := must(admin.Configure.GetConfigurations(ctx, &configure.GetConfigurationsParams{})).Payload
	check(configuration.RobotTokenDuration.Value == 45, configuration)

	q := the("resource_type=project")
	check(must(admin.Auditlog.ListAuditLogs(ctx, &auditlog.ListAuditLogsParams{Q: q})).XTotalCount > 0)
	check(must(admin.Auditlog.ListAuditLogExts(ctx, &auditlog.ListAuditLogExtsParams{Q: q})).XTotalCount > 0)
	check(len(must(admin.Auditlog.ListAuditLogEventTypes(ctx,
		&auditlog.ListAuditLogEventTypesParams{})).Payload) > 0)
	check(must(admin.Project.GetLogs(ctx, &project.GetLogsParams{ProjectName: "works"})).XTotalCount > 0)
	check(must(admin.Project.GetLogExts(ctx, &project.GetLogExtsParams{ProjectName: "works"})).XTotalCount > 0)
}

func cleaning(admin *client.HarborAPI, ann, ops int64) {
	images := must(admin.Artifact.ListArtifacts(ctx,
		&artifact.ListArtifactsParams{ProjectName: "works", RepositoryName: app})).Payload
	must(admin.Artifact.DeleteArtifact(ctx, &artifact.DeleteArtifactParams{
		ProjectName: "works", RepositoryName: app, Reference: images[0].Digest,
	}))
	must(admin.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{
		ProjectName: "works", RepositoryName: app, From: "local/app:1",
	}))
	must(admin.Repository.DeleteRepository(ctx,
		&repository.DeleteRepositoryParams{ProjectName: "works", RepositoryName: app}))
	must(admin.Project.DeleteProject(ctx, &project.DeleteProjectParams{ProjectNameOrID: "works"}))
	must(admin.Usergroup.DeleteUserGroup(ctx, &usergroup.DeleteUserGroupParams{GroupID: ops}))
	must(admin.User.DeleteUser(ctx, &user.DeleteUserParams{UserID: ann}))
	refused[*user.GetUserNotFound](admin.User.GetUser(ctx, &user.GetUserParams{UserID: ann}))
}
