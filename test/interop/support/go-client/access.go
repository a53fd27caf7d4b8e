package main

import (
	"fmt"

	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/member"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project_metadata"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/quota"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/robot"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/user"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/usergroup"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

func users(admin *client.HarborAPI) int64 {
	request := &models.UserCreationReq{
		Username: "ann", Password: password, Email: "ann@example.com", Realname: "Ann",
	}
	ann := idIn(must(admin.User.CreateUser(ctx, &user.CreateUserParams{UserReq: request})).Location)
	refused[*user.CreateUserConflict](admin.User.CreateUser(ctx, &user.CreateUserParams{UserReq: request}))
	must(admin.User.UpdateUserProfile(ctx, &user.UpdateUserProfileParams{
		UserID: ann, Profile: &models.UserProfile{Email: "ann@example.org", Realname: "Ann B"},
	}))
	read := must(admin.User.GetUser(ctx, &user.GetUserParams{UserID: ann})).Payload
	check(read.Username == "ann" && read.Email == "ann@example.org", read)
	listed := must(admin.User.ListUsers(ctx, &user.ListUsersParams{Q: the("username=~an")}))
	check(listed.XTotalCount == 1 && listed.Payload[0].UserID == ann, listed)
	found := must(admin.User.SearchUsers(ctx, &user.SearchUsersParams{Username: "ann"})).Payload
	check(len(found) == 1 && found[0].UserID == ann, found)

	own := clientOf("ann", password)
	must(own.User.UpdateUserPassword(ctx, &user.UpdateUserPasswordParams{
		UserID: ann, Password: &models.PasswordReq{OldPassword: password, NewPassword: "Passw0rd2"},
	}))
	refused[*user.GetCurrentUserInfoUnauthorized](
		own.User.GetCurrentUserInfo(ctx, &user.GetCurrentUserInfoParams{}))
	own = clientOf("ann", "Passw0rd2")
	current := must(own.User.GetCurrentUserInfo(ctx, &user.GetCurrentUserInfoParams{})).Payload
	check(current.Realname == "Ann B", current)
	must(own.User.GetCurrentUserPermissions(ctx, &user.GetCurrentUserPermissionsParams{}))
	refused[*user.ListUsersForbidden](own.User.ListUsers(ctx, &user.ListUsersParams{}))
	must(admin.User.SetUserSysAdmin(ctx, &user.SetUserSysAdminParams{
		UserID: ann, SysadminFlag: &models.UserSysAdminFlag{SysadminFlag: true},
	}))
	must(own.User.ListUsers(ctx, &user.ListUsersParams{}))
	must(admin.User.SetUserSysAdmin(ctx, &user.SetUserSysAdminParams{
		UserID: ann, SysadminFlag: &models.UserSysAdminFlag{},
	}))
	refused[*user.SetCliSecretPreconditionFailed](own.User.SetCliSecret(ctx, &user.SetCliSecretParams{
		UserID: ann, Secret: &models.OIDCCliSecretReq{Secret: "Secret123"},
	}))
	return ann
}

func groups(admin *client.HarborAPI) int64 {
	ops := idIn(must(admin.Usergroup.CreateUserGroup(ctx, &usergroup.CreateUserGroupParams{
		Usergroup: &models.UserGroup{GroupName: "ops", GroupType: 3},
	})).Location)
	must(admin.Usergroup.UpdateUserGroup(ctx, &usergroup.UpdateUserGroupParams{
		GroupID: ops, Usergroup: &models.UserGroup{GroupName: "operators"},
	}))
	read := must(admin.Usergroup.GetUserGroup(ctx, &usergroup.GetUserGroupParams{GroupID: ops})).Payload
	check(read.GroupName == "operators", read)
	listed := must(admin.Usergroup.ListUserGroups(ctx, &usergroup.ListUserGroupsParams{}))
	check(listed.XTotalCount == 1, listed)
	found := must(admin.Usergroup.SearchUserGroups(ctx, &usergroup.SearchUserGroupsParams{Groupname: "oper"}))
	check(len(found.Payload) == 1, found)
	return ops
}

func projects(admin *client.HarborAPI) int64 {
	request := &models.ProjectReq{
		ProjectName: "works", StorageLimit: the(int64(1 << 30)),
		Metadata: &models.ProjectMetadata{Public: "false", AutoScan: the("true")},
	}
	created := must(admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: request}))
	works := idIn(created.Location)
	refused[*project.CreateProjectConflict](
		admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: request}))
	must(admin.Project.HeadProject(ctx, &project.HeadProjectParams{ProjectName: "works"}))
	refused[*project.HeadProjectNotFound](
		admin.Project.HeadProject(ctx, &project.HeadProjectParams{ProjectName: "nowhere"}))
	must(admin.Project.UpdateProject(ctx, &project.UpdateProjectParams{
		ProjectNameOrID: "works", Project: &models.ProjectReq{Metadata: &models.ProjectMetadata{Public: "true"}},
	}))
	byID := project.GetProjectParams{ProjectNameOrID: fmt.Sprint(works)}
	read := must(admin.Project.GetProject(ctx, &byID)).Payload
	check(read.Name == "works" && read.Metadata.Public == "true", read)
	listed := must(admin.Project.ListProjects(ctx, &project.ListProjectsParams{Q: the("name=~work")}))
	check(listed.XTotalCount == 1, listed)
	deletable := must(admin.Project.GetProjectDeletable(ctx,
		&project.GetProjectDeletableParams{ProjectNameOrID: "works"})).Payload
	check(deletable.Deletable, deletable)
	summary := must(admin.Project.GetProjectSummary(ctx,
		&project.GetProjectSummaryParams{ProjectNameOrID: "works"})).Payload
	check(summary.Quota.Hard["storage"] == 1<<30, summary)

	metadata := admin.ProjectMetadata
	must(metadata.AddProjectMetadatas(ctx, &project_metadata.AddProjectMetadatasParams{
		ProjectNameOrID: "works", Metadata: map[string]string{"severity": "low"},
	}))
	must(metadata.UpdateProjectMetadata(ctx, &project_metadata.UpdateProjectMetadataParams{
		ProjectNameOrID: "works", MetaName: "severity", Metadata: map[string]string{"severity": "high"},
	}))
	one := must(metadata.GetProjectMetadata(ctx, &project_metadata.GetProjectMetadataParams{
		ProjectNameOrID: "works", MetaName: "severity",
	})).Payload
	check(one["severity"] == "high", one)
	all := must(metadata.ListProjectMetadatas(ctx,
		&project_metadata.ListProjectMetadatasParams{ProjectNameOrID: "works"})).Payload
	check(all["severity"] == "high" && all["public"] == "true", all)
	must(metadata.DeleteProjectMetadata(ctx, &project_metadata.DeleteProjectMetadataParams{
		ProjectNameOrID: "works", MetaName: "severity",
	}))

	quotas := must(admin.Quota.ListQuotas(ctx, &quota.ListQuotasParams{
		Reference: the("project"), ReferenceID: the(fmt.Sprint(works)),
	})).Payload
	check(len(quotas) == 1, quotas)
	must(admin.Quota.UpdateQuota(ctx, &quota.UpdateQuotaParams{
		ID: quotas[0].ID, Hard: &models.QuotaUpdateReq{Hard: models.ResourceList{"storage": 1 << 31}},
	}))
	changed := must(admin.Quota.GetQuota(ctx, &quota.GetQuotaParams{ID: quotas[0].ID})).Payload
	check(changed.Hard["storage"] == 1<<31, changed)
	return works
}

func members(admin *client.HarborAPI, ops int64) {
	ann := idIn(must(admin.Member.CreateProjectMember(ctx, &member.CreateProjectMemberParams{
		ProjectNameOrID: "works",
		ProjectMember:   &models.ProjectMember{RoleID: 3, MemberUser: &models.UserEntity{Username: "ann"}},
	})).Location)
	must(admin.Member.CreateProjectMember(ctx, &member.CreateProjectMemberParams{
		ProjectNameOrID: "works",
		ProjectMember:   &models.ProjectMember{RoleID: 4, MemberGroup: &models.UserGroup{ID: ops}},
	}))
	must(admin.Member.UpdateProjectMember(ctx, &member.UpdateProjectMemberParams{
		ProjectNameOrID: "works", Mid: ann, Role: &models.RoleRequest{RoleID: 2},
	}))
	read := must(admin.Member.GetProjectMember(ctx,
		&member.GetProjectMemberParams{ProjectNameOrID: "works", Mid: ann})).Payload
	check(read.EntityName == "ann" && read.RoleID == 2, read)
	listed := must(admin.Member.ListProjectMembers(ctx, &member.ListProjectMembersParams{ProjectNameOrID: "works"}))
	check(listed.XTotalCount == 3, listed)
	must(admin.Member.DeleteProjectMember(ctx, &member.DeleteProjectMemberParams{ProjectNameOrID: "works", Mid: ann}))
	refused[*member.GetProjectMemberNotFound](admin.Member.GetProjectMember(ctx,
		&member.GetProjectMemberParams{ProjectNameOrID: "works", Mid: ann}))
}

func robots(admin *client.HarborAPI, works int64) {
	created := must(admin.Robot.CreateRobot(ctx, &robot.CreateRobotParams{Robot: &models.RobotCreate{
		Name: "ci", Level: "project", Duration: 7,
		Permissions: []*models.RobotPermission{{
			Kind: "project", Namespace: "works",
			Access: []*models.Access{{Resource: "repository", Action: "pull"}, {Resource: "member", Action: "list"}},
		}},
	}})).Payload
	check(created.Name == "robot$works+ci" && created.Secret != "", created.Name)
	listing := member.ListProjectMembersParams{ProjectNameOrID: "works"}
	must(clientOf(created.Name, created.Secret).Member.ListProjectMembers(ctx, &listing))
	q := the(fmt.Sprintf("Level=project,ProjectID=%d", works))
	listed := must(admin.Robot.ListRobot(ctx, &robot.ListRobotParams{Q: q}))
	check(listed.XTotalCount == 1, listed)
	read := must(admin.Robot.GetRobotByID(ctx, &robot.GetRobotByIDParams{RobotID: created.ID})).Payload
	read.Description = "idle"
	must(admin.Robot.UpdateRobot(ctx, &robot.UpdateRobotParams{RobotID: created.ID, Robot: read}))
	must(admin.Robot.RefreshSec(ctx, &robot.RefreshSecParams{
		RobotID: created.ID, RobotSec: &models.RobotSec{Secret: "Secret123"},
	}))
	refused[*member.ListProjectMembersUnauthorized](
		clientOf(created.Name, created.Secret).Member.ListProjectMembers(ctx, &listing))
	must(clientOf(created.Name, "Secret123").Member.ListProjectMembers(ctx, &listing))
	must(admin.Robot.DeleteRobot(ctx, &robot.DeleteRobotParams{RobotID: created.ID}))
	refused[*robot.GetRobotByIDNotFound](
		admin.Robot.GetRobotByID(ctx, &robot.GetRobotByIDParams{RobotID: created.ID}))
}
