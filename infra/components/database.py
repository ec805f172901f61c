"""The platform's PostgreSQL: a server over two zones of one region, a replica in the other, one name for the writer.

The virtual endpoint's name follows the writer when the replica is promoted, so that clients never change. Promotion
itself is an act of a failover, not of a programme; afterwards `databaseHub` names the new writer's hub, which turns
high availability around. There is no password: Entra identities only. [unverified] promotion with a live server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql

from infra.components.base import Component, Context
from infra.components.customer_key import CustomerKey
from infra.settings.continuity import Settings

_HOURS = pulumi.CustomTimeouts(create="3h", update="3h", delete="1h")
# How a server came to be, and which one its virtual endpoint was made on, is history: a promotion turns the two around
# in Azure, and `databaseHub` then says so here without making anything anew.
_AS_CREATED = ["createMode", "sourceServerResourceId"]
_WHERE_CREATED = ["resourceGroupName", "serverName", "members"]


@dataclass(frozen=True)
class DatabaseArgs:
    """The writer's hub, and each hub's resource group and key."""

    writer: str
    groups: Mapping[str, pulumi.Input[str]]
    keys: Mapping[str, CustomerKey]


class Database(Component):
    """`wan-noc:continuity:Database`; `servers` by hub, `writer_host` for clients."""

    def __init__(self, ctx: Context[Settings], args: DatabaseArgs, parent: pulumi.Resource | None = None) -> None:
        super().__init__("continuity", "database", parent)
        self._ctx, self._args = ctx, args
        reader = ctx.other(args.writer)
        primary = self._server(args.writer, None)
        last = self._configured(args.writer, primary)
        replica = self._server(reader, primary, after=last)
        self.servers = {args.writer: primary, reader: replica}
        self._configured(reader, replica)
        name = ctx.names.of("psql", "dr")
        self.endpoint = dbforpostgresql.VirtualEndpoint(
            f"{name}-writer",
            dbforpostgresql.VirtualEndpointArgs(
                resource_group_name=args.groups[args.writer],
                server_name=primary.name,
                virtual_endpoint_name=name,
                endpoint_type="ReadWrite",
                members=[replica.name],
            ),
            opts=self.child(protect=True, custom_timeouts=_HOURS, ignore_changes=_WHERE_CREATED),
        )
        # the first of the endpoint's two names; the second is the readers'
        self.writer_host: pulumi.Output[str] = self.endpoint.virtual_endpoints.apply(lambda names: names[0])
        self.register_outputs({})

    def _server(
        self, hub: str, source: dbforpostgresql.Server | None, after: pulumi.Resource | None = None
    ) -> dbforpostgresql.Server:
        ctx, settings, key = self._ctx, self._ctx.settings, self._args.keys[hub]
        name = ctx.names.of("psql", "dr", hub)
        zones = "ZoneRedundant" if source is None else "Disabled"  # a replica gets high availability when promoted
        return dbforpostgresql.Server(
            name,
            dbforpostgresql.ServerArgs(
                resource_group_name=self._args.groups[hub],
                server_name=name,
                location=ctx.region(hub),
                create_mode="Create" if source is None else "Replica",
                source_server_resource_id=source.id if source is not None else None,
                version=settings.database_version,
                sku=dbforpostgresql.SkuArgs(name=settings.database_size, tier=settings.database_tier),
                storage=dbforpostgresql.StorageArgs(storage_size_gb=settings.database_gb, auto_grow="Enabled"),
                high_availability=dbforpostgresql.HighAvailabilityArgs(mode=zones),
                backup=dbforpostgresql.BackupArgs(
                    backup_retention_days=settings.database_backup_days,
                    geo_redundant_backup="Disabled",  # needs a pair of regions, which neither of ours has
                ),
                network=dbforpostgresql.NetworkArgs(public_network_access="Disabled"),
                auth_config=dbforpostgresql.AuthConfigArgs(
                    active_directory_auth="Enabled",
                    password_auth="Disabled",  # noqa: S106 - no password at all
                    tenant_id=settings.tenant,
                ),
                identity=dbforpostgresql.UserAssignedIdentityArgs(
                    type="UserAssigned",
                    user_assigned_identities=key.identity.id.apply(lambda i: {i: dbforpostgresql.UserIdentityArgs()}),
                ),
                data_encryption=dbforpostgresql.DataEncryptionArgs(
                    type="AzureKeyVault",
                    primary_key_uri=key.key.key_uri,
                    primary_user_assigned_identity_id=key.identity.id,
                ),
                maintenance_window=dbforpostgresql.MaintenanceWindowArgs(
                    custom_window="Enabled", day_of_week=0, start_hour=2 if source is None else 5, start_minute=0
                ),
                tags=ctx.tags(hub=hub, role="writer" if source is None else "replica"),
            ),
            opts=self.child(
                protect=True,
                depends_on=[key.granted, *([after] if after else [])],
                custom_timeouts=_HOURS,
                ignore_changes=_AS_CREATED,
            ),
        )

    def _configured(self, hub: str, server: dbforpostgresql.Server) -> pulumi.Resource:
        """Administrators and parameters, one after the other: a server takes one change at a time.

        The replica gets both as well, so that a promotion finds them there. [unverified] that Azure takes
        administrators on a replica; where it does not, they come with the replicated roles and this loop is shortened.
        """
        settings, group = self._ctx.settings, self._args.groups[hub]
        last: pulumi.Resource = server
        for admin in settings.database_administrators:
            last = dbforpostgresql.AdministratorsMicrosoftEntra(
                f"{hub}-admin-{admin.name}",
                dbforpostgresql.AdministratorsMicrosoftEntraArgs(
                    resource_group_name=group,
                    server_name=server.name,
                    object_id=admin.object_id,
                    principal_name=admin.name,
                    principal_type=admin.type,
                    tenant_id=settings.tenant,
                ),
                opts=self.child(depends_on=[last]),
            )
        for name, value in sorted(settings.database_parameters.items()):
            last = dbforpostgresql.Configuration(
                f"{hub}-{name}",
                dbforpostgresql.ConfigurationArgs(
                    resource_group_name=group,
                    server_name=server.name,
                    configuration_name=name,
                    value=value,
                    source="user-override",
                ),
                opts=self.child(depends_on=[last]),
            )
        return last
