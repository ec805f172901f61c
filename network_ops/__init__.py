"""Runs and watches the network: monitoring configuration, console, twin, supervisor, drills, command line."""
