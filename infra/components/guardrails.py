"""The policies of an environment: our definitions, the set of all, its one assignment, and the dated exemptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, management

from infra.components.base import Component, Context
from infra.components.grants import Grant, grant
from infra.core import policies
from infra.core.tags import REQUIRED
from infra.settings.governance import Exemption, Settings


@dataclass(frozen=True)
class GuardrailsArgs:
    """The environment's root group: definitions live there and bind everything below."""

    root: management.ManagementGroup


class Guardrails(Component):
    """`wan-noc:governance:Guardrails`."""

    def __init__(self, ctx: Context[Settings], args: GuardrailsArgs) -> None:
        super().__init__("governance", "guardrails")
        self._ctx, self._root = ctx, args.root
        own = {d.id: self._definition(d) for d in policies.definitions().values()}
        self.set = self._set(own)
        self.assignment = self._assignment()
        self._may_tag()
        for exemption in ctx.settings.exemptions:
            self._exemption(exemption)
        self.register_outputs({})

    def _definition(self, policy: policies.Definition) -> authorization.PolicyDefinitionAtManagementGroup:
        return authorization.PolicyDefinitionAtManagementGroup(
            f"policy-{policy.id}",
            authorization.PolicyDefinitionAtManagementGroupArgs(
                management_group_id=self._root.name,
                policy_definition_name=policy.id,
                policy_type="Custom",
                mode=policy.mode,
                display_name=policy.title,
                description=policy.purpose,
                metadata={"category": policy.category},
                parameters=_declared(policy.parameters),
                policy_rule=dict(policy.rule),
            ),
            opts=self.child(),
        )

    def _set(
        self, own: Mapping[str, authorization.PolicyDefinitionAtManagementGroup]
    ) -> authorization.PolicySetDefinitionAtManagementGroup:
        name = self._ctx.names.of("policies")
        return authorization.PolicySetDefinitionAtManagementGroup(
            name,
            authorization.PolicySetDefinitionAtManagementGroupArgs(
                management_group_id=self._root.name,
                policy_set_definition_name=name,
                policy_type="Custom",
                display_name="WAN guardrails",
                description="Residency, no public network, tags, sizes: what every subscription of the WAN is held to",
                metadata={"category": "WAN"},
                parameters=_declared(policies.SET_PARAMETERS),
                policy_definitions=[
                    authorization.PolicyDefinitionReferenceArgs(
                        policy_definition_id=own[m.custom].id if m.custom else policies.built_in_id(m.built_in),
                        policy_definition_reference_id=m.reference,
                        parameters={k: authorization.ParameterValuesValueArgs(value=v) for k, v in m.values.items()},
                    )
                    for m in policies.members(REQUIRED)
                ],
            ),
            opts=self.child(protect=True),
        )

    def _assignment(self) -> authorization.PolicyAssignment:
        """The set on the root group. Its identity adds missing tags and may do nothing else."""
        s = self._ctx.settings
        values: Mapping[str, object] = {
            "allowedLocations": list(s.allowed_locations),
            "requiredTags": list(REQUIRED),
            "managedGroups": list(s.managed_groups),
            "storageSkus": list(s.storage_skus),
            "subscriptions": [f"/subscriptions/{i}/" for i in sorted({x.id for x in s.subscriptions.values()})],
            "machineSizes": list(s.machine_sizes),
            "registryTiers": list(s.registry_tiers),
            "firewallTiers": list(s.firewall_tiers),
        }
        messages = [
            authorization.NonComplianceMessageArgs(message=m.message, policy_definition_reference_id=m.reference)
            for m in policies.members(REQUIRED)
        ]
        return authorization.PolicyAssignment(
            "guardrails",
            authorization.PolicyAssignmentArgs(
                policy_assignment_name="guardrails",
                scope=self._root.id,
                display_name="WAN guardrails",
                policy_definition_id=self.set.id,
                enforcement_mode=s.enforcement,
                location=self._ctx.region(next(iter(self._ctx.inventory.hubs))),
                identity=authorization.IdentityArgs(type=authorization.ResourceIdentityType.SYSTEM_ASSIGNED),
                parameters={k: authorization.ParameterValuesValueArgs(value=v) for k, v in values.items()},
                non_compliance_messages=messages,
            ),
            opts=self.child(protect=True),
        )

    def _may_tag(self) -> None:
        principal = self.assignment.identity.apply(lambda i: (i.principal_id or "") if i else "")
        what = Grant("guardrails-tags", principal, self._root.id, role="Tag Contributor")
        grant(self, self._ctx.stack.name, what)

    def _exemption(self, exemption: Exemption) -> None:
        """From one policy of the set, for the named types only; from the locations policy, in one region only."""
        selectors = [authorization.SelectorArgs(kind="resourceType", in_=list(exemption.types))]
        if exemption.policy == "allowed-locations":
            region = self._ctx.settings.control_plane_location
            selectors.append(authorization.SelectorArgs(kind="resourceLocation", in_=[region]))
        authorization.PolicyExemption(
            f"exemption-{exemption.id}",
            authorization.PolicyExemptionArgs(
                policy_exemption_name=exemption.id,
                scope=self._root.id,
                policy_assignment_id=self.assignment.id,
                policy_definition_reference_ids=[exemption.policy],
                exemption_category="Waiver",
                display_name=exemption.id,
                description=exemption.reason,
                expires_on=f"{exemption.until}T23:59:59Z",
                metadata={"owner": exemption.owner},
                resource_selectors=[authorization.ResourceSelectorArgs(name=exemption.id, selectors=selectors)],
            ),
            opts=self.child(),
        )


def _declared(
    parameters: Mapping[str, policies.Parameter],
) -> Mapping[str, pulumi.Input[authorization.ParameterDefinitionsValueArgs]]:
    return {
        name: authorization.ParameterDefinitionsValueArgs(
            type=p.type,
            allowed_values=list(p.allowed) or None,
            default_value=p.default,
            metadata=authorization.ParameterDefinitionsValueMetadataArgs(display_name=name, description=p.description),
        )
        for name, p in parameters.items()
    }
