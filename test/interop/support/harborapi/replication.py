"""What is copied between registries: vendors, policies, executions and their tasks.

UPSTREAM_URL is a registry with `library/x`.
"""

import asyncio
import os

from client import id_in, refused
from harborapi import HarborAsyncClient
from harborapi.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from harborapi.models import (
    ProjectReq,
    Registry,
    ReplicationFilter,
    ReplicationPolicy,
    ReplicationTrigger,
    ReplicationTriggerSettings,
)

CRON = "0 0 3 1 1 *"


async def vendors(admin: HarborAsyncClient) -> None:
    types = await admin.get_registry_adapters()
    assert "docker-registry" in types, types
    providers = await admin.get_registry_providers()
    assert providers.root["docker-registry"].credential_pattern.access_key_type
    local = await admin.get_registry_info(0)
    assert local.supported_triggers == ["manual", "scheduled", "event_based"], local


async def replications(admin: HarborAsyncClient) -> None:
    hub = Registry(name="source", type="docker-registry", url=os.environ["UPSTREAM_URL"])
    registry = id_in(await admin.create_registry(hub))
    await admin.create_project(ProjectReq(project_name="copies"))
    policy = ReplicationPolicy(
        name="copying",
        src_registry=Registry(id=registry),
        dest_namespace="copies",
        dest_namespace_replace_count=1,
        enabled=True,
        override=True,
        trigger=ReplicationTrigger(
            type="scheduled", trigger_settings=ReplicationTriggerSettings(cron=CRON)
        ),
        filters=[
            ReplicationFilter(type="name", value="library/x"),
            ReplicationFilter(type="tag", value="l*", decoration="matches"),
        ],
    )
    created = id_in(await admin.create_replication_policy(policy))
    async with refused(Conflict):
        await admin.create_replication_policy(policy)
    async with refused(BadRequest):
        await admin.create_replication_policy(ReplicationPolicy(name="nowhere"))
    read = await admin.get_replication_policy(created)
    assert (read.src_registry.id, read.dest_registry.id) == (registry, 0), read
    assert [each.value for each in read.filters] == ["library/x", "l*"], read.filters
    assert read.trigger.trigger_settings.cron == CRON
    read.description = "changed"
    await admin.update_replication_policy(created, read)
    [listed] = await admin.get_replication_policies(name="copying")
    assert listed.description == "changed", listed
    async with refused(PreconditionFailed):
        await admin.delete_registry(registry)

    await executed(admin, created)

    await admin.delete_replication_policy(created)
    async with refused(NotFound):
        await admin.get_replication_policy(created)
    await admin.delete_repository("copies", "x")
    await admin.delete_project("copies")
    await admin.delete_registry(registry)


async def executed(admin: HarborAsyncClient, policy: int) -> None:
    """Runs the policy, and looks at all that is told of it."""
    started = id_in(await admin.start_replication(policy))
    async with asyncio.timeout(60):
        while (execution := await admin.get_replication(started)).status == "InProgress":
            await asyncio.sleep(0.1)
    assert (execution.status, execution.total, execution.succeed) == ("Succeed", 1, 1), execution
    assert [each.id for each in await admin.get_replications(policy_id=policy)] == [started]
    [task] = await admin.get_replication_tasks(started)
    assert (task.src_resource, task.status) == ("library/x", "Succeed"), task
    assert "succeeded" in await admin.get_replication_task_log(started, task.id)
    await admin.stop_replication(started)
    assert (await admin.get_repository("copies", "x")).artifact_count == 1
