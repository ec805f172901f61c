"""The pure core: stacks, names, addresses, capacity, limits. Imports no Pulumi."""
