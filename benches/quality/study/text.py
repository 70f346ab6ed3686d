"""What the page says in words."""

HEAD = COLLECTIONS = TAIL = ""
