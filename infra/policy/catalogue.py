"""All policies, in the order in which they are shown."""

from __future__ import annotations

from infra.policy.model import Policy
from infra.policy.rules.encryption import encryption
from infra.policy.rules.exposure import exposure
from infra.policy.rules.hardening import hardening
from infra.policy.rules.keeping import evidence, protection, recovery
from infra.policy.rules.naming import naming
from infra.policy.rules.packages import packages
from infra.policy.rules.residency import residency
from infra.policy.rules.secrecy import secrecy
from infra.policy.rules.tagging import tagging
from infra.policy.rules.transport import transport

PACK = "wan-noc"
POLICIES: tuple[Policy, ...] = (
    Policy(
        "packages",
        "Everything is of a package that the policies know",
        "Use Azure's own interface or a component of ours.",
        rule=packages,
        every=True,
    ),
    Policy(
        "residency",
        "Resources and copies of data stay in the two regions",
        "Use the hub's region; an exception needs an owner, a reason and a last day.",
        rule=residency,
    ),
    Policy("tags", "Everything that takes tags has the required ones", "Pass tags=ctx.tags(...).", rule=tagging),
    Policy(
        "encryption",
        "Data are encrypted at rest, at the host and on the wire",
        "Set what the message names.",
        rule=encryption,
    ),
    Policy(
        "no-public-access",
        "Nothing has a public address or public network access",
        "Use a private endpoint and the hub's firewall.",
        rule=exposure,
    ),
    Policy("tls", "TLS 1.2 or later", "Set what the message names.", rule=transport),
    Policy("explicit-names", "Nothing is auto-named", "Give the name: ctx.names.of(...).", rule=naming),
    Policy(
        "secrets-marked",
        "Secrets are marked as secrets",
        "Wrap the input in pulumi.Output.secret and name the output in additional_secret_outputs.",
        rule=secrecy,
        marks=True,
    ),
    Policy("protect-stateful", "What holds state is protected", "Register it with protect=True.", rule=protection),
    Policy("recoverable", "Deletions can be undone", "Turn on soft delete, purge protection, versions.", rule=recovery),
    Policy(
        "evidence-locked",
        "Evidence can be neither changed nor deleted",
        "Immutability policy on each container, versions and a lock on the account.",
        stack_rule=evidence,
    ),
    Policy(
        "hardening",
        "Recommendations of published benchmarks",
        "Set what the message names, or record why not.",
        level="advisory",
        rule=hardening,
    ),
)
