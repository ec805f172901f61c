"""The rehearsal: the real Pulumi engine against a world in memory that stands in for Azure. It is not Azure."""
