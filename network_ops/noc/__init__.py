"""The console: what is wrong in the wide area network, who acts on it, and whether the NOC itself can see."""
