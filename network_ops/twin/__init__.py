"""The wide area network without the network: simulated now, routed later, one vocabulary of faults for both."""
