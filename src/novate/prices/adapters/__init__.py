"""One file per format: bytes in, observations and replies out. None holds a socket, reads a clock, or raises for what a vendor sends.

alpaca      the stock stream of Alpaca (IEX or SIP), JSON or MessagePack
massive     the stock cluster of Massive (formerly Polygon.io), JSON
ticker      what the ccxt link hands on of any crypto exchange
mapped      any JSON over a WebSocket, by a mapping that the operator writes
recorded    bars and ticks of `novate.marketdata`, at a pace
"""
