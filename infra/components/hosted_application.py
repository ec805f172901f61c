"""An application's machines at one hub: Arc machine, network card, disk, the instance itself, agents and baseline.

Turns the inventory's machines into Azure Local virtual machines. A machine's parent in Azure is an Arc machine of
kind HCI; extensions and guest configuration hang on that one, as they would on any server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import pulumi
from pulumi_azure_native import azurestackhci, guestconfiguration, hybridcompute, monitor

from infra.components.azure_local import AzureLocal
from infra.components.base import Component, Context
from infra.core.hosting import HostedMachine
from infra.settings.hub import Settings

_HOUR = pulumi.CustomTimeouts(create="60m", update="60m", delete="60m")
# agent's name by operating system, and Microsoft's baseline for guest configuration (built-in policies, 2024)
_AGENT = {"linux": "AzureMonitorLinuxAgent", "windows": "AzureMonitorWindowsAgent"}
_BASELINE = {"linux": "AzureLinuxBaseline", "windows": "AzureWindowsBaseline"}


@dataclass(frozen=True)
class ApplicationArgs:
    """An application's machines at this hub, the platform under them, and the rule that says what is collected."""

    application: str
    group: pulumi.Input[str]
    platform: AzureLocal
    machines: Sequence[HostedMachine]
    rule_id: pulumi.Input[str]
    fixed: Mapping[str, IPv4Address]


class HostedApplication(Component):
    """`wan-noc:hub:HostedApplication`, named by the application's id; `instances` by machine."""

    def __init__(self, ctx: Context[Settings], args: ApplicationArgs, parent: pulumi.Resource) -> None:
        super().__init__("hub", args.application, parent)
        self._ctx, self._args = ctx, args
        self.instances = {m.key: self._machine(m) for m in args.machines}
        self.register_outputs({})

    def _tags(self, machine: HostedMachine) -> Mapping[str, str]:
        application = machine.application
        return self._ctx.tags(
            hub=machine.hub, application=application.id, tier=str(application.tier), role=machine.role
        )

    def _machine(self, machine: HostedMachine) -> azurestackhci.VirtualMachineInstance:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("vm", machine.key)
        server = hybridcompute.Machine(
            name,
            hybridcompute.MachineArgs(
                resource_group_name=args.group,
                machine_name=name,
                location=ctx.settings.metadata_region,
                kind="HCI",
                identity=hybridcompute.IdentityArgs(type=hybridcompute.ResourceIdentityType.SYSTEM_ASSIGNED),
                tags=self._tags(machine),
            ),
            opts=self.child(protect=machine.role == "home"),
        )
        card = self._card(machine)
        disk = self._disk(machine)
        instance = azurestackhci.VirtualMachineInstance(
            f"{name}-instance",
            azurestackhci.VirtualMachineInstanceArgs(
                resource_uri=server.id,
                extended_location=args.platform.location,
                hardware_profile=azurestackhci.VirtualMachineInstancePropertiesHardwareProfileArgs(
                    vm_size="Custom", processors=machine.cpus, memory_mb=machine.memory_gb * 1024
                ),
                os_profile=self._operating_system(machine),
                security_profile=azurestackhci.VirtualMachineInstancePropertiesSecurityProfileArgs(
                    security_type="TrustedLaunch",
                    enable_tpm=True,
                    uefi_settings=azurestackhci.VirtualMachineInstancePropertiesSecurityProfileUefiSettingsArgs(
                        secure_boot_enabled=True
                    ),
                ),
                network_profile=azurestackhci.VirtualMachineInstancePropertiesNetworkProfileArgs(
                    network_interfaces=[azurestackhci.NetworkInterfaceArmReferenceArgs(id=card.id)]
                ),
                storage_profile=azurestackhci.VirtualMachineInstancePropertiesStorageProfileArgs(
                    image_reference=azurestackhci.ImageArmReferenceArgs(id=args.platform.images[machine.machine.os]),
                    vm_config_storage_path_id=args.platform.storage["machines"].id,
                    data_disks=[azurestackhci.VirtualHardDiskArmReferenceArgs(id=disk.id)],
                ),
            ),
            opts=self.child(
                protect=machine.role == "home", additional_secret_outputs=["osProfile"], custom_timeouts=_HOUR
            ),
        )
        self._manage(name, machine, server, instance)
        return instance

    def _card(self, machine: HostedMachine) -> azurestackhci.NetworkInterface:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("nic", machine.key)
        fixed = args.fixed.get(machine.key)
        return azurestackhci.NetworkInterface(
            name,
            azurestackhci.NetworkInterfaceArgs(
                resource_group_name=args.group,
                network_interface_name=name,
                location=ctx.settings.metadata_region,
                extended_location=args.platform.location,
                ip_configurations=[
                    azurestackhci.IPConfigurationArgs(
                        name="primary",
                        properties=azurestackhci.IPConfigurationPropertiesArgs(
                            private_ip_address=str(fixed) if fixed else None,  # none: the next of the pool
                            subnet=azurestackhci.LogicalNetworkArmReferenceArgs(
                                id=args.platform.networks[machine.network].id
                            ),
                        ),
                    )
                ],
                tags=self._tags(machine),
            ),
            opts=self.child(),
        )

    def _disk(self, machine: HostedMachine) -> azurestackhci.VirtualHardDisk:
        ctx, args = self._ctx, self._args
        name = ctx.names.of("vhd", machine.key)
        return azurestackhci.VirtualHardDisk(
            name,
            azurestackhci.VirtualHardDiskArgs(
                resource_group_name=args.group,
                virtual_hard_disk_name=name,
                location=ctx.settings.metadata_region,
                extended_location=args.platform.location,
                container_id=args.platform.storage["machines"].id,
                disk_size_gb=machine.disk_gb,
                dynamic=True,
                hyper_v_generation="V2",
                tags=self._tags(machine),
            ),
            opts=self.child(protect=machine.role == "home"),
        )

    def _operating_system(self, machine: HostedMachine) -> azurestackhci.VirtualMachineInstancePropertiesOsProfileArgs:
        """First account and agents. The password only serves until the directory has the machine."""
        settings = self._ctx.settings
        linux = windows = None
        if machine.machine.os == "windows":
            windows = azurestackhci.VirtualMachineInstancePropertiesOsProfileWindowsConfigurationArgs(
                provision_vm_agent=True, provision_vm_config_agent=True, enable_automatic_updates=False, time_zone="UTC"
            )
        else:
            path = f"/home/{settings.machine_account}/.ssh/authorized_keys"
            keys = [azurestackhci.SshPublicKeyArgs(key_data=settings.ssh_key, path=path)] if settings.ssh_key else []
            linux = azurestackhci.VirtualMachineInstancePropertiesOsProfileLinuxConfigurationArgs(
                provision_vm_agent=True,
                provision_vm_config_agent=True,
                disable_password_authentication=bool(keys),
                ssh=azurestackhci.SshConfigurationArgs(public_keys=keys) if keys else None,
            )
        return azurestackhci.VirtualMachineInstancePropertiesOsProfileArgs(
            computer_name=machine.computer,
            admin_username=settings.machine_account,
            admin_password=pulumi.Output.secret(settings.machine_password.get_secret_value()),
            linux_configuration=linux,
            windows_configuration=windows,
        )

    def _manage(
        self,
        name: str,
        machine: HostedMachine,
        server: hybridcompute.Machine,
        instance: azurestackhci.VirtualMachineInstance,
    ) -> None:
        """Azure Monitor's agent, what it collects, and the security baseline, once the machine runs."""
        ctx, args = self._ctx, self._args
        agent, baseline = _AGENT[machine.machine.os], _BASELINE[machine.machine.os]
        hybridcompute.MachineExtension(
            f"{name}-{agent}",
            hybridcompute.MachineExtensionArgs(
                resource_group_name=args.group,
                machine_name=server.name,
                extension_name=agent,
                location=ctx.settings.metadata_region,
                properties=hybridcompute.MachineExtensionPropertiesArgs(
                    publisher="Microsoft.Azure.Monitor",
                    type=agent,
                    auto_upgrade_minor_version=True,
                    enable_automatic_upgrade=True,
                ),
                tags=self._tags(machine),
            ),
            opts=self.child(depends_on=[instance], custom_timeouts=_HOUR),
        )
        monitor.DataCollectionRuleAssociation(
            f"{name}-logs",
            monitor.DataCollectionRuleAssociationArgs(
                resource_uri=server.id,
                association_name=f"{name}-logs",
                data_collection_rule_id=args.rule_id,
                description="What this machine's agent collects",
            ),
            opts=self.child(depends_on=[instance]),
        )
        guestconfiguration.GuestConfigurationHCRPAssignment(
            f"{name}-{baseline}",
            guestconfiguration.GuestConfigurationHCRPAssignmentArgs(
                resource_group_name=args.group,
                machine_name=server.name,
                guest_configuration_assignment_name=baseline,
                name=baseline,
                location=ctx.settings.metadata_region,
                properties=guestconfiguration.GuestConfigurationAssignmentPropertiesArgs(
                    context="Azure Local",
                    guest_configuration=guestconfiguration.GuestConfigurationNavigationArgs(
                        name=baseline, version="1.*", assignment_type="ApplyAndMonitor", kind="DSC"
                    ),
                ),
            ),
            opts=self.child(depends_on=[instance]),
        )
