"""Output for people: terminal tables, the HTML page, genome tracks, the record of one gene."""
