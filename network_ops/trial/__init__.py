"""Trials of the whole NOC: smoke (break things, time the alerts) and soak (be quiet, measure the cost)."""
