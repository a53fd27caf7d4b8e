"""Walks the management API with harborapi, create to delete, and checks what comes back.

Run by test/interop/harborapi.test.ts against a node of its own: HARBOR_URL, HARBOR_PASSWORD, and what content.py needs.
harborapi validates every answer with models made from Harbor's contract.
"""

import asyncio
import os

from access import groups, members, projects, robots, system, users
from client import client, refused
from content import artifacts, immutable_rules, labels, node_wide, registries, repositories
from harborapi import HarborAsyncClient
from harborapi.exceptions import NotFound
from replication import replications, vendors


async def cleaning(admin: HarborAsyncClient) -> None:
    await admin.delete_project("works")
    async with refused(NotFound):
        await admin.get_project(999_999)
    [group] = await admin.get_usergroups()
    await admin.delete_usergroup(group.id)
    ann = await admin.get_user_by_username("ann")
    await admin.delete_user(ann.user_id)
    async with refused(NotFound):
        await admin.get_user(ann.user_id)


async def main() -> None:
    admin = client("admin", os.environ["HARBOR_PASSWORD"])
    for walk in (
        system,
        users,
        groups,
        projects,
        members,
        robots,
        repositories,
        artifacts,
        labels,
        immutable_rules,
        registries,
        vendors,
        replications,
        node_wide,
        cleaning,
    ):
        print(walk.__name__, flush=True)
        await walk(admin)


asyncio.run(main())
