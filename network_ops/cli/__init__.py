"""The `noc` command: `noc NOUN VERB [QUERY] [options]`. The only package that may import all others, lazily."""
