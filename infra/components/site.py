"""A duty station in Azure: a VPN site with a link per circuit, a connection to both hubs, its keys in the vault.

Which hub a site prefers is decided by BGP: routes over the standby connection get a longer AS path by the hub's route
maps (docs/infra.md says what of this is unverified). Connections of one gateway are written one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault, network

from infra.components.base import Component, Context
from infra.core import site_keys
from infra.settings.sites import Settings
from inventory import Circuit, Site, routers_of

DPD_TIMEOUT_S = {"geo": 120, "leo": 60, "lte": 60}  # dead-peer detection by kind of circuit; 45 s, Azure's own, else
RESPONDER_ONLY = {"lte", "leo"}  # behind carrier-grade NAT: the site must open the tunnel
_POLICY = network.IpsecPolicyArgs(  # IKEv2 with one strong suite; no negotiation downwards
    sa_life_time_seconds=27_000,
    sa_data_size_kilobytes=102_400_000,
    ipsec_encryption="GCMAES256",
    ipsec_integrity="GCMAES256",
    ike_encryption="GCMAES256",
    ike_integrity="SHA384",
    dh_group="ECP384",
    pfs_group="ECP384",
)


@dataclass(frozen=True)
class Gateway:
    """What a site needs to know of one hub: all by reference to the connectivity stack."""

    group: pulumi.Output[str]
    name: pulumi.Output[str]
    standby_in: pulumi.Output[str]
    standby_out: pulumi.Output[str]


@dataclass(frozen=True)
class SiteArgs:
    """One site: its row, what it connects to, and for each hub the connection that is written before its own."""

    site: Site
    group: pulumi.Input[str]
    wan_id: pulumi.Output[str]
    gateways: Mapping[str, Gateway]
    vault_name: pulumi.Output[str]
    vault_group: pulumi.Output[str]
    after: Mapping[str, pulumi.Resource]


class SiteLink(Component):
    """`wan-noc:sites:SiteLink`, named by the site's id; `connections` by hub id."""

    def __init__(self, ctx: Context[Settings], args: SiteArgs, parent: pulumi.Resource) -> None:
        super().__init__("sites", args.site.id, parent)
        self._ctx = ctx
        self._site = args.site
        self._circuits = ctx.inventory.circuits_of[args.site.id]
        self._keys = {
            f"{c.id}@{hub}": site_keys.derive(
                ctx.settings.site_key_seed.get_secret_value(), c.id, hub, self._generation
            )
            for c in self._circuits
            for hub in args.gateways
        }
        self.vpn_site = self._vpn_site(args)
        self.connections = {hub: self._connection(args, hub, gateway) for hub, gateway in args.gateways.items()}
        self._secret(args)
        self.register_outputs({})

    @property
    def _generation(self) -> int:
        return self._ctx.settings.key_generations.get(self._site.id, self._ctx.settings.key_generation)

    def _vpn_site(self, args: SiteArgs) -> network.VpnSite:
        site, ctx = self._site, self._ctx
        router = next(iter(routers_of(ctx.inventory, site.id)), None)
        properties = network.VpnSiteArgs(
            resource_group_name=args.group,
            vpn_site_name=ctx.names.of("vst", site.id),
            location=ctx.region(
                next(iter(ctx.inventory.hubs))
            ),  # the WAN's: a new preference must not replace the site
            virtual_wan=network.SubResourceArgs(id=args.wan_id),
            device_properties=network.DevicePropertiesArgs(
                device_vendor=router.platform.partition("_")[0] if router else None,
                device_model=router.model if router else None,
            ),
            vpn_site_links=[self._link(c) for c in self._circuits],
            tags=ctx.tags(site=site.id, region=site.region, tier=str(site.tier), hub=site.preferred_hub),
        )
        return network.VpnSite(ctx.names.of("vst", site.id), properties, self.child())

    def _link(self, circuit: Circuit) -> network.VpnSiteLinkArgs:
        name = link_name(circuit)
        return network.VpnSiteLinkArgs(
            name=name,
            fqdn=f"{name}.{self._ctx.settings.cpe_domain}",
            link_properties=network.VpnLinkProviderPropertiesArgs(
                link_provider_name=circuit.carrier, link_speed_in_mbps=max(1, circuit.rate_up_bps // 1_000_000)
            ),
            bgp_properties=network.VpnLinkBgpSettingsArgs(
                asn=self._site.asn, bgp_peering_address=str(circuit.tunnels[self._site.preferred_hub][1])
            ),
        )

    def _connection(self, args: SiteArgs, hub: str, gateway: Gateway) -> network.VpnConnection:
        name = self._ctx.names.of("vcn", self._site.id, hub)
        preferred = hub == self._site.preferred_hub
        properties = network.VpnConnectionInitArgs(
            resource_group_name=gateway.group,
            gateway_name=gateway.name,
            connection_name=name,
            remote_vpn_site=network.SubResourceArgs(id=self.vpn_site.id),
            enable_internet_security=True,
            # Route maps alone: routing intent fills in the route tables itself and refuses a connection that names them
            # (Azure/bicep-lz-vending #54; hashicorp/terraform-provider-azurerm #32724).
            routing_configuration=None
            if preferred
            else network.RoutingConfigurationArgs(
                inbound_route_map=network.SubResourceArgs(id=gateway.standby_in),
                outbound_route_map=network.SubResourceArgs(id=gateway.standby_out),
            ),
            vpn_link_connections=[self._link_connection(c, hub) for c in self._circuits],
        )
        before = args.after.get(hub)
        options = self.child(
            depends_on=[before] if before else None,
            additional_secret_outputs=["vpnLinkConnections"],
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
        )
        return network.VpnConnection(name, properties, options)

    def _link_connection(self, circuit: Circuit, hub: str) -> network.VpnSiteLinkConnectionArgs:
        name = link_name(circuit)
        return network.VpnSiteLinkConnectionArgs(
            name=name,
            vpn_site_link=network.SubResourceArgs(id=self.vpn_site.id.apply(lambda i: f"{i}/vpnSiteLinks/{name}")),
            vpn_connection_protocol_type="IKEv2",
            vpn_link_connection_mode="ResponderOnly" if circuit.kind in RESPONDER_ONLY else "Default",
            enable_bgp=True,
            connection_bandwidth=max(1, circuit.committed_bps // 1_000_000),
            dpd_timeout_seconds=DPD_TIMEOUT_S.get(circuit.kind, 45),
            ipsec_policies=[_POLICY],
            shared_key=pulumi.Output.secret(self._keys[f"{circuit.id}@{hub}"]),
            use_local_azure_ip_address=circuit.kind == "mpls",  # over the hub's ExpressRoute, not the Internet
            routing_weight=10 if circuit.role == "primary" else 5,
        )

    def _secret(self, args: SiteArgs) -> None:
        """The site's keys for the configuration of its routers: one secret, JSON by session id."""
        value = pulumi.Output.secret(json.dumps(self._keys, sort_keys=True))
        properties = keyvault.SecretArgs(
            resource_group_name=args.vault_group,
            vault_name=args.vault_name,
            secret_name=f"site-{self._site.id}",
            properties=keyvault.SecretPropertiesArgs(value=value, content_type="application/json"),
            tags=self._ctx.tags(site=self._site.id, generation=str(self._generation)),
        )
        options = self.child(additional_secret_outputs=["properties"])
        keyvault.Secret(f"site-{self._site.id}", properties, options)


def link_name(circuit: Circuit) -> str:
    """A circuit's name in Azure and in DNS: its id with hyphens for dots."""
    return circuit.id.replace(".", "-")
