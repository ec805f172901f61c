"""The Pulumi engine behind typed Python: where it is found, how a stack is opened, what is done with it."""
