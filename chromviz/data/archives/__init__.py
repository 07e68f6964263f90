"""Published data: what is where, downloads, archives."""
