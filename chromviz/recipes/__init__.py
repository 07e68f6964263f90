"""The tasks of chromviz, each a sequence of calls to the packages below."""
