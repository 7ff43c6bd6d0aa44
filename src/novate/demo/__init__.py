"""The story told on real data: a venue goes through a crash, and a report says what happened to everyone."""
