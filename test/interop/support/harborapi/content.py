"""What is kept: repositories, artifacts, tags, labels, immutable rules, registries, and the node as a whole.

`local/app:1` is there before, an image on which something hangs; UPSTREAM_URL is a registry.
"""

import os

from client import client, id_in, refused
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
    Configurations,
    ImmutableRule,
    ImmutableSelector,
    Label,
    ProjectMetadata,
    ProjectReq,
    QuotaUpdateReq,
    Registry,
    RegistryCredential,
    RegistryPing,
    RegistryUpdate,
    Repository,
    ResourceList,
    Tag,
)

IMAGE = ("works", "team/app")


async def repositories(admin: HarborAsyncClient) -> None:
    [quota] = await admin.get_quotas(reference="project", reference_id=await works(admin))
    await admin.update_quota(quota.id, QuotaUpdateReq(hard=ResourceList({"storage": -1})))
    location = await admin.copy_artifact(*IMAGE, "local/app:1")
    [artifact] = await admin.get_artifacts(*IMAGE)
    assert location.endswith(f"/artifacts/{artifact.digest}"), location
    async with refused(NotFound):
        await admin.copy_artifact(*IMAGE, "local/app:none")

    repository = await admin.get_repository(*IMAGE)
    assert repository.name == "works/team/app"
    assert repository.artifact_count == 1
    await admin.update_repository(*IMAGE, Repository(description="**bold**"))
    assert (await admin.get_repository(*IMAGE)).description == "**bold**"
    names = [each.name for each in await admin.get_repositories("works", query="name=~app")]
    assert names == ["works/team/app"], names
    assert "works/team/app" in [each.name for each in await admin.get_repositories()]
    assert (await admin.get_project("works")).repo_count == 1
    async with refused(PreconditionFailed):
        await admin.delete_project("works")


async def artifacts(admin: HarborAsyncClient) -> None:
    artifact = await admin.get_artifact(*IMAGE, "1", with_accessory=True)
    assert artifact.type == "IMAGE"
    assert artifact.size > 0
    assert artifact.extra_attrs is None or artifact.extra_attrs
    [hanging] = await admin.get_artifact_accessories(*IMAGE, artifact.digest)
    assert hanging.subject_artifact_digest == artifact.digest
    assert [each.digest for each in artifact.accessories] == [hanging.digest]
    history = await admin.get_artifact_build_history(*IMAGE, "1")
    assert history, "an image has a history"
    found = await admin.get_project_artifacts("works", with_tag=True)
    assert artifact.digest in [each.digest for each in found], found

    await admin.create_artifact_tag(*IMAGE, artifact.digest, Tag(name="stable"))
    async with refused(Conflict):
        await admin.create_artifact_tag(*IMAGE, artifact.digest, Tag(name="stable"))
    tags = await admin.get_artifact_tags(*IMAGE, "stable", with_immutable_status=True)
    assert {tag.name for tag in tags} == {"1", "stable"}
    assert not any(tag.immutable for tag in tags)
    await admin.delete_artifact_tag(*IMAGE, artifact.digest, "stable")
    async with refused(NotFound):
        await admin.get_artifact(*IMAGE, "stable")


async def labels(admin: HarborAsyncClient) -> None:
    project = int(await works(admin))
    of_node = id_in(await admin.create_label(Label(name="tested", color="#00AB9A", scope="g")))
    of_project = id_in(
        await admin.create_label(Label(name="ours", scope="p", project_id=project))
    )
    async with refused(Conflict):
        await admin.create_label(Label(name="tested", scope="g"))
    await admin.update_label(
        of_project, Label(name="mine", description="of the works", scope="p", project_id=project)
    )
    assert (await admin.get_label(of_project)).name == "mine"
    assert [each.id for each in await admin.get_labels(scope="g")] == [of_node]
    listed = await admin.get_labels(scope="p", project_id=project)
    assert [(each.id, each.description) for each in listed] == [(of_project, "of the works")]

    await admin.add_artifact_label(*IMAGE, "1", Label(id=of_node))
    await admin.add_artifact_label(*IMAGE, "1", Label(id=of_project))
    labelled = await admin.get_artifact(*IMAGE, "1", with_label=True)
    assert {each.name for each in labelled.labels} == {"tested", "mine"}
    found = await admin.get_artifacts(*IMAGE, query=f"labels=({of_node})")
    assert [each.digest for each in found] == [labelled.digest]
    await admin.delete_artifact_label(*IMAGE, "1", of_node)
    assert await admin.get_artifacts(*IMAGE, query=f"labels=({of_node})") == []
    await admin.delete_label(of_node)
    await admin.delete_label(of_project)
    async with refused(NotFound):
        await admin.get_label(of_node)


async def immutable_rules(admin: HarborAsyncClient) -> None:
    def selected(decoration: str, pattern: str) -> list[ImmutableSelector]:
        return [ImmutableSelector(kind="doublestar", decoration=decoration, pattern=pattern)]

    rule = ImmutableRule(
        action="immutable",
        template="immutable_template",
        disabled=False,
        tag_selectors=selected("matches", "1"),
        scope_selectors={"repository": selected("repoMatches", "team/**")},
    )
    await admin.create_project_immutable_tag_rule("works", rule)
    [stored] = await admin.get_project_immutable_tag_rules("works")
    assert stored.tag_selectors[0].pattern == "1"
    async with refused(PreconditionFailed):
        await admin.delete_artifact_tag(*IMAGE, "1", "1")

    await admin.enable_project_immutable_tagrule("works", stored.id, False)
    await admin.delete_artifact_tag(*IMAGE, "1", "1")
    [stored] = await admin.get_project_immutable_tag_rules("works")
    assert stored.disabled is True
    assert stored.scope_selectors["repository"][0].pattern == "team/**"
    await admin.enable_project_immutable_tagrule("works", stored.id)
    rule.tag_selectors = selected("matches", "v*")
    await admin.update_project_immutable_tag_rule("works", stored.id, rule)
    [stored] = await admin.get_project_immutable_tag_rules("works")
    assert (stored.disabled, stored.tag_selectors[0].pattern) == (False, "v*")
    await admin.delete_project_immutable_tag_rule("works", stored.id)
    assert await admin.get_project_immutable_tag_rules("works") == []


async def registries(admin: HarborAsyncClient) -> None:
    upstream = os.environ["UPSTREAM_URL"]
    secret = RegistryCredential(type="basic", access_key="me", access_secret="Hidden1")
    hub = Registry(name="hub", type="docker-registry", url=upstream, credential=secret)
    registry = id_in(await admin.create_registry(hub))
    async with refused(Conflict):
        await admin.create_registry(hub)
    read = await admin.get_registry(registry)
    assert (read.url, read.type) == (upstream, "docker-registry")
    assert read.credential.access_secret != "Hidden1"
    await admin.check_registry_status(RegistryPing(id=registry))
    await admin.check_registry_status(RegistryPing(type="docker-registry", url=upstream))
    async with refused(BadRequest):
        await admin.check_registry_status(
            RegistryPing(type="docker-registry", url="http://127.0.0.1:1")
        )
    await admin.update_registry(registry, RegistryUpdate(name="mirror", description="hub's"))
    assert [each.id for each in await admin.get_registries(query="name=mirror")] == [registry]

    await admin.create_project(
        ProjectReq(
            project_name="cache", registry_id=registry, metadata=ProjectMetadata(public="false")
        )
    )
    assert (await admin.get_project("cache")).registry_id == registry
    async with refused(PreconditionFailed):
        await admin.delete_registry(registry)
    await admin.delete_project("cache")
    await admin.delete_registry(registry)
    async with refused(NotFound):
        await admin.get_registry(registry)


async def node_wide(admin: HarborAsyncClient) -> None:
    statistics = await admin.get_statistics()
    assert statistics.total_repo_count >= 2, statistics
    assert statistics.total_storage_consumption > 0
    found = await admin.search("works")
    assert [each.name for each in found.project] == ["works"]
    assert [each.repository_name for each in found.repository] == ["works/team/app"]

    assert (await admin.get_config()).project_creation_restriction.value == "adminonly"
    await admin.update_config(Configurations(project_creation_restriction="everyone"))
    assert (await admin.get_config()).project_creation_restriction.value == "everyone"
    await admin.update_config(Configurations(project_creation_restriction="adminonly"))
    async with refused(BadRequest):
        await admin.update_config(Configurations(ldap_url="ldap://x"))
    own = client("ann", "Passw0rd")
    async with refused(Forbidden):
        await own.get_config()
    async with refused(Unauthorized):
        await client("ann", "wrong").get_config()

    logs = await admin.get_audit_logs(query="resource_type=project,operation=create")
    assert {each.username for each in logs} == {"admin"}
    assert await admin.get_project_logs("works", query="operation=create")

    digest = (await admin.get_artifacts(*IMAGE))[0].digest
    await admin.delete_artifact(*IMAGE, digest)
    async with refused(NotFound):
        await admin.get_artifact(*IMAGE, digest)
    await admin.copy_artifact(*IMAGE, "local/app:1")
    await admin.delete_repository(*IMAGE)
    async with refused(NotFound):
        await admin.get_repository(*IMAGE)


async def works(admin: HarborAsyncClient) -> str:
    return str((await admin.get_project("works")).project_id)
