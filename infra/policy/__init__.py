"""Policy as code: what may be deployed at all, as pure rules over plain data.

`rules/` decides; `gate.evaluate` runs the rules over recorded graphs in this process; `pack` serves the very same
rules to Pulumi's engine, and `driver` talks to that pack as the engine does, to prove that both say the same.
"""

from infra.policy.gate import evaluate
from infra.policy.model import Policy, Resource, Violation

__all__ = ["Policy", "Resource", "Violation", "evaluate"]
