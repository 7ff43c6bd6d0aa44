"""The clearing layer: what the engine wants bought, sold, settled and reconciled in the world, done through brokers.

The engine decides; this package carries its events to brokers and their reports back, and loses neither on the way.
"""
