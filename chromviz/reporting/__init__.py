"""What people read at the end: on the terminal now, as a page later."""
