"""The simulated twin: every device of the inventory as an SNMP agent and echo point in one process on loopback."""
