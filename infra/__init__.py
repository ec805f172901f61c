"""Defines the hybrid cloud: one Pulumi project, a stack per blast radius, a pure core that knows no Pulumi."""
