"""Users, their dates and their zone; each change is announced on the domain bus."""
