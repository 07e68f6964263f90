"""One result folder: its manifest, what in it is still valid, and reading it again."""
