"""Being here puts this directory on the import path, so that test files share the helpers that lie in it."""
