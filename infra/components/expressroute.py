"""A hub's ExpressRoute circuits into its Azure region: circuit, peering, authorization, connection to the gateway.

A circuit that the carrier has not provisioned yet (`orderedCircuits`) is only ordered: Azure refuses its peering.
Connections are written one after the other, because the region's ExpressRoute gateway takes one write at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from infra.components.base import Component, Context
from infra.core import hub_network
from infra.settings.hub import Settings
from inventory import CloudEdge

VLAN = 300
_HOUR = pulumi.CustomTimeouts(create="60m", update="60m", delete="60m")


@dataclass(frozen=True)
class CircuitArgs:
    """One circuit: row, addresses, resource group, the region's gateway, and the connection written before its own."""

    edge: CloudEdge
    peering: hub_network.Peering
    group: pulumi.Input[str]
    gateway_group: pulumi.Output[str]
    gateway_name: pulumi.Output[str]
    after: pulumi.Resource | None = None


class CloudCircuit(Component):
    """`wan-noc:hub:CloudCircuit`, named by the cloud edge's id; `connection` is None while it is only ordered."""

    def __init__(self, ctx: Context[Settings], args: CircuitArgs, parent: pulumi.Resource) -> None:
        super().__init__("hub", args.edge.id, parent)
        self._ctx, self._args = ctx, args
        self.circuit = self._circuit()
        self.connection: network.ExpressRouteConnection | None = None
        if args.edge.id not in ctx.settings.ordered_circuits:
            self.connection = self._connection(self._peering(), self._authorization())
        self.register_outputs({})

    def _circuit(self) -> network.ExpressRouteCircuit:
        ctx, edge, settings = self._ctx, self._args.edge, self._ctx.settings
        name = ctx.names.of("erc", edge.id)
        provider = settings.provider_names.get(edge.carrier) or ctx.inventory.carriers[edge.carrier].name
        return network.ExpressRouteCircuit(
            name,
            network.ExpressRouteCircuitArgs(
                resource_group_name=self._args.group,
                circuit_name=name,
                location=ctx.region(edge.hub),
                sku=network.ExpressRouteCircuitSkuArgs(
                    name=f"{settings.er_tier}_{settings.er_metering}",
                    tier=settings.er_tier,
                    family=settings.er_metering,
                ),
                service_provider_properties=network.ExpressRouteCircuitServiceProviderPropertiesArgs(
                    service_provider_name=provider,
                    peering_location=edge.peering_location,
                    bandwidth_in_mbps=edge.rate_bps // 1_000_000,
                ),
                allow_classic_operations=False,
                tags=ctx.tags(hub=edge.hub, carrier=edge.carrier),
            ),
            opts=self.child(protect=True, additional_secret_outputs=["serviceKey"], custom_timeouts=_HOUR),
        )

    def _peering(self) -> network.ExpressRouteCircuitPeering:
        args, settings = self._args, self._ctx.settings
        key = hub_network.peering_key(settings.peering_key_seed.get_secret_value(), args.edge.id)
        return network.ExpressRouteCircuitPeering(
            f"{args.edge.id}-private",
            network.ExpressRouteCircuitPeeringInitArgs(
                resource_group_name=args.group,
                circuit_name=self.circuit.name,
                peering_name="AzurePrivatePeering",
                peering_type="AzurePrivatePeering",
                peer_asn=settings.edge_asn,
                vlan_id=settings.edge_vlans.get(args.edge.id, VLAN),
                primary_peer_address_prefix=str(args.peering.primary),
                secondary_peer_address_prefix=str(args.peering.secondary),
                shared_key=pulumi.Output.secret(key),
            ),
            opts=self.child(additional_secret_outputs=["sharedKey"], custom_timeouts=_HOUR),
        )

    def _authorization(self) -> network.ExpressRouteCircuitAuthorization:
        name = f"{self._args.edge.id}-gateway"
        return network.ExpressRouteCircuitAuthorization(
            name,
            network.ExpressRouteCircuitAuthorizationInitArgs(
                resource_group_name=self._args.group, circuit_name=self.circuit.name, authorization_name=name
            ),
            opts=self.child(additional_secret_outputs=["authorizationKey"], custom_timeouts=_HOUR),
        )

    def _connection(
        self, peering: network.ExpressRouteCircuitPeering, authorization: network.ExpressRouteCircuitAuthorization
    ) -> network.ExpressRouteConnection:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("ercn", args.edge.id)
        return network.ExpressRouteConnection(
            name,
            network.ExpressRouteConnectionInitArgs(
                resource_group_name=args.gateway_group,
                express_route_gateway_name=args.gateway_name,
                connection_name=name,
                name=name,
                express_route_circuit_peering=network.ExpressRouteCircuitPeeringIdArgs(id=peering.id),
                authorization_key=pulumi.Output.secret(authorization.authorization_key),
                routing_weight=0,  # both circuits of a hub carry traffic; BGP chooses among equals
                enable_internet_security=True,
            ),
            opts=self.child(
                depends_on=[args.after] if args.after else None,
                additional_secret_outputs=["authorizationKey"],
                custom_timeouts=_HOUR,
            ),
        )
