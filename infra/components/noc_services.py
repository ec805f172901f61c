"""What the NOC of a hub keeps things in: a registry of its pictures, a key vault of its secrets, a Grafana to look at.

All three are private, without shared keys or local users; who may do what is a role given to an identity or a group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi
from pulumi_azure_native import containerregistry, dashboard, keyvault, managedidentity

from infra.components.base import Component
from infra.components.grants import Grant, grant
from infra.components.noc_place import Place

NAMESPACE = "noc"
AUDIENCE = "api://AzureADTokenExchange"  # what Entra wants in tokens that it exchanges


class Registry(Component):
    """`wan-noc:noc:Registry`, named `registry-<hub>`: `registry`. Each hub starts without the other."""

    def __init__(self, place: Place, zone: pulumi.Input[str], pipeline: pulumi.Input[str], parent: Component) -> None:
        super().__init__("noc", f"registry-{place.hub}", parent)
        ctx = place.ctx
        name = place.name("cr")
        self.registry = containerregistry.Registry(
            name,
            containerregistry.RegistryArgs(
                resource_group_name=place.group,
                registry_name=name,
                location=place.region,
                sku=containerregistry.SkuArgs(name="Premium"),  # private endpoints and zones need it
                admin_user_enabled=False,
                anonymous_pull_enabled=False,
                public_network_access="Disabled",
                network_rule_bypass_options="None",
                zone_redundancy="Enabled",
                data_endpoint_enabled=True,
                policies=containerregistry.PoliciesArgs(
                    azure_ad_authentication_as_arm_policy=containerregistry.AzureADAuthenticationAsArmPolicyArgs(
                        status="disabled"  # tokens made for Azure's management do not open the registry
                    ),
                    export_policy=containerregistry.ExportPolicyArgs(status="disabled"),
                    retention_policy=containerregistry.RetentionPolicyArgs(
                        status="enabled", days=ctx.settings.retention_days
                    ),
                ),
                tags=place.tags,
            ),
            opts=self.child(protect=True),
        )
        place.endpoint(self, self.registry.id, "registry", [zone])
        place.diagnostics(self, "registry", self.registry.id)
        what = Grant("registry-push", pipeline, self.registry.id, "AcrPush", subscription=ctx.settings.subscription)
        grant(self, ctx.stack.name, what)
        self.register_outputs({})


class Vault(Component):
    """`wan-noc:noc:Vault`, named `vault-<hub>`: `vault`, with the SNMP communities and the console's certificate."""

    def __init__(self, place: Place, zone: pulumi.Input[str], parent: Component) -> None:
        super().__init__("noc", f"vault-{place.hub}", parent)
        name = place.name("kv")
        self.vault = keyvault.Vault(
            name,
            keyvault.VaultArgs(
                resource_group_name=place.group,
                vault_name=name,
                location=place.region,
                properties=keyvault.VaultPropertiesArgs(
                    tenant_id=place.ctx.settings.tenant,
                    sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.PREMIUM),
                    enable_rbac_authorization=True,
                    enable_soft_delete=True,
                    soft_delete_retention_in_days=90,
                    enable_purge_protection=True,
                    public_network_access="Disabled",
                    network_acls=keyvault.NetworkRuleSetArgs(default_action="Deny", bypass="None"),
                ),
                tags=place.tags,
            ),
            opts=self.child(protect=True),
        )
        place.endpoint(self, self.vault.id, "vault", [zone])
        place.diagnostics(self, "vault", self.vault.id)
        self.register_outputs({})


class Grafana(Component):
    """`wan-noc:noc:Grafana`, named `grafana-<hub>`: `grafana`, reading the region's workspace privately."""

    def __init__(
        self, place: Place, zone: pulumi.Input[str], workspace_id: pulumi.Input[str], parent: Component
    ) -> None:
        super().__init__("noc", f"grafana-{place.hub}", parent)
        self._place = place
        ctx = place.ctx
        name = ctx.names.of("amg", place.hub)  # 23 letters at most
        self.grafana = dashboard.Grafana(
            name,
            dashboard.GrafanaArgs(
                resource_group_name=place.group,
                workspace_name=name,
                location=place.region,
                sku=dashboard.ResourceSkuArgs(name="Standard"),
                identity=dashboard.ManagedServiceIdentityArgs(
                    type=dashboard.ManagedServiceIdentityType.SYSTEM_ASSIGNED
                ),
                properties=dashboard.ManagedGrafanaPropertiesArgs(
                    api_key="Disabled",
                    deterministic_outbound_ip="Disabled",
                    public_network_access="Disabled",
                    zone_redundancy="Enabled",
                    grafana_integrations=dashboard.GrafanaIntegrationsArgs(
                        azure_monitor_workspace_integrations=[
                            dashboard.AzureMonitorWorkspaceIntegrationArgs(
                                azure_monitor_workspace_resource_id=workspace_id
                            )
                        ]
                    ),
                ),
                tags=place.tags,
            ),
            opts=self.child(protect=True),
        )
        dashboard.ManagedPrivateEndpoint(
            f"{name}-workspace",
            dashboard.ManagedPrivateEndpointArgs(
                resource_group_name=place.group,
                workspace_name=self.grafana.name,
                managed_private_endpoint_name="workspace",
                location=place.region,
                private_link_resource_id=workspace_id,
                private_link_resource_region=place.region,
                group_ids=["prometheusMetrics"],
                request_message="Grafana reads the NOC's metrics",
                tags=place.tags,
            ),
            opts=self.child(),
        )
        place.endpoint(self, self.grafana.id, "grafana", [zone])
        place.diagnostics(self, "grafana", self.grafana.id)
        principal = self.grafana.identity.apply(lambda i: (i.principal_id if i else None) or "")
        self._grant(Grant("grafana-reads-metrics", principal, workspace_id, "Monitoring Data Reader"))
        for group in ctx.settings.viewer_groups:
            self._grant(Grant(f"viewers-{group}", group, self.grafana.id, "Grafana Viewer", principal_type="Group"))
        self.register_outputs({})

    def _grant(self, what: Grant) -> None:
        ctx = self._place.ctx
        grant(self, ctx.stack.name, replace(what, subscription=ctx.settings.subscription))

    @property
    def endpoint(self) -> pulumi.Output[str]:
        """Its address for browsers and the import of dashboards."""
        return self.grafana.properties.apply(lambda p: p.endpoint)


@dataclass(frozen=True)
class WorkloadArgs:
    """A service account of the cluster and what it may do: role, on which scope."""

    name: str
    issuer: pulumi.Input[str]
    role: str
    scope: pulumi.Input[str]


class Workload(Component):
    """`wan-noc:noc:Workload`, named by the service account: `identity`, without any secret."""

    def __init__(self, place: Place, args: WorkloadArgs, parent: Component) -> None:
        super().__init__("noc", args.name, parent)
        ctx = place.ctx
        self.identity = place.identity(self, args.name)
        managedidentity.FederatedIdentityCredential(
            f"{args.name}-kubernetes",
            resource_group_name=place.group,
            resource_name_=self.identity.name,
            federated_identity_credential_resource_name="kubernetes",
            issuer=args.issuer,
            subject=f"system:serviceaccount:{NAMESPACE}:{args.name}",
            audiences=[AUDIENCE],
            opts=self.child(),
        )
        what = Grant(args.name, self.identity.principal_id, args.scope, args.role)
        grant(self, ctx.stack.name, replace(what, subscription=ctx.settings.subscription))
        self.register_outputs({})
