"""Who may do what: users, groups, projects, members and robots."""

from client import PASSWORD, client, id_in, refused
from harborapi import HarborAsyncClient
from harborapi.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from harborapi.models import (
    Access,
    ProjectMetadata,
    ProjectReq,
    QuotaUpdateReq,
    ResourceList,
    Robot,
    RobotCreate,
    RobotPermission,
    UserCreationReq,
    UserGroup,
    UserProfile,
)


async def system(admin: HarborAsyncClient) -> None:
    assert await admin.ping() == "Pong"
    health = await admin.health_check()
    assert health.status == "healthy", health
    info = await admin.get_system_info()
    assert info.auth_mode == "db_auth"
    assert info.harbor_version.startswith("v2.")
    volumes = await admin.get_system_volume_info()
    assert volumes.storage[0].total > 0
    # harborapi hands files on as they come, refusals too.
    certificate = await admin.get_system_certificate()
    assert b"NOT_FOUND" in bytes(certificate)
    permissions = await admin.get_permissions()
    assert any(each.resource == "user" for each in permissions.system)
    assert any(each.resource == "repository" for each in permissions.project)


async def users(admin: HarborAsyncClient) -> None:
    location = await admin.create_user(
        UserCreationReq(
            username="ann",
            password=PASSWORD,
            email="ann@example.com",
            realname="Ann A",
            comment="walks",
        )
    )
    ann = id_in(location)
    async with refused(Conflict):
        await admin.create_user(
            UserCreationReq(
                username="ann",
                password=PASSWORD,
                email="other@example.com",
                realname="Other",
            )
        )
    assert (await admin.get_user(ann)).username == "ann"
    assert (await admin.get_user_by_username("ann")).user_id == ann
    assert [user.username for user in await admin.get_users(query="username=~an")] == ["ann"]
    assert [user.user_id for user in await admin.search_users_by_username("ann")] == [ann]
    await admin.update_user(
        ann, UserProfile(email="ann@example.org", realname="Ann B", comment="")
    )
    assert (await admin.get_user(ann)).email == "ann@example.org"

    own = client("ann", PASSWORD)
    assert (await own.get_current_user()).realname == "Ann B"
    assert await own.get_current_user_permissions() == []
    async with refused(Forbidden):
        await own.get_users()
    async with refused(Forbidden):
        await own.set_user_admin(ann, True)
    async with refused(PreconditionFailed):
        await own.set_user_cli_secret(ann, "Secret123")
    await own.set_user_password(ann, "Passw0rd2", PASSWORD)
    async with refused(Unauthorized):
        await own.get_current_user()
    await admin.set_user_password(ann, PASSWORD)

    await admin.set_user_admin(ann, True)
    assert (await admin.get_user(ann)).sysadmin_flag is True
    assert len(await own.get_users()) == 2
    await admin.set_user_admin(ann, False)


async def groups(admin: HarborAsyncClient) -> None:
    location = await admin.create_usergroup(UserGroup(group_name="ops", group_type=3))
    ops = id_in(location)
    assert (await admin.get_usergroup(ops)).group_name == "ops"
    await admin.update_usergroup(ops, UserGroup(group_name="operators", group_type=3))
    assert [group.id for group in await admin.get_usergroups()] == [ops]
    assert [group.id for group in await admin.search_usergroups("oper")] == [ops]


async def projects(admin: HarborAsyncClient) -> None:
    location = await admin.create_project(
        ProjectReq(
            project_name="works",
            storage_limit=1 << 20,
            metadata=ProjectMetadata(public="false", auto_scan="true"),
        )
    )
    assert location.endswith("/projects/works"), location
    async with refused(Conflict):
        await admin.create_project(ProjectReq(project_name="works"))
    project = await admin.get_project("works")
    works = project.project_id
    assert project.owner_name == "admin"
    assert project.metadata.public == "false", project
    assert await admin.project_exists("works")
    assert not await admin.project_exists("nowhere")
    assert [each.name for each in await admin.get_projects(query="name=~work")] == ["works"]
    await admin.update_project(
        "works", ProjectReq(metadata=ProjectMetadata(public="true", auto_scan="false"))
    )
    assert (await admin.get_project(works)).metadata.public == "true"
    assert (await admin.get_project_deletable("works")).deletable is True
    summary = await admin.get_project_summary("works")
    assert summary.repo_count == 0
    assert summary.quota.hard.root["storage"] == 1 << 20, summary

    await admin.set_project_metadata("works", ProjectMetadata(severity="low"))
    assert (await admin.get_project_metadata("works")).severity == "low"
    entry = await admin.get_project_metadata_entry("works", "severity")
    assert dict(entry) == {"severity": "low"}, entry
    await admin.update_project_metadata_entry("works", "severity", {"severity": "high"})
    await admin.delete_project_metadata_entry("works", "severity")
    async with refused(NotFound):
        await admin.get_project_metadata_entry("works", "severity")

    [quota] = await admin.get_quotas(reference="project", reference_id=str(works))
    await admin.update_quota(quota.id, QuotaUpdateReq(hard=ResourceList({"storage": 1 << 21})))
    assert (await admin.get_quota(quota.id)).hard.root["storage"] == 1 << 21


async def members(admin: HarborAsyncClient) -> None:
    await admin.update_project("works", ProjectReq(metadata=ProjectMetadata(public="false")))
    own = client("ann", PASSWORD)
    async with refused(Forbidden):
        await own.get_project("works")
    member = id_in(await admin.add_project_member_user("works", "ann", 3))
    assert (await own.get_project("works")).current_user_role_id == 3
    assert (await admin.get_project_member("works", member)).entity_name == "ann"
    async with refused(Forbidden):
        await own.remove_project_member("works", member)
    await admin.update_project_member_role("works", member, 1)
    [group] = await admin.search_usergroups("oper")
    of_group = id_in(await own.add_project_member_group("works", group.id, 4))
    listed = await own.get_project_members("works")
    assert {each.entity_name for each in listed} == {"admin", "ann", "operators"}, listed
    await own.remove_project_member("works", of_group)


async def robots(admin: HarborAsyncClient) -> None:
    pull = RobotPermission(
        kind="project",
        namespace="works",
        access=[
            Access(resource="repository", action="pull"),
            Access(resource="member", action="list"),
        ],
    )
    created = await admin.create_robot(
        RobotCreate(name="ci", level="project", duration=7, permissions=[pull])
    )
    assert created.name == "robot$works+ci"
    robot = client(created.name, created.secret)
    assert len(await robot.get_project_members("works")) == 2
    async with refused(PreconditionFailed):
        await robot.get_current_user()
    project = (await admin.get_project("works")).project_id
    [listed] = await admin.get_robots(query=f"Level=project,ProjectID={project}")
    assert listed.id == created.id
    read = await admin.get_robot(created.id)
    await admin.update_robot(
        created.id, Robot(**{**read.model_dump(), "description": "idle", "disable": True})
    )
    assert (await admin.get_robot(created.id)).disable is True
    async with refused(Unauthorized):
        await robot.get_project_members("works")
    await admin.update_robot(created.id, Robot(**{**read.model_dump(), "disable": False}))
    await admin.refresh_robot_secret(created.id, "Secret123")
    again = client(created.name, "Secret123")
    assert len(await again.get_project_members("works")) == 2
    async with refused(BadRequest):
        await admin.refresh_robot_secret(created.id, "weak")
    await admin.delete_robot(created.id)
    async with refused(NotFound):
        await admin.get_robot(created.id)
