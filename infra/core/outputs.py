"""What each layer hands to the layers after it: flat, versioned names, one table.

A stack exports exactly the names declared here (strings; ids, names and addresses), and reads only names declared
for another layer. `{hub}` stands for each hub's id. Raise VERSION when a name changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable

from infra.core.stacks import Kind

VERSION = "1"

# layer -> output names; a part (`hub-valencia`) exports its own hub's values, so no {hub} is needed there
OUTPUTS: dict[Kind, tuple[str, ...]] = {
    "bootstrap": (
        "state_account",  # storage account of the Pulumi state
        "copy_account",  # its copy in the other hub's region
        "secrets_key_uri",  # Key Vault key of Pulumi's secrets provider, with its version
        "copy_key_uri",  # the other region's key, for a state that is taken over from the copy
        "account_id_{hub}",  # storage account of the state or of its copy, by the region where it is
        "vault_id_{hub}",
        "site_vault_id",  # Key Vault of the sites' IPsec keys
        "site_vault_name",
        "site_vault_group",  # its resource group
        "pipeline_identity_id",  # user-assigned identity of the deployment pipeline
        "pipeline_principal_id",
        "preview_principal_id",  # the pipeline that only looks
        "pipeline_client_id",  # what the pipelines sign in as: ARM_CLIENT_ID
        "preview_client_id",
    ),
    "governance": ("root_group_id", "platform_group_id", "landing_group_id"),
    "connectivity": (
        "resource_group",
        "wan_id",
        "hub_id_{hub}",
        "hub_name_{hub}",
        "vpn_gateway_id_{hub}",
        "vpn_gateway_name_{hub}",
        "er_gateway_id_{hub}",
        "er_gateway_name_{hub}",
        "standby_in_id_{hub}",  # route map that prepends on routes learnt over standby connections
        "standby_out_id_{hub}",  # the same towards the sites
        "firewall_ip_{hub}",
        "dns_ip_{hub}",  # inbound endpoint of the private DNS resolver
        "endpoint_subnet_id_{hub}",  # where private endpoints of shared services live
        "log_workspace_id_{hub}",  # Log Analytics workspace of the region
        "flow_log_account_id_{hub}",
        "watcher_name_{hub}",  # network watcher, one a region
        "zone_id_blob",  # private DNS zones, shared by both regions
        "zone_id_queue",
        "zone_id_vault",
        "zone_id_postgres",
        "zone_id_registry",
        "zone_id_grafana",
        "zone_id_monitor",
        "zone_id_prometheus_{hub}",
        "zone_id_aks_{hub}",
        "zone_id_siterecovery",
        "zone_id_backup_{hub}",
    ),
    "sites": ("sites", "link_connections"),  # counts, for the record
    "hub": ("cluster_id", "custom_location_id", "aks_id", "machine_group", "image_id"),
    "continuity": (
        "vault_id_{hub}",
        "evidence_account_{hub}",
        "postgres_writer",  # host name of the writer's virtual endpoint
        "active_hubs",  # application=hub, comma separated: the state that a failover changes
    ),
    "noc": (
        "cluster_id",
        "cluster_name",
        "workspace_id",  # Azure Monitor workspace: managed Prometheus
        "grafana_endpoint",
        "registry_server",
        "vault_name",
        "identity_client_id",  # what the NOC's pod runs as
        "dashboards_client_id",  # what the import of the dashboards runs as
    ),
}


def names_of(kind: Kind, hubs: Iterable[str]) -> tuple[str, ...]:
    """All output names of a layer, `version` first, with `{hub}` written out for each hub."""
    found = ["version"]
    for name in OUTPUTS[kind]:
        found += [name.format(hub=h) for h in hubs] if "{hub}" in name else [name]
    return tuple(found)
